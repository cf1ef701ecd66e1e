//! The search itself: of one engine, or of two beside each other.

use std::{
    collections::BTreeSet,
    io::Write,
    time::{Duration, Instant},
};

use conformance_suite::{
    histories::{
        self, Comparison, Counts, Difference, Explorer, Finding, Plan, Which, WrongHistory,
    },
    ledger::Ledger,
};

use super::{ExploreArgs, Side, progress::Progress};
use crate::{
    commands::unless_closed,
    exit::{Exit, Problem},
    interrupt::Interrupt,
};

/// How many turns the longest session has.
const STEPS_MAX: usize = 40;
/// How long what was found is made shorter.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(15);

pub(super) struct Exploration<'e> {
    pub(super) args: &'e ExploreArgs,
    pub(super) ledger: &'e Ledger,
    pub(super) side: &'e Side<'e>,
    pub(super) other: Option<&'e Side<'e>>,
    pub(super) found: Vec<Found>,
}

/// What was found in one of the engines.
pub(super) struct Found {
    pub(super) which: Which,
    pub(super) finding: Finding,
    /// Whether the other one gets it wrong as well.
    pub(super) both: bool,
}

impl<'e> Exploration<'e> {
    pub(super) fn new(
        args: &'e ExploreArgs,
        ledger: &'e Ledger,
        side: &'e Side<'e>,
        other: Option<&'e Side<'e>>,
    ) -> Self {
        Self {
            args,
            ledger,
            side,
            other,
            found: Vec::new(),
        }
    }

    pub(super) async fn go(
        &mut self,
        seed: u64,
        interrupt: &mut Interrupt,
        out: &mut dyn Write,
    ) -> Result<Exit, Problem> {
        for side in [Some(self.side), self.other].into_iter().flatten() {
            leave_out(side, out)?;
        }
        let mut looking = Looking::new(self.side, self.other, seed);
        let began = Instant::now();
        let mut progress = Progress::new(began);
        let interrupted = loop {
            let operations = looking.counts().operations;
            if self.args.is_enough(operations, began.elapsed()) || self.is_gone() {
                break false;
            }
            let wrong = tokio::select! {
                wrong = looking.next() => wrong,
                () = interrupt.wait() => break true,
            };
            progress.show(looking.counts().operations);
            let Some((which, wrong)) = wrong.filter(|(which, wrong)| self.is_new(*which, wrong))
            else {
                continue;
            };
            progress.wipe();
            let found = tokio::select! {
                found = looking.shrink(which, wrong) => found,
                () = interrupt.wait() => break true,
            };
            self.tell(&found, out).await?;
            self.found.push(found);
            if !self.args.keep_going {
                break false;
            }
        };
        progress.wipe();
        self.tell_differences(looking.differences(), out)?;
        self.conclude(looking.counts(), began.elapsed(), interrupted, out)
    }

    /// Whether no clause of its kind was found broken yet.
    fn is_new(&self, which: Which, wrong: &WrongHistory) -> bool {
        let known = self.found.iter().map(|it| (it.which, it.finding.clause));
        let known: BTreeSet<_> = known.collect();
        !known.contains(&(which, wrong.clause()))
    }

    fn is_gone(&self) -> bool {
        let sides = [Some(self.side), self.other];
        sides
            .into_iter()
            .flatten()
            .any(|it| it.context.gone().is_some())
    }

    fn conclude(
        &self,
        counts: &Counts,
        took: Duration,
        interrupted: bool,
        out: &mut dyn Write,
    ) -> Result<Exit, Problem> {
        self.tell_counts(counts, took, out)?;
        for side in [Some(self.side), self.other].into_iter().flatten() {
            if let Some(gone) = side.context.gone() {
                let message = format!("{gone}: {}", gone.problem);
                return Err(Problem::new(Exit::DoesNotConform, message));
            }
        }
        match (self.found.is_empty(), interrupted) {
            (false, _) => Ok(Exit::DoesNotConform),
            (true, true) => Err(Problem::new(Exit::Interrupted, "interrupted")),
            (true, false) => Ok(Exit::Conforms),
        }
    }
}

/// Says what an engine does not serve, if sessions can do without.
fn leave_out(side: &Side<'_>, out: &mut dyn Write) -> Result<(), Problem> {
    let missing = histories::missing(&side.features);
    if missing.contains(&histories::FENCE) {
        let fence = histories::FENCE;
        let url = &side.context.target.url;
        let message = format!("needs `{fence}`, which the engine at {url} does not serve");
        return Err(Problem::new(Exit::OnlyUntestable, message));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let url = &side.context.target.url;
    let message = format!("left out, since the engine at {url} does not serve it");
    Ok(unless_closed(writeln!(
        out,
        "{message}: {}",
        missing.join(", ")
    ))?)
}

/// At how many engines somebody looks.
enum Looking<'e> {
    One(Box<Explorer<'e>>),
    Two(Box<Comparison<'e>>),
}

impl<'e> Looking<'e> {
    fn new(side: &'e Side<'e>, other: Option<&'e Side<'e>>, seed: u64) -> Self {
        let explorer = |side: &'e Side<'e>| {
            let plan = Plan {
                histories: 0,
                steps_max: STEPS_MAX,
                shrink_time_max: SHRINK_TIME_MAX,
                seed,
                strict: side.settings.strict,
            };
            Explorer::new(&side.context, &side.features, plan)
        };
        match other {
            Some(other) => {
                let comparison = Comparison::new(explorer(side), explorer(other));
                Self::Two(Box::new(comparison))
            }
            None => Self::One(Box::new(explorer(side))),
        }
    }

    async fn next(&mut self) -> Option<(Which, WrongHistory)> {
        match self {
            Self::One(explorer) => explorer.next().await.map(|it| (Which::First, it)),
            Self::Two(comparison) => comparison.next().await,
        }
    }

    async fn shrink(&mut self, which: Which, wrong: WrongHistory) -> Found {
        let (finding, both) = match self {
            Self::One(explorer) => (explorer.shrink(wrong).await, false),
            Self::Two(comparison) => comparison.shrink(which, wrong).await,
        };
        Found {
            which,
            finding,
            both,
        }
    }

    fn counts(&self) -> &Counts {
        match self {
            Self::One(explorer) => &explorer.counts,
            Self::Two(comparison) => &comparison.first.counts,
        }
    }

    fn differences(&self) -> &[Difference] {
        match self {
            Self::One(_) => &[],
            Self::Two(comparison) => &comparison.differences,
        }
    }
}
