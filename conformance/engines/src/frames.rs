//! What faults ask of frames, and do to them.

use serde_json::{Value, json};

use crate::Heard;

pub(crate) fn is(frame: &Value, kind: &str) -> bool {
    text(frame, "/type") == Some(kind)
}

/// Whether it answers the registration of a trigger.
pub(crate) fn is_result(frame: &Value) -> bool {
    is(frame, "triggerregistrationresult")
}

pub(crate) fn is_success(frame: &Value) -> bool {
    is_result(frame) && frame.get("error").is_none()
}

pub(crate) fn is_refusal(frame: &Value) -> bool {
    is_result(frame) && frame.get("error").is_some()
}

/// Whether it calls a function, in either direction.
pub(crate) fn is_call(frame: &Value) -> bool {
    is(frame, "invokefunction")
}

/// Whether it registers a trigger of a type.
pub(crate) fn is_trigger(frame: &Value, trigger_type: &str) -> bool {
    is(frame, "registertrigger") && text(frame, "/trigger_type") == Some(trigger_type)
}

/// Whether it registers a trigger of a type that a worker provides.
pub(crate) fn is_provided_trigger(frame: &Value) -> bool {
    is(frame, "registertrigger") && !is_built_in(frame)
}

/// Whether its trigger type is one of the engine's own.
pub(crate) fn is_built_in(frame: &Value) -> bool {
    matches!(
        text(frame, "/trigger_type"),
        Some("http" | "cron" | "queue")
    )
}

/// Whether it calls the function of a trigger that has fired, and of which type.
pub(crate) fn fired(frame: &Value) -> Option<&'static str> {
    if !is_call(frame) {
        return None;
    }
    let data = frame.get("data")?;
    if text(data, "/trigger/type") == Some("http") {
        Some("http")
    } else if text(data, "/trigger") == Some("cron") {
        Some("cron")
    } else {
        data.get("messages").map(|_| "queue")
    }
}

/// The refusal of a trigger's registration.
pub(crate) fn refusal(frame: &Value, code: &str, message: &str) -> Value {
    let mut result = json!({"type": "triggerregistrationresult", "error": error(code, message)});
    for field in ["id", "trigger_type", "function_id"] {
        set(&mut result, "", field, text(frame, &format!("/{field}")));
    }
    result
}

pub(crate) fn text<'f>(frame: &'f Value, pointer: &str) -> Option<&'f str> {
    frame.pointer(pointer)?.as_str()
}

pub(crate) fn code(frame: &Value) -> Option<&str> {
    text(frame, "/error/code")
}

/// Gives a field of the object at a place a value.
pub(crate) fn set(frame: &mut Value, object: &str, field: &str, value: impl Into<Value>) {
    if let Some(Value::Object(fields)) = frame.pointer_mut(object) {
        fields.insert(field.to_owned(), value.into());
    }
}

/// Takes a field from the object at a place.
pub(crate) fn unset(frame: &mut Value, object: &str, field: &str) {
    if let Some(Value::Object(fields)) = frame.pointer_mut(object) {
        fields.remove(field);
    }
}

/// Alters a string that is there.
pub(crate) fn alter(frame: &mut Value, pointer: &str, how: impl FnOnce(&str) -> String) {
    if let Some(Value::String(text)) = frame.pointer_mut(pointer) {
        *text = how(text);
    }
}

pub(crate) fn error(code: &str, message: &str) -> Value {
    json!({"code": code, "message": message})
}

/// Whether it registers a function.
pub(crate) fn is_registration(frame: &Value) -> bool {
    is(frame, "registerfunction")
}

/// Whether it takes a function back.
pub(crate) fn is_unregistration(frame: &Value) -> bool {
    is(frame, "unregisterfunction")
}

/// Whether it answers a call, in either direction.
pub(crate) fn is_answer(frame: &Value) -> bool {
    is(frame, "invocationresult")
}

/// Whether it calls a function of a worker, in either direction.
pub(crate) fn is_workers_call(frame: &Value) -> bool {
    is_call(frame) && !function_id(frame).starts_with("engine::")
}

pub(crate) fn id(frame: &Value) -> &str {
    text(frame, "/id").unwrap_or_default()
}

pub(crate) fn function_id(frame: &Value) -> &str {
    text(frame, "/function_id").unwrap_or_default()
}

/// Refuses a registration as that of an id that is taken.
pub(crate) fn refuse(heard: &mut Heard) {
    let id = id(&heard.frame);
    let message = format!("A function with ID '{id}' is already registered");
    let refusal = json!({
        "type": "functionregistrationresult",
        "id": id,
        "error": error("duplicate_function_id", &message),
    });
    heard.said.push((heard.from, refusal));
    heard.keep = false;
}

/// Answers a call as that of a function that is not there.
pub(crate) fn deny(heard: &mut Heard) {
    let answer = not_found(&heard.frame).map(|it| (heard.from, it));
    heard.said.extend(answer);
    heard.keep = false;
}

/// What a call is answered with whose function is not there; nothing if nobody waits.
pub(crate) fn not_found(call: &Value) -> Option<Value> {
    let function_id = function_id(call);
    let message = format!("No function registered with ID '{function_id}'");
    Some(json!({
        "type": "invocationresult",
        "invocation_id": text(call, "/invocation_id")?,
        "function_id": function_id,
        "error": error("function_not_found", &message),
    }))
}
