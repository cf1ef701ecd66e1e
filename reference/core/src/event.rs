//! What the engine tells the people who run it: one line a registration, a refusal, an end.

use std::fmt;

use uuid::Uuid;

use crate::error::Failure;

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
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

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "function",
            Self::Trigger => "trigger",
            Self::TriggerType => "trigger type",
            Self::Service => "service",
        })
    }
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
        /// What it is bound to, if anything.
        detail: String,
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
    /// A call ended without its worker's answer.
    CallFailed {
        /// The function.
        function_id: String,
        /// What the caller was told, or would have been.
        failure: Failure,
    },
    /// A request to an endpoint had no result.
    RequestFailed {
        /// The function.
        function_id: String,
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
    /// How much the line matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
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

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Ended {
                reason,
                functions,
                triggers,
                trigger_types,
            } => write!(
                f,
                "session ended: {reason}; \
                 removed functions: {functions}, triggers: {triggers}, trigger types: {trigger_types}"
            ),
            Self::Described { name } => write!(f, "is `{}`", OnOneLine(name)),
            Self::Registered {
                subject,
                id,
                detail,
            } => write!(
                f,
                "registered {subject} `{}`{}",
                OnOneLine(id),
                OnOneLine(detail)
            ),
            Self::Unregistered { subject, id } => {
                write!(f, "unregistered {subject} `{}`", OnOneLine(id))
            }
            Self::Refused {
                subject,
                id,
                failure,
            } => write!(
                f,
                "refused {subject} `{}`: {}: {}",
                OnOneLine(id),
                failure.code().as_str(),
                OnOneLine(failure.message())
            ),
            Self::RefusedByProvider { id, error } => write!(
                f,
                "refused trigger `{}` by its provider: {}",
                OnOneLine(id),
                OnOneLine(error)
            ),
            Self::NotItsOwn { subject, id } => write!(
                f,
                "asked to unregister {subject} `{}`, which it has not registered",
                OnOneLine(id)
            ),
            Self::BadFrame { message } => write!(f, "bad frame: {}", OnOneLine(message)),
            Self::AnswerDropped { frame, id } => write!(
                f,
                "dropped {frame} `{}`: nobody waits for it from this session",
                OnOneLine(id)
            ),
            Self::CallFailed {
                function_id,
                failure,
            } => write!(
                f,
                "call of function `{}` failed: {}",
                OnOneLine(function_id),
                OnOneLine(failure.message())
            ),
            Self::RequestFailed {
                function_id,
                summary,
            } => write!(
                f,
                "request of function `{}` failed: {}",
                OnOneLine(function_id),
                OnOneLine(summary)
            ),
            Self::RouteShadowed { id, method, path } => write!(
                f,
                "trigger `{}` waits: {method} {} has been another trigger's before",
                OnOneLine(id),
                OnOneLine(path)
            ),
            Self::MessagesGivenUp { queue, count } => write!(
                f,
                "messages of queue `{}` given up after their last attempt: {count}",
                OnOneLine(queue)
            ),
            Self::ReattachIgnored => {
                f.write_str("reattach ignored: no session of that id and token")
            }
        }
    }
}

/// Text of a peer's: what could break a line, or make it say something else, is escaped, and
/// what is long is cut.
struct OnOneLine<'a>(&'a str);

impl fmt::Display for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS_MAX: usize = 300;
        for (index, c) in self.0.chars().enumerate() {
            match c {
                _ if index == CHARACTERS_MAX => return write!(f, "… ({} bytes)", self.0.len()),
                c if c.is_control() => write!(f, "{}", c.escape_default())?,
                '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(f, "{}", c.escape_unicode())?;
                }
                '`' | '\\' => write!(f, "\\{c}")?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}
