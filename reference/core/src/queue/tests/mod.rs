//! Tests of the rules one by one, and of random histories against a model.

mod histories;
mod limits;
mod model;
mod rules;

use std::time::Duration;

use serde_json::{Value, value::RawValue};
use uuid::Uuid;

use super::{Delivery, Message, QueueLimits, Queues, Settlement, Store, Subscriber};
use crate::{QueueConfig, SessionId, engine::Armed};

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn key(number: u64) -> Subscriber {
    Subscriber::Trigger(Armed {
        session: SessionId(number),
        id: "t".into(),
        function_id: "f".into(),
    })
}

fn config(queue: &str, batch_size: u64) -> QueueConfig {
    QueueConfig {
        queue_name: queue.to_owned(),
        batch_size,
        visibility_timeout: Duration::from_secs(30),
    }
}

fn failed(ids: impl IntoIterator<Item = u128>) -> Settlement {
    Settlement::Acknowledged {
        failed: ids.into_iter().map(id).collect(),
    }
}

fn acknowledged() -> Settlement {
    failed([])
}

/// Queues without messages or subscriptions, with the default limits.
fn queues() -> Queues {
    Queues::new(QueueLimits::default())
}

/// A queue `q` that holds messages `1` to `count`, enqueued at as many seconds.
fn holding(count: u64) -> Queues {
    let mut queues = queues();
    for number in 1..=count {
        put(&mut queues, "q", number);
    }
    queues
}

fn put(queues: &mut Queues, queue: &str, number: u64) {
    let data = raw(&number.to_string());
    queues
        .enqueue(
            queue,
            None,
            data.into(),
            Duration::from_secs(number),
            id(number.into()),
        )
        .unwrap();
}

fn subscribe(queues: &mut Queues, subscriber: u64, queue: &str, batch_size: u64) {
    let config = config(queue, batch_size);
    queues.subscribe(key(subscriber), &config).unwrap();
}

/// Ids and attempts, as a payload shows them.
type Shown = Vec<(u128, u64)>;

fn handed_out(delivery: &Delivery) -> Shown {
    let payload: Value = serde_json::from_str(delivery.content.data.get()).unwrap();
    let messages = payload["messages"].as_array().unwrap().iter();
    let shown = messages.map(|message| {
        let id: Uuid = message["message_id"].as_str().unwrap().parse().unwrap();
        (id.as_u128(), message["attempt"].as_u64().unwrap())
    });
    shown.collect()
}

/// Who gets the next delivery, and which messages with which attempts.
fn deliver(queues: &mut Queues) -> Option<(Delivery, u64, Shown)> {
    let delivery = queues.next_delivery()?;
    let messages = handed_out(&delivery);
    let Subscriber::Trigger(Armed { session, .. }) = delivery.subscription else {
        panic!("the tests subscribe triggers alone");
    };
    Some((delivery, session.0, messages))
}

fn ids<'m>(messages: impl IntoIterator<Item = &'m Message>) -> Vec<u128> {
    messages.into_iter().map(|it| it.id.as_u128()).collect()
}

/// Ids and attempts of a queue's messages, in order of arrival.
fn held<S: Store>(queues: &Queues<S>, queue: &str) -> Vec<(u128, u32)> {
    let messages = queues.peek(queue, usize::MAX).into_iter();
    messages.map(|it| (it.id.as_u128(), it.attempts)).collect()
}
