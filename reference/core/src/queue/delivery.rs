//! A batch of messages on its way, from the call that hands it out to what that call's end means.

use std::{sync::Arc, time::Duration};

use super::{Content, Place, Subscriber};

/// Names a delivery. Never reused within the life of the queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeliveryId(pub(super) u64);

/// Messages that are handed to a subscription: a call to make.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// To settle it by, once, when the call has ended.
    pub(crate) id: DeliveryId,
    /// Whose turn it is.
    pub(crate) subscription: Subscriber,
    /// How long the call may take.
    pub(crate) visibility_timeout: Duration,
    /// The `data` of the call, and what goes along with it.
    pub(crate) content: Content,
}

/// What became of the messages of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The queue that they were in.
    pub(crate) queue: Arc<str>,
    /// So many are gone.
    pub(crate) acknowledged: usize,
    /// So many are visible again.
    pub(crate) visible: usize,
    /// So many had used up their attempts, and were moved or parked.
    pub(crate) dead_letters: usize,
}

/// A delivery that has still to be settled. It outlives its subscription.
#[derive(Debug)]
pub(super) struct UnderWay {
    pub(super) queue: Arc<str>,
    pub(super) subscription: Subscriber,
    pub(super) batch: Vec<Place>,
}
