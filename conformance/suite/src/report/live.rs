//! The events of a run as lines of JSON, each flushed when it is written: what there is stays
//! when a run is interrupted.

use std::io::{self, Write};

use serde::Serialize;

use super::document::{CaseReport, Document, Heading, HeadingReport, ResultReport};
use crate::verdict::Outcome;

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'r> {
    Started {
        #[serde(flatten)]
        heading: HeadingReport<'r>,
        cases: usize,
    },
    Case(CaseReport<'r>),
    Finished(&'r ResultReport<'r>),
}

/// Writes the line of a run that begins, with so many cases.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn started(heading: &Heading, cases: usize, out: &mut dyn Write) -> io::Result<()> {
    let heading = HeadingReport::of(heading);
    line(&Line::Started { heading, cases }, out)
}

/// Writes the line of a case that has ended.
///
/// # Errors
///
/// When the output cannot be written to.
pub fn case(heading: &Heading, outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    line(&Line::Case(CaseReport::of(outcome, heading)), out)
}

pub(super) fn finished(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    line(&Line::Finished(&document.result), out)
}

fn line(event: &Line<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    writeln!(out)?;
    out.flush()
}
