//! A comparison as Markdown: a table of what differs.

use std::io::{self, Write};

use super::{Comparison, Different, Seen, in_words, lines};
use crate::report::{
    markdown::{code, text},
    printable,
};

/// Cases of one run only, or judged otherwise, that are named; the others are counted.
const NAMED_MAX: usize = 20;
const CONDITION_CHARACTERS: usize = 160;

pub(super) fn write(comparison: &Comparison<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Conformance: {}\n", comparison.verdict())?;
    writeln!(out, "- A: {}", code(&comparison.a.describe()))?;
    writeln!(out, "- B: {}", code(&comparison.b.describe()))?;
    for it in comparison.reasons() {
        let [a, b] = [&it.a, &it.b].map(|it| text(&printable(it, CONDITION_CHARACTERS)));
        writeln!(out, "- Not the same, {}: A {a}; B {b}", it.what)?;
    }
    writeln!(out)?;
    if !comparison.different.is_empty() {
        writeln!(out, "| clause | case | A | B |\n|---|---|---|---|")?;
    }
    for it in &comparison.different {
        let (a, b) = (cell(it, &it.a), cell(it, &it.b));
        let [clause, id, level] = [it.case.clause(), it.case.id, it.case.level].map(text);
        writeln!(
            out,
            "| {clause} | {id} ({level})<br>{} | {a} | {b} |",
            text(it.case.title)
        )?;
    }
    let judged = comparison.judged_otherwise.iter().map(|it| it.case.id);
    let of_a = comparison.only_in_a.iter().map(|it| it.case.id);
    let of_b = comparison.only_in_b.iter().map(|it| it.case.id);
    named("The same, and judged otherwise", judged.collect(), out)?;
    named("Only in A", of_a.collect(), out)?;
    named("Only in B", of_b.collect(), out)?;
    writeln!(out, "\n{}", comparison.counts.describe())
}

/// The verdict, and what is to be said of it.
fn cell(different: &Different<'_>, seen: &Seen<'_>) -> String {
    let mut cell = format!("**{}**", text(&in_words(seen.verdict)));
    for line in lines::of(different, seen) {
        cell += &format!("<br>{}", text(&line));
    }
    cell
}

fn named(what: &str, ids: Vec<&str>, out: &mut dyn Write) -> io::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = ids.iter().take(NAMED_MAX).map(|it| text(it)).collect();
    let more = match ids.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    writeln!(out, "\n{what}: {}{more}", named.join(", "))
}
