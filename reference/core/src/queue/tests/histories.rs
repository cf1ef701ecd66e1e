//! Random histories: what may happen to queues, each step compared with the model.

use std::collections::BTreeSet;

use proptest::{prelude::*, sample::select, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::{
    super::DeliveryId,
    model::{LIMITS, Model},
    *,
};

const QUEUES: [&str; 6] = ["a", "b", "c", "d", "a::dead_letter", "b::dead_letter"];

#[derive(Clone, Debug)]
enum Transition {
    /// A message of so many bytes.
    Enqueue(&'static str, usize),
    Subscribe {
        subscriber: u64,
        queue: &'static str,
        batch_size: u64,
    },
    Unsubscribe(u64),
    SetReady(u64, bool),
    Deliver,
    /// Ends the delivery that began so many before the last.
    Settle(usize, End),
    /// Ends one that has ended.
    SettleAgain(usize),
    /// Starts again from what is stored.
    Reopen,
}

/// How a call ends.
#[derive(Clone, Debug)]
enum End {
    Success,
    /// With those in `failed_message_ids` whose bits are set, and with ids of other messages.
    InPart(u8, Vec<u128>),
    /// With a `failed_message_ids` that cannot be read.
    Unreadable,
    /// With an error, with its worker, or with no answer in time.
    Failure,
}

/// Anything may happen at any time.
#[derive(Clone, Debug)]
struct Anything;

impl ReferenceStateMachine for Anything {
    type State = ();
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Transition> {
        use Transition as T;
        let queue = || {
            prop_oneof![
                5 => select(&QUEUES[..2]),
                1 => select(&QUEUES[..]),
            ]
        };
        let subscriber = || 0..5_u64;
        let bytes = prop_oneof![6 => 1..90_usize, 1 => 99..103_usize];
        let end = prop_oneof![
            2 => Just(End::Success),
            3 => (any::<u8>(), prop::collection::vec(0..50_u128, 0..3))
                .prop_map(|(bits, others)| End::InPart(bits, others)),
            1 => Just(End::Unreadable),
            4 => Just(End::Failure),
        ];
        prop_oneof![
            20 => (queue(), bytes).prop_map(|(queue, bytes)| T::Enqueue(queue, bytes)),
            8 => (subscriber(), queue(), 1..4_u64).prop_map(|(subscriber, queue, batch_size)| {
                T::Subscribe { subscriber, queue, batch_size }
            }),
            2 => subscriber().prop_map(T::Unsubscribe),
            6 => (subscriber(), prop::bool::weighted(0.7))
                .prop_map(|(subscriber, ready)| T::SetReady(subscriber, ready)),
            25 => Just(T::Deliver),
            20 => (0..4_usize, end).prop_map(|(nth_last, end)| T::Settle(nth_last, end)),
            1 => (0..4_usize).prop_map(T::SettleAgain),
            1 => Just(T::Reopen),
        ]
        .boxed()
    }

    fn apply((): (), _: &Transition) {}
}

/// The queues and the model, side by side.
struct Duel {
    queues: Queues,
    model: Model,
    clock: u64,
}

impl Duel {
    fn enqueue(&mut self, queue: &str, bytes: usize) {
        self.clock += 1;
        let data = if bytes == 1 {
            "7".to_owned()
        } else {
            format!(r#""{}""#, "x".repeat(bytes - 2))
        };
        let at = Duration::from_millis(self.clock);
        let number = u128::from(self.clock);
        let verdict = self
            .queues
            .enqueue(queue, None, raw(&data).into(), at, id(number));
        self.model
            .enqueued((queue, &data), self.clock, number, &verdict);
    }

    fn subscribe(&mut self, subscriber: u64, queue: &str, batch_size: u64) {
        let (key, config) = (key(subscriber), config(queue, batch_size));
        let verdict = self.queues.subscribe(key.clone(), &config);
        self.model.subscribed(&key, &config, &verdict);
    }

    fn deliver(&mut self) -> bool {
        let delivery = self.queues.next_delivery();
        self.model.delivered(delivery.as_ref());
        delivery.is_some()
    }

    fn nth_last_under_way(&self, nth: usize) -> Option<DeliveryId> {
        let mut under_way = self.model.under_way.iter().rev();
        under_way.nth(nth).map(|(id, _)| *id)
    }

    fn settle(&mut self, delivery: DeliveryId, end: &End) {
        let batch = self.model.in_delivery(delivery);
        assert!(!batch.is_empty());
        let result = |json: &str| Settlement::of_result(Some(&raw(json)));
        let (settlement, failed): (Settlement, Vec<u128>) = match end {
            End::Success => (result("{}"), vec![]),
            End::InPart(bits, others) => {
                let bit = |index: usize| bits >> index & 1 == 1;
                let failed = batch.iter().enumerate().filter(|(index, _)| bit(*index));
                let failed: Vec<u128> = failed.map(|(_, id)| *id).collect();
                let others: Vec<u128> = others
                    .iter()
                    .filter(|it| !batch.contains(it))
                    .copied()
                    .collect();
                let named = others.iter().chain(&failed).map(|it| id(*it).to_string());
                let named = serde_json::json!(Vec::from_iter(named));
                let json = format!(r#"{{"failed_message_ids":{named}}}"#);
                (result(&json), failed)
            }
            End::Unreadable => (result(r#"{"failed_message_ids":{}}"#), batch.clone()),
            End::Failure => (Settlement::Failed, batch.clone()),
        };
        let settled = self.queues.settle(delivery, &settlement).unwrap();
        assert_eq!(settled.acknowledged, batch.len() - failed.len());
        assert_eq!(settled.visible + settled.dead_letters, failed.len());
        self.model.settled(delivery, &BTreeSet::from_iter(failed));
    }
}

impl StateMachineTest for Duel {
    type SystemUnderTest = Self;
    type Reference = Anything;

    fn init_test((): &()) -> Self {
        Self {
            queues: Queues::new(LIMITS),
            model: Model::default(),
            clock: 0,
        }
    }

    fn apply(mut duel: Self, (): &(), transition: Transition) -> Self {
        use Transition as T;
        match transition {
            T::Enqueue(queue, bytes) => duel.enqueue(queue, bytes),
            T::Subscribe {
                subscriber,
                queue,
                batch_size,
            } => duel.subscribe(subscriber, queue, batch_size),
            T::Unsubscribe(subscriber) => {
                duel.queues.unsubscribe(&key(subscriber));
                duel.model.unsubscribed(&key(subscriber));
            }
            T::SetReady(subscriber, ready) => {
                duel.queues.set_ready(&key(subscriber), ready);
                duel.model.set_ready(&key(subscriber), ready);
            }
            T::Deliver => {
                duel.deliver();
            }
            T::Settle(nth_last, end) => {
                if let Some(delivery) = duel.nth_last_under_way(nth_last) {
                    duel.settle(delivery, &end);
                }
            }
            T::SettleAgain(nth_last) => {
                let again = duel.model.settled.iter().rev().nth(nth_last);
                if let Some(id) = again {
                    assert_eq!(duel.queues.settle(*id, &Settlement::Failed), None);
                }
            }
            T::Reopen => {
                duel.queues = Queues::open(LIMITS, duel.queues.store.clone());
                duel.model.reopened();
            }
        }
        duel.model.compare(&duel.queues);
        duel
    }

    /// Once every queue is served, each message is acknowledged, but for what is parked.
    fn teardown(mut duel: Self, (): ()) {
        while let Some(delivery) = duel.nth_last_under_way(0) {
            duel.settle(delivery, &End::Failure);
        }
        for (number, queue) in duel.model.queue_names().iter().enumerate() {
            duel.subscribe(100 + number as u64, queue, 2);
        }
        while duel.deliver() {
            let delivery = duel.nth_last_under_way(0).unwrap();
            duel.settle(delivery, &End::Success);
            duel.model.compare(&duel.queues);
        }
        assert!(duel.model.all_parked());
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 256, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_message_is_lost_or_doubled(sequential 100..200 => Duel);
}
