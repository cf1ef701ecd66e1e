//! The second step of reading: the fields of the frame that `type` names.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Action, Auth, DecodeError, ErrorFrame, FunctionRegistrationResult, HttpInvocation,
    InvocationResult, InvokeFunction, Message, Ping, Pong, Reattach, RegisterFunction,
    RegisterService, RegisterTrigger, RegisterTriggerType, TriggerRegistrationResult,
    TriggerTypeRegistrationResult, UnregisterFunction, UnregisterTrigger, UnregisterTriggerType,
    WorkerRegistered,
    envelope::{Envelope, Fields},
};

/// How much of an unknown type is repeated to its sender.
const TYPE_CHARACTERS_SHOWN: usize = 100;

impl<'a> Message<'a> {
    /// Reads one frame.
    ///
    /// # Errors
    ///
    /// A [`DecodeError`] that names what is wrong and where; its text is fit to be sent back.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let frame = Envelope::read(text)?;
        let kind = Fields::of("")
            .required_text("type", frame.kind)
            .map_err(|_| DecodeError::NoType)?;
        Ok(match kind.as_ref() {
            "registerfunction" => Self::RegisterFunction(register_function(&frame)?),
            "unregisterfunction" => Self::UnregisterFunction(UnregisterFunction {
                id: Fields::of("unregisterfunction").id("id", frame.id)?,
            }),
            "registertrigger" => Self::RegisterTrigger(register_trigger(&frame)?),
            "unregistertrigger" => Self::UnregisterTrigger(unregister_trigger(&frame)?),
            "triggerregistrationresult" => {
                Self::TriggerRegistrationResult(trigger_registration_result(&frame)?)
            }
            "registertriggertype" => Self::RegisterTriggerType(register_trigger_type(&frame)?),
            "unregistertriggertype" => Self::UnregisterTriggerType(UnregisterTriggerType {
                id: Fields::of("unregistertriggertype").id("id", frame.id)?,
            }),
            "invokefunction" => Self::InvokeFunction(invoke_function(&frame)?),
            "invocationresult" => Self::InvocationResult(invocation_result(&frame)?),
            "registerservice" => Self::RegisterService(register_service(&frame)?),
            "reattach" => Self::Reattach(reattach(&frame)?),
            "workerregistered" => Self::WorkerRegistered(worker_registered(&frame)?),
            "functionregistrationresult" => {
                Self::FunctionRegistrationResult(FunctionRegistrationResult {
                    id: Fields::of("functionregistrationresult").id("id", frame.id)?,
                    error: frame.error.map(Cow::Borrowed),
                })
            }
            "triggertyperegistrationresult" => {
                Self::TriggerTypeRegistrationResult(TriggerTypeRegistrationResult {
                    id: Fields::of("triggertyperegistrationresult").id("id", frame.id)?,
                    error: frame.error.map(Cow::Borrowed),
                })
            }
            "error" => Self::Error(ErrorFrame {
                error: frame.error.map(Cow::Borrowed),
            }),
            "ping" => Self::Ping(Ping {}),
            "pong" => Self::Pong(Pong {}),
            _ => {
                return Err(DecodeError::UnknownType {
                    kind: kind.chars().take(TYPE_CHARACTERS_SHOWN).collect(),
                });
            }
        })
    }
}

fn register_function<'a>(frame: &Envelope<'a>) -> Result<RegisterFunction<'a>, DecodeError> {
    let fields = Fields::of("registerfunction");
    Ok(RegisterFunction {
        id: fields.id("id", frame.id)?,
        description: fields.text("description", frame.description)?,
        request_format: fields.format("request_format", frame.request_format)?,
        response_format: fields.format("response_format", frame.response_format)?,
        metadata: frame.metadata,
        invocation: frame
            .invocation
            .map(|raw| http_invocation(fields, raw))
            .transpose()?,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawInvocation<'a> {
    #[serde(borrow)]
    url: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    timeout_ms: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(borrow)]
    auth: Option<&'a RawValue>,
}

fn http_invocation<'a>(
    frame: Fields,
    raw: &'a RawValue,
) -> Result<HttpInvocation<'a>, DecodeError> {
    let invocation: RawInvocation<'a> = frame.object("invocation", raw)?;
    let fields = frame.inside("invocation.");
    Ok(HttpInvocation {
        url: fields.required_text("url", invocation.url)?,
        method: fields.text("method", invocation.method)?,
        timeout_ms: fields.number("timeout_ms", invocation.timeout_ms)?,
        headers: invocation
            .headers
            .map(|raw| headers(fields, raw))
            .transpose()?,
        auth: invocation.auth.map(|raw| auth(fields, raw)).transpose()?,
    })
}

fn headers<'a>(
    invocation: Fields,
    raw: &'a RawValue,
) -> Result<BTreeMap<Cow<'a, str>, Cow<'a, str>>, DecodeError> {
    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
    let headers: BTreeMap<Name<'a>, &'a RawValue> = invocation.object("headers", raw)?;
    let fields = invocation.inside("invocation.headers.");
    headers
        .into_iter()
        .map(|(Name(name), raw)| Ok((name.clone(), fields.required_text(&name, Some(raw))?)))
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAuth<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    token_key: Option<&'a RawValue>,
    #[serde(borrow)]
    secret_key: Option<&'a RawValue>,
    #[serde(borrow)]
    header: Option<&'a RawValue>,
    #[serde(borrow)]
    value_key: Option<&'a RawValue>,
}

fn auth<'a>(invocation: Fields, raw: &'a RawValue) -> Result<Auth<'a>, DecodeError> {
    let auth: RawAuth<'a> = invocation.object("auth", raw)?;
    let fields = invocation.inside("invocation.auth.");
    let kind = fields.required_text("type", auth.kind)?;
    Ok(match kind.as_ref() {
        "bearer" => Auth::Bearer {
            token_key: fields.id("token_key", auth.token_key)?,
        },
        "hmac" => Auth::Hmac {
            secret_key: fields.id("secret_key", auth.secret_key)?,
        },
        "api_key" => Auth::ApiKey {
            header: fields.id("header", auth.header)?,
            value_key: fields.id("value_key", auth.value_key)?,
        },
        _ => Auth::Unknown { kind },
    })
}

fn register_trigger<'a>(frame: &Envelope<'a>) -> Result<RegisterTrigger<'a>, DecodeError> {
    let fields = Fields::of("registertrigger");
    Ok(RegisterTrigger {
        id: fields.id("id", frame.id)?,
        trigger_type: fields.id("trigger_type", frame.trigger_type)?,
        function_id: fields.id("function_id", frame.function_id)?,
        config: frame.config,
    })
}

fn unregister_trigger<'a>(frame: &Envelope<'a>) -> Result<UnregisterTrigger<'a>, DecodeError> {
    let fields = Fields::of("unregistertrigger");
    Ok(UnregisterTrigger {
        id: fields.id("id", frame.id)?,
        trigger_type: fields.text("trigger_type", frame.trigger_type)?,
    })
}

fn trigger_registration_result<'a>(
    frame: &Envelope<'a>,
) -> Result<TriggerRegistrationResult<'a>, DecodeError> {
    let fields = Fields::of("triggerregistrationresult");
    Ok(TriggerRegistrationResult {
        id: fields.provider_id("id", frame.id)?,
        trigger_type: fields.id("trigger_type", frame.trigger_type)?,
        function_id: fields.id("function_id", frame.function_id)?,
        error: fields.error_body(frame.error)?,
    })
}

fn register_trigger_type<'a>(frame: &Envelope<'a>) -> Result<RegisterTriggerType<'a>, DecodeError> {
    let fields = Fields::of("registertriggertype");
    Ok(RegisterTriggerType {
        id: fields.id("id", frame.id)?,
        description: fields.text("description", frame.description)?,
        trigger_request_format: fields
            .format("trigger_request_format", frame.trigger_request_format)?,
        call_request_format: fields.format("call_request_format", frame.call_request_format)?,
    })
}

fn invoke_function<'a>(frame: &Envelope<'a>) -> Result<InvokeFunction<'a>, DecodeError> {
    let fields = Fields::of("invokefunction");
    Ok(InvokeFunction {
        invocation_id: fields.optional_id("invocation_id", frame.invocation_id)?,
        function_id: fields.id("function_id", frame.function_id)?,
        data: frame.data.unwrap_or(RawValue::NULL),
        metadata: frame.metadata,
        traceparent: fields.text("traceparent", frame.traceparent)?,
        baggage: fields.text("baggage", frame.baggage)?,
        action: frame.action.map(|raw| action(fields, raw)).transpose()?,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawAction<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    queue: Option<&'a RawValue>,
}

fn action<'a>(frame: Fields, raw: &'a RawValue) -> Result<Action<'a>, DecodeError> {
    let action: RawAction<'a> = frame.object("action", raw)?;
    let fields = frame.inside("action.");
    let kind = fields.required_text("type", action.kind)?;
    Ok(match kind.as_ref() {
        "void" => Action::Void,
        "enqueue" => Action::Enqueue {
            queue: fields.text("queue", action.queue)?,
        },
        _ => Action::Unknown { kind },
    })
}

fn invocation_result<'a>(frame: &Envelope<'a>) -> Result<InvocationResult<'a>, DecodeError> {
    let fields = Fields::of("invocationresult");
    Ok(InvocationResult {
        invocation_id: fields.id("invocation_id", frame.invocation_id)?,
        function_id: fields.text("function_id", frame.function_id)?,
        result: frame.result,
        error: frame.error.map(Cow::Borrowed),
        traceparent: fields.text("traceparent", frame.traceparent)?,
        baggage: fields.text("baggage", frame.baggage)?,
    })
}

fn register_service<'a>(frame: &Envelope<'a>) -> Result<RegisterService<'a>, DecodeError> {
    let fields = Fields::of("registerservice");
    Ok(RegisterService {
        id: fields.id("id", frame.id)?,
        name: fields.text("name", frame.name)?,
        description: fields.text("description", frame.description)?,
        parent_service_id: fields.text("parent_service_id", frame.parent_service_id)?,
    })
}

fn reattach<'a>(frame: &Envelope<'a>) -> Result<Reattach<'a>, DecodeError> {
    let fields = Fields::of("reattach");
    Ok(Reattach {
        previous_worker_id: fields.required_text("previous_worker_id", frame.previous_worker_id)?,
        reattach_token: fields.required_text("reattach_token", frame.reattach_token)?,
    })
}

fn worker_registered<'a>(frame: &Envelope<'a>) -> Result<WorkerRegistered<'a>, DecodeError> {
    let fields = Fields::of("workerregistered");
    Ok(WorkerRegistered {
        worker_id: fields.id("worker_id", frame.worker_id)?,
        reattach_token: fields.text("reattach_token", frame.reattach_token)?,
    })
}
