//! How much is held for all sessions together (D-28).

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Limits;

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// What waits to be sent to them.
    pub(crate) unread: Room,
    /// Messages of which a part has come.
    pub(crate) unfinished: Room,
}

impl Rooms {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            unread: Room::new(limits.outboxes_bytes_max),
            unfinished: Room::new(limits.unfinished_bytes_max),
        }
    }
}

/// The bytes that are held for all sessions, and how many there may be.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    /// For sessions that stay.
    staying: AtomicUsize,
    /// For sessions that are being closed, which has an end soon.
    leaving: AtomicUsize,
}

impl Room {
    fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            staying: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
        }
    }

    /// Whether more is held than may be, for sessions that stay.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.staying.load(Ordering::Relaxed) > self.bytes_max
    }

    /// How many bytes are held, in all.
    pub(crate) fn bytes(&self) -> usize {
        self.staying.load(Ordering::Relaxed) + self.leaving.load(Ordering::Relaxed)
    }
}

/// What one session has taken of a [`Room`].
#[derive(Debug, Default)]
pub(super) struct Part {
    bytes: usize,
    leaving: bool,
}

impl Part {
    /// In bytes, if the session stays.
    pub(super) fn staying(&self) -> usize {
        if self.leaving { 0 } else { self.bytes }
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// So much is held for the session now.
    pub(super) fn set(&mut self, room: &Room, bytes: usize) {
        let of = if self.leaving {
            &room.leaving
        } else {
            &room.staying
        };
        // Each takes off what it has added alone, so that none goes below nothing.
        if bytes > self.bytes {
            of.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            of.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }

    /// The session is being closed. Says whether there is room for what is still held for it,
    /// beside what is for others that are.
    pub(super) fn leave(&mut self, room: &Room) -> bool {
        let bytes = self.bytes;
        self.set(room, 0);
        self.leaving = true;
        self.set(room, bytes);
        bytes == 0 || room.leaving.load(Ordering::Relaxed) <= room.bytes_max
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use reference_core::CloseCode;

    use super::*;
    use crate::outbox::{News, Outbox};

    #[tokio::test]
    async fn what_is_closed_beyond_the_room_is_not_written_any_more() {
        let limits = Limits {
            outboxes_bytes_max: 10,
            ..Limits::default()
        };
        let rooms = Arc::new(Rooms::new(&limits));
        let outboxes = [7, 7, 0].map(|bytes| {
            let outbox = Outbox::new(None, None, &limits, &rooms);
            if bytes > 0 {
                outbox.push("x".repeat(bytes));
            }
            outbox.close(CloseCode::ServiceRestart, "");
            outbox
        });
        let [first, second, empty] = outboxes;
        assert!(matches!(first.news().await, News::Closing));
        assert!(matches!(second.news().await, News::Broken));
        assert!(matches!(empty.news().await, News::Closing));
        assert!(rooms.unread.bytes() <= 10);
    }

    #[test]
    fn those_that_leave_are_counted_apart() {
        let room = Room::new(10);
        let (mut one, mut other) = (Part::default(), Part::default());
        one.set(&room, 7);
        other.set(&room, 4);
        assert!(room.is_exceeded());
        assert!(one.leave(&room));
        assert!(!room.is_exceeded());
        assert_eq!((one.staying(), other.staying()), (0, 4));
        assert_eq!(room.bytes(), 11);
        assert!(!other.leave(&room), "there is no room for both");
        assert!(Part::default().leave(&room), "it needs none");
        one.set(&room, 0);
        other.set(&room, 0);
        assert_eq!(room.bytes(), 0);
    }
}
