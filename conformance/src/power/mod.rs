//! `conformance power`: what the suite says of engines that are wrong, and of engines that are
//! merely odd. The suite is judged here, and not an engine.

mod gauge;
mod measure;
mod relay;
mod show;

use std::{collections::BTreeSet, io::Write};

use conformance_suite::{
    case::Cases,
    ledger::{Kind, Ledger},
};
use engines::{Fault, Other, faults, odd, trivial};
use serde::Serialize;
use wildmatch::WildMatch;

use self::{gauge::Gauge, measure::measure};
use crate::{
    cli::{PowerArgs, PowerFormat},
    commands::unless_closed,
    exit::{Exit, Problem},
};

/// The share of faults that have to be found for the right reason, in percent.
const RIGHT_REASON_MIN: usize = 95;

/// How many faults each clause has to be seen broken by that is more than a decision.
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
    /// The cases that failed, of those that it was put to: without `--strict` not all of them.
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
#[derive(Debug, Default, Serialize)]
pub(crate) struct Power {
    pub(crate) faults: Vec<Kill>,
    /// Trivial engines, with the cases that pass against them and should not.
    pub(crate) trivial: Vec<Misjudged>,
    /// Odd but correct engines, with the cases that fail against them and decide.
    pub(crate) odd: Vec<Misjudged>,
    /// What the whole catalogue leaves untouched; none if a part of it was asked for.
    pub(crate) untouched: Option<Untouched>,
    /// Runs of the whole suite against the reference, with nothing beside them.
    pub(crate) alone: Runs,
    /// Such runs while other engines are judged, as many at once as `--jobs` says.
    pub(crate) among_others: Runs,
    /// The cases that failed in any of them, each once.
    pub(crate) flaky: Vec<Wrong>,
}

/// Runs of the whole suite against the reference.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Runs {
    pub(crate) runs: u32,
    /// How many did not conform.
    pub(crate) flakes: u32,
}

impl Runs {
    /// Counts a run, by the cases that failed in it.
    fn add(&mut self, failed: &[Wrong]) {
        self.runs += 1;
        self.flakes += u32::from(!failed.is_empty());
    }
}

/// What faults are not seen by: it may be as wrong as it likes.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Untouched {
    /// Clauses of the documents, and of the messages that they name, of which fewer than three
    /// faults that break them have made a case fail.
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
            && self.alone.flakes + self.among_others.flakes == 0
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
    prove(args, &chosen, &ledger, &cases, out).await
}

/// Puts the suite to the engines that are chosen.
async fn prove(
    args: &PowerArgs,
    chosen: &Chosen,
    ledger: &Ledger,
    cases: &Cases,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let ours = |error| Problem::new(Exit::OurFault, error);
    let gauge = Gauge::new(cases);
    let mut power = measure(args, chosen, &gauge).await.map_err(ours)?;
    if args.names.is_empty() {
        let demanded = ledger.clauses.iter().filter(|it| it.kind != Kind::Decided);
        let clauses = demanded.map(|it| it.id.as_str());
        power.untouched = Some(Untouched::by(&power.faults, clauses, gauge.failing()));
    }
    let shown = match args.format {
        PowerFormat::Human => show::human(&power, ledger, out),
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

#[cfg(test)]
mod tests {
    use engines::Sight;

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
            untouched: Some(untouched),
            ..Power::default()
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

    /// Of each kind one that is none of it.
    #[tokio::test(flavor = "multi_thread")]
    async fn engines_that_are_misjudged_are_named_and_it_exits_1() {
        let mut chosen = Chosen::new(&[
            "pongs-unknown".to_owned(),
            "unknown-fields".to_owned(),
            "closing".to_owned(),
        ])
        .ok()
        .unwrap();
        // It takes `--strict` to see it.
        chosen.faults[0].sight = Sight::Plain;
        std::mem::swap(&mut chosen.trivial, &mut chosen.odd);
        let args = PowerArgs {
            names: vec!["some".to_owned()],
            list: false,
            jobs: 4,
            repeat: 0,
            format: PowerFormat::Human,
        };
        let ledger = Ledger::embedded().unwrap();
        let cases = Cases::embedded(&ledger).unwrap();
        let mut out = Vec::new();
        let exit = prove(&args, &chosen, &ledger, &cases, &mut out).await;
        assert_eq!(exit.ok(), Some(Exit::DoesNotConform));
        let out = String::from_utf8(out).unwrap();
        for line in [
            "SURVIVED  pongs-unknown",
            "unknown-fields passes:",
            "closing fails:",
            "faulty engines: 0 of 1 found",
            "for the right reason: 0 of 1 (0.0 %)",
        ] {
            assert!(out.lines().any(|it| it.starts_with(line)), "{line}: {out}");
        }
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
            ("flake", with(|it| it.alone.flakes = 1)),
            ("flake beside others", with(|it| it.among_others.flakes = 1)),
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
