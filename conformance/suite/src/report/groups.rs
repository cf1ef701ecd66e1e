//! Failures that have the same cause, as far as can be seen: then one of them says it all.

use crate::verdict::{Failure, Outcome};

/// From so many on, one is shown and the others are named.
const MEMBERS_MIN: usize = 4;

/// A case that failed, with what else failed in the same way.
#[derive(Debug)]
pub(super) struct Group<'r> {
    pub(super) first: (&'r Outcome, &'r Failure),
    pub(super) others: Vec<(&'r Outcome, &'r Failure)>,
}

impl<'r> Group<'r> {
    pub(super) fn len(&self) -> usize {
        self.others.len() + 1
    }
}

/// In the order of the first of each; those of a few are taken apart. Where the engine as a whole
/// is known to be wrong, that is the cause of all.
pub(super) fn grouped<'r>(
    failures: Vec<(&'r Outcome, &'r Failure)>,
    engine_is_wrong: bool,
) -> Vec<Group<'r>> {
    let mut groups: Vec<(String, Group<'r>)> = Vec::new();
    for failed in failures {
        let cause = cause(failed.0, failed.1, engine_is_wrong);
        match groups.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, group)) => group.others.push(failed),
            None => groups.push((
                cause,
                Group {
                    first: failed,
                    others: Vec::new(),
                },
            )),
        }
    }
    groups.into_iter().flat_map(|(_, it)| apart(it)).collect()
}

fn apart(group: Group<'_>) -> Vec<Group<'_>> {
    if group.len() >= MEMBERS_MIN {
        return vec![group];
    }
    let all = std::iter::once(group.first).chain(group.others);
    let alone = |first| Group {
        first,
        others: Vec::new(),
    };
    all.map(alone).collect()
}

/// What failures have in common that have one cause: all but the ids and the times.
fn cause(outcome: &Outcome, failure: &Failure, engine_is_wrong: bool) -> String {
    if !failure.history.is_empty() {
        return outcome.case.clone();
    }
    if engine_is_wrong {
        return String::new();
    }
    let before = |text: &'static str, of: &str| {
        let head = of.split(text).next().unwrap_or_default();
        without_numbers(head)
    };
    let mut cause = before("; other frames", &failure.problem);
    cause += &before(" with ", &failure.expected);
    for mismatch in &failure.mismatches {
        cause += &format!(
            "; {} {} {}",
            mismatch.path,
            without_numbers(&mismatch.expected),
            without_numbers(&mismatch.received)
        );
    }
    cause
}

/// Words with digits in them are ids and times.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    for word in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let end = word.trim_start_matches(char::is_alphanumeric);
        match word.contains(|c: char| c.is_ascii_digit()) {
            true => kept.extend(["#", end]),
            false => kept.push_str(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::without_numbers;

    #[test]
    fn ids_and_times_make_no_difference() {
        assert_eq!(
            without_numbers("`trigger-d6b977-87e3e60c` within 250 ms"),
            "`trigger-#-#` within # ms"
        );
        assert_eq!(without_numbers("grüße, 世界"), "grüße, 世界");
    }
}
