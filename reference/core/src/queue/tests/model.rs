//! What queues must do, said again with nothing but lists.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{DeliveryId, Refused},
    *,
};

/// Small enough for every bound to be met.
pub(super) const LIMITS: QueueLimits = QueueLimits {
    attempts_max: 3,
    queue_messages_max: 4,
    bytes_max: 3_000,
    message_bytes_max: 100,
    delivery_bytes_max: 900,
    name_bytes_max: 3,
    queues_max: 3,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Visible,
    InFlight(DeliveryId),
    Parked,
}

#[derive(Debug)]
struct Kept {
    id: u128,
    queue: String,
    data: String,
    at: u64,
    attempts: u32,
    place: Where,
    /// When it came into its queue.
    arrival: u64,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.data.len() + 256
    }
}

#[derive(Debug)]
struct Subscription {
    key: Subscriber,
    queue: String,
    batch_size: u64,
    ready: bool,
    delivery: Option<DeliveryId>,
}

/// Everything there is, the messages in order of arrival and the subscribers in order of turns.
#[derive(Debug, Default)]
pub(super) struct Model {
    messages: Vec<Kept>,
    subscribers: Vec<Subscription>,
    pub(super) under_way: Vec<(DeliveryId, String)>,
    pub(super) settled: Vec<DeliveryId>,
    accepted: usize,
    acknowledged: BTreeSet<u128>,
    arrivals: u64,
    /// By queue, the arrival of the last message that was tried for the first time.
    first_attempts: BTreeMap<String, u64>,
}

impl Model {
    pub(super) fn queue_names(&self) -> BTreeSet<String> {
        let held = self.messages.iter().map(|it| it.queue.clone());
        let subscribed = self.subscribers.iter().map(|it| it.queue.clone());
        held.chain(subscribed).collect()
    }

    fn in_queue<'m>(&'m self, queue: &'m str) -> impl Iterator<Item = &'m Kept> {
        self.messages.iter().filter(move |it| it.queue == queue)
    }

    fn bytes(&self) -> usize {
        self.messages.iter().map(Kept::bytes).sum()
    }

    pub(super) fn in_delivery(&self, id: DeliveryId) -> Vec<u128> {
        let there = |it: &&Kept| it.place == Where::InFlight(id);
        let messages = self.messages.iter().filter(there);
        messages.map(|it| it.id).collect()
    }

    fn is_idle(subscriber: &Subscription) -> bool {
        subscriber.ready && subscriber.delivery.is_none()
    }

    fn has_delivery(&self, queue: &str) -> bool {
        let mut subscribers = self.subscribers.iter();
        self.in_queue(queue).any(|it| it.place == Where::Visible)
            && subscribers.any(|it| it.queue == queue && Self::is_idle(it))
    }

    pub(super) fn enqueued(
        &mut self,
        (queue, data): (&str, &str),
        at: u64,
        id: u128,
        verdict: &Result<(), Refused>,
    ) {
        let names = self.queue_names();
        let message = Kept {
            id,
            queue: queue.to_owned(),
            data: data.to_owned(),
            at,
            attempts: 0,
            place: Where::Visible,
            arrival: self.arrivals,
        };
        let fits = data.len() <= LIMITS.message_bytes_max
            && self.in_queue(queue).count() < LIMITS.queue_messages_max
            && (names.contains(queue) || names.len() < LIMITS.queues_max)
            && self.bytes() + message.bytes() <= LIMITS.bytes_max;
        assert_eq!(verdict.is_ok(), fits, "{verdict:?}");
        if fits {
            self.arrivals += 1;
            self.accepted += 1;
            self.messages.push(message);
        }
    }

    pub(super) fn subscribed(
        &mut self,
        key: &Subscriber,
        config: &QueueConfig,
        verdict: &Result<(), Refused>,
    ) {
        let names = self.queue_names();
        let fits = names.contains(&config.queue_name) || names.len() < LIMITS.queues_max;
        assert_eq!(verdict.is_ok(), fits, "{verdict:?}");
        if fits {
            self.unsubscribed(key);
            self.subscribers.push(Subscription {
                key: key.clone(),
                queue: config.queue_name.clone(),
                batch_size: config.batch_size,
                ready: true,
                delivery: None,
            });
        }
    }

    pub(super) fn unsubscribed(&mut self, key: &Subscriber) {
        self.subscribers.retain(|it| it.key != *key);
    }

    pub(super) fn set_ready(&mut self, key: &Subscriber, ready: bool) {
        for subscriber in &mut self.subscribers {
            if subscriber.key == *key {
                subscriber.ready = ready;
            }
        }
    }

    /// There is a delivery if and only if some queue has one, and it is what it has to be.
    pub(super) fn delivered(&mut self, delivery: Option<&Delivery>) {
        let Some(delivery) = delivery else {
            let names = self.queue_names();
            assert!(!names.iter().any(|it| self.has_delivery(it)), "a stall");
            return;
        };
        let turn = self.subscribers.iter();
        let mut turn = turn.take_while(|it| it.key != delivery.subscription);
        let queue = self.queue_of(&delivery.subscription);
        assert!(self.has_delivery(&queue));
        assert!(!turn.any(|it| it.queue == queue && Self::is_idle(it)));
        let position = self
            .subscribers
            .iter()
            .position(|it| it.key == delivery.subscription);
        let mut subscriber = self.subscribers.remove(position.unwrap());
        assert!(Self::is_idle(&subscriber));
        subscriber.delivery = Some(delivery.id);
        let batch_size = subscriber.batch_size;
        self.subscribers.push(subscriber);
        let expected = self.hand_out(&queue, batch_size, delivery.id);
        assert_eq!(delivery.content.data.get(), expected);
        self.under_way.push((delivery.id, queue));
    }

    fn queue_of(&self, key: &Subscriber) -> String {
        let mut subscribers = self.subscribers.iter();
        let subscriber = subscribers.find(|it| it.key == *key).unwrap();
        subscriber.queue.clone()
    }

    /// Marks what goes into a delivery, and returns its payload.
    fn hand_out(&mut self, queue: &str, batch_size: u64, id: DeliveryId) -> String {
        let mut shown = Vec::new();
        let mut bytes = 0;
        let visible = |it: &&mut Kept| it.queue == queue && it.place == Where::Visible;
        for message in self.messages.iter_mut().filter(visible) {
            bytes += message.bytes();
            let full = shown.len() as u64 == batch_size;
            if full || (bytes > LIMITS.delivery_bytes_max && !shown.is_empty()) {
                break;
            }
            message.place = Where::InFlight(id);
            message.attempts += 1;
            assert!(message.attempts <= LIMITS.attempts_max);
            if message.attempts == 1 {
                let last = self
                    .first_attempts
                    .insert(queue.to_owned(), message.arrival);
                assert!(last < Some(message.arrival), "tried in order of arrival");
            }
            shown.push(format!(
                r#"{{"message_id":"{}","data":{},"attempt":{},"enqueued_at":"1970-01-01T00:00:00.{:03}Z"}}"#,
                super::id(message.id),
                message.data,
                message.attempts,
                message.at,
            ));
        }
        format!(
            r#"{{"queue_name":"{queue}","messages":[{}]}}"#,
            shown.join(",")
        )
    }

    /// A delivery has ended, and these of its messages have failed.
    pub(super) fn settled(&mut self, id: DeliveryId, failed: &BTreeSet<u128>) {
        self.under_way.retain(|(it, _)| *it != id);
        self.settled.push(id);
        for subscriber in &mut self.subscribers {
            if subscriber.delivery == Some(id) {
                subscriber.delivery = None;
            }
        }
        let mut rest = Vec::new();
        let mut dead = Vec::new();
        for mut message in self.messages.drain(..) {
            if message.place != Where::InFlight(id) {
                rest.push(message);
            } else if !failed.contains(&message.id) {
                assert!(self.acknowledged.insert(message.id), "acknowledged once");
            } else if message.attempts < LIMITS.attempts_max {
                message.place = Where::Visible;
                rest.push(message);
            } else if message.queue.ends_with("::dead_letter") {
                message.place = Where::Parked;
                rest.push(message);
            } else {
                dead.push(message);
            }
        }
        for letter in dead {
            rest.push(Kept {
                queue: format!("{}::dead_letter", letter.queue),
                attempts: 0,
                place: Where::Visible,
                arrival: self.arrivals,
                ..letter
            });
            self.arrivals += 1;
        }
        self.messages = rest;
    }

    /// The engine has started again: every delivery has failed, and nobody is subscribed.
    pub(super) fn reopened(&mut self) {
        self.subscribers.clear();
        // Messages come back in order of arrival, whichever delivery they were in.
        let in_flight = |it: &Kept| matches!(it.place, Where::InFlight(_));
        let all = DeliveryId(u64::MAX);
        let ids: BTreeSet<u128> = self
            .messages
            .iter_mut()
            .filter(|it| in_flight(it))
            .map(|it| {
                it.place = Where::InFlight(all);
                it.id
            })
            .collect();
        self.settled(all, &ids);
        self.settled.clear();
        self.under_way.clear();
    }

    /// The queues hold what the model holds: every message in one place, and nothing else.
    pub(super) fn compare(&self, queues: &Queues) {
        let names: Vec<String> = self.queue_names().into_iter().collect();
        let found: Vec<&str> = queues.stats().map(|it| it.queue).collect();
        assert_eq!(found, names);
        for stats in queues.stats() {
            self.compare_queue(queues, stats.queue);
        }
        let kept = self.messages.len();
        assert_eq!(
            self.accepted,
            kept + self.acknowledged.len(),
            "none is lost"
        );
        assert_eq!(queues.store.iter().count(), kept, "none is doubled");
        assert_eq!(queues.bytes, self.bytes());
        assert!(queues.bytes <= LIMITS.bytes_max);
        for (id, queue) in &self.under_way {
            let delivery = &queues.under_way[id];
            assert_eq!(*delivery.queue, **queue);
            let batch = delivery.batch.iter();
            let messages = batch.map(|it| queues.store.get(*it).unwrap());
            assert_eq!(ids(messages), self.in_delivery(*id));
        }
        assert_eq!(queues.under_way.len(), self.under_way.len());
        let ordinary = names.iter().filter(|it| !it.ends_with("::dead_letter"));
        assert!(ordinary.count() <= LIMITS.queues_max);
    }

    fn compare_queue(&self, queues: &Queues, name: &str) {
        let stats = queues.stats_of(name).unwrap();
        let count = |is: fn(Where) -> bool| self.in_queue(name).filter(|it| is(it.place)).count();
        assert_eq!(stats.visible, count(|it| it == Where::Visible));
        assert_eq!(
            stats.in_flight,
            count(|it| matches!(it, Where::InFlight(_)))
        );
        assert_eq!(stats.parked, count(|it| it == Where::Parked));
        let letters = format!("{name}::dead_letter");
        assert_eq!(stats.dead_letters, self.in_queue(&letters).count());
        let subscribers = self.subscribers.iter().filter(|it| it.queue == name);
        assert_eq!(stats.subscriptions, subscribers.count());
        let bytes: usize = self.in_queue(name).map(Kept::bytes).sum();
        assert_eq!(stats.bytes, bytes);
        let oldest = self.in_queue(name).next().map(|it| it.at);
        assert_eq!(stats.oldest_enqueued_at, oldest.map(Duration::from_millis));
        let expected: Vec<_> = self.in_queue(name).map(|it| (it.id, it.attempts)).collect();
        assert_eq!(held(queues, name), expected);
        if !name.ends_with("::dead_letter") {
            assert!(expected.len() <= LIMITS.queue_messages_max);
        }
    }

    /// What is left when everything that can be handed out has been acknowledged.
    pub(super) fn all_parked(&self) -> bool {
        self.messages.iter().all(|it| it.place == Where::Parked)
    }
}
