//! One queue: where each of its messages is, and which subscriptions wait for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{DeliveryId, Place, Subscriber};

/// Each message of the queue is in exactly one of the three sets.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// To be handed out, the oldest first.
    pub(super) visible: BTreeSet<Place>,
    /// Each in one delivery.
    pub(super) in_flight: BTreeSet<Place>,
    /// Never to be handed out again; only in a queue of dead letters.
    pub(super) parked: BTreeSet<Place>,
    /// What all of them count towards the limits.
    pub(super) bytes: usize,
    /// How many there are, idle or not.
    pub(super) subscriptions: usize,
    /// Those that are ready and have no delivery under way, by their turn.
    pub(super) idle: BTreeMap<u64, Subscriber>,
    /// Those that are not to be served just now.
    pub(super) paused: BTreeSet<Subscriber>,
    /// The queue's own turn, while it has a delivery to be had.
    pub(super) turn: Option<u64>,
}

impl Queue {
    pub(super) fn messages(&self) -> usize {
        self.visible.len() + self.in_flight.len() + self.parked.len()
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.subscriptions == 0 && self.messages() == 0
    }

    pub(super) fn has_delivery(&self) -> bool {
        !self.visible.is_empty() && !self.idle.is_empty()
    }

    /// The first messages in order of arrival, wherever they are.
    pub(super) fn oldest(&self, count: usize) -> Vec<Place> {
        let sets = [&self.visible, &self.in_flight, &self.parked];
        let mut places: Vec<Place> = sets
            .into_iter()
            .flat_map(|set| set.iter().copied().take(count))
            .collect();
        places.sort_unstable();
        places.truncate(count);
        places
    }
}

/// A queue trigger (RT-06).
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) queue: Arc<str>,
    pub(super) batch_size: usize,
    pub(super) visibility_timeout: Duration,
    pub(super) ready: bool,
    /// Whether it is not to be served just now, whoever else is.
    pub(super) paused: bool,
    pub(super) under_way: Option<DeliveryId>,
    /// When it was last served, or made: who has waited longest is next.
    pub(super) turn: u64,
}

impl Subscription {
    pub(super) fn is_idle(&self) -> bool {
        self.ready && !self.paused && self.under_way.is_none()
    }
}
