//! Queue triggers and calls through queues: RT-03, RT-06, CO-20, D-06, D-07, D-13, D-15, D-27.
//!
//! What queues do by themselves has tests beside it; here it is seen through the engine.

mod calls;
mod functions;
mod pauses;
mod triggers;

use reference_core::{SessionId, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Lab, register_trigger, registered};

/// A worker that serves `f`, and a sender.
fn served() -> (Lab, SessionId, SessionId) {
    served_with(Settings::default())
}

fn served_with(settings: Settings) -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::with(settings);
    let (worker, sender) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    (lab, worker, sender)
}

/// Registers a trigger `id` of the queue `q` for `f`.
fn listen(lab: &mut Lab, by: SessionId, id: &str, more: Value) {
    let mut config = json!({"queue_name": "q"});
    let more = more.as_object().unwrap().clone();
    config.as_object_mut().unwrap().extend(more);
    lab.send(by, register_trigger(id, "queue", "f", config));
    // A message that has waited may follow at once.
    let result = lab.frames_of_type(by, "triggerregistrationresult");
    assert_eq!(result, [registered(id, "queue", "f")]);
}

fn call(function_id: &str, data: Value, action: Value) -> Value {
    let mut call = json!({
        "type": "invokefunction", "invocation_id": "e", "function_id": function_id, "data": data,
    });
    if !action.is_null() {
        call["action"] = action;
    }
    call
}

fn enqueue(data: Value) -> Value {
    call(
        "enqueue",
        json!({"queue_name": "q", "data": data}),
        Value::Null,
    )
}

fn enqueue_call(function_id: &str, data: Value) -> Value {
    call(function_id, data, json!({"type": "enqueue", "queue": "q"}))
}

/// Sends a frame that puts a message into a queue, and takes its receipt.
#[track_caller]
fn put(lab: &mut Lab, sender: SessionId, frame: Value) -> String {
    let answer = lab.ask(sender, &frame);
    let receipt = answer["result"]["messageReceiptId"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"));
    assert!(Uuid::try_parse(receipt).is_ok(), "{receipt}");
    assert_eq!(answer["result"].as_object().unwrap().len(), 1);
    receipt.to_owned()
}

/// The `data` and the attempts of the messages of a call.
fn messages(call: &Value) -> Vec<(Value, u64)> {
    let messages = call["data"]["messages"].as_array().unwrap().iter();
    let shown = messages.map(|it| (it["data"].clone(), it["attempt"].as_u64().unwrap()));
    shown.collect()
}

fn error(call: &Value) -> Value {
    json!({
        "type": "invocationresult", "invocation_id": call["invocation_id"],
        "error": {"code": "invocation_failed", "message": "thrown"},
    })
}

/// What `engine::queue::stats` says of a queue, a number for each field.
fn stats(lab: &mut Lab, queue: &str, field: &str) -> Vec<u64> {
    let queues = ask_engine(lab, "stats", json!({"queue_name": queue}));
    let queues = queues["queues"].as_array().unwrap().iter();
    queues.map(|it| it[field].as_u64().unwrap()).collect()
}

fn peek(lab: &mut Lab, data: Value) -> Value {
    ask_engine(lab, "peek", data)["messages"].take()
}

fn ask_engine(lab: &mut Lab, what: &str, data: Value) -> Value {
    let observer = lab.connect();
    let function = format!("engine::queue::{what}");
    let answer = lab.ask(observer, call(&function, data, Value::Null));
    lab.disconnect(observer);
    assert_eq!(answer.get("error"), None, "{answer}");
    answer["result"].clone()
}
