//! Failures that are known and expected, so that a CI gate can hold an engine to everything else.

use serde::{Deserialize, Serialize};

use crate::{
    report::printable,
    steady::steady,
    verdict::{Outcome, Status},
};

/// How much of what was seen becomes the reason of an entry.
const REASON_CHARACTERS: usize = 500;

/// A case that is expected to fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Its id.
    pub case: String,
    /// Why, for whoever reads the list later.
    pub reason: String,
}

/// What is wrong with an expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// The case passes: the entry has to go.
    Passes(String),
    /// There is no such case.
    Unknown(String),
}

impl Stale {
    /// For people.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Passes(case) => format!("`{case}` is expected to fail, and passes"),
            Self::Unknown(case) => {
                format!("`{case}` is excused, and there is no such case")
            }
        }
    }
}

/// Notes with an outcome why it was expected to fail, if it was.
pub fn mark(expectations: &[Expectation], outcome: &mut Outcome) {
    let of_case = |it: &&Expectation| it.case == outcome.case;
    outcome.expected = expectations
        .iter()
        .find(of_case)
        .map(|it| it.reason.clone());
}

/// Which expectations are stale. A case that was not run, or that could not be exercised, says
/// nothing of its expectation.
#[must_use]
pub fn stale(
    expectations: &[Expectation],
    outcomes: &[Outcome],
    is_case: impl Fn(&str) -> bool,
) -> Vec<Stale> {
    let passes = |case: &str| {
        let mut of_case = outcomes.iter().filter(|it| it.case == case);
        of_case.any(|it| it.status == Status::Passed)
    };
    let judge = |it: &Expectation| match it.case.as_str() {
        case if !is_case(case) => Some(Stale::Unknown(case.to_owned())),
        case if passes(case) => Some(Stale::Passes(case.to_owned())),
        _ => None,
    };
    expectations.iter().filter_map(judge).collect()
}

/// The list as it should be after a run: what has failed and would decide, and what was known and
/// was not run. What was known keeps its reason; `elsewhere` tells what another list has.
#[must_use]
pub fn renewed(
    expectations: &[Expectation],
    outcomes: &[Outcome],
    strict: bool,
    elsewhere: impl Fn(&str) -> bool,
) -> Vec<Expectation> {
    let outcome_of = |case: &str| outcomes.iter().find(|it| it.case == case);
    let known = expectations.iter().filter(|it| {
        let outcome = outcome_of(&it.case);
        outcome.is_none_or(|outcome| outcome.status != Status::Passed)
    });
    let mut list: Vec<Expectation> = known.cloned().collect();
    for outcome in outcomes {
        let Status::Failed(failure) = &outcome.status else {
            continue;
        };
        if outcome.level.decides(strict) && !list.iter().any(|it| it.case == outcome.case) {
            let seen = failure.in_a_line();
            let reason = printable(&steady(&seen), REASON_CHARACTERS);
            let case = outcome.case.clone();
            list.push(Expectation { case, reason });
        }
    }
    list.retain(|it| !elsewhere(&it.case));
    list.sort_unstable_by(|a, b| a.case.cmp(&b.case));
    list
}
