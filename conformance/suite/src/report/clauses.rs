//! The table by clause.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use anstyle::Style as Ansi;

use super::{
    Run, Style, printable, shown,
    style::{BAD, DOUBT, FAINT, GOOD, STRONG},
};
use crate::{
    assets,
    ledger::{Clause, Kind},
    verdict::{Outcome, Status, Verdict},
};

const REASON_CHARACTERS: usize = 160;

pub(super) fn write(run: &Run<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    // A run of a part shows that part.
    let shown = |clause: &&Clause| run.complete || run.verdict_of(clause) != Verdict::NotSelected;
    let of_kind = |kind: Kind| run.ledger.clauses.iter().filter(move |it| it.kind == kind);
    let mut document = None;
    for clause in of_kind(Kind::Documented).filter(shown) {
        if clause.document != document {
            document.clone_from(&clause.document);
            let title = document.as_deref().map_or("", title_of);
            writeln!(out, "\n{STRONG}{title}{STRONG:#}")?;
        }
        row(run, clause, out)?;
    }
    for (kind, heading) in [
        (
            Kind::Companion,
            "Companion messages, named by the documents without their shape",
        ),
        (
            Kind::Decided,
            "Where the documents are silent (observed: nothing here fails an engine)",
        ),
    ] {
        let clauses: Vec<&Clause> = of_kind(kind).filter(shown).collect();
        if clauses.is_empty() {
            continue;
        }
        writeln!(out, "\n{STRONG}{heading}{STRONG:#}")?;
        if style.verbose {
            for clause in clauses {
                row(run, clause, out)?;
            }
        } else {
            brief(run, clauses, out)?;
        }
    }
    branches(run, style, out)
}

/// The first heading of a document.
pub(super) fn title_of(document: &str) -> &str {
    let text = assets::document(document).unwrap_or_default();
    text.lines()
        .next()
        .unwrap_or(document)
        .trim_start_matches("# ")
}

fn row(run: &Run<'_>, clause: &Clause, out: &mut dyn Write) -> io::Result<()> {
    let verdict = run.verdict_of(clause);
    let style = style_of(&verdict);
    let judging = |it: &&Outcome| it.clauses.contains(&clause.id) && it.status == Status::Passed;
    let passed = run.outcomes.iter().filter(judging).count();
    let all = run
        .outcomes
        .iter()
        .filter(|it| it.clauses.contains(&clause.id))
        .count();
    writeln!(
        out,
        "  {:<6} {style}{:<17}{style:#} {:<46} {FAINT}{passed}/{all}{FAINT:#}",
        clause.id,
        verdict.name(),
        clause.title,
    )?;
    for remark in remarks(run, clause) {
        writeln!(
            out,
            "         {FAINT}{}{FAINT:#}",
            printable(remark, REASON_CHARACTERS)
        )?;
    }
    let note = match &verdict {
        // What is said below need not be said of every clause.
        Verdict::Untestable(reason)
            if (run.gone.as_ref()).is_some_and(|it| it.to_string() == *reason) =>
        {
            Some("the engine had gone away by then")
        }
        Verdict::Untestable(reason)
        | Verdict::InPart(reason)
        | Verdict::FailsAsExpected(reason) => Some(reason.as_str()),
        Verdict::RegistrationOnly => clause.later.as_deref(),
        _ => None,
    };
    match note {
        Some(note) => writeln!(
            out,
            "         {FAINT}{}{FAINT:#}",
            printable(note, REASON_CHARACTERS)
        ),
        None => Ok(()),
    }
}

/// What was seen where nothing is prescribed, in the cases that are about a clause first of all.
fn remarks<'r>(run: &'r Run<'_>, clause: &Clause) -> BTreeSet<&'r str> {
    let judging = run.outcomes.iter();
    let judging = judging.filter(|it| it.clauses.first() == Some(&clause.id));
    judging
        .flat_map(|it| &it.remarks)
        .map(String::as_str)
        .collect()
}

fn style_of(verdict: &Verdict) -> Ansi {
    match verdict {
        Verdict::Passed => GOOD,
        Verdict::Failed => BAD,
        Verdict::Differs
        | Verdict::FailsAsExpected(_)
        | Verdict::RegistrationOnly
        | Verdict::InPart(_)
        | Verdict::Untestable(_) => DOUBT,
        Verdict::NotRun | Verdict::NotSelected => FAINT,
    }
}

/// One line for many clauses, and one for each that differs.
fn brief(run: &Run<'_>, clauses: Vec<&Clause>, out: &mut dyn Write) -> io::Result<()> {
    let judge = |clause| (clause, run.verdict_of(clause));
    let judged: Vec<(&Clause, Verdict)> = clauses.into_iter().map(judge).collect();
    let count = |name: &str| judged.iter().filter(|(_, it)| it.name() == name).count();
    let as_the_reference = count("passed") + count("passed in part") + count("registration only");
    writeln!(
        out,
        "  {as_the_reference} as the reference, {} differ, {} not exercised",
        count("differs") + count("failed"),
        count("untestable") + count("not run") + count("not selected"),
    )?;
    if run.diagnosis().is_some() {
        return Ok(());
    }
    for (clause, verdict) in &judged {
        if matches!(verdict, Verdict::Differs | Verdict::Failed) {
            row(run, clause, out)?;
        }
    }
    Ok(())
}

/// Where several things are allowed: what this engine does.
fn branches(run: &Run<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let taken: Vec<&Outcome> = run
        .outcomes
        .iter()
        .filter(|it| !it.branches.is_empty())
        .collect();
    if !style.verbose || taken.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{STRONG}Where several things are allowed{STRONG:#}")?;
    for outcome in taken {
        let branches = outcome.branches.join(", ");
        writeln!(out, "  {}: {}", shown(&outcome.case), shown(&branches))?;
    }
    Ok(())
}
