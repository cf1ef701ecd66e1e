//! A summary as Markdown: the clauses as a table, and what failed. It is compact, since GitHub
//! shows no step summary beyond a mebibyte.

use std::io::{self, Write};

use super::{
    document::{CaseReport, ClauseReport, Document},
    plain::{self, VALUE_CHARACTERS},
    printable, shown,
};

const REASON_CHARACTERS: usize = 160;
const TRANSCRIPT_LINES: usize = 40;
/// From here on failures are named and no longer told.
const BYTES_MAX: usize = 256 << 10;

pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let result = &document.result;
    let all: usize = result.clause_counts.iter().map(|it| it.1).sum();
    writeln!(
        out,
        "## Conformance: {} of {all} clauses passed\n",
        document.clauses_with(&["passed"])
    )?;
    writeln!(
        out,
        "Target {}, suite {}, {:.2} s, exit code {}\n",
        code(document.heading.target),
        document.heading.suite_version,
        result.duration_ms.as_secs_f64(),
        result.exit_code,
    )?;
    if let Some(problem) = result.problem {
        return writeln!(out, "**The run did not take place:** {}", text(problem));
    }
    if result.interrupted {
        writeln!(
            out,
            "**The run was interrupted:** this is what had ended by then.\n"
        )?;
    }
    if let Some(gone) = &result.engine_gone {
        writeln!(out, "**The run was stopped:** {}\n", text(&gone.describe()))?;
        if let Some(again) = &gone.again {
            writeln!(out, "One at a time: {}\n", code(again))?;
        }
    }
    for restart in &result.engine_restarts {
        writeln!(
            out,
            "**The engine was away and came back:** {}\n",
            text(&restart.text)
        )?;
    }
    if result.not_run > 0 {
        writeln!(out, "{} selected cases were not run.\n", result.not_run)?;
    }
    counts(document, out)?;
    table(document, out)?;
    for stale in result.stale_expectations {
        writeln!(out, "- Stale expectation: {}\n", text(&stale.describe()))?;
    }
    failures(document, out)?;
    differing(document, out)
}

fn counts(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (what, counts) in [
        ("Clauses", &document.result.clause_counts),
        ("Cases", &document.result.counts),
    ] {
        let counted = counts.iter().filter(|(_, count)| *count > 0);
        let counted = counted.map(|(name, count)| format!("{count} {name}"));
        let counted: Vec<String> = counted.collect();
        if !counted.is_empty() {
            writeln!(out, "{what}: {}\n", counted.join(", "))?;
        }
    }
    Ok(())
}

/// The clauses of the documents, as far as they were selected.
fn table(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let shown = |it: &&ClauseReport<'_>| it.document.is_some() && it.verdict != "not selected";
    writeln!(out, "| clause | | verdict |\n|---|---|---|")?;
    for clause in document.result.clauses.iter().filter(shown) {
        let reason = clause.reason.as_deref().map_or(String::new(), |it| {
            format!("<br>{}", text(&printable(it, REASON_CHARACTERS)))
        });
        let (mark, verdict) = (mark(clause.verdict), clause.verdict);
        writeln!(
            out,
            "| {} | {} | {mark} {verdict}{reason} |",
            clause.id,
            text(clause.title)
        )?;
    }
    writeln!(out)
}

fn mark(verdict: &str) -> &'static str {
    match verdict {
        "passed" => "✅",
        "failed" => "❌",
        "untestable" | "not run" | "not selected" => "⬜",
        _ => "🟡",
    }
}

fn failures(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut written = 0;
    let mut heading = "### Failures\n\n";
    for case in document.cases.iter().filter(|it| it.counts_as_failed()) {
        write!(out, "{heading}")?;
        heading = "";
        let told = match written < BYTES_MAX {
            true => one(case),
            false => format!("- {}\n", code(case.id)),
        };
        written += told.len();
        write!(out, "{told}")?;
    }
    match &document.result.again {
        Some(again) => writeln!(out, "\nAgain: {}", code(again)),
        None => Ok(()),
    }
}

fn one(case: &CaseReport<'_>) -> String {
    let (id, clauses) = (html(case.id), html(&case.clauses.join(", ")));
    let mut told = format!(
        "<details><summary><b>{id}</b> ({clauses}): {}</summary>\n\n",
        html(case.title)
    );
    if let Some(quote) = case.quote {
        for line in quote.lines() {
            told += &format!("> {}  \n", text(line));
        }
        told.push('\n');
    }
    let mut lines = match &case.failure {
        Some(failure) => plain::details(failure),
        None => vec![plain::headline(case)],
    };
    lines.push(String::new());
    lines.extend(plain::transcript(case, TRANSCRIPT_LINES, VALUE_CHARACTERS));
    let block = lines.join("\n");
    let fence = fence(&block, 3);
    told += &format!(
        "{fence}text\n{}\n{fence}\n\n</details>\n\n",
        block.trim_end()
    );
    told
}

/// What differs without deciding, by name.
fn differing(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let quiet = |it: &&CaseReport<'_>| it.failure.is_some() && !it.counts_as_failed();
    let mut heading = "\n### Differs without deciding\n\n";
    for case in document.cases.iter().filter(quiet) {
        let (level, id) = (case.level, code(case.id));
        writeln!(out, "{heading}- {id} ({level}): {}", text(case.title))?;
        heading = "";
    }
    Ok(())
}

/// As text of a block of HTML, in which Markdown is not read.
fn html(raw: &str) -> String {
    let mut escaped = String::new();
    for c in shown(raw).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            // Nobody is to be notified.
            '@' => escaped += "&commat;",
            _ => escaped.push(c),
        }
    }
    escaped
}

/// As text in which nothing is Markdown or HTML.
pub(super) fn text(raw: &str) -> String {
    let mut escaped = String::new();
    for c in html(raw).chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

/// As a span of code, outside tables.
pub(super) fn code(raw: &str) -> String {
    let raw = shown(raw);
    let fence = fence(&raw, 1);
    let pad = if raw.starts_with('`') || raw.ends_with('`') {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{raw}{pad}{fence}")
}

/// More backticks than stand together anywhere in what they enclose.
fn fence(enclosed: &str, least: usize) -> String {
    let runs = enclosed.split(|c| c != '`').map(str::len);
    "`".repeat(runs.max().unwrap_or_default().saturating_add(1).max(least))
}

#[cfg(test)]
mod tests {
    use super::{code, fence, text};

    #[test]
    fn text_of_a_peer_is_no_markdown() {
        assert_eq!(
            text("<b>|*x*| @me `c` [l](u) &amp;\n# h"),
            r"&lt;b&gt;\|\*x\*\| &commat;me \`c\` \[l\](u) &amp;amp;\\n\# h"
        );
        assert_eq!(code("a``b"), "```a``b```");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(fence("no", 3), "```");
        assert_eq!(fence("````", 3), "`````");
    }
}
