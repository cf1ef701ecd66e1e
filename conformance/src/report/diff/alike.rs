//! Whether two engines behaved alike in a case. How long something took, where an engine was
//! reached and the ids of a run or of an engine's own making are no behaviour.

use std::{borrow::Cow, collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use super::saved::{SavedCase, SavedFailure};
use crate::histories;

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

/// What differs from run to run, and what stands for it; the first that fits.
const UNSTEADY: [(&str, &str); 7] = [
    (
        r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b",
        "‹uuid›",
    ),
    // An id of the suite's own: a label, the run, the case or the history.
    (r"-[0-9a-f]{6}-([0-9a-f]{8}\b|[0-9]+\b)", "-‹run›"),
    (
        r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2}\b)?",
        "‹time›",
    ),
    (r"\b[0-9]{13}\b", "‹time›"),
    (r"\b[0-9]+(\.[0-9]+)? ?m?s\b", "‹duration›"),
    // A signature, or a digest.
    (r"\b[0-9a-f]{32,}\b", "‹digest›"),
    (
        r"(\b[0-9]{1,3}(\.[0-9]{1,3}){3}|\blocalhost|\[::1\]):[0-9]{1,5}\b",
        "‹address›",
    ),
];

static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compiled = UNSTEADY.into_iter();
    compiled
        .filter_map(|(pattern, name)| Some((Regex::new(pattern).ok()?, name)))
        .collect()
});

/// A text without what differs from run to run.
fn steady(text: &str) -> Cow<'_, str> {
    let mut steady = Cow::Borrowed(text);
    for (pattern, name) in PATTERNS.iter() {
        if let Cow::Owned(replaced) = pattern.replace_all(&steady, regex::NoExpand(name)) {
            steady = Cow::Owned(replaced);
        }
    }
    steady
}

#[cfg(test)]
mod tests {
    use super::{PATTERNS, UNSTEADY, steady};

    #[test]
    fn what_differs_from_run_to_run_is_left_out_and_nothing_else() {
        assert_eq!(PATTERNS.len(), UNSTEADY.len());
        for (text, left) in [
            (
                r#""f-0a1b2c-89abcdef" of 123e4567-e89b-42d3-a456-426614174000"#,
                r#""f-‹run›" of ‹uuid›"#,
            ),
            ("h-0a1b2c-17, 13 times", "h-‹run›, 13 times"),
            (
                "nothing of the kind arrived within 1250 ms",
                "nothing of the kind arrived within ‹duration›",
            ),
            ("http://127.0.0.1:40213/hook", "http://‹address›/hook"),
            (
                "at 2026-01-02T03:04:05.678Z, 1767323045678",
                "at ‹time›, ‹time›",
            ),
            (
                "\"trigger_type_not_found\" 404 1.5",
                "\"trigger_type_not_found\" 404 1.5",
            ),
            ("0 * * * *", "0 * * * *"),
        ] {
            assert_eq!(steady(text), left);
        }
    }
}
