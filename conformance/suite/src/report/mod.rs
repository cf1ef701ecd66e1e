//! What people and machines read. Reports listen to a run; nothing in a run depends on them.

mod badge;
mod clauses;
mod diagnosis;
pub mod diff;
mod document;
mod explain;
mod failures;
mod format;
mod github;
mod groups;
mod html;
mod junit;
pub mod live;
mod markdown;
mod plain;
mod serial;
mod style;
mod tap;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

pub use self::{
    document::{Document, Ending, Heading},
    explain::{explain_case, explain_clause, explain_histories, list},
    format::Format,
};
use crate::{
    expectation::Stale,
    ledger::Ledger,
    runner::{Gone, Restart},
    verdict::{CaseVerdict, Outcome, Status, Tally, Unrun, Verdict},
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
    /// Whether the engine has gone away, and what was running then.
    pub gone: Option<Arc<Gone>>,
    /// Every time that it was away and came back.
    pub restarts: Vec<Restart>,
    /// What the run has not come to.
    pub unrun: Unrun,
    /// Why it ended before its end, if not for want of an engine.
    pub cut_short: Option<CutShort>,
    /// How many cases were left out, since they take long and were not asked for.
    pub left_out: usize,
    /// Expectations that have to go, or to be mended.
    pub stale: &'r [Stale],
    /// The command that aims at the same target, to be followed by ids.
    pub again: &'r str,
    /// What follows the ids.
    pub again_behind: &'r str,
    /// How long it took.
    pub took: Duration,
}

/// Why a run ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShort {
    /// Somebody interrupted it.
    Interrupted,
    /// Something failed, and `--fail-fast` was given.
    FirstFailure,
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
    failures::write(run, style, out)?;
    summary(run, out)?;
    failures::again(run, out)
}

/// Writes what failed, with its transcripts, and nothing else.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn failures(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    failures::write(run, Style { verbose: true }, out)
}

/// Writes what a case has come to, with its transcript whatever that is.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn played(
    outcome: &Outcome,
    ledger: &Ledger,
    strict: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if let Status::Failed(failure) = &outcome.status {
        return failures::write_one(ledger, strict, outcome, failure, out);
    }
    failures::transcript(&outcome.transcript, out)
}

fn summary(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let tally = Tally::of(run.outcomes, run.strict);
    let verdicts: Vec<Verdict> = run.documented().map(|(_, verdict)| verdict).collect();
    let count = |name: &str| verdicts.iter().filter(|it| it.name() == name).count();
    let counts: Vec<String> = Verdict::NAMES
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
    if let Some(cut_short) = run.cut_short {
        let why = match cut_short {
            CutShort::Interrupted => "the run was interrupted",
            CutShort::FirstFailure => "--fail-fast stopped the run at the first failure",
        };
        match run.unrun.cases {
            1 => writeln!(out, "1 case not run: {why}")?,
            count => writeln!(out, "{count} cases not run: {why}")?,
        }
    }
    match tally.count_any(&[CaseVerdict::Differs, CaseVerdict::Observed]) {
        0 => {}
        1 => writeln!(
            out,
            "1 case that does not decide differs; it would fail under --strict"
        )?,
        differing => writeln!(
            out,
            "{differing} cases that do not decide differ; they would fail under --strict"
        )?,
    }
    for (verdict, what) in [
        (
            CaseVerdict::PassedMapped,
            "passed with other names than the documents', which is no conformance",
        ),
        (CaseVerdict::ExpectedFailure, "failed as expected"),
        (
            CaseVerdict::NotApplicable,
            "not applicable, as the target says",
        ),
        (
            CaseVerdict::HarnessError,
            "could not be run, by a fault of the suite",
        ),
    ] {
        match tally.count(verdict) {
            0 => {}
            1 => writeln!(out, "1 case {what}")?,
            count => writeln!(out, "{count} cases {what}")?,
        }
    }
    for stale in run.stale {
        writeln!(out, "stale expectation: {}", shown(&stale.describe()))?;
    }
    match run.left_out {
        0 => {}
        1 => writeln!(out, "1 case left out, as it takes a minute; --slow runs it")?,
        count => writeln!(
            out,
            "{count} cases left out, as they take a minute; --slow runs them"
        )?,
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
        tally.count(CaseVerdict::Passed),
        tally.count_any(&[
            CaseVerdict::Failed,
            CaseVerdict::UnexpectedPass,
            CaseVerdict::HarnessError
        ]),
        tally.count_any(&[
            CaseVerdict::Untestable,
            CaseVerdict::NotApplicable,
            CaseVerdict::ExpectedFailure
        ]) + unexercised
    )
}

impl Run<'_> {
    fn verdict_of(&self, clause: &crate::ledger::Clause) -> Verdict {
        Verdict::of(
            clause,
            self.outcomes,
            &self.unrun,
            self.complete,
            self.strict,
        )
    }

    /// The command that runs one at a time what was running when the engine went away.
    fn one_at_a_time(&self, beside: &[String]) -> Option<String> {
        let ids = beside.join(" ");
        let command = format!("{} --jobs 1 {ids}{}", self.again, self.again_behind);
        (!ids.is_empty()).then_some(command)
    }

    fn documented(&self) -> impl Iterator<Item = (&str, Verdict)> {
        self.ledger
            .clauses
            .iter()
            .filter(|clause| clause.document.is_some())
            .map(|clause| (clause.id.as_str(), self.verdict_of(clause)))
    }
}

/// Text of a peer's, fit for a terminal: what is not seen, or changes how other text is seen, is
/// shown as an escape. So is what begins a command in a log of GitHub's.
#[must_use]
pub fn printable(text: &str, characters_max: usize) -> String {
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == characters_max {
            let left_out = text.chars().count() - characters_max;
            shown += &format!("… ({left_out} more characters)");
            break;
        }
        let commands = index == 0 && text.starts_with("::") || c == '[' && shown.ends_with("##");
        if commands {
            shown.extend(c.escape_unicode());
        } else if c.is_control() || is_invisible(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// All of a text of a peer's, as [`printable`] shows it.
fn shown(text: &str) -> String {
    printable(text, usize::MAX)
}

/// Format characters (category Cf of Unicode), the separators of lines and paragraphs, and what
/// XML has no place for.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{fffe}'..='\u{ffff}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}'
        | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_of_a_peer_cannot_act_on_a_terminal() {
        let hostile = "\u{1b}[31mred\u{202e}dlrow\u{61c}\u{feff}\u{2028}\n";
        let shown = printable(hostile, 100);
        assert_eq!(
            shown,
            "\\u{1b}[31mred\\u{202e}dlrow\\u{61c}\\u{feff}\\u{2028}\\n"
        );
        assert_eq!(printable("abcdef", 4), "abcd… (2 more characters)");
        assert_eq!(printable("Grüße, 世界", 100), "Grüße, 世界");
        assert_eq!(printable("::error::x", 100), "\\u{3a}:error::x");
        assert_eq!(printable("a::b ##[group]", 100), "a::b ##\\u{5b}group]");
    }
}
