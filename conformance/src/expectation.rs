//! Failures that are known and expected, so that a CI gate can hold an engine to everything else.

use serde::{Deserialize, Serialize};

use crate::verdict::{Outcome, Status};

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
                format!("`{case}` is expected to fail, and there is no such case")
            }
        }
    }
}

/// Marks the outcomes that were expected, and tells which expectations are stale. A case that
/// was not run, or that could not be exercised, says nothing of its expectation.
pub fn apply(
    expectations: &[Expectation],
    outcomes: &mut [Outcome],
    is_case: impl Fn(&str) -> bool,
) -> Vec<Stale> {
    let mut stale = Vec::new();
    for Expectation { case, reason } in expectations {
        if !is_case(case) {
            stale.push(Stale::Unknown(case.clone()));
            continue;
        }
        for outcome in outcomes.iter_mut().filter(|it| it.case == *case) {
            outcome.expected = Some(reason.clone());
            if outcome.status == Status::Passed {
                stale.push(Stale::Passes(case.clone()));
            }
        }
    }
    stale
}
