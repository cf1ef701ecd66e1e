//! In which order an engine may have taken what was sent at once.

use std::collections::BTreeSet;

use super::{
    judge::{Seen, Wrong},
    model::Model,
    step::Step,
};

/// A step that has been taken, with what was seen of it. What was seen of two steps with one key
/// cannot be told apart.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) step: Step,
    pub(super) seen: Seen,
    pub(super) key: String,
}

/// The models that are left after some steps were taken at once, in whatever order between
/// sessions: each explains all that was seen.
pub(super) fn explain(
    models: &BTreeSet<Model>,
    taken: &[Taken],
) -> Result<BTreeSet<Model>, (usize, Wrong)> {
    let mut search = Search {
        taken,
        found: BTreeSet::new(),
        deepest: None,
    };
    for model in models {
        search.go(model, &mut Vec::new(), &mut Vec::new());
    }
    match (search.found.is_empty(), search.deepest) {
        (true, Some((_, index, wrong))) => Err((index, wrong)),
        _ => Ok(search.found),
    }
}

struct Search<'t> {
    taken: &'t [Taken],
    found: BTreeSet<Model>,
    /// How far the best order went, the step at which it ended, and why.
    deepest: Option<(usize, usize, Wrong)>,
}

impl Search<'_> {
    fn go(&mut self, model: &Model, done: &mut Vec<usize>, used: &mut Vec<usize>) {
        if done.len() == self.taken.len() {
            self.found.insert(model.clone());
            return;
        }
        let taken = self.taken;
        for (index, next) in taken.iter().enumerate() {
            // On one session the order is that of sending, says D-10.
            let earlier = taken.iter().take(index).enumerate();
            let waits = model.is_strict()
                && earlier
                    .filter(|(_, it)| it.step.session() == next.step.session())
                    .any(|(earlier, _)| !done.contains(&earlier));
            if waits || done.contains(&index) {
                continue;
            }
            for (other, seen) in taken.iter().enumerate() {
                if seen.key != next.key || used.contains(&other) {
                    continue;
                }
                match model.after(&next.step, &seen.seen) {
                    Ok(after) => {
                        done.push(index);
                        used.push(other);
                        self.go(&after, done, used);
                        done.pop();
                        used.pop();
                    }
                    Err(wrong) => self.failed(done.len(), index, wrong),
                }
            }
        }
    }

    fn failed(&mut self, depth: usize, index: usize, wrong: Wrong) {
        if self.deepest.as_ref().is_none_or(|(it, ..)| depth > *it) {
            self.deepest = Some((depth, index, wrong));
        }
    }
}
