//! Calls in flight: from `invokefunction` to the one answer that they get (CO-09 to CO-13).

mod loads;
mod outcome;
mod requests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde_json::value::RawValue;
use uuid::Uuid;

pub(super) use self::outcome::{Context, Origin, Outcome};
use self::requests::{Load, Requests};
use super::{Due, Engine, Output, builtin::EngineFunction};
use crate::{
    Effect, EventKind, ExchangeId, Failure, SessionId, Settings,
    format::Formats,
    timers::TimerId,
    wire::{Action, InvocationResult, InvokeFunction},
};

/// The tables have room for so many at least, so that few calls do not move them.
const ROOM_MIN: usize = 1_024;

/// A call that has still to be answered.
#[derive(Debug)]
struct Call {
    /// The engine's name for it, which whoever serves it knows.
    id: Uuid,
    /// Where it stands among all calls.
    sequence: u64,
    served_by: ServedBy,
    /// The worker that called, or that registered the trigger that did: its failure is logged
    /// under this name, also after its session.
    reporter: Uuid,
    origin: Origin,
    callee: Callee,
    /// How long it may take.
    patience: Duration,
    timer: TimerId,
}

/// What is called.
#[derive(Clone, Debug)]
struct Callee {
    function_id: Arc<str>,
    /// Of the registration that serves the call.
    formats: Formats,
}

/// Who has to answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServedBy {
    /// A worker, through its session (RF-13).
    Worker {
        session: SessionId,
        /// The session that called, or that registered the trigger that did.
        caller: SessionId,
        /// What the call counts with either.
        bytes: usize,
    },
    /// An endpoint, by a request (RF-14).
    Endpoint(Load),
}

impl ServedBy {
    fn is_worker(self, worker: SessionId) -> bool {
        matches!(self, Self::Worker { session, .. } if session == worker)
    }
}

/// A call to make.
#[derive(Debug)]
pub(super) struct Order<'a> {
    /// The session that calls, or that registered the trigger; if there is none, the call is on
    /// behalf of the session that serves the function.
    pub(super) on_behalf_of: Option<SessionId>,
    pub(super) origin: Origin,
    pub(super) frame: &'a InvokeFunction<'a>,
    /// How long it may take, if not as long as any call; an endpoint's own time bounds it too.
    pub(super) patience: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Calls {
    in_flight: HashMap<Uuid, Call>,
    /// The calls that HTTP requests wait for.
    exchanges: HashMap<ExchangeId, Uuid>,
    sequence: u64,
    /// How large those are that workers have still to answer.
    bytes: usize,
    requests: Requests,
}

impl Calls {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            in_flight: HashMap::new(),
            exchanges: HashMap::new(),
            sequence: 0,
            bytes: 0,
            requests: Requests::new(settings),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn ids_in_order(&self) -> Vec<Uuid> {
        let mut calls: Vec<(u64, Uuid)> = self
            .in_flight
            .iter()
            .map(|(id, call)| (call.sequence, *id))
            .collect();
        calls.sort_unstable();
        calls.into_iter().map(|(_, id)| id).collect()
    }

    /// Gives back the room of a crowd of calls that have ended, which pay for it.
    fn give_room_back(&mut self) {
        let left = self.in_flight.len().max(ROOM_MIN);
        if self.in_flight.capacity() / 8 > left {
            self.in_flight.shrink_to(left * 2);
            self.exchanges.shrink_to(left * 2);
        }
    }
}

impl Engine {
    pub(super) fn invoke(
        &mut self,
        session: SessionId,
        frame: &InvokeFunction<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let origin = Origin::of(session, frame);
        let result = match &frame.action {
            Some(Action::Enqueue { queue }) => self.enqueue_call(queue.as_deref(), frame, out),
            Some(Action::Unknown { kind }) => Err(Failure::invalid_request(format!(
                "`action.type` must be void or enqueue, got '{kind}'"
            ))),
            Some(Action::Void) | None => {
                let order = Order {
                    on_behalf_of: Some(session),
                    origin,
                    frame,
                    patience: None,
                };
                return self.call(order, out);
            }
        };
        let outcome = match &result {
            Ok(receipt) => Outcome::result(Some(receipt)),
            Err(failure) => Outcome::Failure(failure),
        };
        let reporter = self.worker_id(session);
        self.conclude(reporter, None, origin, &frame.function_id, outcome, out);
    }

    /// Makes a call, whose outcome goes to its origin.
    pub(super) fn call(&mut self, order: Order<'_>, out: &mut Output<'_, '_>) {
        let (session, frame) = (order.on_behalf_of, order.frame);
        self.tally.called();
        let reporter = session.map_or(Uuid::nil(), |it| self.worker_id(it));
        if let Some(function) = EngineFunction::named(&frame.function_id) {
            let result = self.call_engine(session, function, frame.data, out);
            let outcome = match &result {
                Ok(result) => Outcome::result(Some(result)),
                Err(failure) => Outcome::Failure(failure),
            };
            return self.conclude(
                reporter,
                None,
                order.origin,
                &frame.function_id,
                outcome,
                out,
            );
        }
        let Some((function_id, registration)) = self.functions.take_turn(&frame.function_id) else {
            let failure = Failure::function_not_found(&frame.function_id);
            let outcome = Outcome::Failure(&failure);
            return self.conclude(
                reporter,
                None,
                order.origin,
                &frame.function_id,
                outcome,
                out,
            );
        };
        let worker = registration.session;
        let endpoint = registration.endpoint.clone();
        let callee = Callee {
            function_id,
            formats: registration.formats.clone(),
        };
        let session = session.unwrap_or(worker);
        let reporter = self.worker_id(session);
        if let Err(failure) = callee.formats.check_data(&callee.function_id, frame.data) {
            let outcome = Outcome::Failure(&failure);
            return self.conclude(
                reporter,
                None,
                order.origin,
                &callee.function_id,
                outcome,
                out,
            );
        }
        if let Some(endpoint) = endpoint {
            return self.call_endpoint(session, order, callee, &endpoint, out);
        }
        let bytes = match self.load(worker, session, frame) {
            Ok(bytes) => bytes,
            Err(failure) => {
                let outcome = Outcome::Failure(&failure);
                return self.conclude(
                    reporter,
                    None,
                    order.origin,
                    &callee.function_id,
                    outcome,
                    out,
                );
            }
        };
        let served_by = ServedBy::Worker {
            session: worker,
            caller: session,
            bytes,
        };
        let patience = order.patience.unwrap_or(self.settings.call_timeout);
        let id = self.begin_call(served_by, reporter, order.origin, callee, patience, out);
        self.hand_to_worker(worker, id, frame, out);
    }

    pub(super) fn worker_id(&self, session: SessionId) -> Uuid {
        self.sessions
            .get(session)
            .map_or(Uuid::nil(), |session| session.worker_id)
    }

    fn begin_call(
        &mut self,
        served_by: ServedBy,
        reporter: Uuid,
        origin: Origin,
        callee: Callee,
        patience: Duration,
        out: &mut Output<'_, '_>,
    ) -> Uuid {
        let id = out.next_id();
        let at = out.now().monotonic.saturating_add(patience);
        let timer = self.timers.set(at, Due::Call(id));
        self.calls.sequence += 1;
        let sequence = self.calls.sequence;
        if let Some(held) = self.held_by(served_by, &origin) {
            held.insert(sequence, id);
        }
        if let Origin::Http(exchange) = origin {
            self.calls.exchanges.insert(exchange, id);
        }
        let call = Call {
            id,
            sequence,
            served_by,
            reporter,
            origin,
            callee,
            patience,
            timer,
        };
        self.calls.in_flight.insert(id, call);
        id
    }

    /// The list of the session whose end ends a call: of the worker that has to answer it, or
    /// of the caller that alone wants a request.
    fn held_by(
        &mut self,
        served_by: ServedBy,
        origin: &Origin,
    ) -> Option<&mut BTreeMap<u64, Uuid>> {
        match (served_by, origin) {
            (ServedBy::Worker { session, .. }, _) => {
                Some(&mut self.sessions.get_mut(session)?.calls)
            }
            (ServedBy::Endpoint(_), Origin::Session { session, .. }) => {
                Some(&mut self.sessions.get_mut(*session)?.requests)
            }
            (ServedBy::Endpoint(_), _) => None,
        }
    }

    fn hand_to_worker(
        &self,
        worker: SessionId,
        id: Uuid,
        frame: &InvokeFunction<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let mut id_text = Uuid::encode_buffer();
        let passed_on = InvokeFunction {
            invocation_id: Some(Cow::Borrowed(id.hyphenated().encode_lower(&mut id_text))),
            action: None,
            ..frame.clone()
        };
        self.send(worker, &passed_on, out);
    }

    /// A worker's answer: taken from the session that the call was sent to, once (D-15).
    pub(super) fn worker_answer(
        &mut self,
        session: SessionId,
        frame: &InvocationResult<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let id = Uuid::try_parse(&frame.invocation_id).ok().filter(|id| {
            let call = self.calls.in_flight.get(id);
            call.is_some_and(|call| call.served_by.is_worker(session))
        });
        let Some(call) = id.and_then(|id| self.take_call(id)) else {
            let dropped = EventKind::AnswerDropped {
                frame: "invocationresult",
                id: frame.invocation_id.to_string(),
            };
            return self.report(session, dropped, out);
        };
        // The call ends all the same: its caller must not wait for a worker's mistake (D-26).
        let is_object = |error: &RawValue| error.get().starts_with('{');
        let failure;
        let outcome = match frame.error.as_deref() {
            Some(error) if is_object(error) => Outcome::Error {
                error,
                context: Context::of(frame),
            },
            Some(_) => {
                failure = Failure::invocation_failed(&call.callee.function_id);
                Outcome::Failure(&failure)
            }
            None => {
                let result = frame.result.unwrap_or(RawValue::NULL);
                return self.conclude_result(call, result, Context::of(frame), out);
            }
        };
        self.conclude_call(call, outcome, out);
    }

    pub(super) fn call_timed_out(&mut self, id: Uuid, out: &mut Output<'_, '_>) {
        if let Some(call) = self.take_call(id) {
            let failure = Failure::timeout(&call.callee.function_id, call.patience.as_millis());
            self.fail_call(call, &failure, out);
        }
    }

    /// Ends a call that nobody will answer any more (D-07, D-23).
    pub(super) fn stop_call(
        &mut self,
        id: Uuid,
        why: fn(&str) -> Failure,
        out: &mut Output<'_, '_>,
    ) {
        if let Some(call) = self.take_call(id) {
            let failure = why(&call.callee.function_id);
            self.fail_call(call, &failure, out);
        }
    }

    fn take_call(&mut self, id: Uuid) -> Option<Call> {
        let call = self.calls.in_flight.remove(&id)?;
        self.calls.give_room_back();
        self.timers.cancel(call.timer);
        if let Some(held) = self.held_by(call.served_by, &call.origin) {
            held.remove(&call.sequence);
        }
        if let Origin::Http(exchange) = &call.origin {
            self.calls.exchanges.remove(exchange);
        }
        match call.served_by {
            ServedBy::Endpoint(load) => self.calls.requests.end(load),
            ServedBy::Worker {
                session,
                caller,
                bytes,
            } => self.unload(session, caller, bytes),
        }
        Some(call)
    }

    /// Ends a call without the answer of whoever serves it.
    fn fail_call(&mut self, call: Call, failure: &Failure, out: &mut Output<'_, '_>) {
        if matches!(call.served_by, ServedBy::Endpoint(_)) {
            out.push(Effect::CancelRequest { call: call.id });
        }
        self.conclude_call(call, Outcome::Failure(failure), out);
    }

    /// Passes a result on if it is one that the function promised (D-14).
    fn conclude_result(
        &mut self,
        call: Call,
        result: &RawValue,
        context: Context<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let Callee {
            function_id,
            formats,
        } = &call.callee;
        match formats.check_result(function_id, result) {
            Ok(()) => self.conclude_call(call, Outcome::Result { result, context }, out),
            Err(failure) => self.conclude_call(call, Outcome::Failure(&failure), out),
        }
    }

    fn conclude_call(&mut self, call: Call, outcome: Outcome<'_>, out: &mut Output<'_, '_>) {
        let Call {
            id,
            reporter,
            origin,
            callee: Callee { function_id, .. },
            ..
        } = call;
        self.conclude(reporter, Some(id), origin, &function_id, outcome, out);
    }

    /// Drops the call of an HTTP request that nobody waits for any more.
    pub(super) fn abandon(&mut self, exchange: ExchangeId, out: &mut Output<'_, '_>) {
        let Some(id) = self.calls.exchanges.get(&exchange).copied() else {
            return;
        };
        if let Some(call) = self.take_call(id)
            && matches!(call.served_by, ServedBy::Endpoint(_))
        {
            out.push(Effect::CancelRequest { call: id });
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::ROOM_MIN;
    use crate::{
        Effect, Engine, Environment, IdSource, Input, Machine, Now, SessionId, Variable, World,
        wire::Message,
    };

    #[derive(Default)]
    struct Ids(u128);

    impl IdSource for Ids {
        fn next_id(&mut self) -> Uuid {
            self.0 += 1;
            Uuid::from_u128(self.0)
        }
    }

    struct Nothing;

    impl Environment for Nothing {
        fn variable(&self, _name: &str) -> Variable {
            Variable::Missing
        }
    }

    #[test]
    fn a_crowd_of_calls_leaves_no_room_behind() {
        const CALLS: usize = 20 * ROOM_MIN;
        let session = SessionId(1);
        let (mut engine, mut ids) = (Engine::default(), Ids::default());
        let mut give = |engine: &mut Engine, input: Input<'_>| {
            let mut effects = Vec::new();
            let mut world = World {
                now: Now {
                    monotonic: std::time::Duration::ZERO,
                    wall: std::time::Duration::ZERO,
                },
                ids: &mut ids,
                environment: &Nothing,
            };
            engine.handle(input, &mut world, &mut effects);
            effects
        };
        give(&mut engine, Input::Connected { session });
        let frame = r#"{"type":"registerfunction","id":"f"}"#;
        give(&mut engine, Input::Text { session, frame });
        let frame = r#"{"type":"invokefunction","function_id":"f","data":1}"#;
        let mut handed = Vec::new();
        for _ in 0..CALLS {
            handed.extend(give(&mut engine, Input::Text { session, frame }));
        }
        assert_eq!(engine.calls.in_flight.len(), CALLS);
        for effect in handed {
            let Effect::Send { frame, .. } = effect else {
                panic!("{effect:?}");
            };
            let Ok(Message::InvokeFunction(call)) = Message::decode(&frame) else {
                panic!("{frame}");
            };
            let id = call.invocation_id.unwrap();
            let frame = format!(r#"{{"type":"invocationresult","invocation_id":"{id}"}}"#);
            give(
                &mut engine,
                Input::Text {
                    session,
                    frame: &frame,
                },
            );
        }
        assert_eq!(engine.calls.in_flight.len(), 0);
        assert!(engine.calls.in_flight.capacity() <= 16 * ROOM_MIN);
    }
}
