//! The Test Anything Protocol, version 14: a line a case, and what is to be said of one that did
//! not simply pass as YAML. What does not decide is `not ok` under `# TODO`, which fails nothing.

use std::io::{self, Write};

use super::{
    document::{CaseReport, Document},
    plain, shown,
};
use crate::{expectation::Stale, verdict::CaseVerdict};

pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "TAP version 14")?;
    if let Some(problem) = document.result.problem {
        return writeln!(out, "Bail out! {}", shown(problem));
    }
    let unknown = |it: &&Stale| matches!(it, Stale::Unknown(_));
    let unknown: Vec<&Stale> = document
        .result
        .stale_expectations
        .iter()
        .filter(unknown)
        .collect();
    let cases = document.cases.len();
    writeln!(out, "1..{}", cases + unknown.len())?;
    writeln!(out, "# target: {}", shown(document.heading.target))?;
    writeln!(
        out,
        "# suite: conformance {}",
        document.heading.suite_version
    )?;
    for (index, case) in document.cases.iter().enumerate() {
        point(index + 1, case, out)?;
    }
    for (index, stale) in unknown.into_iter().enumerate() {
        let number = cases + index + 1;
        writeln!(out, "not ok {number} - {}", described(&stale.describe()))?;
    }
    if let Some(gone) = &document.result.engine_gone {
        writeln!(out, "Bail out! {}", gone.describe())?;
    }
    if document.result.interrupted {
        writeln!(out, "Bail out! interrupted")?;
    }
    Ok(())
}

fn point(number: usize, case: &CaseReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let reason = described(case.reason.unwrap_or_default());
    let (ok, directive) = match case.verdict {
        CaseVerdict::Passed => (true, String::new()),
        CaseVerdict::NotApplicable | CaseVerdict::Untestable => {
            (true, format!(" # SKIP {}: {reason}", case.verdict.name()))
        }
        CaseVerdict::PassedMapped => (
            true,
            format!(" # SKIP {}", described(&plain::headline(case))),
        ),
        CaseVerdict::ExpectedFailure => (false, format!(" # TODO {reason}")),
        CaseVerdict::Differs | CaseVerdict::Observed => (
            false,
            format!(" # TODO {}: does not decide", case.verdict.name()),
        ),
        CaseVerdict::Failed | CaseVerdict::UnexpectedPass | CaseVerdict::HarnessError => {
            (false, String::new())
        }
    };
    let not = if ok { "" } else { "not " };
    let (id, title) = (described(case.id), described(case.title));
    writeln!(out, "{not}ok {number} - {id}: {title}{directive}")?;
    if ok { Ok(()) } else { diagnostics(case, out) }
}

/// A block of YAML whose values are JSON, which YAML takes as it is.
fn diagnostics(case: &CaseReport<'_>, out: &mut dyn Write) -> io::Result<()> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    writeln!(out, "  ---")?;
    writeln!(out, "  message: {}", quoted(&plain::headline(case)))?;
    writeln!(out, "  verdict: {}", quoted(case.verdict.name()))?;
    writeln!(out, "  level: {}", quoted(case.level))?;
    writeln!(out, "  clauses: {}", serde_json::Value::from(case.clauses))?;
    if let Some(failure) = &case.failure {
        if let Some(step) = failure.step {
            writeln!(out, "  step: {step}")?;
        }
        list(
            "mismatches",
            failure.mismatches.iter().map(|it| {
                let (place, expected, received) =
                    (shown(it.place()), shown(it.expected), shown(it.received));
                serde_json::json!({ "path": place, "expected": expected, "received": received })
            }),
            out,
        )?;
        list(
            "history",
            failure.history.iter().map(|it| shown(it).into()),
            out,
        )?;
    }
    let transcript = plain::transcript(case, plain::LINES_MAX, plain::FRAME_CHARACTERS);
    list("transcript", transcript.into_iter().map(Into::into), out)?;
    writeln!(out, "  ...")
}

fn list(
    name: &str,
    items: impl Iterator<Item = serde_json::Value>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut items = items.peekable();
    if items.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "  {name}:")?;
    items.try_for_each(|item| writeln!(out, "    - {item}"))
}

/// As part of a test point: `#` would begin a directive.
fn described(text: &str) -> String {
    shown(text).replace('\\', r"\\").replace('#', r"\#")
}
