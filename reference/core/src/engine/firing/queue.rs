//! Messages: how they come in, and how they are handed out (RT-06, CO-20, D-13).

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::{Engine, Order, Origin, Output, Shot, TriggerKey};
use crate::{
    Code, EventKind, Failure, QueueConfig, SessionId,
    engine::{Due, builtin::EngineFunction},
    queue::{Delivery, DeliveryId, Refused, Settlement, Subscriber, lane, queue_and_function},
    wire::InvokeFunction,
};

/// How many calls of one function through one queue are under way at once, where the queue has
/// no trigger to say so.
const LANE_CALLS_MAX: u8 = 10;
/// How long messages wait for a function that cannot be called just now.
const RETRY_TIME: Duration = Duration::from_secs(1);
/// On whose behalf messages are handed out that no trigger asked for: no session's.
const NO_SESSION: SessionId = SessionId(u64::MAX);

/// The answer to who has enqueued a message (CO-20).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    message_receipt_id: String,
}

impl Engine {
    pub(super) fn subscribe(
        &mut self,
        key: &TriggerKey,
        config: &QueueConfig,
        function_id: &str,
    ) -> Result<(), Failure> {
        let subscriber = Subscriber::Trigger(key.clone());
        self.add_subscriber(subscriber, config, function_id)
            .map_err(|refused| Failure::invalid_config(format!("Invalid queue config: {refused}")))
    }

    fn add_subscriber(
        &mut self,
        subscriber: Subscriber,
        config: &QueueConfig,
        function_id: &str,
    ) -> Result<(), Refused> {
        self.firing.queues.subscribe(subscriber.clone(), config)?;
        let known = self.firing.subscribers.get_key_value(function_id);
        let function_id = known.map_or_else(|| function_id.into(), |(id, _)| Arc::clone(id));
        let subscribers = self.firing.subscribers.entry(function_id);
        subscribers.or_default().insert(subscriber);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, subscriber: &Subscriber, function_id: &str) {
        self.firing.queues.unsubscribe(subscriber);
        if let Some(subscribers) = self.firing.subscribers.get_mut(function_id) {
            subscribers.remove(subscriber);
            if subscribers.is_empty() {
                self.firing.subscribers.remove(function_id);
            }
        }
    }

    /// A function has come, or has gone for good: its messages are handed out, or wait.
    pub(in crate::engine) fn function_changed(&mut self, function_id: &str) {
        let ready = self.functions.contains(function_id);
        for subscriber in self
            .firing
            .subscribers
            .get(function_id)
            .into_iter()
            .flatten()
        {
            self.firing.queues.set_ready(subscriber, ready);
        }
    }

    /// `action: enqueue`: the function is called later, through a queue (CO-20).
    pub(in crate::engine) fn enqueue_call(
        &mut self,
        queue: Option<&str>,
        frame: &InvokeFunction<'_>,
        out: &mut Output<'_, '_>,
    ) -> Result<Box<RawValue>, Failure> {
        let function_id = &*frame.function_id;
        let queue = queue.ok_or_else(|| Failure::invalid_request("`action.queue` is missing"))?;
        if EngineFunction::named(function_id).is_some() {
            let problem = format!("'{function_id}' is the engine's own, and cannot be enqueued");
            return Err(Failure::invalid_request(problem));
        }
        if !self.functions.contains(function_id) {
            return Err(Failure::function_not_found(function_id));
        }
        let receipt = self.enqueue(queue, Some(function_id), frame.data, out)?;
        self.open_lane(queue, function_id).map_err(refusal)?;
        Ok(receipt)
    }

    /// Puts a message into a queue: for its triggers, or for one function.
    pub(in crate::engine) fn enqueue(
        &mut self,
        queue: &str,
        function_id: Option<&str>,
        data: &RawValue,
        out: &mut Output<'_, '_>,
    ) -> Result<Box<RawValue>, Failure> {
        let (id, wall) = (out.next_id(), out.now().wall);
        let queues = &mut self.firing.queues;
        queues
            .enqueue(queue, function_id, data.to_owned(), wall, id)
            .map_err(refusal)?;
        let receipt = Receipt {
            message_receipt_id: id.to_string(),
        };
        // A string: serializing it cannot fail.
        Ok(to_raw_value(&receipt).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// Has the messages of a lane handed out, until there are none.
    fn open_lane(&mut self, queue: &str, function_id: &str) -> Result<(), Refused> {
        let lane: Arc<str> = lane(queue, function_id).into();
        let stats = self.firing.queues.stats_of(&lane);
        if stats.is_some_and(|stats| stats.subscriptions > 0) {
            return Ok(());
        }
        let config = QueueConfig {
            queue_name: lane.to_string(),
            batch_size: 1,
            visibility_timeout: self.settings.call_timeout,
        };
        for seat in 0..LANE_CALLS_MAX {
            let lane = Arc::clone(&lane);
            let subscriber = Subscriber::Function { lane, seat };
            self.add_subscriber(subscriber, &config, function_id)?;
        }
        Ok(())
    }

    fn close_lane_if_empty(&mut self, name: &Arc<str>) {
        let (_, Some(function_id)) = queue_and_function(name) else {
            return;
        };
        let stats = self.firing.queues.stats_of(name);
        if stats.is_some_and(|stats| stats.visible + stats.in_flight > 0) {
            return;
        }
        for seat in 0..LANE_CALLS_MAX {
            let lane = Arc::clone(name);
            self.unsubscribe(&Subscriber::Function { lane, seat }, function_id);
        }
    }

    /// Hands out what can be handed out. Whatever may have changed that is followed by this.
    pub(in crate::engine) fn hand_out(&mut self, out: &mut Output<'_, '_>) {
        while let Some(delivery) = self.firing.queues.next_delivery() {
            self.deliver(delivery, out);
        }
    }

    fn deliver(&mut self, delivery: Delivery, out: &mut Output<'_, '_>) {
        let origin = Origin::Delivery {
            delivery: delivery.id,
            subscriber: delivery.subscription.clone(),
        };
        let patience = Some(delivery.visibility_timeout);
        match (&delivery.subscription, delivery.function_id) {
            (Subscriber::Trigger(key), _) => {
                let shot = Shot {
                    origin,
                    data: &delivery.payload,
                    patience,
                    traceparent: None,
                    baggage: None,
                };
                self.fire(key, shot, out);
            }
            (Subscriber::Function { .. }, Some(function_id)) => {
                let frame = InvokeFunction {
                    invocation_id: None,
                    function_id: (&*function_id).into(),
                    data: &delivery.payload,
                    metadata: None,
                    traceparent: None,
                    baggage: None,
                    action: None,
                };
                let order = Order {
                    session: NO_SESSION,
                    origin,
                    frame: &frame,
                    patience,
                };
                self.call(order, out);
            }
            (Subscriber::Function { .. }, None) => {}
        }
    }

    /// What the end of a call means for the messages that it has handed out.
    pub(in crate::engine) fn settle(
        &mut self,
        reporter: Uuid,
        delivery: DeliveryId,
        settlement: &Settlement,
        out: &mut Output<'_, '_>,
    ) {
        let Some(settled) = self.firing.queues.settle(delivery, settlement) else {
            return;
        };
        if settled.dead_letters > 0 {
            let (queue, _) = queue_and_function(&settled.queue);
            let given_up = EventKind::MessagesGivenUp {
                queue: queue.to_owned(),
                count: settled.dead_letters,
            };
            out.report(reporter, given_up);
        }
        self.close_lane_if_empty(&settled.queue);
    }

    /// Lets messages wait for a function that could not be called, since too much was under way.
    pub(in crate::engine) fn pause(
        &mut self,
        subscriber: Subscriber,
        function_id: &str,
        out: &Output<'_, '_>,
    ) {
        self.firing.queues.set_ready(&subscriber, false);
        let at = out.now().monotonic.saturating_add(RETRY_TIME);
        let due = Due::Resume {
            subscriber,
            function_id: function_id.into(),
        };
        self.timers.set(at, due);
    }

    pub(in crate::engine) fn resume(&mut self, subscriber: &Subscriber, function_id: &str) {
        let subscribers = self.firing.subscribers.get(function_id);
        if subscribers.is_some_and(|all| all.contains(subscriber)) {
            let ready = self.functions.contains(function_id);
            self.firing.queues.set_ready(subscriber, ready);
        }
    }
}

pub(in crate::engine) fn refusal(refused: Refused) -> Failure {
    let code = match &refused {
        Refused::NoName | Refused::NulInName | Refused::NameTooLong { .. } => Code::InvalidRequest,
        Refused::MessageTooLarge { .. } => Code::PayloadTooLarge,
        Refused::QueueFull { .. }
        | Refused::BytesFull { .. }
        | Refused::TooManyQueues { .. }
        | Refused::NotStored { .. } => Code::QueueFull,
    };
    Failure::new(code, refused.to_string())
}
