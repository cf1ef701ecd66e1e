//! `conformance power`: what the suite says of engines that are wrong, and of engines that are
//! merely odd. The suite is judged here, and not an engine.

mod gauge;
mod relay;
mod show;

use std::{
    cell::Cell,
    collections::BTreeSet,
    io::{self, IsTerminal, Write},
};

use conformance_suite::{case::Cases, ledger::Ledger};
use engines::{Fault, Other, faults, odd, trivial};
use futures_util::{StreamExt, TryStreamExt, stream};
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

/// How many faults each clause of the documents has to be seen broken by.
const FAULTS_PER_CLAUSE_MIN: usize = 3;

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
    /// The cases that failed, at whatever level.
    pub(crate) failed: Vec<String>,
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
    /// What the whole catalogue leaves untouched; none if a part of it was asked for.
    pub(crate) untouched: Option<Untouched>,
    /// Runs of the whole suite against the reference.
    pub(crate) runs: u32,
    /// Of these, how many did not conform.
    pub(crate) flakes: u32,
    /// The cases that failed in them, each once.
    pub(crate) flaky: Vec<Wrong>,
}

/// What faults are not seen by: it may be as wrong as it likes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Untouched {
    /// Clauses of the documents of which fewer than three faults that break them have made a case
    /// fail.
    pub(crate) clauses: Vec<String>,
    /// Cases that fail with no fault. Those that probe are not meant to: they say what there is.
    pub(crate) cases: Vec<String>,
}

impl Untouched {
    fn by<'c>(
        kills: &[Kill],
        clauses: impl IntoIterator<Item = &'c str>,
        cases: impl IntoIterator<Item = &'c str>,
    ) -> Self {
        let seen = |clause: &str| {
            let breaks = |kill: &Kill| kill.breaks.contains(&clause);
            let by_a_case = |kill: &Kill| kill.clauses.iter().any(|it| it == clause);
            let seen = kills.iter().filter(|it| breaks(it) && by_a_case(it));
            seen.count() >= FAULTS_PER_CLAUSE_MIN
        };
        let failed: BTreeSet<&str> = kills
            .iter()
            .flat_map(|it| it.failed.iter().map(String::as_str))
            .collect();
        let clauses = clauses.into_iter().filter(|it| !seen(it));
        let cases = cases.into_iter().filter(|it| !failed.contains(it));
        Self {
            clauses: clauses.map(str::to_owned).collect(),
            cases: cases.map(str::to_owned).collect(),
        }
    }
}

impl Power {
    fn holds(&self) -> bool {
        let right = self.faults.iter().filter(|it| it.right_reason).count();
        self.faults.iter().all(|it| it.killed)
            && right * 100 >= self.faults.len() * RIGHT_REASON_MIN
            && self.trivial.iter().all(|it| it.cases.is_empty())
            && self.odd.iter().all(|it| it.cases.is_empty())
            && self
                .untouched
                .as_ref()
                .is_none_or(|it| it.clauses.is_empty() && it.cases.is_empty())
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
    let mut power = measure(args, &chosen, &gauge).await.map_err(ours)?;
    if args.names.is_empty() {
        let documented = ledger.clauses.iter().filter(|it| it.document.is_some());
        let clauses = documented.map(|it| it.id.as_str());
        power.untouched = Some(Untouched::by(&power.faults, clauses, gauge.failing()));
    }
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
    pub(crate) faults: Vec<Fault>,
    pub(crate) trivial: Vec<Other>,
    pub(crate) odd: Vec<Other>,
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

/// An engine that is to be judged.
enum Subject<'c> {
    Faulty(&'c Fault),
    Trivial(&'c Other),
    Odd(&'c Other),
}

/// What was found of one.
enum Found {
    Faulty(Kill),
    Trivial(Misjudged),
    Odd(Misjudged),
}

async fn measure(args: &PowerArgs, chosen: &Chosen, gauge: &Gauge) -> Result<Power, String> {
    let jobs = usize::from(args.jobs);
    let all = chosen.faults.len() + chosen.trivial.len() + chosen.odd.len();
    let progress = Progress::new(all);
    // Those that take longest come first.
    let odd = chosen.odd.iter().map(Subject::Odd);
    let subjects: Vec<Subject<'_>> = odd
        .chain(chosen.trivial.iter().map(Subject::Trivial))
        .chain(chosen.faults.iter().map(Subject::Faulty))
        .collect();
    let judged = judged(jobs, &subjects, async |subject| {
        progress.done(match subject {
            Subject::Faulty(fault) => gauge.kill(fault).await.map(Found::Faulty),
            Subject::Trivial(engine) => gauge.passes(engine).await.map(Found::Trivial),
            Subject::Odd(engine) => gauge.failures(engine).await.map(Found::Odd),
        })
    });
    let (mut faults, mut trivial, mut odd) = (Vec::new(), Vec::new(), Vec::new());
    for found in judged.await? {
        match found {
            Found::Faulty(kill) => faults.push(kill),
            Found::Trivial(misjudged) => trivial.push(misjudged),
            Found::Odd(misjudged) => odd.push(misjudged),
        }
    }
    let (mut flakes, mut flaky) = (0, Vec::<Wrong>::new());
    for _ in 0..args.repeat {
        let failed = gauge.reference().await?;
        flakes += u32::from(!failed.is_empty());
        flaky.extend(failed);
    }
    flaky.sort_by(|a, b| a.case.cmp(&b.case));
    flaky.dedup_by(|a, b| a.case == b.case);
    Ok(Power {
        faults,
        trivial,
        odd,
        untouched: None,
        runs: args.repeat,
        flakes,
        flaky,
    })
}

/// Judges so many at once; what was found is in the order of the engines.
async fn judged<E, T>(
    jobs: usize,
    engines: &[E],
    judge: impl AsyncFn(&E) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let judge = &judge;
    let judged = stream::iter(engines.iter().enumerate())
        .map(async |(index, engine)| Ok::<_, String>((index, judge(engine).await?)))
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

    fn kill(breaks: &'static [&'static str], clauses: &[&str], failed: &[&str]) -> Kill {
        let owned = |them: &[&str]| them.iter().map(|it| (*it).to_owned()).collect();
        Kill {
            fault: "wrong",
            title: "Is wrong",
            breaks,
            strict: false,
            killed: true,
            right_reason: true,
            by: owned(failed),
            clauses: owned(clauses),
            failed: owned(failed),
        }
    }

    fn power(untouched: Untouched) -> Power {
        Power {
            faults: vec![kill(&["RT-01"], &["RT-01"], &["a"])],
            trivial: Vec::new(),
            odd: Vec::new(),
            untouched: Some(untouched),
            runs: 1,
            flakes: 0,
            flaky: Vec::new(),
        }
    }

    #[test]
    fn a_clause_is_touched_by_cases_of_its_own_and_a_case_by_any_fault() {
        let kills = [
            kill(&["RT-01"], &["RT-02"], &["a"]),
            kill(&["RT-02"], &["RT-02", "RT-03"], &["b"]),
            kill(&["RT-02", "RT-04"], &["RT-02", "RT-04"], &["b"]),
            kill(&["RT-04", "RT-02"], &["RT-04", "RT-02"], &["b"]),
        ];
        let untouched = Untouched::by(
            &kills,
            ["RT-01", "RT-02", "RT-03", "RT-04"],
            ["a", "b", "c"],
        );
        assert_eq!(untouched.clauses, ["RT-01", "RT-03", "RT-04"]);
        assert_eq!(untouched.cases, ["c"]);
    }

    #[test]
    fn each_bar_holds_by_itself() {
        let misjudged = || {
            vec![Misjudged {
                engine: "it",
                title: "Is it",
                cases: vec![Wrong {
                    case: "a".to_owned(),
                    why: None,
                }],
            }]
        };
        assert!(power(Untouched::default()).holds());
        let with = |change: fn(&mut Power)| {
            let mut power = power(Untouched::default());
            change(&mut power);
            power
        };
        for (what, broken) in [
            (
                "survivor",
                with(|it| it.faults.iter_mut().for_each(|it| it.killed = false)),
            ),
            (
                "reason",
                with(|it| it.faults.iter_mut().for_each(|it| it.right_reason = false)),
            ),
            ("flake", with(|it| it.flakes = 1)),
            (
                "clause",
                with(|it| {
                    it.untouched
                        .iter_mut()
                        .for_each(|it| it.clauses.push("RT-01".to_owned()))
                }),
            ),
            (
                "case",
                with(|it| {
                    it.untouched
                        .iter_mut()
                        .for_each(|it| it.cases.push("a".to_owned()))
                }),
            ),
            (
                "false pass",
                Power {
                    trivial: misjudged(),
                    ..power(Untouched::default())
                },
            ),
            (
                "false failure",
                Power {
                    odd: misjudged(),
                    ..power(Untouched::default())
                },
            ),
        ] {
            assert!(!broken.holds(), "{what}");
        }
    }
}
