//! The codes and texts that the engine answers with, each in one place.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A code that the engine itself answers with. A worker's own codes pass through unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// A registration names a variable that does not exist (RF-08).
    MissingEnvVar,
    /// A registration names a variable whose value cannot be used (D-02).
    InvalidEnvVar,
    /// The session has registered this function id already (RF-09, D-01).
    DuplicateFunctionId,
    /// The frame was understood, but a value in it cannot be (D-01, D-26), or is not what the
    /// function takes (D-14).
    InvalidRequest,
    /// No such trigger type (RT-07).
    TriggerTypeNotFound,
    /// No such function (RT-08, CO-12).
    FunctionNotFound,
    /// The trigger type does not take this `config` (RT-09).
    InvalidConfig,
    /// The session has registered this trigger id already (RT-10).
    DuplicateTriggerId,
    /// The trigger type has a provider already (D-17).
    DuplicateTriggerTypeId,
    /// The provider of the type was silent for too long (D-10).
    TriggerRegistrationTimeout,
    /// The registrar unregistered the trigger before its provider had answered, or the engine
    /// stops (D-19).
    TriggerRegistrationCancelled,
    /// The worker answered, but not with an answer (CO-12, D-26).
    InvocationFailed,
    /// The worker went away in mid-call, or the engine stops (CO-12, D-07, D-23).
    InvocationStopped,
    /// The worker did not answer in time (D-15).
    Timeout,
    /// The endpoint answered with an error that has no code of its own (D-11).
    HttpError,
    /// The request to the endpoint could not be made, or was not answered whole (D-11).
    HttpRequestFailed,
    /// The endpoint's answer is not JSON (D-11), the function's is no HTTP answer, or not what it
    /// promised (D-14).
    InvalidResponse,
    /// The endpoint's answer is larger than is read (D-11).
    ResponseTooLarge,
    /// As many requests are under way as the engine makes at once, in all or for the session, or
    /// as large ones (D-28).
    TooManyRequests,
    /// As much is registered as may be, in all or by the session (D-28).
    TooManyRegistrations,
    /// The frame could not be understood (D-08).
    InvalidMessage,
    /// A queue takes no more (D-13, D-28).
    QueueFull,
    /// Of an HTTP request: it cannot be read.
    BadRequest,
    /// Of an HTTP request: it does not show the token that the engine asks for (D-31).
    Unauthorized,
    /// Of an HTTP request: it names a host that the engine is not (D-31).
    Forbidden,
    /// Of an HTTP request: no trigger has its path.
    RouteNotFound,
    /// Of an HTTP request: triggers have its path, but none has its method.
    MethodNotAllowed,
    /// The body of an HTTP request is larger than is read, or a message than a queue takes (D-13,
    /// D-28).
    PayloadTooLarge,
}

impl Code {
    /// As it stands in a frame.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingEnvVar => "missing_env_var",
            Self::InvalidEnvVar => "invalid_env_var",
            Self::DuplicateFunctionId => "duplicate_function_id",
            Self::InvalidRequest => "invalid_request",
            Self::TriggerTypeNotFound => "trigger_type_not_found",
            Self::FunctionNotFound => "function_not_found",
            Self::InvalidConfig => "invalid_config",
            Self::DuplicateTriggerId => "duplicate_trigger_id",
            Self::DuplicateTriggerTypeId => "duplicate_trigger_type_id",
            Self::TriggerRegistrationTimeout => "trigger_registration_timeout",
            Self::TriggerRegistrationCancelled => "trigger_registration_cancelled",
            Self::InvocationFailed => "invocation_failed",
            Self::InvocationStopped => "invocation_stopped",
            Self::Timeout => "timeout",
            Self::HttpError => "http_error",
            Self::HttpRequestFailed => "http_request_failed",
            Self::InvalidResponse => "invalid_response",
            Self::ResponseTooLarge => "response_too_large",
            Self::TooManyRequests => "too_many_requests",
            Self::TooManyRegistrations => "too_many_registrations",
            Self::InvalidMessage => "invalid_message",
            Self::QueueFull => "queue_full",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::RouteNotFound => "route_not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// An error body of the engine's own making: `{"code", "message"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// What went wrong, for programs.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What went wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn missing_variable(name: &str, purpose: &str) -> Self {
        Self::new(
            Code::MissingEnvVar,
            format!(
                "Missing environment variable '{name}' for {purpose} authentication. \
                 Please set this environment variable before registering the function."
            ),
        )
    }

    pub(crate) fn unusable_variable(name: &str, purpose: &str, problem: &str) -> Self {
        Self::new(
            Code::InvalidEnvVar,
            format!("Environment variable '{name}' for {purpose} authentication {problem}"),
        )
    }

    pub(crate) fn duplicate_function(id: &str) -> Self {
        Self::new(
            Code::DuplicateFunctionId,
            format!("A function with ID '{id}' is already registered"),
        )
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    pub(crate) fn trigger_type_not_found(id: &str) -> Self {
        Self::new(
            Code::TriggerTypeNotFound,
            format!("No trigger type registered with ID '{id}'"),
        )
    }

    pub(crate) fn function_not_found(id: &str) -> Self {
        Self::new(
            Code::FunctionNotFound,
            format!("No function registered with ID '{id}'"),
        )
    }

    pub(crate) fn invalid_config(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, message)
    }

    pub(crate) fn duplicate_trigger(id: &str) -> Self {
        Self::new(
            Code::DuplicateTriggerId,
            format!("A trigger with ID '{id}' is already registered"),
        )
    }

    pub(crate) fn duplicate_trigger_type(id: &str) -> Self {
        Self::new(
            Code::DuplicateTriggerTypeId,
            format!("A trigger type with ID '{id}' is already registered"),
        )
    }

    pub(crate) fn registration_timeout(trigger_type: &str, waited_ms: u128) -> Self {
        Self::new(
            Code::TriggerRegistrationTimeout,
            format!(
                "The provider of trigger type '{trigger_type}' did not answer within {waited_ms} ms"
            ),
        )
    }

    pub(crate) fn registration_cancelled(id: &str) -> Self {
        Self::new(
            Code::TriggerRegistrationCancelled,
            format!("Trigger '{id}' was unregistered before its registration was answered"),
        )
    }

    pub(crate) fn registration_stopped(id: &str) -> Self {
        Self::new(
            Code::TriggerRegistrationCancelled,
            format!(
                "The engine is stopping, and the registration of trigger '{id}' was not answered"
            ),
        )
    }

    pub(crate) fn invocation_failed(function_id: &str) -> Self {
        Self::new(
            Code::InvocationFailed,
            format!(
                "The worker that served function '{function_id}' answered \
                 with an `error` that is not an object"
            ),
        )
    }

    pub(crate) fn worker_gone(function_id: &str) -> Self {
        Self::new(
            Code::InvocationStopped,
            format!("The worker that served function '{function_id}' went away before it answered"),
        )
    }

    pub(crate) fn engine_stopping(function_id: &str) -> Self {
        Self::new(
            Code::InvocationStopped,
            format!("The engine is stopping, and function '{function_id}' has not answered"),
        )
    }

    pub(crate) fn timeout(function_id: &str, waited_ms: u128) -> Self {
        Self::new(
            Code::Timeout,
            format!("Function '{function_id}' did not answer within {waited_ms} ms"),
        )
    }

    pub(crate) fn too_many_requests(message: impl Into<String>) -> Self {
        Self::new(Code::TooManyRequests, message)
    }

    pub(crate) fn too_many_registrations(message: impl Into<String>) -> Self {
        Self::new(Code::TooManyRegistrations, message)
    }

    pub(crate) fn invalid_message(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidMessage, message)
    }

    /// The body as it goes into a frame.
    pub(crate) fn to_raw(&self) -> Cow<'static, RawValue> {
        // A code and a string: serializing them cannot fail.
        serde_json::value::to_raw_value(self).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
    }
}
