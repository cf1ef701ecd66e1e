//! What was noted so far, which is bounded: an engine may never stop.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::wire::Said;
use crate::held::in_memory;

/// What is said beyond this is passed on, and not noted. A case that somebody reads is far smaller.
pub(super) const BYTES_MAX: usize = 32 << 20;
/// What a note takes beside what was said.
const NOTE_BYTES: usize = 128;

/// Something that happened on a session, in the order in which it passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    /// Which session, in the order of connection, from 0.
    pub(super) session: usize,
    pub(super) event: Event,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Connected,
    FromClient(Said),
    FromEngine(Said),
    /// The client's side of the connection has ended.
    ClientGone,
}

/// The notes of all sessions.
#[derive(Debug, Default)]
pub(super) struct Notes {
    kept: Mutex<Kept>,
    /// Told once, when something was left out.
    filled: Notify,
}

#[derive(Debug, Default)]
struct Kept {
    noted: Vec<Noted>,
    /// How much they take in memory once they are read.
    bytes: usize,
    is_full: bool,
    /// How many sessions were opened, noted or not.
    connected: usize,
}

impl Notes {
    /// Notes something, unless that is too much or something was left out before: what follows
    /// would make no sense without it.
    pub(super) fn note(&self, session: usize, event: Event) {
        let mut kept = self.kept();
        kept.connected += usize::from(event == Event::Connected);
        if kept.is_full {
            return;
        }
        kept.bytes = kept.bytes.saturating_add(event.bytes());
        if kept.bytes > BYTES_MAX {
            kept.is_full = true;
            self.filled.notify_one();
            return;
        }
        kept.noted.push(Noted { session, event });
    }

    /// Whether nothing more is noted.
    pub(super) fn is_full(&self) -> bool {
        self.kept().is_full
    }

    /// Waits until something was left out.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    pub(super) fn connected(&self) -> usize {
        self.kept().connected
    }

    pub(super) fn noted(&self) -> Vec<Noted> {
        self.kept().noted.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn bytes(&self) -> usize {
        let said = match self {
            Self::FromClient(said) | Self::FromEngine(said) => Some(said),
            Self::Connected | Self::ClientGone => None,
        };
        NOTE_BYTES
            + match said {
                Some(Said::Message { payload, .. }) => in_memory(payload),
                _ => 0,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Event {
        let payload = vec![b'x'; bytes];
        Event::FromEngine(Said::Message {
            text: true,
            payload,
        })
    }

    #[tokio::test]
    async fn notes_end_where_they_are_full() {
        let notes = Notes::default();
        notes.note(0, Event::Connected);
        notes.note(0, message(1));
        assert!(!notes.is_full());
        notes.note(0, message(BYTES_MAX));
        notes.filled().await;
        // What would have found room is left out as well.
        notes.note(0, message(1));
        notes.note(1, Event::Connected);
        assert_eq!(notes.noted().len(), 2);
        assert_eq!(notes.connected(), 2);
    }

    #[test]
    fn notes_without_a_message_fill_them_too() {
        let notes = Notes::default();
        for _ in 0..=BYTES_MAX / NOTE_BYTES {
            notes.note(0, Event::ClientGone);
        }
        assert!(notes.is_full());
    }
}
