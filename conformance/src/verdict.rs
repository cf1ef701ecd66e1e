//! Verdicts: of a case, and of the clauses that its cases judge.

use std::time::Duration;

use crate::{
    case::Level,
    histories,
    ledger::{Clause, Coverage},
    template::Mismatch,
    transcript::Entry,
};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    Passed,
    /// It does not.
    Failed(Box<Failure>),
    /// It could not be exercised: neither a pass nor a failure.
    Untestable(String),
}

/// Where and how a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Counted from 1; none if the case failed before its first step.
    pub step: Option<usize>,
    /// What was to happen there.
    pub expected: String,
    /// What happened instead.
    pub problem: String,
    /// Place by place, where a frame was compared.
    pub mismatches: Vec<Mismatch>,
    /// The steps that led there, if they are not those of a case file.
    pub history: Vec<String>,
}

/// A case that has been run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case's id.
    pub case: String,
    /// The behaviour, as a sentence.
    pub title: String,
    /// The clauses that it judges.
    pub clauses: Vec<String>,
    /// How much it weighs.
    pub level: Level,
    /// The words of the document that it judges.
    pub quote: Option<String>,
    /// How it ended.
    pub status: Status,
    /// Which of several allowed things the engine did, by their labels.
    pub branches: Vec<String>,
    /// What the engine was seen to do where nothing is prescribed.
    pub remarks: Vec<String>,
    /// Frames that came from the engine and are not what `spec/schema` describes.
    pub malformed: Vec<String>,
    /// What was said on the wire.
    pub transcript: Vec<Entry>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether it makes the run fail.
    #[must_use]
    pub fn decides_against(&self, strict: bool) -> bool {
        matches!(self.status, Status::Failed(_)) && self.level.decides(strict)
    }
}

/// What is known of a clause after a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it holds.
    Passed,
    /// What could be exercised holds: its registration.
    RegistrationOnly,
    /// What could be exercised holds, but something that decides could not be.
    InPart(String),
    /// A case that decides failed.
    Failed,
    /// Only what does not decide differs: a text, a suggestion, a silence of the documents.
    Differs,
    /// Nothing of it could be exercised.
    Untestable(String),
    /// The run left its cases out.
    NotSelected,
}

impl Verdict {
    /// Of a clause, from the outcomes of the cases that judge it.
    #[must_use]
    pub fn of(clause: &Clause, outcomes: &[Outcome], complete: bool, strict: bool) -> Self {
        let judging: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.clauses.contains(&clause.id))
            .collect();
        if judging.iter().any(|it| it.decides_against(strict)) {
            return Self::Failed;
        }
        let differs =
            |it: &Outcome| matches!(it.status, Status::Failed(_)) && it.level.says_of(clause.kind);
        if judging.iter().any(|it| differs(it)) {
            return Self::Differs;
        }
        if judging.iter().any(|it| it.status == Status::Passed) {
            let missed = judging.iter().find_map(|it| match &it.status {
                Status::Untestable(reason)
                    if it.level == Level::Must && it.case != histories::ID =>
                {
                    Some(reason.clone())
                }
                _ => None,
            });
            if let Some(reason) = missed {
                return Self::InPart(reason);
            }
            return match clause.coverage {
                Coverage::Full => Self::Passed,
                Coverage::Registration | Coverage::None => Self::RegistrationOnly,
            };
        }
        let reason = judging.iter().find_map(|it| match &it.status {
            Status::Untestable(reason) => Some(reason.clone()),
            _ => None,
        });
        match (reason, &clause.later, complete) {
            (Some(reason), _, _) => Self::Untestable(reason),
            (None, _, false) => Self::NotSelected,
            (None, Some(later), true) => Self::Untestable(later.clone()),
            (None, None, true) => Self::Untestable("no case exercises it".to_owned()),
        }
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::RegistrationOnly => "registration only",
            Self::InPart(_) => "passed in part",
            Self::Failed => "failed",
            Self::Differs => "differs",
            Self::Untestable(_) => "untestable",
            Self::NotSelected => "not selected",
        }
    }
}

/// The counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that hold.
    pub passed: usize,
    /// Cases that make the run fail.
    pub failed: usize,
    /// Cases that differ without deciding.
    pub differing: usize,
    /// Cases that could not be exercised.
    pub untestable: usize,
}

impl Tally {
    /// Counts outcomes.
    #[must_use]
    pub fn of(outcomes: &[Outcome], strict: bool) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            let count = match outcome.status {
                Status::Passed => &mut tally.passed,
                Status::Failed(_) if outcome.level.decides(strict) => &mut tally.failed,
                Status::Failed(_) => &mut tally.differing,
                Status::Untestable(_) => &mut tally.untestable,
            };
            *count += 1;
        }
        tally
    }
}
