//! What failed, in lines of plain text: for formats that hold text and no structure.

use super::{
    document::{CaseReport, FailureReport},
    printable,
};
use crate::verdict::CaseVerdict;

pub(super) const VALUE_CHARACTERS: usize = 300;
pub(super) const FRAME_CHARACTERS: usize = 600;
/// Lines of a transcript in formats that are not meant to be short.
pub(super) const LINES_MAX: usize = 400;

/// What is to be said of a case that did not simply pass, in one line.
pub(super) fn headline(case: &CaseReport<'_>) -> String {
    let reason = printable(case.reason.unwrap_or_default(), VALUE_CHARACTERS);
    match (case.verdict, &case.failure) {
        (CaseVerdict::ExpectedFailure, _) => format!("expected to fail: {reason}"),
        (CaseVerdict::UnexpectedPass, _) => format!("expected to fail, and passes: {reason}"),
        (CaseVerdict::PassedMapped, _) => {
            "passed with other names than the documents', which is no conformance".to_owned()
        }
        (_, Some(failure)) => of_failure(failure),
        (verdict, None) => format!("{}: {reason}", verdict.name()),
    }
}

fn of_failure(failure: &FailureReport<'_>) -> String {
    let at = failure
        .step
        .map_or(String::new(), |it| format!("at step {it}: "));
    let expected = printable(failure.expected, VALUE_CHARACTERS);
    let problem = printable(failure.problem, VALUE_CHARACTERS);
    format!("{at}expected {expected}; {problem}")
}

/// Everything about a failure but its transcript.
pub(super) fn details(failure: &FailureReport<'_>) -> Vec<String> {
    let value = |text| printable(text, VALUE_CHARACTERS);
    let mut lines = Vec::new();
    if let Some(step) = failure.step {
        lines.push(format!("at step   {step}"));
    }
    lines.push(format!("expected  {}", value(failure.expected)));
    lines.push(format!("received  {}", value(failure.problem)));
    for mismatch in &failure.mismatches {
        lines.push(format!("  {}", value(mismatch.place())));
        lines.push(format!("    expected  {}", value(mismatch.expected)));
        lines.push(format!("    received  {}", value(mismatch.received)));
    }
    if !failure.history.is_empty() {
        lines.push("history, shrunk".to_owned());
        let steps = failure.history.iter();
        lines.extend(steps.map(|it| format!("  {}", value(it))));
    }
    lines
}

/// A transcript, of which the middle is left out where it is longer than `lines_max`.
pub(super) fn transcript(
    case: &CaseReport<'_>,
    lines_max: usize,
    frame_characters: usize,
) -> Vec<String> {
    let entries = case.transcript.as_deref().unwrap_or_default();
    let left_out = entries.len().saturating_sub(lines_max);
    let head = lines_max / 2;
    let mut lines = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        if left_out > 0 && index == head {
            lines.push(format!("… {left_out} lines left out"));
        }
        if left_out > 0 && index >= head && index < head + left_out {
            continue;
        }
        lines.push(format!(
            "{:>7.3} s  {} {} {}",
            entry.at_ms.as_secs_f64(),
            printable(entry.session, VALUE_CHARACTERS),
            entry.arrow(),
            printable(entry.text, frame_characters)
        ));
    }
    lines
}
