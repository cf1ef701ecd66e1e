//! The frames that are read, written and handled.

use serde_json::Value;

/// A frame of each type, as small as it is of use.
pub const EACH: [&str; 17] = [
    r#"{"type":"registerfunction","id":"f"}"#,
    r#"{"type":"unregisterfunction","id":"f"}"#,
    r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"f","config":{"path":"/orders"}}"#,
    r#"{"type":"unregistertrigger","id":"t"}"#,
    r#"{"type":"triggerregistrationresult","id":"t","trigger_type":"http","function_id":"f"}"#,
    r#"{"type":"registertriggertype","id":"k","description":"a type"}"#,
    r#"{"type":"unregistertriggertype","id":"k"}"#,
    r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":{"n":1}}"#,
    r#"{"type":"invocationresult","invocation_id":"i","function_id":"f","result":{"n":1}}"#,
    r#"{"type":"registerservice","id":"s","name":"a service"}"#,
    r#"{"type":"reattach","previous_worker_id":"w","reattach_token":"r"}"#,
    r#"{"type":"workerregistered","worker_id":"w"}"#,
    r#"{"type":"functionregistrationresult","id":"f","error":{"code":"c","message":"m"}}"#,
    r#"{"type":"triggertyperegistrationresult","id":"k"}"#,
    r#"{"type":"error","error":{"code":"c","message":"m"}}"#,
    r#"{"type":"ping"}"#,
    r#"{"type":"pong"}"#,
];

/// A JSON string with so many bytes between its quotes.
#[must_use]
pub fn payload(bytes: usize) -> String {
    Value::from("x".repeat(bytes)).to_string()
}

/// A call of `f`.
#[must_use]
pub fn call(data: &str) -> String {
    format!(r#"{{"type":"invokefunction","invocation_id":"i","function_id":"f","data":{data}}}"#)
}

/// A result.
#[must_use]
pub fn result(result: &str) -> String {
    format!(
        r#"{{"type":"invocationresult","invocation_id":"i","function_id":"f","result":{result}}}"#
    )
}

/// Registers a function.
#[must_use]
pub fn function(id: &str) -> String {
    format!(r#"{{"type":"registerfunction","id":"{id}"}}"#)
}

/// Registers a trigger for `f`.
#[must_use]
pub fn trigger(trigger_type: &str, id: &str, config: &str) -> String {
    format!(
        r#"{{"type":"registertrigger","id":"{id}","trigger_type":"{trigger_type}","function_id":"f","config":{config}}}"#
    )
}

/// Registers a trigger type.
#[must_use]
pub fn trigger_type(id: &str) -> String {
    format!(r#"{{"type":"registertriggertype","id":"{id}","description":"a type"}}"#)
}

/// Takes a `function`, a `trigger` or a `triggertype` back.
#[must_use]
pub fn unregister(what: &str, id: &str) -> String {
    format!(r#"{{"type":"unregister{what}","id":"{id}"}}"#)
}
