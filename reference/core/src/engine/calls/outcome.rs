//! How calls end, and where their outcomes go.

use std::borrow::Cow;

use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    Effect, EventKind, ExchangeId, Failure, HttpAnswer, SessionId,
    engine::{Engine, Output},
    http::CallOutcome,
    queue::{DeliveryId, Settlement, Subscriber},
    wire::{Action, InvocationResult, InvokeFunction},
};

/// Who waits for the outcome of a call.
#[derive(Debug)]
pub(in crate::engine) enum Origin {
    /// Nobody: it was void (CO-10), or a schedule made it.
    Nobody,
    /// A session, under an id of its own (D-24).
    Session {
        session: SessionId,
        invocation_id: String,
    },
    /// An HTTP request (RT-04).
    Http(ExchangeId),
    /// The messages that it hands out (RT-06).
    Delivery {
        delivery: DeliveryId,
        subscriber: Subscriber,
    },
}

impl Origin {
    /// Whoever gave an id and did not ask for silence (CO-10).
    pub(super) fn of(session: SessionId, frame: &InvokeFunction<'_>) -> Self {
        match &frame.invocation_id {
            Some(id) if !matches!(frame.action, Some(Action::Void)) => Self::Session {
                session,
                invocation_id: id.to_string(),
            },
            _ => Self::Nobody,
        }
    }

    /// What the log calls the call: the session's name for it, or else the engine's, if it was
    /// handed to whoever serves it.
    pub(super) fn invocation_id(&self, call: Option<Uuid>) -> Option<String> {
        match self {
            Self::Session { invocation_id, .. } => Some(invocation_id.clone()),
            Self::Nobody | Self::Http(_) | Self::Delivery { .. } => call.map(|id| id.to_string()),
        }
    }
}

/// How a call has ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Outcome<'a> {
    Result {
        result: &'a RawValue,
        context: Context<'a>,
    },
    /// The error body of the worker or of the endpoint.
    Error {
        error: &'a RawValue,
        context: Context<'a>,
    },
    /// The engine's own.
    Failure(&'a Failure),
    /// The same, of a call that was not made although somebody serves the function.
    Refused(&'a Failure, Bar),
}

/// What bars a call from being made just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Bar {
    /// Its data, which does not fit (D-14).
    Data,
    /// What is under way for its caller.
    Caller,
    /// What is under way for whoever serves it, or for all.
    Everybody,
}

/// What goes along with an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Context<'a> {
    traceparent: Option<&'a str>,
    baggage: Option<&'a str>,
}

impl<'a> Context<'a> {
    pub(super) fn of(frame: &'a InvocationResult<'_>) -> Self {
        Self {
            traceparent: frame.traceparent.as_deref(),
            baggage: frame.baggage.as_deref(),
        }
    }
}

impl<'a> Outcome<'a> {
    /// Neither result nor error is success with null (CO-11).
    pub(in crate::engine) fn result(result: Option<&'a RawValue>) -> Self {
        Self::Result {
            result: result.unwrap_or(RawValue::NULL),
            context: Context::default(),
        }
    }

    pub(super) fn error(error: &'a RawValue) -> Self {
        Self::Error {
            error,
            context: Context::default(),
        }
    }
}

impl Engine {
    /// Tells the origin of a call how it has ended, once. It has an id if it was handed to whoever
    /// serves it.
    pub(in crate::engine) fn conclude(
        &mut self,
        reporter: Uuid,
        call: Option<Uuid>,
        origin: Origin,
        function_id: &str,
        outcome: Outcome<'_>,
        out: &mut Output<'_, '_>,
    ) {
        if let Outcome::Failure(failure) | Outcome::Refused(failure, _) = outcome {
            self.tally.failed(failure.code());
        }
        let ended = self.report_of(call, &origin, function_id, outcome);
        match origin {
            Origin::Nobody => {}
            Origin::Session {
                session,
                invocation_id,
            } => self.answer(session, &invocation_id, function_id, outcome, out),
            Origin::Http(exchange) => {
                let outcome = match outcome {
                    Outcome::Result { result, .. } => CallOutcome::Result(result),
                    Outcome::Error { error, .. } => CallOutcome::Error(error),
                    Outcome::Failure(failure) | Outcome::Refused(failure, _) => {
                        CallOutcome::Failure(failure)
                    }
                };
                let answer = Box::new(HttpAnswer::of_call(outcome, function_id));
                out.push(Effect::Respond { exchange, answer });
            }
            Origin::Delivery {
                delivery,
                subscriber,
            } => {
                let settlement = match outcome {
                    Outcome::Result { result, .. } => match subscriber {
                        Subscriber::Trigger(_) => Settlement::of_result(Some(result)),
                        // The function knows of no messages, and means none.
                        Subscriber::Function { .. } => Settlement::acknowledged(),
                    },
                    Outcome::Refused(_, bar) => {
                        self.pause(&subscriber, bar, out);
                        match bar {
                            Bar::Data => Settlement::Failed,
                            Bar::Caller | Bar::Everybody => Settlement::NotCalled,
                        }
                    }
                    Outcome::Error { .. } | Outcome::Failure(_) => Settlement::Failed,
                };
                self.settle(reporter, delivery, &settlement, out);
            }
        }
        if let Some(ended) = ended {
            out.report(reporter, ended);
        }
    }

    /// Likewise for a call that was not handed to anybody.
    pub(super) fn conclude_unmade(
        &mut self,
        reporter: Uuid,
        origin: Origin,
        function_id: &str,
        outcome: Outcome<'_>,
        out: &mut Output<'_, '_>,
    ) {
        self.conclude(reporter, None, origin, function_id, outcome, out);
    }

    /// What the log says of the end of a call.
    fn report_of(
        &self,
        call: Option<Uuid>,
        origin: &Origin,
        function_id: &str,
        outcome: Outcome<'_>,
    ) -> Option<EventKind> {
        let is_error = match outcome {
            Outcome::Failure(failure) | Outcome::Refused(failure, _) => {
                return Some(EventKind::CallFailed {
                    function_id: function_id.to_owned(),
                    invocation_id: origin.invocation_id(call),
                    failure: failure.clone(),
                });
            }
            Outcome::Result { .. } => false,
            Outcome::Error { .. } => true,
        };
        self.settings.report_calls.then(|| EventKind::Answered {
            function_id: function_id.to_owned(),
            invocation_id: origin.invocation_id(call),
            is_error,
        })
    }

    fn answer(
        &self,
        session: SessionId,
        invocation_id: &str,
        function_id: &str,
        outcome: Outcome<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let (result, error, context) = match outcome {
            Outcome::Result { result, context } => (Some(result), None, context),
            Outcome::Error { error, context } => (None, Some(Cow::Borrowed(error)), context),
            Outcome::Failure(failure) | Outcome::Refused(failure, _) => {
                (None, Some(failure.to_raw()), Context::default())
            }
        };
        let frame = InvocationResult {
            invocation_id: Cow::Borrowed(invocation_id),
            function_id: Some(Cow::Borrowed(function_id)),
            result,
            error,
            traceparent: context.traceparent.map(Cow::Borrowed),
            baggage: context.baggage.map(Cow::Borrowed),
        };
        self.send(session, &frame, out);
    }
}
