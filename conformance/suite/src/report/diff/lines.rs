//! What one of two engines did in a case, in lines of plain text that are fit for a terminal.

use super::{
    Aspect, Different, Seen,
    saved::{SavedFailure, SavedMismatch},
};
use crate::report::{plain::VALUE_CHARACTERS, printable};

/// Places of a frame that are told; more of them say no more of what is different.
const MISMATCHES_MAX: usize = 3;

/// What an engine did, as far as it is not what the other one did.
pub(super) fn of(different: &Different<'_>, seen: &Seen<'_>) -> Vec<String> {
    let mut lines = match (seen.failure, seen.reason, different.case.level) {
        (Some(failure), _, _) => of_failure(failure),
        (None, Some(reason), _) => vec![value(reason)],
        (None, None, "observe") => vec!["as the reference".to_owned()],
        (None, None, _) => vec!["as the case states".to_owned()],
    };
    for (aspect, what, list) in [
        (Aspect::Branches, "of what is allowed", seen.branches),
        (Aspect::Remarks, "seen", seen.remarks),
        (
            Aspect::Malformed,
            "frames that are not what spec/schema describes",
            seen.malformed,
        ),
    ] {
        if different.aspects.contains(&aspect) {
            let list: Vec<String> = list.iter().map(|it| value(it)).collect();
            let list = match list.as_slice() {
                [] => "nothing".to_owned(),
                list => list.join("; "),
            };
            lines.push(format!("{what}: {list}"));
        }
    }
    lines
}

fn of_failure(failure: &SavedFailure) -> Vec<String> {
    if failure.mismatches.is_empty() {
        let at = failure
            .step
            .map_or(String::new(), |it| format!("at step {it}: "));
        let (expected, problem) = (value(&failure.expected), value(&failure.problem));
        return vec![format!("{at}expected {expected}; {problem}")];
    }
    let shown = failure.mismatches.iter().take(MISMATCHES_MAX);
    let mut lines: Vec<String> = shown.map(of_mismatch).collect();
    let more = failure.mismatches.len().saturating_sub(MISMATCHES_MAX);
    if more > 0 {
        lines.push(format!("and in {more} more places"));
    }
    lines
}

fn of_mismatch(mismatch: &SavedMismatch) -> String {
    let place = match mismatch.path.as_str() {
        "" => "(the frame)".to_owned(),
        path => value(path),
    };
    let (expected, received) = (value(&mismatch.expected), value(&mismatch.received));
    format!("{place}: expected {expected}, received {received}")
}

fn value(text: &str) -> String {
    printable(text, VALUE_CHARACTERS)
}
