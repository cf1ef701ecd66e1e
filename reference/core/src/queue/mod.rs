//! Queues (D-13): messages come in, are handed out in batches to the subscriptions that compete
//! for them, and stay until they are acknowledged.
//!
//! A delivery is a call, and the end of the call settles it, so there are no timers here: the
//! visibility timeout is the patience of the call. [`Queues::next_delivery`] is to be asked
//! until it has none, after anything that may have made one: a message, a subscription that is
//! made or ready, a delivery that is settled.

mod delivery;
mod index;
mod limits;
mod pause;
mod payload;
mod reading;
mod store;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use uuid::Uuid;

use self::{
    delivery::UnderWay,
    index::{Queue, Subscription},
    store::BYTES_BESIDE_CONTENT,
};
use crate::{QueueConfig, engine::Armed};

pub(crate) use self::limits::DEAD_LETTER;
pub use self::limits::QueueLimits;
pub(crate) use self::{
    delivery::{Delivery, DeliveryId, Settled},
    limits::Refused,
    payload::{Settlement, payload},
    reading::QueueStats,
    store::{CallContext, Content, MemoryStore, Message, Place, Store},
};

/// Who takes messages from a queue, or from a lane of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subscriber {
    /// A trigger (RT-06).
    Trigger(Armed),
    /// The function that the messages of a lane are for (CO-20); several calls of it may be under
    /// way at once, each on a seat of its own.
    Function {
        /// As [`lane`] names it.
        lane: Arc<str>,
        /// The same function as in that name.
        function_id: Arc<str>,
        /// Which of them.
        seat: usize,
    },
}

/// Stands between the name of a queue and that of a function; no queue has it in its name.
const LANE: char = '\0';

/// The part of a queue whose messages are for one function, and not for triggers (CO-20).
pub(crate) fn lane(queue: &str, function_id: &str) -> String {
    format!("{queue}{LANE}{function_id}")
}

/// The name of a queue and, if it is a lane of one, the function that its messages are for.
pub(crate) fn queue_and_function(name: &str) -> (&str, Option<&str>) {
    match name.split_once(LANE) {
        Some((queue, function_id)) => (queue, Some(function_id)),
        None => (name, None),
    }
}

impl Subscriber {
    /// What is called for the messages.
    pub(crate) fn function_id(&self) -> &Arc<str> {
        match self {
            Self::Trigger(trigger) => &trigger.function_id,
            Self::Function { function_id, .. } => function_id,
        }
    }

    fn is_function(&self) -> bool {
        matches!(self, Self::Function { .. })
    }
}

/// All queues. One comes into being with its first message or subscription, and vanishes when
/// it has neither.
#[derive(Debug, Default)]
pub(crate) struct Queues<S = MemoryStore> {
    limits: QueueLimits,
    store: S,
    by_name: BTreeMap<Arc<str>, Queue>,
    subscriptions: BTreeMap<Subscriber, Subscription>,
    under_way: BTreeMap<DeliveryId, UnderWay>,
    /// The queues that have a delivery to be had, by their turn.
    turns: BTreeMap<u64, Arc<str>>,
    bytes: usize,
    /// The last number given to a message, a delivery or a turn.
    last_number: u64,
}

impl Queues {
    /// No queues, and messages that are kept for as long as the engine lives.
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self::open(limits, MemoryStore::default())
    }
}

impl<S: Store> Queues<S> {
    /// The queues of a store. What was in flight when it was left is visible again, but for what
    /// has used up its attempts. Nothing is dropped, even if the limits are lower than they were.
    pub(crate) fn open(limits: QueueLimits, store: S) -> Self {
        let held: Vec<(Place, Arc<str>, usize)> = store
            .iter()
            .map(|(place, message)| (place, Arc::clone(&message.queue), message.bytes()))
            .collect();
        let mut queues = Self {
            limits,
            store,
            by_name: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            under_way: BTreeMap::new(),
            turns: BTreeMap::new(),
            bytes: held.iter().map(|(_, _, bytes)| bytes).sum(),
            last_number: held.last().map_or(0, |(place, ..)| place.0),
        };
        for (place, name, bytes) in &held {
            let queue = queues.by_name.entry(Arc::clone(name)).or_default();
            queue.in_flight.insert(*place);
            queue.bytes += bytes;
        }
        for (place, name, _) in &held {
            queues.put_back(name, *place);
            queues.refresh(name);
        }
        queues
    }

    /// Takes a message in, at `wall` on the wall clock: for the triggers of the queue, or for one
    /// function. `id` is one that was not given before.
    ///
    /// # Errors
    ///
    /// A limit is reached, or the store does not keep it; then nothing has changed.
    pub(crate) fn enqueue(
        &mut self,
        queue: &str,
        function_id: Option<&str>,
        content: Content,
        wall: Duration,
        id: Uuid,
    ) -> Result<(), Refused> {
        self.limits.check_name(queue)?;
        if queue.contains(LANE) {
            return Err(Refused::NulInName);
        }
        let lane = function_id.map(|function_id| lane(queue, function_id));
        let queue = lane.as_deref().unwrap_or(queue);
        self.limits.check_message(content.bytes())?;
        match self.by_name.get(queue) {
            Some(held) => self.limits.check_room(queue, held.messages())?,
            None => self.limits.check_queues(queue, self.by_name.len())?,
        }
        let bytes = content
            .bytes()
            .saturating_add(function_id.map_or(0, str::len))
            .saturating_add(BYTES_BESIDE_CONTENT);
        self.limits.check_bytes(self.bytes, bytes)?;
        let name = self.name(queue);
        let message = Message {
            id,
            queue: Arc::clone(&name),
            function_id: function_id.map(Arc::from),
            content,
            enqueued_at: wall,
            attempts: 0,
        };
        let place = Place(self.number());
        self.store
            .append(place, message)
            .map_err(|problem| Refused::NotStored {
                problem: problem.to_string(),
            })?;
        self.bytes += bytes;
        self.show(&name, place, bytes);
        Ok(())
    }

    /// How many messages there are, in all queues.
    pub(crate) fn messages(&self) -> usize {
        self.by_name.values().map(Queue::messages).sum()
    }

    /// How large they are together, as the limits count it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a trigger that competes for the messages of a queue, ready to be called. One of the
    /// same name is replaced.
    ///
    /// # Errors
    ///
    /// The name of the queue cannot be, or there are too many queues.
    pub(crate) fn subscribe(
        &mut self,
        key: Subscriber,
        config: &QueueConfig,
    ) -> Result<(), Refused> {
        self.limits.check_name(&config.queue_name)?;
        if !self.by_name.contains_key(&*config.queue_name) {
            self.limits
                .check_queues(&config.queue_name, self.by_name.len())?;
        }
        self.unsubscribe(&key);
        let turn = self.number();
        let name = self.name(&config.queue_name);
        let queue = self.by_name.entry(Arc::clone(&name)).or_default();
        queue.subscriptions += 1;
        queue.idle.insert(turn, key.clone());
        let subscription = Subscription {
            queue: Arc::clone(&name),
            // An empty batch would be a delivery without end.
            batch_size: usize::try_from(config.batch_size.max(1)).unwrap_or(usize::MAX),
            visibility_timeout: config.visibility_timeout,
            ready: true,
            paused: false,
            under_way: None,
            turn,
        };
        self.subscriptions.insert(key, subscription);
        self.refresh(&name);
        Ok(())
    }

    /// Takes a trigger away. A delivery of it that is under way goes on, and is to be settled.
    pub(crate) fn unsubscribe(&mut self, key: &Subscriber) {
        let Some(subscription) = self.subscriptions.remove(key) else {
            return;
        };
        if let Some(queue) = self.by_name.get_mut(&subscription.queue) {
            queue.subscriptions -= 1;
            queue.idle.remove(&subscription.turn);
            if subscription.paused {
                queue.paused.remove(key);
            }
        }
        self.refresh(&subscription.queue);
    }

    /// Hands out the oldest visible messages of a queue, as many as a batch holds, to the
    /// subscription that has waited longest, and counts the attempt.
    pub(crate) fn next_delivery(&mut self) -> Option<Delivery> {
        let (_, name) = self.turns.pop_first()?;
        let queue = self.by_name.get_mut(&name)?;
        queue.turn = None;
        let (_, key) = queue.idle.pop_first()?;
        let batch_size = self.subscriptions.get(&key)?.batch_size;
        let batch = self.take_batch(&name, batch_size);
        self.store.count_attempt(&batch);
        let messages = || batch.iter().filter_map(|it| self.store.get(*it));
        let single = messages().next().filter(|_| key.is_function());
        let content = match single {
            Some(message) => message.content.clone(),
            None => payload(&name, messages()).into(),
        };
        let turn = self.number();
        let id = DeliveryId(turn);
        let subscription = self.subscriptions.get_mut(&key)?;
        subscription.under_way = Some(id);
        subscription.turn = turn;
        let visibility_timeout = subscription.visibility_timeout;
        let under_way = UnderWay {
            queue: Arc::clone(&name),
            subscription: key.clone(),
            batch,
        };
        self.under_way.insert(id, under_way);
        self.refresh(&name);
        Some(Delivery {
            id,
            subscription: key,
            visibility_timeout,
            content,
        })
    }

    /// Ends a delivery. What has failed is visible again in its old place, before all that came
    /// later, and moves to the queue of dead letters if its attempts are used up; in such a
    /// queue it stays, parked. There is nothing to end, and no answer, the second time.
    pub(crate) fn settle(&mut self, id: DeliveryId, settlement: &Settlement) -> Option<Settled> {
        let UnderWay {
            queue: name,
            subscription,
            batch,
        } = self.under_way.remove(&id)?;
        if *settlement == Settlement::NotCalled {
            self.store.take_back_attempt(&batch);
        }
        let (failed, acknowledged): (Vec<Place>, Vec<Place>) =
            batch.into_iter().partition(|place| match settlement {
                Settlement::Failed | Settlement::NotCalled => true,
                Settlement::Acknowledged { failed } => {
                    let message = self.store.get(*place);
                    message.is_some_and(|message| failed.contains(&message.id))
                }
            });
        self.forget(&name, &acknowledged);
        let mut visible = 0;
        for place in &failed {
            visible += usize::from(self.put_back(&name, *place));
        }
        if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
            // Another one may have its name by now.
            if subscription.under_way == Some(id) {
                subscription.under_way = None;
            }
        }
        self.seat(&subscription);
        self.refresh(&name);
        Some(Settled {
            queue: name,
            acknowledged: acknowledged.len(),
            visible,
            dead_letters: failed.len() - visible,
        })
    }

    /// Takes the oldest visible messages of a queue: at least one, and then as many as fit.
    fn take_batch(&mut self, name: &str, batch_size: usize) -> Vec<Place> {
        let Some(queue) = self.by_name.get_mut(name) else {
            return Vec::new();
        };
        let mut batch = Vec::new();
        let mut bytes = 0_usize;
        while batch.len() < batch_size
            && let Some(place) = queue.visible.first()
        {
            bytes += self.store.get(*place).map_or(0, Message::bytes);
            if bytes > self.limits.delivery_bytes_max && !batch.is_empty() {
                break;
            }
            batch.extend(queue.visible.pop_first());
        }
        queue.in_flight.extend(&batch);
        batch
    }

    /// Drops messages in flight that are acknowledged.
    fn forget(&mut self, name: &str, batch: &[Place]) {
        if let Some(queue) = self.by_name.get_mut(name) {
            for place in batch {
                let bytes = self.store.get(*place).map_or(0, Message::bytes);
                queue.in_flight.remove(place);
                queue.bytes -= bytes;
                self.bytes -= bytes;
            }
        }
        self.store.remove(batch);
    }

    /// Makes a message in flight visible again if it has attempts left, and tells whether.
    fn put_back(&mut self, name: &str, place: Place) -> bool {
        let Some(message) = self.store.get(place) else {
            return false;
        };
        let (attempts, bytes) = (message.attempts, message.bytes());
        let Some(queue) = self.by_name.get_mut(name) else {
            return false;
        };
        queue.in_flight.remove(&place);
        if !self.limits.used_up(attempts) {
            return queue.visible.insert(place);
        }
        if limits::is_dead_letter_queue(name) {
            queue.parked.insert(place);
            return false;
        }
        queue.bytes -= bytes;
        let dead_letters = self.name(&limits::dead_letter_queue(name));
        let last = Place(self.number());
        self.store.transfer(place, last, &dead_letters);
        self.show(&dead_letters, last, bytes);
        false
    }

    /// Makes a message that is new to a queue visible.
    fn show(&mut self, name: &Arc<str>, place: Place, bytes: usize) {
        let queue = self.by_name.entry(Arc::clone(name)).or_default();
        queue.visible.insert(place);
        queue.bytes += bytes;
        self.refresh(name);
    }

    /// Sets a subscription among the idle ones of its queue, or takes it from there.
    fn seat(&mut self, key: &Subscriber) {
        let Some(subscription) = self.subscriptions.get(key) else {
            return;
        };
        let Some(queue) = self.by_name.get_mut(&subscription.queue) else {
            return;
        };
        if subscription.is_idle() {
            queue.idle.insert(subscription.turn, key.clone());
        } else {
            queue.idle.remove(&subscription.turn);
        }
    }

    /// Gives a queue its turn if it has a delivery to be had, and lets it go if it is empty.
    /// Whatever changes a queue ends with this.
    fn refresh(&mut self, name: &str) {
        let Some((name, _)) = self.by_name.get_key_value(name) else {
            return;
        };
        let name = Arc::clone(name);
        let Some(queue) = self.by_name.get_mut(&name) else {
            return;
        };
        match (queue.has_delivery(), queue.turn) {
            (true, None) => {
                self.last_number += 1;
                queue.turn = Some(self.last_number);
                self.turns.insert(self.last_number, Arc::clone(&name));
            }
            (false, Some(turn)) => {
                queue.turn = None;
                self.turns.remove(&turn);
            }
            (true, Some(_)) | (false, None) => {}
        }
        if queue.is_idle() {
            self.by_name.remove(&name);
        }
    }

    /// A queue's name, as the queue itself holds it if there is one.
    fn name(&self, queue: &str) -> Arc<str> {
        let held = self.by_name.get_key_value(queue);
        held.map_or_else(|| queue.into(), |(name, _)| Arc::clone(name))
    }

    /// The next number.
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
