//! Calls in flight: from `invokefunction` to the one answer that they get (CO-09 to CO-13).

mod requests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use serde_json::value::RawValue;
use uuid::Uuid;

use self::requests::{Load, Requests};
use super::{Due, Engine, Output, builtin::EngineFunction};
use crate::{
    Effect, EventKind, Failure, SessionId, Settings,
    timers::TimerId,
    wire::{Action, InvocationResult, InvokeFunction},
};

/// A call that has still to be answered.
#[derive(Debug)]
struct Call {
    /// Where it stands among all calls.
    sequence: u64,
    served_by: ServedBy,
    /// The worker that called: its failure is logged under this name, also after its session.
    reporter: Uuid,
    /// Absent if nobody wants the answer (CO-10).
    caller: Option<Caller>,
    function_id: Arc<str>,
    /// How long it may take.
    patience: Duration,
    timer: TimerId,
}

/// Who has to answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServedBy {
    /// A worker, through its session (RF-13).
    Worker(SessionId),
    /// An endpoint, by a request (RF-14).
    Endpoint(Load),
}

/// Who wants an answer, and under which id of its own (D-24).
#[derive(Debug)]
struct Caller {
    session: SessionId,
    invocation_id: String,
}

#[derive(Debug)]
pub(super) struct Calls {
    in_flight: HashMap<Uuid, Call>,
    sequence: u64,
    requests: Requests,
}

impl Calls {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            in_flight: HashMap::new(),
            sequence: 0,
            requests: Requests::new(settings),
        }
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
}

impl Engine {
    pub(super) fn invoke(
        &mut self,
        session: SessionId,
        frame: &InvokeFunction<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let outcome = match &frame.action {
            Some(Action::Enqueue { .. }) => Err(Failure::not_implemented(
                "the action `enqueue` is not served by this engine",
            )),
            Some(Action::Unknown { kind }) => Err(Failure::invalid_request(format!(
                "`action.type` must be void or enqueue, got '{kind}'"
            ))),
            Some(Action::Void) | None => match EngineFunction::named(&frame.function_id) {
                Some(function) => Ok(Some(self.call_engine(session, function, frame.data, out))),
                None => self.call(session, frame, out).map(|()| None),
            },
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(result)) => {
                if let Some(caller) = Caller::of(session, frame) {
                    let result = Some(&*result);
                    self.answer(&caller, &frame.function_id, Answer::result(result), out);
                }
            }
            Err(failure) => {
                let caller = Caller::of(session, frame);
                let reporter = self.worker_id(session);
                self.fail(reporter, caller.as_ref(), &frame.function_id, failure, out);
            }
        }
    }

    fn call(
        &mut self,
        session: SessionId,
        frame: &InvokeFunction<'_>,
        out: &mut Output<'_, '_>,
    ) -> Result<(), Failure> {
        let Some((function_id, registration)) = self.functions.take_turn(&frame.function_id) else {
            return Err(Failure::function_not_found(&frame.function_id));
        };
        let worker = registration.session;
        if let Some(endpoint) = registration.endpoint.clone() {
            return self.call_endpoint(session, function_id, &endpoint, frame, out);
        }
        let reporter = self.worker_id(session);
        let caller = Caller::of(session, frame);
        let served_by = ServedBy::Worker(worker);
        let patience = self.settings.call_timeout;
        let id = self.begin_call(served_by, reporter, caller, function_id, patience, out);
        self.hand_to_worker(worker, id, frame, out);
        Ok(())
    }

    fn worker_id(&self, session: SessionId) -> Uuid {
        self.sessions
            .get(session)
            .map_or(Uuid::nil(), |session| session.worker_id)
    }

    fn begin_call(
        &mut self,
        served_by: ServedBy,
        reporter: Uuid,
        caller: Option<Caller>,
        function_id: Arc<str>,
        patience: Duration,
        out: &mut Output<'_, '_>,
    ) -> Uuid {
        let id = out.next_id();
        let at = out.now().monotonic.saturating_add(patience);
        let timer = self.timers.set(at, Due::Call(id));
        self.calls.sequence += 1;
        let sequence = self.calls.sequence;
        if let Some(held) = self.held_by(served_by, caller.as_ref()) {
            held.insert(sequence, id);
        }
        let call = Call {
            sequence,
            served_by,
            reporter,
            caller,
            function_id,
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
        caller: Option<&Caller>,
    ) -> Option<&mut BTreeMap<u64, Uuid>> {
        match served_by {
            ServedBy::Worker(worker) => Some(&mut self.sessions.get_mut(worker)?.calls),
            ServedBy::Endpoint(_) => Some(&mut self.sessions.get_mut(caller?.session)?.requests),
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
            call.is_some_and(|call| call.served_by == ServedBy::Worker(session))
        });
        let Some(call) = id.and_then(|id| self.take_call(id)) else {
            let dropped = EventKind::AnswerDropped {
                frame: "invocationresult",
                id: frame.invocation_id.to_string(),
            };
            return self.report(session, dropped, out);
        };
        // The call ends all the same: its caller must not wait for a worker's mistake (D-26).
        if frame
            .error
            .as_ref()
            .is_some_and(|it| !it.get().starts_with('{'))
        {
            let failure = Failure::invocation_failed(&call.function_id);
            return self.fail(
                call.reporter,
                call.caller.as_ref(),
                &call.function_id,
                failure,
                out,
            );
        }
        if let Some(caller) = &call.caller {
            let answer = Answer {
                result: frame.result,
                error: frame.error.as_deref(),
                traceparent: frame.traceparent.as_deref(),
                baggage: frame.baggage.as_deref(),
            };
            self.answer(caller, &call.function_id, answer, out);
        }
    }

    pub(super) fn call_timed_out(&mut self, id: Uuid, out: &mut Output<'_, '_>) {
        if let Some(call) = self.take_call(id) {
            let failure = Failure::timeout(&call.function_id, call.patience.as_millis());
            self.fail_call(id, &call, failure, out);
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
            let failure = why(&call.function_id);
            self.fail_call(id, &call, failure, out);
        }
    }

    fn take_call(&mut self, id: Uuid) -> Option<Call> {
        let call = self.calls.in_flight.remove(&id)?;
        self.timers.cancel(call.timer);
        if let Some(held) = self.held_by(call.served_by, call.caller.as_ref()) {
            held.remove(&call.sequence);
        }
        if let ServedBy::Endpoint(load) = call.served_by {
            self.calls.requests.end(load);
        }
        Some(call)
    }

    /// Ends a call without the answer of whoever serves it.
    fn fail_call(&self, id: Uuid, call: &Call, failure: Failure, out: &mut Output<'_, '_>) {
        if matches!(call.served_by, ServedBy::Endpoint(_)) {
            out.push(Effect::CancelRequest { call: id });
        }
        self.fail(
            call.reporter,
            call.caller.as_ref(),
            &call.function_id,
            failure,
            out,
        );
    }

    fn fail(
        &self,
        reporter: Uuid,
        caller: Option<&Caller>,
        function_id: &str,
        failure: Failure,
        out: &mut Output<'_, '_>,
    ) {
        if let Some(caller) = caller {
            let error = failure.to_raw();
            self.answer(caller, function_id, Answer::error(&error), out);
        }
        let function_id = function_id.to_owned();
        let failed = EventKind::CallFailed {
            function_id,
            failure,
        };
        out.report(reporter, failed);
    }

    /// Neither result nor error is success with null (CO-11); of both, the error counts (D-20).
    fn answer(
        &self,
        caller: &Caller,
        function_id: &str,
        answer: Answer<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let result = match answer.error {
            Some(_) => None,
            None => Some(answer.result.unwrap_or(RawValue::NULL)),
        };
        let frame = InvocationResult {
            invocation_id: Cow::Borrowed(&caller.invocation_id),
            function_id: Some(Cow::Borrowed(function_id)),
            result,
            error: answer.error.map(Cow::Borrowed),
            traceparent: answer.traceparent.map(Cow::Borrowed),
            baggage: answer.baggage.map(Cow::Borrowed),
        };
        self.send(caller.session, &frame, out);
    }
}

impl Caller {
    /// Whoever gave an id and did not ask for silence (CO-10).
    fn of(session: SessionId, frame: &InvokeFunction<'_>) -> Option<Self> {
        if matches!(frame.action, Some(Action::Void)) {
            return None;
        }
        let invocation_id = frame.invocation_id.as_ref()?.to_string();
        Some(Self {
            session,
            invocation_id,
        })
    }
}

/// What goes back to a caller.
#[derive(Default)]
struct Answer<'a> {
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    traceparent: Option<&'a str>,
    baggage: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn result(result: Option<&'a RawValue>) -> Self {
        Self {
            result,
            ..Self::default()
        }
    }

    fn error(error: &'a RawValue) -> Self {
        Self {
            error: Some(error),
            ..Self::default()
        }
    }
}
