//! A comparison for a terminal.

use std::io::{self, Write};

use super::{Comparison, Different, Judged, Lone, Named, Seen, in_words, lines};
use crate::report::{
    printable, shown,
    style::{BAD, DOUBT, FAINT, GOOD, STRONG},
};

/// Cases of one run only that are named; the others are counted.
const LONE_MAX: usize = 20;
const CONDITION_CHARACTERS: usize = 160;

pub(super) fn write(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "A  {}", shown(&comparison.a.describe()))?;
    writeln!(out, "B  {}", shown(&comparison.b.describe()))?;
    conditions(comparison, out)?;
    different(comparison, out)?;
    judged_otherwise(&comparison.judged_otherwise, out)?;
    lone("A", &comparison.only_in_a, out)?;
    lone("B", &comparison.only_in_b, out)?;
    writeln!(out, "\n{}", comparison.counts.describe())?;
    writeln!(out, "{}", comparison.verdict())
}

fn conditions(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    if comparison.reasons().is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{STRONG}Not under the same conditions, which may be why{STRONG:#}"
    )?;
    for it in comparison.reasons() {
        let [a, b] = [&it.a, &it.b].map(|it| printable(it, CONDITION_CHARACTERS));
        writeln!(out, "  {}: A {a}; B {b}", it.what)?;
    }
    Ok(())
}

fn different(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut clause = None;
    for it in &comparison.different {
        if clause != Some(it.case.clause()) {
            clause = Some(it.case.clause());
            let (id, title) = (it.case.clause(), it.case.clause_title.unwrap_or_default());
            writeln!(out, "\n{STRONG}{} {}{STRONG:#}", shown(id), shown(title))?;
        }
        writeln!(out, "  {}", name(&it.case))?;
        side("A", it, &it.a, out)?;
        side("B", it, &it.b, out)?;
    }
    Ok(())
}

/// The verdict, and what is to be said of it.
fn side(
    name: &str,
    different: &Different<'_>,
    seen: &Seen<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = match seen.verdict {
        "passed" => GOOD,
        "failed" | "harness_error" => BAD,
        _ => DOUBT,
    };
    let mut head = format!("{name}  {style}{:<11}{style:#}", verdict(seen.verdict));
    for line in lines::of(different, seen) {
        writeln!(out, "    {head} {line}")?;
        head = " ".repeat(14);
    }
    Ok(())
}

fn judged_otherwise(cases: &[Judged<'_>], out: &mut dyn Write) -> io::Result<()> {
    if !cases.is_empty() {
        writeln!(
            out,
            "\n{STRONG}The same, and judged otherwise (counted as the same){STRONG:#}"
        )?;
    }
    for it in cases {
        let (a, b) = (verdict(it.a), verdict(it.b));
        writeln!(out, "  {}: A {a}, B {b}", shown(it.case.id))?;
    }
    Ok(())
}

fn lone(side: &str, cases: &[Lone<'_>], out: &mut dyn Write) -> io::Result<()> {
    if !cases.is_empty() {
        writeln!(out, "\n{STRONG}Only in {side}{STRONG:#}")?;
    }
    for it in cases.iter().take(LONE_MAX) {
        writeln!(out, "  {}: {}", shown(it.case.id), verdict(it.verdict))?;
    }
    match cases.len().saturating_sub(LONE_MAX) {
        0 => Ok(()),
        more => writeln!(out, "  {FAINT}and {more} more{FAINT:#}"),
    }
}

fn name(case: &Named<'_>) -> String {
    let [id, level, title] = [case.id, case.level, case.title].map(shown);
    format!("{STRONG}{id}{STRONG:#} ({level}): {title}")
}

fn verdict(verdict: &str) -> String {
    shown(&in_words(verdict))
}
