//! The formats of reports, by name.

use std::io::{self, Write};

use super::{badge, document::Document, github, html, junit, live, markdown, tap};

/// A format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document.
    Json,
    /// A line of JSON an event, as it happens.
    Jsonl,
    /// JUnit's XML.
    Junit,
    /// The Test Anything Protocol, version 14.
    Tap,
    /// A table by clause and the failures, as Markdown.
    Markdown,
    /// GitHub's workflow commands.
    Github,
    /// The endpoint schema of shields.io.
    Badge,
    /// One page that needs nothing else.
    Html,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Json,
        Self::Jsonl,
        Self::Junit,
        Self::Tap,
        Self::Markdown,
        Self::Github,
        Self::Badge,
        Self::Html,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Junit => "junit",
            Self::Tap => "tap",
            Self::Markdown => "markdown",
            Self::Github => "github",
            Self::Badge => "badge",
            Self::Html => "html",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Writes what there is to write when a run has ended; of [`Format::Jsonl`] the last line.
    ///
    /// # Errors
    ///
    /// When the output cannot be written to.
    pub fn write(self, document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Json => {
                serde_json::to_writer_pretty(&mut *out, document)?;
                writeln!(out)
            }
            Self::Jsonl => live::finished(document, out),
            Self::Junit => junit::write(document, out),
            Self::Tap => tap::write(document, out),
            Self::Markdown => markdown::write(document, out),
            Self::Github => github::write(document, out),
            Self::Badge => badge::write(document, out),
            Self::Html => html::write(document, out),
        }
    }
}
