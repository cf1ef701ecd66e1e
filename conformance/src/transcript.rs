//! What was said on the wire during a case, by whom, and when.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Beyond this nothing more is noted: nobody reads it, and an engine may never stop.
const ENTRIES_MAX: usize = 5_000;
pub(crate) const ENTRY_BYTES_MAX: usize = 64 << 10;
const BYTES_MAX: usize = 1 << 20;

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
        let mut entry = Entry {
            at: self.began.elapsed(),
            session: session.to_owned(),
            direction,
            text: text.into(),
        };
        entry
            .text
            .truncate(entry.text.floor_char_boundary(ENTRY_BYTES_MAX));
        let mut log = self.lock();
        log.bytes += entry.text.len();
        if log.entries.len() < ENTRIES_MAX && log.bytes < BYTES_MAX {
            log.entries.push(entry);
        }
    }

    /// The lines so far.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
