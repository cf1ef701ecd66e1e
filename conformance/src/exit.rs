//! How a command ends, and what it says when it cannot do what it was asked to.

use std::io;

use conformance_suite::{
    expectation::Stale,
    verdict::{CaseVerdict, Outcome, Tally},
};

/// How a command ends. Formats and verbosity never change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Conforms = 0,
    DoesNotConform = 1,
    Usage = 2,
    Unreachable = 3,
    NothingRan = 4,
    OnlyUntestable = 5,
    StaleExpectation = 6,
    OurFault = 70,
    Interrupted = 130,
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(exit: Exit, message: impl ToString) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::OurFault, format!("cannot write the report: {error}"))
    }
}

/// How a run ends, by what came of its cases. `counts` are those that were asked for: what runs
/// beside them only to learn what the engine has cannot make a run conform.
pub(crate) fn exit_of(
    outcomes: &[Outcome],
    counts: impl Fn(&Outcome) -> bool,
    stale: &[Stale],
    strict: bool,
) -> Exit {
    let tally = Tally::of(outcomes, strict);
    if tally.count(CaseVerdict::HarnessError) > 0 {
        Exit::OurFault
    } else if tally.count(CaseVerdict::Failed) > 0 {
        Exit::DoesNotConform
    } else if !stale.is_empty() {
        Exit::StaleExpectation
    } else if outcomes
        .iter()
        .filter(|it| counts(it))
        .all(|it| nothing_is_known(it.verdict(strict)))
    {
        Exit::OnlyUntestable
    } else {
        Exit::Conforms
    }
}

fn nothing_is_known(verdict: CaseVerdict) -> bool {
    matches!(
        verdict,
        CaseVerdict::Untestable | CaseVerdict::NotApplicable
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conformance_suite::{case::Level, verdict::Status};

    use super::*;

    fn outcome(status: Status) -> Outcome {
        Outcome {
            case: "a-case".to_owned(),
            title: String::new(),
            clauses: Vec::new(),
            level: Level::Must,
            quote: None,
            status,
            expected: None,
            mapped: false,
            branches: Vec::new(),
            remarks: Vec::new(),
            malformed: Vec::new(),
            transcript: [].into(),
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_fault_of_the_suites_own_counts_for_more_than_what_is_known_beside_it() {
        let broken = outcome(Status::Broken("a token has no value".to_owned()));
        let passed = outcome(Status::Passed);
        assert_eq!(
            exit_of(&[passed, broken], |_| true, &[], false),
            Exit::OurFault
        );
        assert_eq!(Exit::OurFault as u8, 70);
    }
}
