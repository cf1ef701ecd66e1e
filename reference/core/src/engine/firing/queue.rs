//! Messages: how they come in, and how they are handed out (RT-06, CO-20, D-13).

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use super::{Armed, Engine, Order, Origin, Output};
use crate::{
    Code, EventKind, Failure, QueueConfig,
    engine::builtin::EngineFunction,
    queue::{
        CallContext, Content, Delivery, DeliveryId, Refused, Settlement, Subscriber, lane,
        queue_and_function,
    },
    wire::InvokeFunction,
};

/// How many calls of one function through one queue are under way at once, where the queue has
/// no trigger to say so.
const LANE_CALLS_MAX: usize = 10;

/// The answer to who has enqueued a message (CO-20).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    message_receipt_id: String,
}

impl Engine {
    pub(super) fn subscribe(
        &mut self,
        trigger: Armed,
        config: &QueueConfig,
    ) -> Result<(), Failure> {
        self.add_subscriber(Subscriber::Trigger(trigger), config)
            .map_err(|refused| Failure::invalid_config(format!("Invalid queue config: {refused}")))
    }

    fn add_subscriber(
        &mut self,
        subscriber: Subscriber,
        config: &QueueConfig,
    ) -> Result<(), Refused> {
        self.firing.queues.subscribe(subscriber.clone(), config)?;
        if self.firing.paused.contains(subscriber.function_id()) {
            self.firing.queues.set_ready(&subscriber, false);
        }
        if self.is_paused(&subscriber, &config.queue_name) {
            self.firing.queues.set_paused(&subscriber, true);
        }
        let function_id = Arc::clone(subscriber.function_id());
        let subscribers = self.firing.subscribers.entry(function_id);
        subscribers.or_default().insert(subscriber);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, subscriber: &Subscriber) {
        self.firing.queues.unsubscribe(subscriber);
        let function_id = subscriber.function_id();
        if let Some(subscribers) = self.firing.subscribers.get_mut(function_id) {
            subscribers.remove(subscriber);
            if subscribers.is_empty() {
                self.firing.subscribers.remove(function_id);
            }
        }
    }

    /// A function has come, or has gone for good: its messages are handed out, or wait.
    pub(in crate::engine) fn function_changed(&mut self, function_id: &str, ready: bool) {
        let ready = ready && !self.firing.paused.contains(function_id);
        self.ready_subscribers(function_id, ready);
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
        let receipt = self.enqueue(queue, Some(function_id), content_of(frame), out)?;
        // The lane holds a message now, so that nothing refuses a seat in it.
        self.widen_lane(queue, function_id).map_err(refusal)?;
        Ok(receipt)
    }

    /// Puts a message into a queue: for its triggers, or for one function.
    pub(in crate::engine) fn enqueue(
        &mut self,
        queue: &str,
        function_id: Option<&str>,
        content: Content,
        out: &mut Output<'_, '_>,
    ) -> Result<Box<RawValue>, Failure> {
        let (id, wall) = (out.next_id(), out.now().wall);
        let queues = &mut self.firing.queues;
        queues
            .enqueue(queue, function_id, content, wall, id)
            .map_err(refusal)?;
        let receipt = Receipt {
            message_receipt_id: id.to_string(),
        };
        // A string: serializing it cannot fail.
        Ok(to_raw_value(&receipt).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// Has the messages of a lane handed out, until there are none: with each message comes a
    /// seat, up to a number.
    fn widen_lane(&mut self, queue: &str, function_id: &str) -> Result<(), Refused> {
        let lane = lane(queue, function_id);
        let stats = self.firing.queues.stats_of(&lane);
        let seat = stats.map_or(0, |stats| stats.subscriptions);
        if seat >= LANE_CALLS_MAX {
            return Ok(());
        }
        let config = QueueConfig {
            queue_name: lane,
            batch_size: 1,
            visibility_timeout: self.settings.call_timeout,
        };
        let seat = seat_of(&config.queue_name, function_id, seat);
        self.add_subscriber(seat, &config)
    }

    fn close_lane_if_empty(&mut self, name: &str) {
        let (_, Some(function_id)) = queue_and_function(name) else {
            return;
        };
        let Some(stats) = self.firing.queues.stats_of(name) else {
            return;
        };
        if stats.visible + stats.in_flight == 0 {
            for seat in 0..stats.subscriptions {
                self.unsubscribe(&seat_of(name, function_id, seat));
            }
        }
    }

    /// Hands out what can be handed out. Whatever may have changed that is followed by this.
    ///
    /// It ends: a delivery leaves its subscriber with a call under way, or paused. No other
    /// outcome comes at once, since nobody who waits on behalf of a function that is not there is
    /// handed anything, and nobody waits on behalf of one of the engine's own.
    pub(in crate::engine) fn hand_out(&mut self, out: &mut Output<'_, '_>) {
        while let Some(delivery) = self.firing.queues.next_delivery() {
            self.deliver(delivery, out);
        }
    }

    fn deliver(&mut self, delivery: Delivery, out: &mut Output<'_, '_>) {
        let context = delivery.content.context.as_deref();
        let frame = InvokeFunction {
            invocation_id: None,
            function_id: (&**delivery.subscription.function_id()).into(),
            data: &delivery.content.data,
            metadata: context.and_then(|it| it.metadata.as_deref()),
            traceparent: context.and_then(|it| Some(it.traceparent.as_deref()?.into())),
            baggage: context.and_then(|it| Some(it.baggage.as_deref()?.into())),
            action: None,
        };
        let (on_behalf_of, patience) = match &delivery.subscription {
            Subscriber::Trigger(trigger) => {
                (Some(trigger.session), Some(delivery.visibility_timeout))
            }
            Subscriber::Function { .. } => (None, None),
        };
        let origin = Origin::Delivery {
            delivery: delivery.id,
            subscriber: delivery.subscription.clone(),
        };
        let order = Order {
            on_behalf_of,
            origin,
            frame: &frame,
            patience,
        };
        self.call(order, out);
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

    pub(super) fn ready_subscribers(&mut self, function_id: &str, ready: bool) {
        let subscribers = self.firing.subscribers.get(function_id);
        for subscriber in subscribers.into_iter().flatten() {
            self.firing.queues.set_ready(subscriber, ready);
        }
    }
}

/// What a call takes through a queue.
fn content_of(frame: &InvokeFunction<'_>) -> Content {
    let context = CallContext {
        metadata: frame.metadata.map(RawValue::to_owned),
        traceparent: frame.traceparent.as_deref().map(Into::into),
        baggage: frame.baggage.as_deref().map(Into::into),
    };
    let is_there =
        context.metadata.is_some() || context.traceparent.is_some() || context.baggage.is_some();
    Content {
        data: frame.data.to_owned(),
        context: is_there.then(|| Box::new(context)),
    }
}

fn seat_of(lane: &str, function_id: &str, seat: usize) -> Subscriber {
    Subscriber::Function {
        lane: lane.into(),
        function_id: function_id.into(),
        seat,
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
