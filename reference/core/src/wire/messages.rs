//! The frames as types. Every struct serializes with its `type` first and with absent
//! fields absent (RF-12); payloads are borrowed raw and pass through untouched (D-09).

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use serde_json::value::RawValue;

/// `registerfunction`: registers a function of the sending session (RF-01).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "registerfunction")]
pub struct RegisterFunction<'a> {
    /// Unique within the session (RF-11).
    pub id: Cow<'a, str>,
    /// What it does, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of the payload: metadata (D-14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_format: Option<&'a RawValue>,
    /// JSON Schema of the result: metadata (D-14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<&'a RawValue>,
    /// Anything the worker wants listed with the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
    /// Where to call it over HTTP; absent for a function that its worker serves (RF-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<HttpInvocation<'a>>,
}

/// The `invocation` of a function that is served over HTTP (RF-04).
#[derive(Clone, Debug, Serialize)]
pub struct HttpInvocation<'a> {
    /// Absolute, `http` or `https`.
    pub url: Cow<'a, str>,
    /// `POST` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// Milliseconds; 30,000 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<&'a RawValue>,
    /// Added to every request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<Cow<'a, str>, Cow<'a, str>>>,
    /// Which credential a request carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth<'a>>,
}

/// How a request to an endpoint proves who sends it; each names an environment variable.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth<'a> {
    /// RF-05.
    Bearer {
        /// The variable that holds the token.
        token_key: Cow<'a, str>,
    },
    /// RF-06.
    Hmac {
        /// The variable that holds the secret.
        secret_key: Cow<'a, str>,
    },
    /// RF-07.
    ApiKey {
        /// The header that carries the key.
        header: Cow<'a, str>,
        /// The variable that holds the key.
        value_key: Cow<'a, str>,
    },
    /// A type that the documents do not have.
    #[serde(untagged)]
    Unknown {
        /// As it was sent.
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
    },
}

/// `unregisterfunction`: the id becomes free again (RF-10).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "unregisterfunction")]
pub struct UnregisterFunction<'a> {
    /// The function's id.
    pub id: Cow<'a, str>,
}

/// `registertrigger`: to the engine from its registrar, and on to the provider of a worker's type.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "registertrigger")]
pub struct RegisterTrigger<'a> {
    /// Unique within the session (RT-11).
    pub id: Cow<'a, str>,
    /// A type that is registered (RT-13).
    pub trigger_type: Cow<'a, str>,
    /// A function that is registered (RT-12).
    pub function_id: Cow<'a, str>,
    /// Its structure is the type's own (RT-14).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<&'a RawValue>,
}

/// `unregistertrigger`: towards a provider always with the type (CO-08).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "unregistertrigger")]
pub struct UnregisterTrigger<'a> {
    /// The trigger's id.
    pub id: Cow<'a, str>,
    /// The trigger's type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_type: Option<Cow<'a, str>>,
}

/// `triggerregistrationresult`: the answer to a `registertrigger` (RT-02, RT-15, RT-16).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "triggerregistrationresult")]
pub struct TriggerRegistrationResult<'a> {
    /// The id of the request.
    pub id: Cow<'a, str>,
    /// The type of the request.
    pub trigger_type: Cow<'a, str>,
    /// The function of the request.
    pub function_id: Cow<'a, str>,
    /// Absent on success; passed on unchanged when a provider gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, RawValue>>,
}

/// `registertriggertype`: the sender becomes the type's provider (CO-05).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "registertriggertype")]
pub struct RegisterTriggerType<'a> {
    /// The name that triggers give as their `trigger_type`.
    pub id: Cow<'a, str>,
    /// What it does, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of a trigger's `config`: metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_request_format: Option<&'a RawValue>,
    /// JSON Schema of what a firing passes to the function: metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_request_format: Option<&'a RawValue>,
}

/// `unregistertriggertype` (CO-06).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "unregistertriggertype")]
pub struct UnregisterTriggerType<'a> {
    /// The type's id.
    pub id: Cow<'a, str>,
}

/// `invokefunction`: from a caller to the engine, and on to the worker that serves it (CO-09).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "invokefunction")]
pub struct InvokeFunction<'a> {
    /// Absent from a caller that wants no reply; always a UUID towards a worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<Cow<'a, str>>,
    /// The function to call.
    pub function_id: Cow<'a, str>,
    /// The payload; a missing one is null (CO-19).
    pub data: &'a RawValue,
    /// Passed on (CO-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a RawValue>,
    /// W3C trace context, passed on (CO-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Cow<'a, str>>,
    /// W3C baggage, passed on (CO-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baggage: Option<Cow<'a, str>>,
    /// What to do instead of a plain call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<Action<'a>>,
}

/// What a caller wants instead of a plain call.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action<'a> {
    /// Call it and send no reply (CO-10).
    Void,
    /// Call it later, through a queue (CO-20).
    Enqueue {
        /// The queue's name.
        #[serde(skip_serializing_if = "Option::is_none")]
        queue: Option<Cow<'a, str>>,
    },
    /// A type that the protocol does not have.
    #[serde(untagged)]
    Unknown {
        /// As it was sent.
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
    },
}

/// `invocationresult`: from the worker to the engine, and on to the caller (CO-11).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "invocationresult")]
pub struct InvocationResult<'a> {
    /// The id of the `invokefunction` that it answers.
    pub invocation_id: Cow<'a, str>,
    /// The function that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_id: Option<Cow<'a, str>>,
    /// What it returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<&'a RawValue>,
    /// Why it failed; a worker's body is passed on unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, RawValue>>,
    /// W3C trace context, passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Cow<'a, str>>,
    /// W3C baggage, passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baggage: Option<Cow<'a, str>>,
}

/// `registerservice`: groups functions for display (CO-14).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "registerservice")]
pub struct RegisterService<'a> {
    /// The service's id.
    pub id: Cow<'a, str>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Cow<'a, str>>,
    /// The service that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_service_id: Option<Cow<'a, str>>,
}

/// `reattach`: first frame of a reconnect; retires the older session (CO-15).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "reattach")]
pub struct Reattach<'a> {
    /// The `worker_id` of the older session.
    pub previous_worker_id: Cow<'a, str>,
    /// The token that the older session was given.
    pub reattach_token: Cow<'a, str>,
}

/// `workerregistered`: the engine's greeting (CO-02).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "workerregistered")]
pub struct WorkerRegistered<'a> {
    /// The session's name among workers, a UUID.
    pub worker_id: Cow<'a, str>,
    /// Proves, in a later `reattach`, that the session was the sender's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reattach_token: Option<Cow<'a, str>>,
}

/// `functionregistrationresult`: a refused `registerfunction` (D-01).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "functionregistrationresult")]
pub struct FunctionRegistrationResult<'a> {
    /// The id of the request.
    pub id: Cow<'a, str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, RawValue>>,
}

/// `triggertyperegistrationresult`: a refused `registertriggertype` (D-01, D-17).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "triggertyperegistrationresult")]
pub struct TriggerTypeRegistrationResult<'a> {
    /// The id of the request.
    pub id: Cow<'a, str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, RawValue>>,
}

/// `error`: the answer to a frame that could not be understood (D-08).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorFrame<'a> {
    /// What was wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, RawValue>>,
}

/// `ping` (CO-03).
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "ping")]
pub struct Ping {}

/// `pong` (CO-03).
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "pong")]
pub struct Pong {}
