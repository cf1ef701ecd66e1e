//! The frames of the protocol: reading them and writing them.
//!
//! Reading takes two steps. [`Message::decode`] borrows every field raw in one pass, then
//! interprets the fields of the frame that `type` names. Payloads (`data`, `result`,
//! `config`) are never parsed.

mod decode;
mod envelope;
mod messages;

use serde::Serialize;

pub(crate) use envelope::{kind_of, whole_number};
pub use messages::*;

/// One frame, in either direction.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each variant is the struct of its name")]
pub enum Message<'a> {
    RegisterFunction(RegisterFunction<'a>),
    UnregisterFunction(UnregisterFunction<'a>),
    RegisterTrigger(RegisterTrigger<'a>),
    UnregisterTrigger(UnregisterTrigger<'a>),
    TriggerRegistrationResult(TriggerRegistrationResult<'a>),
    RegisterTriggerType(RegisterTriggerType<'a>),
    UnregisterTriggerType(UnregisterTriggerType<'a>),
    InvokeFunction(InvokeFunction<'a>),
    InvocationResult(InvocationResult<'a>),
    RegisterService(RegisterService<'a>),
    Reattach(Reattach<'a>),
    WorkerRegistered(WorkerRegistered<'a>),
    FunctionRegistrationResult(FunctionRegistrationResult<'a>),
    TriggerTypeRegistrationResult(TriggerTypeRegistrationResult<'a>),
    Error(ErrorFrame<'a>),
    Ping(Ping),
    Pong(Pong),
}

impl Message<'_> {
    /// The `type` of the frame.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RegisterFunction(_) => "registerfunction",
            Self::UnregisterFunction(_) => "unregisterfunction",
            Self::RegisterTrigger(_) => "registertrigger",
            Self::UnregisterTrigger(_) => "unregistertrigger",
            Self::TriggerRegistrationResult(_) => "triggerregistrationresult",
            Self::RegisterTriggerType(_) => "registertriggertype",
            Self::UnregisterTriggerType(_) => "unregistertriggertype",
            Self::InvokeFunction(_) => "invokefunction",
            Self::InvocationResult(_) => "invocationresult",
            Self::RegisterService(_) => "registerservice",
            Self::Reattach(_) => "reattach",
            Self::WorkerRegistered(_) => "workerregistered",
            Self::FunctionRegistrationResult(_) => "functionregistrationresult",
            Self::TriggerTypeRegistrationResult(_) => "triggertyperegistrationresult",
            Self::Error(_) => "error",
            Self::Ping(_) => "ping",
            Self::Pong(_) => "pong",
        }
    }

    /// The frame as JSON text.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }
}

/// Whether a frame of the engine's asks something of its peer: a call, or what a provider is told
/// of triggers. Any other one answers what the peer has sent itself (D-28).
#[must_use]
pub fn asks(frame: &str) -> bool {
    // The type comes first in each of them.
    let kind = frame.strip_prefix(r#"{"type":""#).unwrap_or_default();
    [
        r#"invokefunction""#,
        r#"registertrigger""#,
        r#"unregistertrigger""#,
    ]
    .iter()
    .any(|asking| kind.starts_with(asking))
}

/// Writes a frame's struct as JSON text.
pub(crate) fn encode<T: Serialize>(frame: &T) -> String {
    // Strings, numbers, raw JSON and maps with string keys: nothing here can fail to serialize.
    serde_json::to_string(frame).unwrap_or_default()
}

/// Why a text is not a frame. The text of it is what the sender is told (D-08, D-26).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not JSON, or JSON that two readers could understand differently (D-20).
    #[error("malformed frame: {problem}")]
    Malformed {
        /// What and where, by line and column.
        problem: String,
    },
    /// JSON, but not an object.
    #[error("a frame must be a JSON object, got {got}")]
    NotAnObject {
        /// What it is, with its article.
        got: &'static str,
    },
    /// An object without a string `type`.
    #[error("a frame must have a `type`, which is a string")]
    NoType,
    /// A `type` that the protocol does not have.
    #[error("unknown frame type `{kind}`")]
    UnknownType {
        /// As it was sent, or the beginning of it.
        kind: String,
    },
    /// A field that is missing, empty or of the wrong kind.
    #[error("`{frame}` frame: `{field}` {problem}")]
    Field {
        /// The frame's `type`.
        frame: &'static str,
        /// Path of the field, dots between its parts.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl DecodeError {
    fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed {
            problem: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_asks_and_an_answer_does_not() {
        for (frame, asking) in [
            (
                r#"{"type":"invokefunction","function_id":"f","data":1}"#,
                true,
            ),
            (
                r#"{"type":"registertrigger","id":"t","trigger_type":"x","function_id":"f","config":1}"#,
                true,
            ),
            (r#"{"type":"unregistertrigger","id":"t"}"#, true),
            (r#"{"type":"invocationresult","invocation_id":"i"}"#, false),
            (
                r#"{"type":"error","error":{"type":"invokefunction"}}"#,
                false,
            ),
            (r#"{"type":"pong"}"#, false),
        ] {
            let message = Message::decode(frame).unwrap();
            assert_eq!(asks(&message.encode()), asking, "{frame}");
        }
    }
}
