//! Verdicts: of a case, and of the clauses that its cases judge.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use serde::Serialize;

use crate::{
    case::{Case, Level},
    histories,
    ledger::{Clause, Coverage, Kind},
    template::Mismatch,
    transcript::{Direction, Entry},
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
    /// Whoever runs the suite says that it has no meaning for this engine.
    NotApplicable(String),
    /// The case or the suite is at fault: nothing is known of the engine.
    Broken(String),
}

/// What a run says of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseVerdict {
    /// It holds.
    Passed,
    /// It holds with other names than the documents'.
    PassedMapped,
    /// It does not, and decides.
    Failed,
    /// It does not, and does not decide: a text, a suggestion, a companion message.
    Differs,
    /// The documents are silent, and this engine does otherwise than the reference.
    Observed,
    /// It does not hold, and that was expected.
    ExpectedFailure,
    /// It holds, and was expected not to.
    UnexpectedPass,
    /// It has no meaning for this engine.
    NotApplicable,
    /// It could not be exercised.
    Untestable,
    /// The suite is at fault.
    HarnessError,
}

impl CaseVerdict {
    /// All of them, in the order in which they are counted.
    pub const ALL: [Self; 10] = [
        Self::Passed,
        Self::PassedMapped,
        Self::Failed,
        Self::Differs,
        Self::Observed,
        Self::ExpectedFailure,
        Self::UnexpectedPass,
        Self::NotApplicable,
        Self::Untestable,
        Self::HarnessError,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::PassedMapped => "passed by mapping",
            Self::Failed => "failed",
            Self::Differs => "differs",
            Self::Observed => "observed",
            Self::ExpectedFailure => "expected failure",
            Self::UnexpectedPass => "unexpected pass",
            Self::NotApplicable => "not applicable",
            Self::Untestable => "untestable",
            Self::HarnessError => "harness error",
        }
    }
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
    /// Whether the case is at fault, and not the engine.
    pub is_the_cases: bool,
}

impl Failure {
    /// Where it failed, what was to happen and what did, with every place that differs.
    ///
    /// It holds what the engine sent as it is: what is to be shown is to be made printable.
    #[must_use]
    pub fn in_a_line(&self) -> String {
        let mut line = match self.step {
            Some(step) => format!("at step {step}: "),
            None => String::new(),
        };
        line += &format!("expected {}; {}", self.expected, self.problem);
        for Mismatch {
            path,
            expected,
            received,
        } in &self.mismatches
        {
            line += &format!("; {path}: expected {expected}, received {received}");
        }
        line
    }
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
    /// Why it was expected to fail, if it was.
    pub expected: Option<String>,
    /// Whether it was run with other names than the documents': then it says nothing of
    /// whether the engine conforms to them.
    pub mapped: bool,
    /// Which of several allowed things the engine did, by their labels.
    pub branches: Vec<String>,
    /// What the engine was seen to do where nothing is prescribed.
    pub remarks: Vec<String>,
    /// Frames that came from the engine and are not what `spec/schema` describes.
    pub malformed: Vec<String>,
    /// What was said on the wire.
    pub transcript: Arc<[Entry]>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether it says anything of the engine.
    fn is_judged(&self) -> bool {
        matches!(self.status, Status::Passed | Status::Failed(_))
    }

    /// Whether one of its sessions ended before the suite closed any.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        let closing = |it: &&Entry| it.text.starts_with("(Close");
        let lost =
            |it: &&Entry| it.direction == Direction::Note && it.text.contains("connection lost");
        let first = self.transcript.iter().find(|it| closing(it) || lost(it));
        first.is_some_and(|it| it.direction != Direction::Sent)
    }

    /// Whether it makes the run fail.
    #[must_use]
    pub fn decides_against(&self, strict: bool) -> bool {
        self.verdict(strict) == CaseVerdict::Failed
    }

    /// What the run says of it.
    #[must_use]
    pub fn verdict(&self, strict: bool) -> CaseVerdict {
        match (&self.status, &self.expected) {
            (Status::Passed, None) if self.mapped => CaseVerdict::PassedMapped,
            (Status::Passed, None) => CaseVerdict::Passed,
            (Status::Passed, Some(_)) => CaseVerdict::UnexpectedPass,
            (Status::Failed(_), Some(_)) => CaseVerdict::ExpectedFailure,
            (Status::Failed(_), None) if self.level.decides(strict) => CaseVerdict::Failed,
            (Status::Failed(_), None) if self.level == Level::Observe => CaseVerdict::Observed,
            (Status::Failed(_), None) => CaseVerdict::Differs,
            (Status::Untestable(_), _) => CaseVerdict::Untestable,
            (Status::NotApplicable(_), _) => CaseVerdict::NotApplicable,
            (Status::Broken(_), _) => CaseVerdict::HarnessError,
        }
    }
}

/// What a run has not come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unrun {
    /// How many cases that decide of a clause, by its id, have no outcome, though they belong to
    /// every run of everything: those of another selection, or of the time after a run was stopped.
    deciding: BTreeMap<String, usize>,
    /// The clauses of cases that were selected and that the run was stopped before.
    clauses: BTreeSet<String>,
    /// How many cases were selected and have not ended.
    pub cases: usize,
}

impl Unrun {
    /// Of a run that has ended.
    pub fn of<'c>(
        cases: impl IntoIterator<Item = &'c Case>,
        selected: &[Case],
        outcomes: &[Outcome],
        strict: bool,
    ) -> Self {
        let run: BTreeSet<&str> = outcomes.iter().map(|it| it.case.as_str()).collect();
        let unrun = |case: &&Case| !run.contains(case.id.as_str());
        let mut deciding = BTreeMap::new();
        let decides = |case: &&Case| case.level.decides(strict);
        let left = cases.into_iter().filter(unrun).filter(decides);
        for clause in left.flat_map(|case| &case.clauses) {
            *deciding.entry(clause.clone()).or_default() += 1;
        }
        let missed = selected.iter().filter(unrun);
        Self {
            deciding,
            cases: missed.clone().count(),
            clauses: missed.flat_map(|case| case.clauses.clone()).collect(),
        }
    }

    /// Why a clause of which all holds that was run is not simply passed.
    fn reason(&self, clause: &Clause) -> Option<String> {
        match self.deciding.get(&clause.id)? {
            1 => Some("1 case that decides was not run".to_owned()),
            count => Some(format!("{count} cases that decide were not run")),
        }
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
    /// A case that would decide failed, and was expected to.
    FailsAsExpected(String),
    /// Only what does not decide differs: a text, a suggestion, a silence of the documents.
    Differs,
    /// Nothing of it could be exercised.
    Untestable(String),
    /// The run was stopped before any of its cases had ended.
    NotRun,
    /// The run left its cases out.
    NotSelected,
}

impl Verdict {
    /// The names of all of them, in the order in which they are counted.
    pub const NAMES: [&'static str; 9] = [
        "passed",
        "passed in part",
        "failed",
        "expected failure",
        "differs",
        "registration only",
        "untestable",
        "not run",
        "not selected",
    ];

    /// Of a clause, from the outcomes of the cases that judge it.
    #[must_use]
    pub fn of(
        clause: &Clause,
        outcomes: &[Outcome],
        unrun: &Unrun,
        complete: bool,
        strict: bool,
    ) -> Self {
        let judging: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.clauses.contains(&clause.id))
            .collect();
        if judging.iter().any(|it| it.decides_against(strict)) {
            return Self::Failed;
        }
        let excused = judging.iter().find_map(|it| match &it.expected {
            Some(reason) if matches!(it.status, Status::Failed(_)) && it.level.decides(strict) => {
                Some(reason.clone())
            }
            _ => None,
        });
        if let Some(reason) = excused {
            return Self::FailsAsExpected(reason);
        }
        let differs =
            |it: &Outcome| matches!(it.status, Status::Failed(_)) && it.level.says_of(clause.kind);
        if judging.iter().any(|it| differs(it)) {
            return match nothing_judged(clause, &judging) {
                Some(reason) => Self::Untestable(reason),
                None => Self::Differs,
            };
        }
        let mapped = "what was seen of it was reached with other names than the documents'";
        if judging
            .iter()
            .any(|it| it.status == Status::Passed && it.mapped)
        {
            return Self::InPart(mapped.to_owned());
        }
        if judging.iter().any(|it| it.status == Status::Passed) {
            let missed = judging.iter().find_map(|it| match &it.status {
                Status::Untestable(reason)
                | Status::NotApplicable(reason)
                | Status::Broken(reason)
                    if it.level == Level::Must && it.case != histories::ID =>
                {
                    Some(reason.clone())
                }
                _ => None,
            });
            if let Some(reason) = missed.or_else(|| unrun.reason(clause)) {
                return Self::InPart(reason);
            }
            return match clause.coverage {
                Coverage::Full => Self::Passed,
                Coverage::Registration | Coverage::None => Self::RegistrationOnly,
            };
        }
        let reason = judging.iter().find_map(|it| match &it.status {
            Status::Untestable(reason) | Status::NotApplicable(reason) | Status::Broken(reason) => {
                Some(reason.clone())
            }
            Status::Passed | Status::Failed(_) => None,
        });
        match (reason, &clause.later, complete) {
            (Some(reason), _, _) => Self::Untestable(reason),
            (None, _, false) if unrun.clauses.contains(&clause.id) => Self::NotRun,
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
            Self::FailsAsExpected(_) => "expected failure",
            Self::Differs => "differs",
            Self::Untestable(_) => "untestable",
            Self::NotRun => "not run",
            Self::NotSelected => "not selected",
        }
    }
}

/// Why nothing is known of what the documents demand, if all that decides could not be exercised:
/// then what differs beside it does so for want of the same.
fn nothing_judged(clause: &Clause, judging: &[&Outcome]) -> Option<String> {
    if clause.kind != Kind::Documented || judging.iter().any(|it| it.status == Status::Passed) {
        return None;
    }
    let mut deciding = judging.iter().filter(|it| it.level == Level::Must);
    if deciding.clone().any(|it| it.is_judged()) {
        return None;
    }
    deciding.find_map(|it| match &it.status {
        Status::Untestable(reason) | Status::NotApplicable(reason) | Status::Broken(reason) => {
            Some(reason.clone())
        }
        Status::Passed | Status::Failed(_) => None,
    })
}

/// The counts of a run, by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<CaseVerdict, usize>);

impl Tally {
    /// Counts outcomes.
    #[must_use]
    pub fn of(outcomes: &[Outcome], strict: bool) -> Self {
        let mut counts = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(outcome.verdict(strict)).or_default() += 1;
        }
        Self(counts)
    }

    /// How many there are of a verdict.
    #[must_use]
    pub fn count(&self, verdict: CaseVerdict) -> usize {
        self.0.get(&verdict).copied().unwrap_or_default()
    }

    /// How many there are of any of several.
    #[must_use]
    pub fn count_any(&self, verdicts: &[CaseVerdict]) -> usize {
        verdicts.iter().map(|it| self.count(*it)).sum()
    }
}
