//! Running cases against a target: what is run when, and what comes out.
//!
//! The runner emits [`Event`]s and never learns who listens to them.

mod exchanges;
mod exec;
mod once;
mod presence;
mod requests;
mod waits;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::presence::{Gone, Restart};
pub(crate) use self::{exec::describe as describe_stop, presence::Presence};
use tokio::{
    sync::{OnceCell, Semaphore, mpsc},
    task::JoinSet,
};
use uuid::Uuid;

use crate::{
    case::Case,
    endpoint::{Callback, Endpoints, EndpointsError},
    exchange,
    expectation::Expectation,
    histories,
    mapping::ConfigKeys,
    schema::FrameSchemas,
    session::{ConnectError, Session},
    transcript::Transcript,
    verdict::{Failure, Outcome, Status},
};

/// The engine under test, as far as the suite knows it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where workers connect.
    pub url: String,
    /// Environment variables that it was started with, as far as cases need them, and their
    /// values.
    pub variables: BTreeMap<String, String>,
    /// Whether the suite's sessions say hello on connecting (CO-16).
    pub hello: bool,
    /// How it reaches the endpoints of the suite.
    pub callback: Callback,
    /// Where it serves http triggers, without a slash at its end.
    pub http_url: Option<String>,
    /// How its trigger types and the keys of their configs are called.
    pub config_keys: ConfigKeys,
    /// Cases that have no meaning for it, with the reason.
    pub not_applicable: Vec<Expectation>,
    /// Whether it may be left otherwise than it was found: cases that try to change what all
    /// sessions share are run only then.
    pub expendable: bool,
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many cases run at once; if more than one, as many again may wait for the engine's clock.
    pub jobs: usize,
    /// How long something that has to come may take.
    pub patience: Duration,
    /// Whether patience shrinks to what the engine was seen to need when it was probed.
    pub adapts: bool,
    /// How long to listen, after a fence, for something that must not come.
    pub quiet: Duration,
    /// How much longer than usual the engine's clocks take.
    pub clock_scale: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            jobs: 16,
            patience: Duration::from_secs(3),
            adapts: false,
            quiet: Duration::from_millis(25),
            clock_scale: 1.0,
        }
    }
}

/// The least patience with an engine that has answered something, and with one that has not.
const PATIENCE_MIN: Duration = Duration::from_millis(1_500);
const PATIENCE_WITH_SILENCE: Duration = Duration::from_millis(250);

impl Pace {
    /// The pace for an engine that is so many times slower.
    #[must_use]
    pub fn scaled(self, scale: f64) -> Self {
        Self {
            patience: self.patience.mul_f64(scale),
            quiet: self.quiet.mul_f64(scale),
            clock_scale: scale,
            ..self
        }
    }

    /// The pace for the rest of a run, from how long the probes took that passed and that had
    /// not to wait for a clock.
    fn adapted(self, probes: &[Outcome], cases: &[Arc<Case>]) -> Self {
        let at_once = |outcome: &&Outcome| {
            let case = cases.iter().find(|case| case.id == outcome.case);
            outcome.status == Status::Passed && case.is_some_and(|case| case.clock_s == 0)
        };
        let passed = probes.iter().filter(at_once);
        let patience = match passed.map(|it| it.took).max() {
            Some(slowest) => (slowest * 20).max(PATIENCE_MIN),
            None => PATIENCE_WITH_SILENCE,
        };
        Self {
            patience: patience.min(self.patience),
            ..self
        }
    }
}

/// What happens during a run.
#[derive(Debug)]
pub enum Event {
    /// It begins, with so many cases.
    Started {
        /// How many.
        cases: usize,
    },
    /// A case has ended.
    Finished(Box<Outcome>),
}

/// Everything that cases share while they run.
#[derive(Debug)]
pub struct Context {
    /// The engine.
    pub target: Target,
    /// How to run.
    pub pace: Pace,
    /// Distinguishes the ids of this run.
    pub run: String,
    pub(crate) schemas: &'static FrameSchemas,
    /// Opened for the first case that has any.
    endpoints: Arc<OnceCell<Endpoints>>,
    pub(crate) http: exchange::Client,
    pub(crate) presence: Arc<Presence>,
}

impl Context {
    /// A context for one run.
    ///
    /// # Errors
    ///
    /// If the frame schemas that the suite carries cannot be used; a test sees that they can.
    pub fn new(target: Target, pace: Pace) -> Result<Self, String> {
        Ok(Self {
            target,
            pace,
            run: run_id(),
            schemas: FrameSchemas::embedded()?,
            endpoints: Arc::default(),
            http: exchange::client(),
            presence: Arc::new(Presence::new(pace.patience)),
        })
    }

    /// The context for another run against the same engine, in which may be left what the last
    /// one has sent: its messages in queues, above all.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            run: run_id(),
            ..self.at_pace(self.pace)
        }
    }

    fn at_pace(&self, pace: Pace) -> Self {
        Self {
            target: self.target.clone(),
            pace,
            run: self.run.clone(),
            schemas: self.schemas,
            endpoints: Arc::clone(&self.endpoints),
            http: self.http.clone(),
            presence: Arc::clone(&self.presence),
        }
    }

    /// Whether the engine has gone away during the run.
    #[must_use]
    pub fn gone(&self) -> Option<Arc<Gone>> {
        self.presence.gone()
    }

    /// Likewise, when it is known in case that it is just being found out.
    pub async fn found_out(&self) -> Option<Arc<Gone>> {
        self.presence.settled().await
    }

    /// Every time that the engine was away during the run and came back.
    #[must_use]
    pub fn restarts(&self) -> Vec<Restart> {
        self.presence.restarts()
    }

    /// The engine's process, which the suite had started, has ended: if nobody listens any more
    /// the engine is gone.
    pub async fn process_ended(&self, how: String) {
        self.presence.process_ended(how);
        self.presence.find_out(self, "").await;
    }

    /// The servers behind the endpoints of the cases.
    ///
    /// # Errors
    ///
    /// When the suite cannot listen where the target is to call it.
    pub async fn endpoints(&self) -> Result<&Endpoints, EndpointsError> {
        let open = || Endpoints::open(&self.target.callback);
        self.endpoints.get_or_try_init(open).await
    }

    /// Whether the engine has reached any endpoint of the cases.
    pub(crate) fn endpoints_were_reached(&self) -> bool {
        self.endpoints.get().is_some_and(Endpoints::were_reached)
    }

    /// Opens a session that is not part of a case, to see whether there is an engine at all.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub async fn reach(&self) -> Result<(), ConnectError> {
        let patience = self.pace.patience;
        self.visit(patience, patience).await
    }

    /// Likewise, without waiting for the end of the session.
    pub(crate) async fn look(&self, patience: Duration) -> Result<(), ConnectError> {
        self.visit(patience, Duration::ZERO).await
    }

    async fn visit(&self, patience: Duration, close_time: Duration) -> Result<(), ConnectError> {
        let transcript = Transcript::default();
        let mut session =
            Session::connect(&self.target.url, "probe", false, patience, &transcript).await?;
        let deadline = tokio::time::Instant::now() + close_time;
        // Whether it also closes in good order is for the cases to judge.
        let _ = session.close(1000, deadline).await;
        Ok(())
    }
}

fn run_id() -> String {
    let id = Uuid::new_v4().simple().to_string();
    id.chars().take(6).collect()
}

/// The features that an engine has, by the cases that probe for them.
#[derive(Clone, Debug, Default)]
pub struct Features(BTreeMap<String, bool>);

impl Features {
    /// Whether a probe for it has passed.
    #[must_use]
    pub fn has(&self, feature: &str) -> bool {
        self.0.get(feature).copied().unwrap_or_default()
    }

    /// Runs the cases that probe for features, and learns from them.
    pub async fn probe(
        context: &Arc<Context>,
        probes: &[Arc<Case>],
        events: &mpsc::UnboundedSender<Event>,
    ) -> (Self, Vec<Outcome>) {
        let (unheard, _) = mpsc::unbounded_channel();
        let mut outcomes = run_batch(context, probes, &Self::default(), &unheard).await;
        for outcome in &mut outcomes {
            let case = probes.iter().find(|case| case.id == outcome.case);
            // An engine that has crashed beside it says nothing of what it serves.
            let in_doubt = outcome.status != Status::Passed && outcome.was_cut_off();
            if let (Some(case), true) = (case, in_doubt) {
                *outcome = run_case(context, case, &Self::default()).await;
            }
            finished(events, outcome);
        }
        let mut features = BTreeMap::new();
        for case in probes {
            let passed = |it: &Outcome| it.case == case.id && it.status == Status::Passed;
            if let Some(feature) = &case.probes {
                features.insert(feature.clone(), outcomes.iter().any(passed));
            }
        }
        (Self(features), outcomes)
    }
}

/// Runs cases: first those that probe for features, then all others at once, but for those with
/// the documents' own ids, which run one after another; random histories run beside them. Those
/// that touch what all share come last, each alone. The outcomes are in order of the ids.
pub async fn run(
    context: &Arc<Context>,
    cases: Vec<impl Into<Arc<Case>>>,
    histories: Option<histories::Plan>,
    events: &mpsc::UnboundedSender<Event>,
) -> Vec<Outcome> {
    let all = cases.len() + usize::from(histories.is_some());
    let _ = events.send(Event::Started { cases: all });
    let cases: Vec<Arc<Case>> = cases.into_iter().map(Into::into).collect();
    let (probes, others): (Vec<_>, Vec<_>) =
        cases.into_iter().partition(|case| case.probes.is_some());
    let (context, features, mut outcomes) = acquainted(context, &probes, events).await;
    let context = &context;
    // A task of its own, which ends with this one: what it thinks about holds nothing else up.
    let mut wandering = JoinSet::new();
    if let Some(plan) = histories {
        let (context, features) = (Arc::clone(context), features.clone());
        let events = events.clone();
        wandering.spawn(async move {
            let outcome = histories::run(&context, &features, plan).await;
            finished(&events, &outcome);
            outcome
        });
    }
    let (alone, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|case| case.alone);
    outcomes.extend(run_batch(context, &others, &features, events).await);
    outcomes.extend(wandering.join_all().await);
    // An engine that does otherwise in these may be another one for whatever comes after them.
    for case in alone {
        outcomes.extend(run_batch(context, &[case], &features, events).await);
    }
    outcomes.sort_unstable_by(|a, b| a.case.cmp(&b.case));
    outcomes
}

/// Tells of an outcome whoever listens.
fn finished(events: &mpsc::UnboundedSender<Event>, outcome: &Outcome) {
    if !events.is_closed() {
        let _ = events.send(Event::Finished(Box::new(outcome.clone())));
    }
}

/// Runs the cases that probe for features, and goes on at the pace that the engine was seen to
/// keep, if it may.
pub async fn acquainted(
    context: &Arc<Context>,
    probes: &[Arc<Case>],
    events: &mpsc::UnboundedSender<Event>,
) -> (Arc<Context>, Features, Vec<Outcome>) {
    let (features, outcomes) = Features::probe(context, probes, events).await;
    let context = match context.pace.adapts {
        true => Arc::new(context.at_pace(context.pace.adapted(&outcomes, probes))),
        false => Arc::clone(context),
    };
    (context, features, outcomes)
}

async fn run_batch(
    context: &Arc<Context>,
    cases: &[Arc<Case>],
    features: &Features,
    events: &mpsc::UnboundedSender<Event>,
) -> Vec<Outcome> {
    let features = Arc::new(features.clone());
    let (verbatim, free): (Vec<_>, Vec<_>) = cases.iter().cloned().partition(|it| it.verbatim);
    let (clocked, others): (Vec<_>, Vec<_>) = free.into_iter().partition(|it| it.clock_s > 0);
    let jobs = context.pace.jobs.max(1);
    let slots = Arc::new(Semaphore::new(jobs));
    // Those that wait for the engine's clock take no slot from those that work, and begin first.
    let clock_slots = match jobs {
        1 => Arc::clone(&slots),
        _ => Arc::new(Semaphore::new(jobs)),
    };
    let clocked = clocked.into_iter().map(|case| (vec![case], &clock_slots));
    let others = others.into_iter().map(|case| (vec![case], &slots));
    let mut running = JoinSet::new();
    for (lane, slots) in clocked.chain(others).chain([(verbatim, &slots)]) {
        let (context, features) = (Arc::clone(context), Arc::clone(&features));
        let (slots, events) = (Arc::clone(slots), events.clone());
        running.spawn(async move {
            let mut outcomes = Vec::new();
            for case in lane {
                let slot = slots.acquire().await;
                let outcome = run_case(&context, &case, &features).await;
                drop(slot);
                finished(&events, &outcome);
                outcomes.push(outcome);
            }
            outcomes
        });
    }
    running.join_all().await.into_iter().flatten().collect()
}

/// Runs one case.
pub async fn run_case(context: &Context, case: &Case, features: &Features) -> Outcome {
    let gone = context.presence.settled().await;
    let began = Instant::now();
    let transcript = Transcript::default();
    let (mut branches, mut remarks) = (Vec::new(), Vec::new());
    let mut mapped = false;
    let excused = |it: &&Expectation| it.case == case.id;
    let not_applicable = context.target.not_applicable.iter().find(excused);
    let obstacle = obstacle(context, case, features).or(gone.map(|it| it.to_string()));
    let status = match (not_applicable, obstacle) {
        (Some(Expectation { reason, .. }), _) => Status::NotApplicable(reason.clone()),
        (None, Some(reason)) => Status::Untestable(reason),
        (None, None) => {
            let mut run = exec::CaseRun::new(context, case, features, transcript.clone());
            let done = tokio::select! {
                done = run.perform() => done,
                () = context.presence.until_long_gone() => Err(exec::cut_off()),
            };
            run.clean_up().await;
            context.presence.ended(&case.id, run.lost);
            if run.lost {
                context.presence.find_out(context, &case.id).await;
            }
            let never_began = context.gone().filter(|_| !run.began);
            let status = match done {
                Ok(()) => Status::Passed,
                Err(_) if let Some(gone) = never_began => Status::Untestable(gone.to_string()),
                // Without the message nothing can be said of it, good or bad.
                Err(failure) if case.probes.is_some() => {
                    let Failure {
                        expected, problem, ..
                    } = failure;
                    Status::Untestable(format!("expected that {expected}; {problem}"))
                }
                Err(failure) if failure.is_the_cases => Status::Broken(failure.problem),
                Err(failure) => Status::Failed(Box::new(failure)),
            };
            mapped = run.mapped;
            (branches, remarks) = (run.branches, run.remarks);
            status
        }
    };
    let transcript = transcript.entries();
    let status = match status {
        // A feature is there, however it is served.
        Status::Passed if case.probes.is_none() => once::said_twice(&transcript)
            .map_or(Status::Passed, |failure| Status::Failed(Box::new(failure))),
        status => status,
    };
    Outcome {
        case: case.id.clone(),
        title: case.title.clone(),
        clauses: case.clauses.clone(),
        level: case.level,
        quote: case.quote.clone(),
        status,
        expected: None,
        mapped,
        branches,
        remarks,
        malformed: context.schemas.faults(&transcript),
        transcript,
        took: began.elapsed(),
    }
}

/// Why a case cannot be run against this target, if it cannot.
#[must_use]
pub fn obstacle(context: &Context, case: &Case, features: &Features) -> Option<String> {
    if case.makes_requests() && context.target.http_url.is_none() {
        return Some(
            "needs the address at which the engine serves http triggers; say it with --http-url"
                .to_owned(),
        );
    }
    let set = &context.target.variables;
    if let Some(name) = case
        .environment
        .set
        .iter()
        .find(|name| !set.contains_key(*name))
    {
        return Some(format!(
            "needs an engine that was started with the variable {name}; start it with what \
             `conformance env` prints, and say so with --env"
        ));
    }
    if let Some(name) = case
        .environment
        .unset
        .iter()
        .find(|name| set.contains_key(*name))
    {
        return Some(format!(
            "needs an engine that was started without the variable {name}"
        ));
    }
    if case.alone && !context.target.expendable {
        return Some(
            "an engine that gets it wrong may not be the same afterwards: it is run if the suite \
             starts the engine itself, or if it is named on the command line"
                .to_owned(),
        );
    }
    // Last: a probe may have failed for want of one of the others.
    let feature = case.needs.iter().find(|feature| !features.has(feature))?;
    let why = match features.0.contains_key(feature) {
        true => "which the engine does not serve (the case that probes for it did not pass)",
        false => "and no case of this run probes for it",
    };
    Some(format!("needs `{feature}`, {why}"))
}
