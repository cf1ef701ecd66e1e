//! What failed, with everything that is needed to understand it.

use std::{
    collections::{BTreeSet, HashSet},
    io::{self, Write},
};

use super::{
    Run, Style, diagnosis,
    groups::{Group, grouped},
    printable, shown,
    style::{BAD, DOUBT, FAINT, STRONG},
};
use crate::{
    histories,
    ledger::Ledger,
    transcript::{Direction, Entry},
    verdict::{Failure, Outcome, Status},
};

const FRAME_CHARACTERS: usize = 600;
const VALUE_CHARACTERS: usize = 300;
/// How many cases are named that failed as another did, or that differ without deciding.
const OTHERS_MAX: usize = 6;
const DIFFERING_MAX: usize = 25;
/// How many kinds of malformed frames are told.
const MALFORMED_MAX: usize = 25;
/// With more failures than these it is their clauses that are run again.
const AGAIN_MAX: usize = 25;
/// Beyond this the middle of a transcript is left out.
const TRANSCRIPT_ENTRIES: usize = 80;

pub(super) fn write(run: &Run<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let failures = || {
        run.outcomes.iter().filter_map(|it| match &it.status {
            Status::Failed(failure) => Some((it, failure.as_ref())),
            _ => None,
        })
    };
    let decides = |outcome: &Outcome| outcome.decides_against(run.strict);
    gone(run, out)?;
    restarts(run, out)?;
    diagnosis::write(run, out)?;
    let deciding: Vec<_> = failures().filter(|(it, _)| decides(it)).collect();
    let groups = match style.verbose {
        true => Vec::new(),
        false => grouped(deciding.clone(), run.diagnosis().is_some()),
    };
    for group in &groups {
        let (outcome, failure) = group.first;
        write_one(run.ledger, run.strict, outcome, failure, out)?;
        others(group, out)?;
    }
    if style.verbose {
        for (outcome, failure) in deciding {
            write_one(run.ledger, run.strict, outcome, failure, out)?;
        }
    }
    let told = style.verbose || run.diagnosis().is_none();
    let differing = failures().filter(|(it, _)| told && !decides(it));
    let differing: Vec<_> = differing.collect();
    if !differing.is_empty() && !style.verbose {
        writeln!(
            out,
            "\n{STRONG}Differs without deciding (--verbose tells how){STRONG:#}"
        )?;
    }
    let more = differing.len().saturating_sub(DIFFERING_MAX);
    let at_most = match style.verbose {
        true => usize::MAX,
        false => DIFFERING_MAX,
    };
    for (outcome, failure) in differing.into_iter().take(at_most) {
        if style.verbose {
            write_one(run.ledger, run.strict, outcome, failure, out)?;
        } else {
            let (id, level) = (shown(&outcome.case), outcome.level.name());
            let title = shown(&outcome.title);
            writeln!(out, "  {DOUBT}{level:<9}{DOUBT:#} {id}: {title}")?;
        }
    }
    if more > 0 && !style.verbose {
        writeln!(out, "  … and {more} more")?;
    }
    malformed(run, out)
}

/// The command that runs the failures again: by their ids, or their clauses if they are many.
pub(super) fn again(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let failed = run
        .outcomes
        .iter()
        .filter(|it| it.decides_against(run.strict));
    let ids: Vec<&str> = failed.clone().map(|it| it.case.as_str()).collect();
    let clause = |it: &'_ Outcome| match it.clauses.first() {
        Some(clause) if it.case != histories::ID => clause.clone(),
        _ => it.case.clone(),
    };
    let clauses: BTreeSet<String> = failed.map(clause).collect();
    let (what, note) = match ids.len() {
        0 => return Ok(()),
        1..=AGAIN_MAX => (ids.join(" "), ""),
        _ => (
            clauses.into_iter().collect::<Vec<_>>().join(" "),
            "the clauses of what failed (reports name the cases)\n",
        ),
    };
    let (front, behind) = (run.again, run.again_behind);
    writeln!(
        out,
        "{note}again: {} {}{}",
        shown(front),
        shown(&what),
        shown(behind)
    )
}

/// What failed in the same way as the one that is shown.
fn others(group: &Group<'_>, out: &mut dyn Write) -> io::Result<()> {
    if group.others.is_empty() {
        return Ok(());
    }
    let ids = group.others.iter().map(|(it, _)| it.case.as_str());
    let named: Vec<&str> = ids.take(OTHERS_MAX).collect();
    let more = match group.others.len().saturating_sub(OTHERS_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    writeln!(
        out,
        "{STRONG}{} cases failed in the same way{STRONG:#} (--verbose shows each): this one, {}{more}",
        group.len(),
        shown(&named.join(", "))
    )
}

/// What is known of an engine that has gone away, and how to find out why.
fn gone(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(gone) = &run.gone else {
        return Ok(());
    };
    writeln!(
        out,
        "\n{BAD}THE ENGINE WENT AWAY{BAD:#} during the run, and the run was stopped"
    )?;
    for (index, line) in gone.problem.lines().enumerate() {
        let name = if index == 0 { "seen" } else { "" };
        writeln!(out, "  {name:<9} {}", printable(line, FRAME_CHARACTERS))?;
    }
    let reason = gone.to_string();
    let unbegun = |it: &&Outcome| matches!(&it.status, Status::Untestable(why) if *why == reason);
    let unbegun = run.outcomes.iter().filter(unbegun).count();
    field(
        out,
        "unbegun",
        &format!("{unbegun} cases, which are untestable"),
    )?;
    running(run, &gone.beside, out)
}

/// What is known of an engine that was away and came back.
fn restarts(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = run.restarts.first() else {
        return Ok(());
    };
    let times = match run.restarts.len() {
        1 => String::new(),
        times => format!(", {times} times (this is the first)"),
    };
    writeln!(
        out,
        "\n{BAD}THE ENGINE WAS AWAY{BAD:#} during the run and came back, as if it had crashed and \
         been started anew{times}"
    )?;
    field(
        out,
        "seen",
        "what failed here may be the doing of another case that ran beside it",
    )?;
    running(run, &first.beside, out)
}

/// What was running when an engine went away, and how to find out which case it was.
fn running(run: &Run<'_>, beside: &[String], out: &mut dyn Write) -> io::Result<()> {
    let Some(command) = run.one_at_a_time(beside) else {
        return field(out, "running", "no case");
    };
    field(out, "running", &beside.join(" "))?;
    writeln!(
        out,
        "  to find out which of them it was, run them one at a time:"
    )?;
    writeln!(out, "    {}", shown(&command))
}

pub(super) fn write_one(
    ledger: &Ledger,
    strict: bool,
    outcome: &Outcome,
    failure: &Failure,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (style, word) = if outcome.decides_against(strict) {
        (BAD, "FAILED")
    } else {
        (DOUBT, "differs")
    };
    writeln!(
        out,
        "\n{style}{word}{style:#} {STRONG}{}{STRONG:#} ({}): {}",
        shown(&outcome.case),
        outcome.level.name(),
        shown(&outcome.title)
    )?;
    for id in &outcome.clauses {
        if let Some(clause) = ledger.clause(id) {
            writeln!(out, "  clause    {id} {}", clause.statement)?;
        }
    }
    if let Some(quote) = &outcome.quote {
        field(out, "quote", quote)?;
    }
    if let Some(step) = failure.step {
        writeln!(out, "  at step   {step}")?;
    }
    field(
        out,
        "expected",
        &printable(&failure.expected, VALUE_CHARACTERS),
    )?;
    field(
        out,
        "received",
        &printable(&failure.problem, VALUE_CHARACTERS),
    )?;
    for mismatch in &failure.mismatches {
        let path = if mismatch.path.is_empty() {
            "(the frame)"
        } else {
            &mismatch.path
        };
        writeln!(
            out,
            "            {STRONG}{}{STRONG:#}",
            printable(path, VALUE_CHARACTERS)
        )?;
        writeln!(
            out,
            "              expected  {}",
            printable(&mismatch.expected, VALUE_CHARACTERS)
        )?;
        writeln!(
            out,
            "              received  {}",
            printable(&mismatch.received, VALUE_CHARACTERS)
        )?;
    }
    if !failure.history.is_empty() {
        writeln!(out, "  history, shrunk")?;
        for step in &failure.history {
            writeln!(out, "    {}", shown(step))?;
        }
    }
    transcript(&outcome.transcript, out)
}

fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    for (index, line) in text.lines().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(out, "  {name:<9} {}", shown(line))?;
    }
    Ok(())
}

pub(super) fn transcript(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  transcript")?;
    let left_out = entries.len().saturating_sub(TRANSCRIPT_ENTRIES);
    let head = TRANSCRIPT_ENTRIES / 2;
    for (index, entry) in entries.iter().enumerate() {
        if left_out > 0 && index == head {
            writeln!(out, "    {FAINT}… {left_out} lines left out{FAINT:#}")?;
        }
        if left_out > 0 && index >= head && index < head + left_out {
            continue;
        }
        let arrow = match entry.direction {
            Direction::Sent => "→",
            Direction::Received => "←",
            Direction::Note => "·",
        };
        writeln!(
            out,
            "    {FAINT}{:>7.3} s{FAINT:#}  {} {arrow} {}",
            entry.at.as_secs_f64(),
            shown(&entry.session),
            printable(&entry.text, FRAME_CHARACTERS)
        )?;
    }
    Ok(())
}

/// Frames that are not what the schemas describe, whatever case they came in.
fn malformed(run: &Run<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut known = HashSet::new();
    let all = run.outcomes.iter();
    let all = all.flat_map(|it| it.malformed.iter().map(|fault| (fault.as_str(), &it.case)));
    let faults: Vec<_> = all.filter(|(fault, _)| known.insert(*fault)).collect();
    if faults.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{STRONG}Frames that are not what spec/schema describes (observed){STRONG:#}"
    )?;
    for (fault, case) in faults.iter().take(MALFORMED_MAX) {
        writeln!(
            out,
            "  {} {FAINT}in {}{FAINT:#}",
            printable(fault, VALUE_CHARACTERS),
            shown(case)
        )?;
    }
    if let Some(more) = faults.len().checked_sub(MALFORMED_MAX).filter(|it| *it > 0) {
        writeln!(out, "  {FAINT}… and {more} more{FAINT:#}")?;
    }
    Ok(())
}
