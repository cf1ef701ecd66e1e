//! Whether two engines behaved alike in a case. How long something took, where an engine was
//! reached and the ids of a run or of an engine's own making are no behaviour.

use std::{borrow::Cow, collections::BTreeSet};

use super::saved::{SavedCase, SavedFailure};
use crate::{histories, steady::steady};

/// What of a case differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Aspect {
    /// Whether it holds, or whether anything is known of it.
    Verdict,
    /// Where or how it fails.
    Failure,
    /// Which of several allowed things was done.
    Branches,
    /// What was seen where nothing is prescribed.
    Remarks,
    /// Which frames are not what the schemas describe.
    Malformed,
}

/// All that differs between two cases of the same id; strictness and expected failures are of
/// the run, and not of the engine.
pub(super) fn differing(a: &SavedCase, b: &SavedCase) -> Vec<Aspect> {
    let (class_a, class_b) = (class(&a.verdict), class(&b.verdict));
    let mut aspects = Vec::new();
    if class_a != class_b {
        aspects.push(Aspect::Verdict);
    }
    if [class_a, class_b].contains(&UNKNOWN) {
        return aspects;
    }
    if let (Some(failure_a), Some(failure_b)) = (&a.failure, &b.failure) {
        let alike = match a.id == histories::ID {
            // How a history that goes wrong could be shrunk is a matter of time.
            true => sorted(&a.clauses) == sorted(&b.clauses),
            false => fail_alike(failure_a, failure_b),
        };
        if !alike {
            aspects.push(Aspect::Failure);
        }
    }
    let lists = [
        (&a.branches, &b.branches, Aspect::Branches),
        (&a.remarks, &b.remarks, Aspect::Remarks),
        (&a.malformed, &b.malformed, Aspect::Malformed),
    ];
    for (of_a, of_b, aspect) in lists {
        // A case that fails ends there: what would have come later is not known.
        let comparable = aspect == Aspect::Malformed || class_a == class_b;
        if comparable && sorted(of_a) != sorted(of_b) {
            aspects.push(aspect);
        }
    }
    aspects
}

const UNKNOWN: &str = "unknown";

/// What a verdict says of the engine.
fn class(verdict: &str) -> &str {
    match verdict {
        "passed" | "unexpected_pass" => "holds",
        "failed" | "differs" | "observed" | "expected_failure" => "does not hold",
        "untestable" | "not_applicable" => UNKNOWN,
        other => other,
    }
}

fn fail_alike(a: &SavedFailure, b: &SavedFailure) -> bool {
    if a.step != b.step || a.mismatches.len() != b.mismatches.len() {
        return false;
    }
    let places = a.mismatches.iter().zip(&b.mismatches);
    let mut differing = places.filter(|(a, b)| {
        steady(&a.path) != steady(&b.path)
            || steady(&a.expected) != steady(&b.expected)
            || steady(&a.received) != steady(&b.received)
    });
    differing.next().is_none() && steady(&a.problem) == steady(&b.problem)
}

fn sorted(texts: &[String]) -> BTreeSet<Cow<'_, str>> {
    texts.iter().map(|it| steady(it)).collect()
}
