//! Running cases against a target: what is run when, and what comes out.
//!
//! The runner emits [`Event`]s and never learns who listens to them.

mod context;
mod exchanges;
mod exec;
mod once;
mod pace;
mod presence;
mod requests;
mod waits;

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

pub use self::{
    context::{Context, Target},
    pace::Pace,
    presence::{Gone, Restart},
};
pub(crate) use self::{exec::describe as describe_stop, presence::Presence};
use crate::{
    case::Case,
    expectation::Expectation,
    histories,
    transcript::Transcript,
    verdict::{Failure, Outcome, Status},
};

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
