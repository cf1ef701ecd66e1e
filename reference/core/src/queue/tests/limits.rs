use std::sync::Arc;

use super::{
    super::{MemoryStore, Place, Refused},
    *,
};

/// What one message of one byte of data counts.
const ONE: usize = 257;

fn enqueue<S: Store>(queues: &mut Queues<S>, queue: &str, data: &str) -> Result<(), Refused> {
    queues.enqueue(queue, None, raw(data).into(), Duration::ZERO, Uuid::nil())
}

#[test]
fn refusals_name_the_limit_and_the_value_and_change_nothing() {
    let limits = QueueLimits {
        queue_messages_max: 2,
        bytes_max: 4 * ONE,
        message_bytes_max: 600,
        name_bytes_max: 5,
        queues_max: 2,
        ..QueueLimits::default()
    };
    let mut queues = Queues::new(limits);
    enqueue(&mut queues, "q", "1").unwrap();
    enqueue(&mut queues, "q", "2").unwrap();
    enqueue(&mut queues, "other", "3").unwrap();
    let large = "1".repeat(601);
    for (queue, data, expected) in [
        ("", "0", "the name of a queue must not be empty"),
        (
            "longer",
            "0",
            "the name of a queue must not be longer than 5 bytes, got 6",
        ),
        (
            "other",
            &*large,
            "a message must not be larger than 600 bytes, got 601",
        ),
        (
            "q",
            "0",
            "queue 'q' is full: the limit is 2 messages, and it holds 2",
        ),
        (
            "third",
            "0",
            "queue 'third' cannot be made: the limit is 2 queues, and there are 2",
        ),
        (
            "other",
            "10",
            "the queues are full: the limit is 1028 bytes, they hold 771 and the message counts 258",
        ),
    ] {
        let refused = enqueue(&mut queues, queue, data).unwrap_err();
        assert_eq!(refused.to_string(), expected);
        let lengths: Vec<_> = queues.stats().map(|it| (it.queue, it.visible)).collect();
        assert_eq!(lengths, [("other", 1), ("q", 2)]);
        assert_eq!((queues.bytes, queues.store.iter().count()), (3 * ONE, 3));
    }
    enqueue(&mut queues, "other", "4").expect("exactly as many bytes as there may be");
}

#[test]
fn subscriptions_make_queues_within_the_same_limits() {
    let limits = QueueLimits {
        name_bytes_max: 5,
        queues_max: 1,
        ..QueueLimits::default()
    };
    let mut queues = Queues::new(limits);
    let mut verdict = |queue: &str| match queues.subscribe(key(1), &config(queue, 1)) {
        Ok(()) => "ok".to_owned(),
        Err(refused) => refused.to_string(),
    };
    for (queue, expected) in [
        (
            "longer",
            "the name of a queue must not be longer than 5 bytes, got 6",
        ),
        ("q", "ok"),
        ("q", "ok"),
        (
            "r",
            "queue 'r' cannot be made: the limit is 1 queues, and there are 1",
        ),
    ] {
        assert_eq!(verdict(queue), expected, "{queue}");
    }
    assert_eq!(queues.stats_of("q").unwrap().subscriptions, 1);
    queues.unsubscribe(&key(1));
    enqueue(&mut queues, "r", "1").expect("an empty queue takes no room");
}

#[test]
fn what_is_in_flight_takes_its_room() {
    let limits = QueueLimits {
        queue_messages_max: 1,
        ..QueueLimits::default()
    };
    let mut queues = Queues::new(limits);
    put(&mut queues, "q", 1);
    subscribe(&mut queues, 1, "q", 1);
    let (delivery, ..) = deliver(&mut queues).unwrap();
    assert!(enqueue(&mut queues, "q", "2").is_err());
    queues.settle(delivery.id, &acknowledged());
    assert!(enqueue(&mut queues, "q", "2").is_ok());
}

#[test]
fn dead_letters_always_find_room() {
    let limits = QueueLimits {
        attempts_max: 1,
        queue_messages_max: 1,
        queues_max: 1,
        name_bytes_max: 1,
        ..QueueLimits::default()
    };
    let mut queues = Queues::new(limits);
    subscribe(&mut queues, 1, "q", 1);
    for number in 1..=3 {
        put(&mut queues, "q", number);
        let (delivery, ..) = deliver(&mut queues).unwrap();
        queues.settle(delivery.id, &Settlement::Failed);
    }
    assert_eq!(ids(queues.peek("q::dead_letter", 9)), [1, 2, 3]);
    assert_eq!(
        enqueue(&mut queues, "q::dead_letter", "4")
            .unwrap_err()
            .to_string(),
        "queue 'q::dead_letter' is full: the limit is 1 messages, and it holds 3"
    );
}

#[test]
fn a_delivery_holds_as_many_bytes_as_fit_and_one_message_at_least() {
    for (delivery_bytes_max, expected) in [
        (0, vec![1]),
        (ONE, vec![1]),
        (2 * ONE - 1, vec![1]),
        (2 * ONE, vec![1, 2]),
        (usize::MAX, vec![1, 2, 3]),
    ] {
        let mut queues = holding(3);
        queues.limits.delivery_bytes_max = delivery_bytes_max;
        subscribe(&mut queues, 1, "q", 10);
        let (_, _, messages) = deliver(&mut queues).unwrap();
        let ids: Vec<u128> = messages.into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, expected, "{delivery_bytes_max}");
    }
}

#[test]
fn no_attempts_count_as_one() {
    let limits = QueueLimits {
        attempts_max: 0,
        ..QueueLimits::default()
    };
    let mut queues = Queues::new(limits);
    put(&mut queues, "q", 1);
    let mut reopened = Queues::open(limits, queues.store.clone());
    subscribe(&mut reopened, 1, "q", 1);
    let (delivery, ..) = deliver(&mut reopened).unwrap();
    reopened.settle(delivery.id, &Settlement::Failed);
    assert_eq!(held(&reopened, "q::dead_letter"), [(1, 0)]);
}

#[test]
fn what_is_stored_stays_when_limits_shrink() {
    let shrunk = QueueLimits {
        queue_messages_max: 1,
        bytes_max: ONE,
        queues_max: 0,
        ..QueueLimits::default()
    };
    let reopened = Queues::open(shrunk, holding(3).store);
    assert_eq!(ids(reopened.peek("q", 9)), [1, 2, 3]);
}

/// Keeps two messages, and no more.
#[derive(Default)]
struct SmallStore(MemoryStore);

impl Store for SmallStore {
    type Error = &'static str;

    fn append(&mut self, place: Place, message: Message) -> Result<(), &'static str> {
        if self.iter().count() == 2 {
            return Err("the disk is full");
        }
        let Ok(()) = self.0.append(place, message);
        Ok(())
    }

    fn get(&self, place: Place) -> Option<&Message> {
        self.0.get(place)
    }

    fn iter(&self) -> impl Iterator<Item = (Place, &Message)> {
        self.0.iter()
    }

    fn count_attempt(&mut self, batch: &[Place]) {
        self.0.count_attempt(batch);
    }

    fn take_back_attempt(&mut self, batch: &[Place]) {
        self.0.take_back_attempt(batch);
    }

    fn transfer(&mut self, from: Place, to: Place, queue: &Arc<str>) {
        self.0.transfer(from, to, queue);
    }

    fn remove(&mut self, batch: &[Place]) {
        self.0.remove(batch);
    }
}

#[test]
fn a_message_that_is_not_stored_is_refused() {
    let mut queues = Queues::open(QueueLimits::default(), SmallStore::default());
    enqueue(&mut queues, "q", "1").unwrap();
    enqueue(&mut queues, "q", "2").unwrap();
    let refused = enqueue(&mut queues, "r", "3").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the message could not be stored: the disk is full"
    );
    assert_eq!(queues.bytes, 2 * ONE);
    assert_eq!(queues.stats_of("r"), None);
    assert_eq!(held(&queues, "q").len(), 2);
}
