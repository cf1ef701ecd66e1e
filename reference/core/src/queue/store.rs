//! Where messages are kept. The rules hold nothing but places, so that another store can take
//! over: [`Queues::open`](super::Queues::open) builds everything else from what it holds.

use std::{collections::BTreeMap, convert::Infallible, fmt, sync::Arc, time::Duration};

use serde_json::value::RawValue;
use uuid::Uuid;

/// What a message costs beside what it brings: the tables of the queues and the allocator,
/// rounded up.
pub(super) const BYTES_BESIDE_CONTENT: usize = 256;

/// Where a message stands among all messages of all queues: the order of arrival. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(pub(super) u64);

/// What goes along with a call through a queue (CO-13).
#[derive(Clone, Debug, Default)]
pub(crate) struct CallContext {
    pub(crate) metadata: Option<Box<RawValue>>,
    pub(crate) traceparent: Option<Box<str>>,
    pub(crate) baggage: Option<Box<str>>,
}

/// What a message brings.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// Byte for byte as it came (D-09).
    pub(crate) data: Box<RawValue>,
    /// Present if it is a call with something that goes along.
    pub(crate) context: Option<Box<CallContext>>,
}

/// A message, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// What its sender and its receivers know it by; it stays with a dead letter.
    pub(crate) id: Uuid,
    /// The queue that it is in.
    pub(crate) queue: Arc<str>,
    /// The function that it is for, if it is for one (CO-20); it stays with a dead letter.
    pub(crate) function_id: Option<Arc<str>>,
    /// It stays with a dead letter, too.
    pub(crate) content: Content,
    /// When it was enqueued, on the wall clock; it stays with a dead letter.
    pub(crate) enqueued_at: Duration,
    /// How often it has been handed out from the queue that it is in.
    pub(crate) attempts: u32,
}

impl Message {
    /// What it counts towards the limits.
    pub(crate) fn bytes(&self) -> usize {
        let function_id = self.function_id.as_deref().map_or(0, str::len);
        self.content
            .bytes()
            .saturating_add(function_id)
            .saturating_add(BYTES_BESIDE_CONTENT)
    }
}

impl Content {
    /// How large it is.
    pub(super) fn bytes(&self) -> usize {
        let context = self.context.as_deref().map_or(0, CallContext::bytes);
        self.data.get().len().saturating_add(context)
    }
}

impl From<Box<RawValue>> for Content {
    fn from(data: Box<RawValue>) -> Self {
        let context = None;
        Self { data, context }
    }
}

impl CallContext {
    fn bytes(&self) -> usize {
        let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
        let metadata = self.metadata.as_deref().map_or(0, |it| it.get().len());
        metadata + text(&self.traceparent) + text(&self.baggage)
    }
}

/// Keeps messages.
///
/// Only [`append`](Self::append) can fail, since a message that is not kept must not be
/// promised. Whatever else a store may lose when it breaks down repeats a delivery, which
/// delivery at least once allows; it must never lose a message, nor keep half of a `transfer`.
pub(crate) trait Store {
    /// Why a message could not be kept, as a part of a sentence for its sender.
    type Error: fmt::Display;

    /// Keeps a message at a place beyond all others.
    ///
    /// # Errors
    ///
    /// It cannot be kept, and is not.
    fn append(&mut self, place: Place, message: Message) -> Result<(), Self::Error>;

    /// The message at a place.
    fn get(&self, place: Place) -> Option<&Message>;

    /// Every message with its place, in order of the places.
    fn iter(&self) -> impl Iterator<Item = (Place, &Message)>;

    /// Counts one more attempt for each of these.
    fn count_attempt(&mut self, batch: &[Place]);

    /// Counts one less for each of these.
    fn take_back_attempt(&mut self, batch: &[Place]);

    /// Moves a message into another queue, to a place beyond all others, where none of its
    /// attempts counts.
    fn transfer(&mut self, from: Place, to: Place, queue: &Arc<str>);

    /// Forgets these.
    fn remove(&mut self, batch: &[Place]);
}

/// Keeps messages for as long as the engine lives.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryStore {
    messages: BTreeMap<Place, Message>,
}

impl Store for MemoryStore {
    type Error = Infallible;

    fn append(&mut self, place: Place, message: Message) -> Result<(), Infallible> {
        self.messages.insert(place, message);
        Ok(())
    }

    fn get(&self, place: Place) -> Option<&Message> {
        self.messages.get(&place)
    }

    fn iter(&self) -> impl Iterator<Item = (Place, &Message)> {
        self.messages
            .iter()
            .map(|(place, message)| (*place, message))
    }

    fn count_attempt(&mut self, batch: &[Place]) {
        for place in batch {
            if let Some(message) = self.messages.get_mut(place) {
                message.attempts += 1;
            }
        }
    }

    fn take_back_attempt(&mut self, batch: &[Place]) {
        for place in batch {
            if let Some(message) = self.messages.get_mut(place) {
                message.attempts = message.attempts.saturating_sub(1);
            }
        }
    }

    fn transfer(&mut self, from: Place, to: Place, queue: &Arc<str>) {
        if let Some(message) = self.messages.remove(&from) {
            let moved = Message {
                queue: Arc::clone(queue),
                attempts: 0,
                ..message
            };
            self.messages.insert(to, moved);
        }
    }

    fn remove(&mut self, batch: &[Place]) {
        for place in batch {
            self.messages.remove(place);
        }
    }
}
