//! What queues hold, for whoever asks; nothing is consumed.

use std::time::Duration;

use super::{Message, Queues, Store, index::Queue, limits::dead_letter_queue};

/// What a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueStats<'q> {
    /// Its name.
    pub(crate) queue: &'q str,
    /// Messages to be handed out.
    pub(crate) visible: usize,
    /// Messages in deliveries that are not settled.
    pub(crate) in_flight: usize,
    /// Messages that are never handed out again; only in a queue of dead letters.
    pub(crate) parked: usize,
    /// Messages in the queue of its dead letters.
    pub(crate) dead_letters: usize,
    /// Triggers that compete for its messages, ready or not.
    pub(crate) subscriptions: usize,
    /// What its messages count towards the limit of bytes.
    pub(crate) bytes: usize,
    /// When its oldest message was enqueued, on the wall clock.
    pub(crate) oldest_enqueued_at: Option<Duration>,
}

impl<S: Store> Queues<S> {
    /// What each queue holds, in order of the names.
    pub(crate) fn stats(&self) -> impl Iterator<Item = QueueStats<'_>> {
        let names = self.by_name.keys();
        names.filter_map(|name| self.stats_of(name))
    }

    /// What a queue holds, if there is one of this name.
    pub(crate) fn stats_of(&self, queue: &str) -> Option<QueueStats<'_>> {
        let (name, queue) = self.by_name.get_key_value(queue)?;
        let dead_letters = self.by_name.get(&dead_letter_queue(name));
        let oldest = queue.oldest(1).first().and_then(|it| self.store.get(*it));
        Some(QueueStats {
            queue: name,
            visible: queue.visible.len(),
            in_flight: queue.in_flight.len(),
            parked: queue.parked.len(),
            dead_letters: dead_letters.map_or(0, Queue::messages),
            subscriptions: queue.subscriptions,
            bytes: queue.bytes,
            oldest_enqueued_at: oldest.map(|message| message.enqueued_at),
        })
    }

    /// The first messages of a queue in order of arrival, in flight or parked or neither. They
    /// stay where they are, and no attempt is counted.
    pub(crate) fn peek(&self, queue: &str, count: usize) -> Vec<&Message> {
        let places = self.by_name.get(queue).map(|queue| queue.oldest(count));
        let places = places.into_iter().flatten();
        places.filter_map(|it| self.store.get(it)).collect()
    }
}
