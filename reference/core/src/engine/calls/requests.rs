//! Calls that endpoints serve: a request each, within bounds (RF-14, D-11, D-28).

use uuid::Uuid;

use super::{Bar, Callee, Context, Order, Outcome, ServedBy};
use crate::{
    Effect, Endpoint, EventKind, Exhausted, Failure, HttpOutcome, HttpRequest, SessionId, Settings,
    Shares,
    engine::{Engine, Output},
    request,
};

/// What the requests that are under way take.
#[derive(Debug)]
pub(super) struct Requests {
    number: Shares,
    /// Of their bodies.
    bytes: Shares,
}

/// What one request takes, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    session: SessionId,
    bytes: usize,
}

impl Requests {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            number: Shares::new(settings.requests_max, settings.requests_per_session_max),
            bytes: Shares::new(
                settings.request_bytes_max,
                settings.request_bytes_per_session_max,
            ),
        }
    }

    /// A body of any size finds room if there is no other.
    fn begin(&mut self, session: SessionId, body: &str) -> Result<Load, (Failure, Bar)> {
        let bytes = body.len().min(self.bytes.largest());
        self.number
            .take(session, 1)
            .map_err(|bound| match bound {
                Exhausted::Session { max } => (
                    format!(
                        "{max} requests to endpoints are under way for this session, \
                         no more are made for one at once"
                    ),
                    Bar::Caller,
                ),
                Exhausted::All { max } => (
                    format!("{max} requests to endpoints are under way, no more are made at once"),
                    Bar::Everybody,
                ),
            })
            .map_err(too_many)?;
        self.bytes
            .take(session, bytes)
            .map_err(|bound| match bound {
                Exhausted::Session { max } => (
                    format!(
                        "With this one, the bodies of the requests to endpoints that are under \
                         way for this session would be larger than {max} bytes"
                    ),
                    Bar::Caller,
                ),
                Exhausted::All { max } => (
                    format!(
                        "With this one, the bodies of the requests to endpoints that are under \
                         way would be larger than {max} bytes"
                    ),
                    Bar::Everybody,
                ),
            })
            .map_err(|refused| {
                self.number.give_back(session, 1);
                too_many(refused)
            })?;
        Ok(Load { session, bytes })
    }

    pub(super) fn end(&mut self, load: Load) {
        self.number.give_back(load.session, 1);
        self.bytes.give_back(load.session, load.bytes);
    }
}

fn too_many((message, bar): (String, Bar)) -> (Failure, Bar) {
    (Failure::too_many_requests(message), bar)
}

impl Engine {
    pub(super) fn call_endpoint(
        &mut self,
        session: SessionId,
        order: Order<'_>,
        callee: Callee,
        endpoint: &Endpoint,
        out: &mut Output<'_, '_>,
    ) {
        let frame = order.frame;
        let reporter = self.worker_id(session);
        let load = match self.calls.requests.begin(session, frame.data.get()) {
            Ok(load) => load,
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
        let served_by = ServedBy::Endpoint(load);
        let own = endpoint.timeout;
        let patience = order.patience.map_or(own, |patience| patience.min(own));
        let id = self.begin_call(served_by, reporter, order.origin, callee, patience, out);
        let now = out.now().wall.as_secs();
        let request = HttpRequest::new(id, session, endpoint, frame, now);
        out.push(Effect::Request(Box::new(request)));
    }

    /// An endpoint's answer, or the lack of one (D-11).
    pub(in crate::engine) fn request_ended(
        &mut self,
        id: Uuid,
        outcome: HttpOutcome<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let Some(call) = self.take_call(id) else {
            return;
        };
        let meaning = request::interpret(outcome, &call.callee.function_id);
        if let Err(refusal) = &meaning {
            let failed = EventKind::RequestFailed {
                function_id: call.callee.function_id.to_string(),
                invocation_id: call.origin.invocation_id(Some(call.id)),
                summary: refusal.summary.clone(),
            };
            out.report(call.reporter, failed);
        }
        match &meaning {
            Ok(result) => self.conclude_result(call, result, Context::default(), out),
            Err(refusal) => self.conclude_call(call, Outcome::error(&refusal.error), out),
        }
    }

    /// Gives up a request that nobody waits for any more.
    pub(in crate::engine) fn cancel_request(&mut self, id: Uuid, out: &mut Output<'_, '_>) {
        if self.take_call(id).is_some() {
            out.push(Effect::CancelRequest { call: id });
        }
    }
}
