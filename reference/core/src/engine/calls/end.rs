//! How calls end: once, by the answer of whoever serves them, their time, or the end of a session.

use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Call, Callee, Context, Engine, Origin, Outcome, Output, ServedBy};
use crate::{Effect, EventKind, ExchangeId, Failure, SessionId, wire::InvocationResult};

impl Engine {
    /// A worker's answer: taken from the session that the call was sent to, once (D-15).
    pub(in crate::engine) fn worker_answer(
        &mut self,
        session: SessionId,
        frame: &InvocationResult<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let id = Uuid::try_parse(&frame.invocation_id).ok();
        let open = id.filter(|id| {
            let call = self.calls.in_flight.get(id);
            call.is_some_and(|call| call.served_by.is_worker(session))
        });
        let Some(call) = open.and_then(|id| self.take_call(id)) else {
            if let Some(id) = id {
                self.forget_late_call(session, id);
            }
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

    pub(in crate::engine) fn call_timed_out(&mut self, id: Uuid, out: &mut Output<'_, '_>) {
        if let Some(call) = self.take_call(id) {
            self.await_late_answer(&call, out);
            let failure = Failure::timeout(&call.callee.function_id, call.patience.as_millis());
            self.fail_call(call, &failure, out);
        }
    }

    /// Ends a call that nobody will answer any more (D-07, D-23).
    pub(in crate::engine) fn stop_call(
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

    pub(super) fn take_call(&mut self, id: Uuid) -> Option<Call> {
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
    pub(super) fn conclude_result(
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

    pub(super) fn conclude_call(
        &mut self,
        call: Call,
        outcome: Outcome<'_>,
        out: &mut Output<'_, '_>,
    ) {
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
    pub(in crate::engine) fn abandon(&mut self, exchange: ExchangeId, out: &mut Output<'_, '_>) {
        let Some(id) = self.calls.exchanges.get(&exchange).copied() else {
            return;
        };
        let Some(call) = self.take_call(id) else {
            return;
        };
        match call.served_by {
            ServedBy::Endpoint(_) => out.push(Effect::CancelRequest { call: id }),
            ServedBy::Worker { .. } => self.await_late_answer(&call, out),
        }
    }
}
