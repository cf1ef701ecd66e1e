//! What was said on the wire during a case, by whom, and when.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    case::{RawFrame, RawPart},
    held::in_memory,
};

/// Beyond this nothing more is noted: nobody reads it, and an engine may never stop.
const ENTRIES_MAX: usize = 5_000;
pub(crate) const ENTRY_BYTES_MAX: usize = 64 << 10;
/// In memory, of one case; a run keeps those of all its cases.
const BYTES_MAX: usize = 1 << 20;
/// What is larger is kept as its description alone.
const WHOLE_MEMORY_MAX: usize = BYTES_MAX / 2;

/// The note of a session of a name that another had before.
pub(crate) const CONNECTED_AGAIN: &str = "connected again";

/// Which way an entry went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the suite's session to the engine.
    Sent,
    /// From the engine to the suite's session.
    Received,
    /// Something that is not a frame: a connection opened, lost.
    Note,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Since the case began.
    pub at: Duration,
    /// The session's name in the case.
    pub session: String,
    /// Which way it went.
    pub direction: Direction,
    /// The frame's text, or a description of what is not text.
    pub text: String,
    /// What was said, where the text is but a description of it.
    pub whole: Option<Whole>,
}

/// What was said, as far as it takes to say it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// A WebSocket frame of bytes, to the engine.
    Frame(RawFrame),
    /// An endpoint that the suite serves from here on.
    Endpoint(Served),
    /// An HTTP request for an http trigger, to the engine.
    Request(Requested),
    /// A request of the engine's to an endpoint, as templates see it. Headers that hold the value
    /// of a variable or a proof are tokens of templates.
    Received(Value),
}

/// What an endpoint does; one of `answers` and `raw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// Where it was.
    pub url: String,
    /// An answer a request, in order; the last one for all that follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<Answered>>,
    /// What is played on each connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Vec<RawPart>>,
}

/// An answer of an endpoint's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The values, by name.
    pub headers: BTreeMap<String, String>,
    /// The body, if there is one.
    pub body: Option<String>,
    /// Whether the body is sent as JSON, and not as text.
    pub json: bool,
    /// How long it thinks before answering, in milliseconds.
    pub delay_ms: u64,
}

/// A request for an http trigger; at most one of `text` and `hex`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Where the engine served http triggers.
    pub url: String,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The values, by name.
    pub headers: BTreeMap<String, String>,
    /// The body, if there is one and it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body in hexadecimal, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// A transcript that all sessions of a case write to.
#[derive(Clone, Debug)]
pub struct Transcript {
    began: Instant,
    log: Arc<Mutex<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<Entry>,
    /// Of all entries, also of those that were left out.
    bytes: usize,
}

impl Default for Transcript {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            log: Arc::default(),
        }
    }
}

impl Transcript {
    pub(crate) fn add(&self, session: &str, direction: Direction, text: impl Into<String>) {
        self.add_whole(session, direction, text, None);
    }

    /// Likewise of what the text only describes.
    pub(crate) fn add_whole(
        &self,
        session: &str,
        direction: Direction,
        text: impl Into<String>,
        whole: Option<Whole>,
    ) {
        let (bytes, memory) = whole.as_ref().map_or((0, 0), Whole::size);
        let whole = whole.filter(|_| bytes <= ENTRY_BYTES_MAX && memory <= WHOLE_MEMORY_MAX);
        let memory = whole.as_ref().map_or(0, |_| memory);
        let entry = Entry {
            at: self.began.elapsed(),
            session: session.to_owned(),
            direction,
            text: beginning(text.into()),
            whole,
        };
        let mut log = self.lock();
        log.bytes += size_of::<Entry>() + entry.session.len() + entry.text.len() + memory;
        if log.entries.len() < ENTRIES_MAX && log.bytes < BYTES_MAX {
            log.entries.push(entry);
        }
    }

    /// A session has been opened. The first of a name shows by what is said on it.
    pub(crate) fn connected(&self, session: &str) {
        let again = self.lock().entries.iter().any(|it| it.session == session);
        if again {
            self.add(session, Direction::Note, CONNECTED_AGAIN);
        }
    }

    /// The lines so far.
    #[must_use]
    pub fn entries(&self) -> Arc<[Entry]> {
        self.lock().entries.as_slice().into()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a text of the engine's.
pub(crate) fn beginning(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(ENTRY_BYTES_MAX));
    text.shrink_to_fit();
    text
}

impl Whole {
    /// How much it takes: in a report, and in memory; both in bytes.
    fn size(&self) -> (usize, usize) {
        let text = serde_json::to_string(self);
        text.map_or((usize::MAX, usize::MAX), |it| (it.len(), in_memory(it)))
    }
}
