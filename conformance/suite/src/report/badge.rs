//! The JSON that shields.io draws a badge from.

use std::io::{self, Write};

use serde_json::json;

use super::document::Document;

/// Of all documented clauses, how many pass: a run of a part is not shown as the whole.
pub(super) fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let all: usize = document.result.clause_counts.iter().map(|it| it.1).sum();
    let passed = document.clauses_with(&["passed"]);
    let failed = document.clauses_with(&["failed"]);
    let (message, color) = match document.result.problem {
        Some(_) => ("unreachable".to_owned(), "lightgrey"),
        None if failed > 0 || document.result.engine_gone.is_some() => {
            (format!("{passed}/{all} clauses"), "red")
        }
        None if passed == all => (format!("{passed}/{all} clauses"), "brightgreen"),
        None => (format!("{passed}/{all} clauses"), "yellow"),
    };
    let badge = json!({
        "schemaVersion": 1,
        "label": "iii conformance",
        "message": message,
        "color": color,
    });
    serde_json::to_writer(&mut *out, &badge)?;
    writeln!(out)
}
