//! Random histories: several sessions register, unregister, call and leave in any order, and a
//! small model says after each step what the specification allows. A history that an engine
//! gets wrong is shrunk before it is reported.

mod drive;
mod model;
mod search;
mod triggers;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use tokio::runtime::Handle;

use self::drive::{Deviation, drive};
pub(crate) use self::search::Searches;
use crate::{
    case::Level,
    runner::{Context, Features},
    transcript::{Entry, Transcript},
    verdict::{Failure, Outcome, Status},
};

/// The id under which the histories are selected and reported.
pub const ID: &str = "random-histories";

/// What they show.
pub const TITLE: &str = "Random histories of several sessions stay within the specification";

/// The clauses that every step of a history is held to.
const CLAUSES: [&str; 13] = [
    "RF-02", "RF-10", "RF-11", "RF-13", "RT-02", "RT-07", "RT-08", "RT-09", "RT-10", "RT-11",
    "RT-12", "RT-13", "RT-15",
];

/// How many histories, how long, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many.
    pub histories: u32,
    /// Steps in the longest.
    pub steps_max: usize,
    /// The same seed makes the same histories.
    pub seed: u64,
    /// Whether the reference's decisions hold as well as the documents.
    pub strict: bool,
}

/// How long a failing history is made smaller, in milliseconds.
const SHRINK_TIME_MS_MAX: u32 = 10_000;

/// How many sessions a history has.
const SESSIONS: usize = 3;

/// One step. Sessions, functions, triggers and types are small numbers, so that they collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    RegisterFunction { session: usize, function: usize },
    UnregisterFunction { session: usize, function: usize },
    RegisterTrigger(TriggerStep),
    UnregisterTrigger { session: usize, trigger: usize },
    RegisterType { session: usize, trigger_type: usize },
    UnregisterType { session: usize, trigger_type: usize },
    Call { session: usize, function: usize },
    Reconnect { session: usize },
}

/// A trigger's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TriggerStep {
    pub(crate) session: usize,
    pub(crate) trigger: usize,
    pub(crate) trigger_type: Type,
    pub(crate) function: usize,
    /// Whether the config, or the provider, is such that the trigger can be registered.
    pub(crate) acceptable: bool,
}

/// The type of a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Http,
    Cron,
    Queue,
    OfWorker(usize),
}

/// The features that histories are made of.
const NEEDS: [&str; 5] = [
    // Nothing but its own answers, in order, tells what an engine has handled.
    "ping",
    "invokefunction",
    "unregisterfunction",
    "unregistertrigger",
    "registertriggertype",
];

/// Runs histories one after another; the first that goes wrong is shrunk and reported.
pub async fn run(context: &Arc<Context>, features: &Features, plan: Plan) -> Outcome {
    let gone = context.presence.settled().await;
    let began = Instant::now();
    let missing = NEEDS.into_iter().find(|feature| !features.has(feature));
    let found = match (missing, gone) {
        (Some(feature), _) => Found::untestable(format!(
            "needs `{feature}`, which the engine does not serve"
        )),
        (None, Some(gone)) => Found::untestable(gone.to_string()),
        (None, None) => {
            let (context, features) = (Arc::clone(context), features.clone());
            let runtime = Handle::current();
            let under_way = context.searches.begin().await;
            let search = move || {
                let found = search(&runtime, &context, &features, plan);
                drop(under_way);
                found
            };
            let searched = tokio::task::spawn_blocking(search).await;
            searched.unwrap_or_else(|error| Found::untestable(error.to_string()))
        }
    };
    let found = match context.gone() {
        Some(gone) if found.status == Status::Passed => Found::untestable(gone.to_string()),
        _ => found,
    };
    let failed = matches!(found.status, Status::Failed(_));
    context.presence.ended(ID, failed);
    if failed {
        context.presence.find_out(context, ID).await;
    }
    Outcome {
        case: ID.to_owned(),
        title: TITLE.to_owned(),
        // A failure is that of one clause, a pass says something of them all.
        clauses: match found.clause {
            Some(clause) => vec![clause.to_owned()],
            None => CLAUSES.map(str::to_owned).to_vec(),
        },
        level: Level::Must,
        quote: None,
        malformed: context.schemas.faults(&found.transcript),
        status: found.status,
        branches: Vec::new(),
        remarks: Vec::new(),
        expected: None,
        mapped: false,
        transcript: found.transcript,
        took: began.elapsed(),
    }
}

/// What came of a search.
struct Found {
    status: Status,
    /// The clause that is broken.
    clause: Option<&'static str>,
    transcript: Vec<Entry>,
}

impl Found {
    fn untestable(reason: String) -> Self {
        Self {
            status: Status::Untestable(reason),
            clause: None,
            transcript: Vec::new(),
        }
    }
}

/// A seed that no other run is likely to have.
#[must_use]
pub fn random_seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

fn search(runtime: &Handle, context: &Context, features: &Features, plan: Plan) -> Found {
    let config = Config {
        cases: plan.histories,
        failure_persistence: None,
        max_shrink_iters: 400,
        max_shrink_time: SHRINK_TIME_MS_MAX,
        ..Config::default()
    };
    let mut seed = [0; 32];
    for (byte, value) in seed.iter_mut().zip(plan.seed.to_le_bytes()) {
        *byte = value;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let attempts = AtomicU64::new(0);
    let last = Mutex::new(None);
    let outcome = TestRunner::new_with_rng(config, rng).run(
        &vec(step(), 1..=plan.steps_max),
        |history: Vec<Step>| {
            // Histories say nothing any more: what was found, if anything was, stands.
            if context.searches.are_stopped() || context.gone().is_some() {
                return Ok(());
            }
            let attempt = attempts.fetch_add(1, Ordering::Relaxed);
            let transcript = Transcript::default();
            let driven = drive(
                context,
                features,
                plan.strict,
                &history,
                attempt,
                &transcript,
            );
            let driven = runtime.block_on(context.searches.unless_stopped(driven));
            let Some(Err(deviation)) = driven else {
                return Ok(());
            };
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.is_some() && context.gone().is_some() {
                return Ok(());
            }
            let reason = deviation.problem.clone();
            *last = Some((deviation, transcript.entries()));
            Err(TestCaseError::fail(reason))
        },
    );
    let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (outcome, last) {
        (Ok(()), _) => Found {
            status: Status::Passed,
            clause: None,
            transcript: Vec::new(),
        },
        // The last failure that was seen is that of the shrunk history.
        (Err(TestError::Fail(_, history)), Some((deviation, transcript))) => Found {
            clause: Some(deviation.clause),
            status: failed(plan, &history, deviation),
            transcript,
        },
        (Err(error), _) => Found::untestable(error.to_string()),
    }
}

fn failed(plan: Plan, history: &[Step], deviation: Deviation) -> Status {
    let steps = history.iter().enumerate();
    Status::Failed(Box::new(Failure {
        step: Some(deviation.step + 1),
        expected: deviation.expected,
        problem: format!("{} (--seed {})", deviation.problem, plan.seed),
        mismatches: Vec::new(),
        history: steps
            .map(|(at, step)| format!("{:>3}  {step:?}", at + 1))
            .collect(),
        is_the_cases: false,
    }))
}

fn step() -> impl Strategy<Value = Step> {
    let sessions = || 0..SESSIONS;
    let few = || 0..3_usize;
    prop_oneof![
        4 => (sessions(), few()).prop_map(|(session, function)| Step::RegisterFunction {
            session,
            function,
        }),
        2 => (sessions(), few()).prop_map(|(session, function)| Step::UnregisterFunction {
            session,
            function,
        }),
        6 => trigger().prop_map(Step::RegisterTrigger),
        2 => (sessions(), few()).prop_map(|(session, trigger)| Step::UnregisterTrigger {
            session,
            trigger,
        }),
        2 => (sessions(), few()).prop_map(|(session, trigger_type)| Step::RegisterType {
            session,
            trigger_type,
        }),
        1 => (sessions(), few()).prop_map(|(session, trigger_type)| Step::UnregisterType {
            session,
            trigger_type,
        }),
        3 => (sessions(), few()).prop_map(|(session, function)| Step::Call { session, function }),
        1 => sessions().prop_map(|session| Step::Reconnect { session }),
    ]
}

fn trigger() -> impl Strategy<Value = TriggerStep> {
    let trigger_type = prop_oneof![
        Just(Type::Http),
        Just(Type::Cron),
        Just(Type::Queue),
        (0..3_usize).prop_map(Type::OfWorker),
    ];
    let acceptable = prop::bool::weighted(0.8);
    (
        0..SESSIONS,
        0..3_usize,
        trigger_type,
        0..3_usize,
        acceptable,
    )
        .prop_map(
            |(session, trigger, trigger_type, function, acceptable)| TriggerStep {
                session,
                trigger,
                trigger_type,
                function,
                acceptable,
            },
        )
}
