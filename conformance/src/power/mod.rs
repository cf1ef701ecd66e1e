//! `conformance power`: what the suite says of engines that are wrong, and of engines that are
//! merely odd. The suite is judged here, and not an engine.

mod gauge;
mod relay;
mod show;

use std::{
    cell::Cell,
    io::{self, IsTerminal, Write},
};

use conformance::{case::Cases, ledger::Ledger};
use engines::{faults, odd, trivial};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use wildmatch::WildMatch;

use self::gauge::Gauge;
use crate::{
    cli::{PowerArgs, PowerFormat},
    commands::unless_closed,
    exit::{Exit, Problem},
};

/// The share of faults that have to be found for the right reason, in percent.
const RIGHT_REASON_MIN: usize = 95;

/// What was found of a fault.
#[derive(Debug, Serialize)]
pub(crate) struct Kill {
    pub(crate) fault: &'static str,
    pub(crate) title: &'static str,
    /// The clauses that it breaks.
    pub(crate) breaks: &'static [&'static str],
    /// Whether it takes `--strict` to see it.
    pub(crate) strict: bool,
    pub(crate) killed: bool,
    /// Whether a case that failed judges a clause that the fault breaks.
    pub(crate) right_reason: bool,
    /// The cases that failed, of those that decide.
    pub(crate) by: Vec<String>,
    /// The clauses that they judge.
    pub(crate) clauses: Vec<String>,
}

/// What was found of an engine that is no fault: cases that should not have ended as they did.
#[derive(Debug, Serialize)]
pub(crate) struct Misjudged {
    pub(crate) engine: &'static str,
    pub(crate) title: &'static str,
    pub(crate) cases: Vec<Wrong>,
}

/// A case that did not end as it should have.
#[derive(Debug, Serialize)]
pub(crate) struct Wrong {
    pub(crate) case: String,
    /// What was to happen and what did, if it did not pass.
    pub(crate) why: Option<String>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Power {
    pub(crate) faults: Vec<Kill>,
    /// Trivial engines, with the cases that pass against them and should not.
    pub(crate) trivial: Vec<Misjudged>,
    /// Odd but correct engines, with the cases that fail against them and decide.
    pub(crate) odd: Vec<Misjudged>,
    /// Runs of the whole suite against the reference.
    pub(crate) runs: u32,
    /// Of these, how many did not conform.
    pub(crate) flakes: u32,
    /// The cases that failed in them, each once.
    pub(crate) flaky: Vec<Wrong>,
}

impl Power {
    fn holds(&self) -> bool {
        let right = self.faults.iter().filter(|it| it.right_reason).count();
        self.faults.iter().all(|it| it.killed)
            && right * 100 >= self.faults.len() * RIGHT_REASON_MIN
            && self.trivial.iter().all(|it| it.cases.is_empty())
            && self.odd.iter().all(|it| it.cases.is_empty())
            && self.flakes == 0
    }
}

/// Measures the suite, and says whether it is as good as it has to be.
pub(crate) async fn power(args: &PowerArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let ours = |error| Problem::new(Exit::OurFault, error);
    let ledger = Ledger::embedded().map_err(|it| ours(it.to_string()))?;
    let cases = Cases::embedded(&ledger).map_err(|it| ours(it.to_string()))?;
    let chosen = Chosen::new(&args.names)?;
    if args.list {
        unless_closed(show::list(&chosen, out))?;
        return Ok(Exit::Conforms);
    }
    let gauge = Gauge::new(&cases);
    let power = measure(args, &chosen, &gauge).await.map_err(ours)?;
    let shown = match args.format {
        PowerFormat::Human => show::human(&power, &ledger, out),
        PowerFormat::Markdown => show::markdown(&power, out),
        PowerFormat::Json => {
            let text = serde_json::to_string_pretty(&power).map_err(|it| ours(it.to_string()))?;
            writeln!(out, "{text}")
        }
    };
    unless_closed(shown)?;
    Ok(match power.holds() {
        true => Exit::Conforms,
        false => Exit::DoesNotConform,
    })
}

/// The engines that are asked for.
pub(crate) struct Chosen {
    pub(crate) faults: Vec<engines::Fault>,
    pub(crate) trivial: Vec<engines::Other>,
    pub(crate) odd: Vec<engines::Other>,
}

impl Chosen {
    fn new(names: &[String]) -> Result<Self, Problem> {
        let mut all = Self {
            faults: faults::all(),
            trivial: trivial::all(),
            odd: odd::all(),
        };
        let known = |pattern: &WildMatch| {
            all.faults.iter().any(|it| pattern.matches(it.id))
                || all.trivial.iter().any(|it| pattern.matches(it.id))
                || all.odd.iter().any(|it| pattern.matches(it.id))
        };
        let patterns: Vec<WildMatch> = names.iter().map(|it| WildMatch::new(it)).collect();
        for (name, pattern) in names.iter().zip(&patterns) {
            if !known(pattern) {
                let message =
                    format!("no engine is called `{name}`; `conformance power --list` shows them");
                return Err(Problem::new(Exit::Usage, message));
            }
        }
        if !patterns.is_empty() {
            let wanted = |id: &str| patterns.iter().any(|it| it.matches(id));
            all.faults.retain(|it| wanted(it.id));
            all.trivial.retain(|it| wanted(it.id));
            all.odd.retain(|it| wanted(it.id));
        }
        Ok(all)
    }
}

async fn measure(args: &PowerArgs, chosen: &Chosen, gauge: &Gauge) -> Result<Power, String> {
    let jobs = usize::from(args.jobs);
    let all = chosen.faults.len() + chosen.trivial.len() + chosen.odd.len();
    let progress = Progress::new(all);
    let faults = stream::iter(&chosen.faults)
        .map(async |fault| progress.done(gauge.kill(fault).await))
        .buffered(jobs);
    let faults: Vec<_> = faults.collect().await;
    let trivial = stream::iter(&chosen.trivial)
        .map(async |engine| progress.done(gauge.passes(engine).await))
        .buffered(jobs);
    let trivial: Vec<_> = trivial.collect().await;
    let odd = stream::iter(&chosen.odd)
        .map(async |engine| progress.done(gauge.failures(engine).await))
        .buffered(jobs);
    let odd: Vec<_> = odd.collect().await;
    let (mut flakes, mut flaky) = (0, Vec::<Wrong>::new());
    for _ in 0..args.repeat {
        let failed = gauge.reference().await?;
        flakes += u32::from(!failed.is_empty());
        flaky.extend(failed);
    }
    flaky.sort_by(|a, b| a.case.cmp(&b.case));
    flaky.dedup_by(|a, b| a.case == b.case);
    Ok(Power {
        faults: faults.into_iter().collect::<Result<_, _>>()?,
        trivial: trivial.into_iter().collect::<Result<_, _>>()?,
        odd: odd.into_iter().collect::<Result<_, _>>()?,
        runs: args.repeat,
        flakes,
        flaky,
    })
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
