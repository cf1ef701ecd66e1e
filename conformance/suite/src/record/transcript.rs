//! The transcript of a case as a recording: what its sessions sent is sent again, and what they
//! were sent is expected.

use std::{fs, path::Path, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{Recording, scenes::scenes};
use crate::transcript::{Direction, Entry, Whole};

/// Why a transcript cannot be played again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The file could not be read.
    #[error("cannot read `{0}`: {1}")]
    Io(String, std::io::Error),
    /// It is no report.
    #[error("`{0}` is no report of a run: {1}")]
    Format(String, serde_json::Error),
    /// The report has no transcript of that case.
    #[error("`{path}` has no transcript of {wanted}; --case takes one of: {there}")]
    NotThere {
        /// The report.
        path: String,
        /// What was asked for.
        wanted: String,
        /// The cases that have a transcript.
        there: String,
    },
    /// It does not show all that was sent.
    #[error("the transcript of `{0}` cannot be played again: {1}")]
    Incomplete(String, &'static str),
}

/// The transcripts of a report.
#[derive(Debug, Deserialize)]
pub struct Transcripts {
    #[serde(skip)]
    path: String,
    cases: Vec<Told>,
}

#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    clauses: Vec<String>,
    transcript: Option<Vec<Line>>,
}

#[derive(Debug, Deserialize)]
struct Line {
    at_ms: f64,
    session: String,
    direction: String,
    text: String,
    whole: Option<Whole>,
}

impl Transcripts {
    /// The transcripts of the file, if it is a report and no case.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is neither.
    pub fn read(path: &Path) -> Result<Option<Self>, TranscriptError> {
        let shown = path.display().to_string();
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return Err(TranscriptError::Io(shown, error)),
        };
        let value: Result<Value, _> = serde_json::from_str(&text);
        // What is no JSON is for the reader of cases to complain of.
        if !value.is_ok_and(|it| it.get("format_version").is_some()) {
            return Ok(None);
        }
        match serde_json::from_str::<Self>(&text) {
            Ok(read) => Ok(Some(Self {
                path: shown,
                ..read
            })),
            Err(error) => Err(TranscriptError::Format(shown, error)),
        }
    }

    /// The transcript of a case, as a case; that of the only one that has one if none is named.
    ///
    /// # Errors
    ///
    /// If there is no such transcript, or it does not show all that was sent.
    pub fn recording(&self, case: Option<&str>) -> Result<Recording, TranscriptError> {
        let told = self.cases.iter().filter(|it| it.transcript.is_some());
        let told: Vec<&Told> = told.collect();
        let found = match (case, told.as_slice()) {
            (Some(id), all) => all.iter().find(|it| it.id == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        let Some(told) = found else {
            let there: Vec<&str> = told.iter().map(|it| it.id.as_str()).collect();
            return Err(TranscriptError::NotThere {
                path: self.path.clone(),
                wanted: case.map_or("one case alone".to_owned(), |it| format!("`{it}`")),
                there: there.join(", "),
            });
        };
        let entries = told.transcript.iter().flatten().map(Line::entry);
        let entries: Vec<Entry> = entries.collect();
        let incomplete = |why| TranscriptError::Incomplete(told.id.clone(), why);
        let scenes = scenes(&entries).map_err(incomplete)?;
        let clause = told.clauses.first().map_or("RT-16", String::as_str);
        // What took long then may take as long again.
        let took = entries.last().map_or(0, |it| it.at.as_secs());
        let clock_s = u32::try_from(took).unwrap_or(u32::MAX);
        let recording = Recording::of(&scenes, &told.id, clause, clock_s);
        recording.ok_or_else(|| incomplete("nothing was said"))
    }
}

impl Line {
    fn entry(&self) -> Entry {
        Entry {
            at: Duration::try_from_secs_f64(self.at_ms / 1_000.0).unwrap_or_default(),
            session: self.session.clone(),
            direction: match self.direction.as_str() {
                "sent" => Direction::Sent,
                "received" => Direction::Received,
                _ => Direction::Note,
            },
            text: self.text.clone(),
            whole: self.whole.clone(),
        }
    }
}
