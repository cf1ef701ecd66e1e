//! The suite against all engines that are asked for, many at once.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
    iter,
};

use engines::{Fault, Other, Sight};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Chosen, Kill, Misjudged, Power, Wrong, gauge::Gauge};
use crate::cli::PowerArgs;

/// The engines against which the suite waits longest, mostly for answers that never come: they
/// begin first, so that none of them is waited for alone in the end.
const LONGEST: [&str; 5] = [
    "slow",
    "trigger-result-dropped",
    "trigger-result-of-another-type",
    "refusal-as-an-error-frame",
    "echo",
];

/// An engine that is to be judged.
#[derive(Clone, Copy)]
enum Subject<'c> {
    Faulty(&'c Fault),
    Trivial(&'c Other),
    Odd(&'c Other),
    Reference,
}

impl Subject<'_> {
    /// When it begins: those that take longest first, and of faults those that are put to all
    /// cases, as they leave the others fewer.
    fn turn(self) -> u8 {
        match self {
            Self::Faulty(Fault { id, .. })
            | Self::Trivial(Other { id, .. })
            | Self::Odd(Other { id, .. })
                if LONGEST.contains(id) =>
            {
                0
            }
            Self::Faulty(Fault {
                sight: Sight::Strict,
                ..
            }) => 1,
            Self::Trivial(_) | Self::Odd(_) | Self::Reference => 2,
            Self::Faulty(_) => 3,
        }
    }
}

/// What was found of one.
enum Found {
    Faulty(Kill),
    Trivial(Misjudged),
    Odd(Misjudged),
    Reference(Vec<Wrong>),
}

pub(super) async fn measure(
    args: &PowerArgs,
    chosen: &Chosen,
    gauge: &Gauge,
) -> Result<Power, String> {
    let runs = usize::try_from(args.repeat).unwrap_or(usize::MAX);
    let subjects: Vec<Subject<'_>> = chosen
        .odd
        .iter()
        .map(Subject::Odd)
        .chain(chosen.trivial.iter().map(Subject::Trivial))
        .chain(iter::repeat_n(Subject::Reference, runs))
        .chain(chosen.faults.iter().map(Subject::Faulty))
        .collect();
    let progress = Progress::new(subjects.len());
    let judged = judged(usize::from(args.jobs), &subjects, async |subject| {
        progress.done(match subject {
            Subject::Faulty(fault) => gauge.kill(fault).await.map(Found::Faulty),
            Subject::Trivial(engine) => gauge.passes(engine).await.map(Found::Trivial),
            Subject::Odd(engine) => gauge.failures(engine).await.map(Found::Odd),
            Subject::Reference => gauge.reference().await.map(Found::Reference),
        })
    });
    let mut power = Power::default();
    for found in judged.await? {
        match found {
            Found::Faulty(kill) => power.faults.push(kill),
            Found::Trivial(misjudged) => power.trivial.push(misjudged),
            Found::Odd(misjudged) => power.odd.push(misjudged),
            Found::Reference(failed) => {
                power.among_others.add(&failed);
                power.flaky.extend(failed);
            }
        }
    }
    for _ in 0..runs {
        let failed = gauge.reference().await?;
        power.alone.add(&failed);
        power.flaky.extend(failed);
    }
    power.flaky.sort_by(|a, b| a.case.cmp(&b.case));
    power.flaky.dedup_by(|a, b| a.case == b.case);
    Ok(power)
}

/// Judges so many at once; what was found is in the order of the subjects.
async fn judged<T>(
    jobs: usize,
    subjects: &[Subject<'_>],
    judge: impl AsyncFn(Subject<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut order: Vec<(usize, Subject<'_>)> = subjects.iter().copied().enumerate().collect();
    order.sort_by_key(|(_, it)| it.turn());
    let judge = &judge;
    let judged = stream::iter(order)
        .map(async |(index, subject)| Ok::<_, String>((index, judge(subject).await?)))
        // One that takes long keeps none of the others waiting.
        .buffer_unordered(jobs);
    let mut judged: Vec<(usize, T)> = judged.try_collect().await?;
    judged.sort_unstable_by_key(|(index, _)| *index);
    Ok(judged.into_iter().map(|(_, it)| it).collect())
}

/// A counter on a terminal.
struct Progress {
    all: usize,
    done: Cell<usize>,
    seen: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self {
            all,
            done: Cell::new(0),
            seen: io::stderr().is_terminal(),
        }
    }

    fn done<T>(&self, what: T) -> T {
        self.done.set(self.done.get() + 1);
        if self.seen {
            // If standard error is gone, there is nobody to tell.
            let end = if self.done.get() == self.all {
                "\x1b[K"
            } else {
                ""
            };
            let _ = write!(
                io::stderr(),
                "\r{}/{} engines\r{end}",
                self.done.get(),
                self.all
            );
        }
        what
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_are_in_the_catalogue() {
        let all = Chosen::new(&[]).ok().unwrap();
        let known = |id: &&str| {
            all.faults.iter().any(|it| it.id == *id)
                || all.trivial.iter().chain(&all.odd).any(|it| it.id == *id)
        };
        assert_eq!(LONGEST.iter().find(|it| !known(it)), None);
    }
}
