//! Calls in flight: from `invokefunction` to the one answer that they get (CO-09 to CO-13).

mod end;
mod late;
mod loads;
mod outcome;
mod requests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use uuid::Uuid;

use self::requests::{Load, Requests};
pub(super) use self::{
    late::LateCalls,
    outcome::{Bar, Context, Origin, Outcome},
};
use super::{Due, Engine, Output, builtin::EngineFunction};
use crate::{
    EventKind, ExchangeId, Failure, SessionId, Settings,
    format::Formats,
    timers::TimerId,
    wire::{Action, InvokeFunction},
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
        self.conclude_unmade(reporter, origin, &frame.function_id, outcome, out);
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
            return self.conclude_unmade(reporter, order.origin, &frame.function_id, outcome, out);
        }
        let Some((function_id, registration)) = self.functions.take_turn(&frame.function_id) else {
            let failure = Failure::function_not_found(&frame.function_id);
            let outcome = Outcome::Failure(&failure);
            return self.conclude_unmade(reporter, order.origin, &frame.function_id, outcome, out);
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
            let outcome = Outcome::Refused(&failure, Bar::Data);
            return self.conclude_unmade(reporter, order.origin, &callee.function_id, outcome, out);
        }
        if let Some(endpoint) = endpoint {
            return self.call_endpoint(session, order, callee, &endpoint, out);
        }
        let bytes = match self.load(worker, session, frame) {
            Ok(bytes) => bytes,
            Err((failure, bar)) => {
                let outcome = Outcome::Refused(&failure, bar);
                return self.conclude_unmade(
                    reporter,
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
        if self.settings.report_calls {
            let called = EventKind::Called {
                function_id: callee.function_id.to_string(),
                invocation_id: origin.invocation_id(Some(id)),
            };
            out.report(reporter, called);
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
}

#[cfg(test)]
mod tests;
