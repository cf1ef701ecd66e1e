//! What the engine tells the people who run it: one line a registration, a refusal, an end.

mod text;

use uuid::Uuid;

use crate::error::Failure;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Each step of it, for whoever looks for a fault.
    Debug,
    /// The ordinary course of things.
    Info,
    /// Something was refused, dropped or lost.
    Warning,
}

/// A kind of thing that a session registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Subject {
    Function,
    Trigger,
    TriggerType,
    Service,
}

/// What a registration is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundTo {
    /// Nothing but its worker.
    Worker,
    /// A function: the endpoint that serves it.
    Endpoint {
        /// The scheme, host and port of its URL.
        origin: String,
    },
    /// A trigger: what it fires on, and what it calls.
    Function {
        /// The trigger's type.
        trigger_type: String,
        /// The function.
        function_id: String,
    },
}

/// One line of the log. Ids of peers are escaped, payloads and secrets are never in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The worker that it is about.
    pub worker: Uuid,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A session has begun.
    Connected,
    /// A session has ended.
    Ended {
        /// Why.
        reason: &'static str,
        /// How many functions went with it.
        functions: usize,
        /// How many triggers went with it.
        triggers: usize,
        /// How many trigger types went with it.
        trigger_types: usize,
    },
    /// The worker has said what it is.
    Described {
        /// Its name, if it gave one.
        name: String,
    },
    /// Something was registered.
    Registered {
        /// What.
        subject: Subject,
        /// Its id.
        id: String,
        /// What it is bound to.
        bound_to: BoundTo,
    },
    /// Something was unregistered.
    Unregistered {
        /// What.
        subject: Subject,
        /// Its id.
        id: String,
    },
    /// A registration was refused.
    Refused {
        /// What.
        subject: Subject,
        /// Its id.
        id: String,
        /// What its sender was told.
        failure: Failure,
    },
    /// Something was asked to be unregistered that the session does not have (D-16).
    NotItsOwn {
        /// What.
        subject: Subject,
        /// Its id.
        id: String,
    },
    /// A frame was not understood (D-08).
    BadFrame {
        /// What its sender was told.
        message: String,
    },
    /// The provider of a trigger's type has refused it.
    RefusedByProvider {
        /// The trigger's id.
        id: String,
        /// The provider's error body.
        error: String,
    },
    /// An answer was dropped, since nobody waits for it from this session (D-15).
    AnswerDropped {
        /// The frame's `type`.
        frame: &'static str,
        /// The id that it answers.
        id: String,
    },
    /// A call was handed to whoever serves its function.
    Called {
        /// The function.
        function_id: String,
        /// The call, by its caller's name for it (D-24), if a session waits for it; or else by the
        /// engine's.
        invocation_id: Option<String>,
    },
    /// A call has ended with an answer.
    Answered {
        /// The function.
        function_id: String,
        /// The call, named likewise; one of the engine's own functions has no other name.
        invocation_id: Option<String>,
        /// Whether it is the error of whoever served it.
        is_error: bool,
    },
    /// A call ended without its worker's answer.
    CallFailed {
        /// The function.
        function_id: String,
        /// The call, by its caller's name for it (D-24), if a session waits for it; or else by the
        /// engine's, if it was handed to whoever serves the function.
        invocation_id: Option<String>,
        /// What the caller was told, or would have been.
        failure: Failure,
    },
    /// A request to an endpoint had no result.
    RequestFailed {
        /// The function.
        function_id: String,
        /// The call, by its caller's name for it (D-24), if a session waits for it; or else by the
        /// engine's, if it was handed to whoever serves the function.
        invocation_id: Option<String>,
        /// Why, without what the endpoint wrote.
        summary: String,
    },
    /// Another trigger has the same path and method, and serves them before this one does.
    RouteShadowed {
        /// The trigger's id.
        id: String,
        /// The method.
        method: String,
        /// The path.
        path: String,
    },
    /// Messages have used up their attempts, and are dead letters now (D-13).
    MessagesGivenUp {
        /// The queue.
        queue: String,
        /// How many.
        count: usize,
    },
    /// A `reattach` named no session, or not with its token (CO-15).
    ReattachIgnored,
}

impl EventKind {
    /// The function and, if it has a name, the call that it is about.
    #[must_use]
    pub fn invocation(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Called {
                function_id,
                invocation_id,
            }
            | Self::Answered {
                function_id,
                invocation_id,
                ..
            }
            | Self::CallFailed {
                function_id,
                invocation_id,
                ..
            }
            | Self::RequestFailed {
                function_id,
                invocation_id,
                ..
            } => Some((function_id, invocation_id.as_deref())),
            _ => None,
        }
    }

    /// How much the line matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Called { .. } | Self::Answered { .. } => Severity::Debug,
            Self::Connected | Self::Described { .. } | Self::Ended { .. } => Severity::Info,
            Self::Registered { .. } | Self::Unregistered { .. } => Severity::Info,
            Self::NotItsOwn { .. } | Self::AnswerDropped { .. } => Severity::Warning,
            Self::Refused { .. } | Self::RefusedByProvider { .. } => Severity::Warning,
            Self::BadFrame { .. } => Severity::Warning,
            Self::CallFailed { .. } | Self::RequestFailed { .. } => Severity::Warning,
            Self::RouteShadowed { .. } | Self::MessagesGivenUp { .. } => Severity::Warning,
            Self::ReattachIgnored => Severity::Warning,
        }
    }
}
