//! What people read. Reports listen to a run; nothing in a run depends on them.

mod clauses;
mod explain;
mod failures;
mod style;

use std::{
    io::{self, Write},
    time::Duration,
};

pub use self::explain::{explain_case, explain_clause, list};
use crate::{
    ledger::Ledger,
    verdict::{Outcome, Tally, Verdict},
};

/// A run that has ended, with what is needed to judge it.
#[derive(Debug)]
pub struct Run<'r> {
    /// All clauses.
    pub ledger: &'r Ledger,
    /// What became of the cases, in order of their ids.
    pub outcomes: &'r [Outcome],
    /// Whether no case was left out.
    pub complete: bool,
    /// Whether every level decides.
    pub strict: bool,
    /// The command that aims at the same target, to be followed by ids.
    pub again: &'r str,
    /// How long it took.
    pub took: Duration,
}

/// How a report is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Whether to tell more than the verdicts: branches taken, clauses that are not documented.
    pub verbose: bool,
}

/// Writes the whole report: clauses, failures, counts.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn human(run: &Run<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    clauses::write(run, style, out)?;
    failures::write(run, out)?;
    summary(run, out)
}

/// Writes what failed, with its transcripts, and nothing else.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn failures(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    failures::write(run, out)
}

fn summary(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let tally = Tally::of(run.outcomes, run.strict);
    let verdicts: Vec<Verdict> = run.documented().map(|(_, verdict)| verdict).collect();
    let count = |name: &str| verdicts.iter().filter(|it| it.name() == name).count();
    let counts: Vec<String> = [
        "passed",
        "failed",
        "differs",
        "registration only",
        "untestable",
        "not selected",
    ]
    .into_iter()
    .filter(|name| count(name) > 0)
    .map(|name| format!("{} {name}", count(name)))
    .collect();
    writeln!(out)?;
    writeln!(
        out,
        "{} clauses: {}, in {:.2} s",
        verdicts.len(),
        counts.join(", "),
        run.took.as_secs_f64()
    )?;
    if tally.differing > 0 {
        writeln!(
            out,
            "{} cases that do not decide differ; they would fail under --strict",
            tally.differing
        )?;
    }
    // A clause without a case is as little exercised as a case that could not be run.
    let unexercised = run
        .documented()
        .filter(|(id, verdict)| {
            matches!(verdict, Verdict::Untestable(_))
                && !run
                    .outcomes
                    .iter()
                    .any(|it| it.clauses.iter().any(|clause| clause == id))
        })
        .count();
    writeln!(
        out,
        "{} passed, {} failed, {} skipped",
        tally.passed,
        tally.failed,
        tally.untestable + tally.differing + unexercised
    )
}

impl Run<'_> {
    fn verdict_of(&self, clause: &crate::ledger::Clause) -> Verdict {
        Verdict::of(clause, self.outcomes, self.complete, self.strict)
    }

    fn documented(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.ledger
            .clauses
            .iter()
            .filter(|clause| clause.document.is_some())
            .map(|clause| (clause.id.as_str(), self.verdict_of(clause)))
    }
}

/// Text of a peer's, fit for a terminal: control characters are shown, not obeyed.
pub(crate) fn printable(text: &str, characters_max: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(characters_max)
        .map(|c| match c {
            c if c.is_control() => c.escape_default().to_string(),
            // What changes the direction of text could make a line say something else.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                c.escape_unicode().to_string()
            }
            c => c.to_string(),
        })
        .collect();
    let left_out = text.chars().count().saturating_sub(characters_max);
    if left_out > 0 {
        shown += &format!("… ({left_out} more characters)");
    }
    shown
}
