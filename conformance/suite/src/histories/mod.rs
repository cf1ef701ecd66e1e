//! Random histories: several sessions register, unregister, call and leave in any order, one
//! after another and at once, and a small model says after each step what the specification
//! allows. A history that an engine gets wrong is shrunk before it is reported.

mod answers;
mod awaited;
mod compare;
mod drive;
mod ends;
mod explain;
mod explorer;
mod fencing;
mod generate;
mod judge;
mod judge_calls;
mod lists;
mod model;
mod parts;
mod saved;
mod sending;
mod shrink;
mod step;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::{
    compare::{Comparison, Difference, Which},
    explorer::{Counts, Explorer, Finding, WrongHistory},
};
use crate::{
    case::Level,
    runner::{Context, Features},
    transcript::Entry,
    verdict::{Outcome, Status},
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
    /// Turns in the longest.
    pub steps_max: usize,
    /// The same seed makes the same histories.
    pub seed: u64,
    /// How long one that goes wrong may be made shorter; if not at all, it is taken for confirmed.
    pub shrink_time_max: Duration,
    /// Whether the reference's decisions hold as well as the documents.
    pub strict: bool,
}

/// The features that histories are made of.
const NEEDS: [&str; 5] = [
    // Nothing but its own answers, in order, tells what an engine has handled.
    FENCE,
    "invokefunction",
    "unregisterfunction",
    "unregistertrigger",
    "registertriggertype",
];

/// What of that an engine does not serve.
#[must_use]
pub fn missing(features: &Features) -> Vec<&'static str> {
    let missing = |feature: &&str| !features.has(feature);
    NEEDS.into_iter().filter(missing).collect()
}

fn served(features: &Features) -> Vec<&'static str> {
    let served = |feature: &&str| features.has(feature);
    NEEDS.into_iter().filter(served).collect()
}

/// The feature without which there can be no history at all, whatever is left out of it.
pub const FENCE: &str = "ping";

/// Runs histories one after another; the first that goes wrong is shrunk and reported.
pub async fn run(context: &Arc<Context>, features: &Features, plan: Plan) -> Outcome {
    let gone = context.presence.settled().await;
    let began = Instant::now();
    let found = match (missing(features).first(), gone) {
        (Some(feature), _) => Found::untestable(format!(
            "needs `{feature}`, which the engine does not serve"
        )),
        (None, Some(gone)) => Found::untestable(gone.to_string()),
        (None, None) => search(context, features, plan).await,
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
    transcript: Arc<[Entry]>,
}

impl Found {
    fn untestable(reason: String) -> Self {
        Self {
            status: Status::Untestable(reason),
            clause: None,
            transcript: Arc::default(),
        }
    }
}

/// A seed that no other run is likely to have.
#[must_use]
pub fn random_seed() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}

async fn search(context: &Context, features: &Features, plan: Plan) -> Found {
    let mut explorer = Explorer::new(context, features, plan);
    for _ in 0..plan.histories {
        // Histories say nothing any more: what was found, if anything was, stands.
        if context.gone().is_some() {
            break;
        }
        if let Some(wrong) = explorer.next().await {
            let finding = explorer.shrink(wrong).await;
            return Found {
                clause: Some(finding.clause),
                status: Status::Failed(Box::new(finding.failure(plan.seed))),
                transcript: finding.transcript,
            };
        }
    }
    Found {
        status: Status::Passed,
        clause: None,
        transcript: Arc::default(),
    }
}
