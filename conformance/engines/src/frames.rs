//! What faults ask of frames, and do to them.

use serde_json::{Value, json};

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
