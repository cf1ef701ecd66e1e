//! Calls with the action `enqueue`.

use serde_json::{Value, json};

use super::{ask_engine, call, enqueue_call, error, peek, put, served, stats};
use crate::{
    functions::{URL, http_function},
    support::{Ended, answer, register_function, register_trigger, seconds},
};

#[test]
fn a_call_through_a_queue_is_made_with_its_data() {
    let (mut lab, worker, sender) = served();
    // A trigger of the same queue has no part in it.
    lab.function(worker, "g");
    lab.ask(
        worker,
        register_trigger("t", "queue", "g", json!({"queue_name": "q"})),
    );
    let receipt = put(&mut lab, sender, enqueue_call("f", json!({"to": 7})));
    let made = lab.only_frame(worker);
    assert_eq!(
        made,
        json!({
            "type": "invokefunction",
            "invocation_id": made["invocation_id"],
            "function_id": "f",
            "data": {"to": 7},
        })
    );
    assert_ne!(made["invocation_id"], json!(receipt));
    let shown = peek(&mut lab, json!({"queue_name": "q", "function_id": "f"}));
    assert_eq!(shown[0]["message_id"], json!(receipt));
    assert_eq!(shown[0]["attempts"], 1);
    assert_eq!(peek(&mut lab, json!({"queue_name": "q"})), json!([]));
    // A result is the function's own: it knows of no messages.
    let result = json!({"failed_message_ids": [receipt]});
    lab.quietly(worker, answer(&made, result));
    lab.assert_silent(sender);
    assert_eq!(stats(&mut lab, "q", "visible"), [0]);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn metadata_and_trace_context_go_along_each_time() {
    let (mut lab, worker, sender) = served();
    for more in [
        json!({"metadata": {"a": 1}, "traceparent": "00-trace", "baggage": "b=1"}),
        json!({"traceparent": "00-other"}),
    ] {
        let mut frame = enqueue_call("f", json!(1));
        let more = more.as_object().unwrap();
        frame.as_object_mut().unwrap().extend(more.clone());
        put(&mut lab, sender, frame);
        for _ in 0..2 {
            let call = lab.only_frame(worker);
            let mut expected = json!({
                "type": "invokefunction",
                "invocation_id": call["invocation_id"],
                "function_id": "f",
                "data": 1,
            });
            expected.as_object_mut().unwrap().extend(more.clone());
            assert_eq!(call, expected);
            lab.send(worker, error(&call));
        }
        let call = lab.only_frame(worker);
        lab.quietly(worker, answer(&call, json!(null)));
    }
}

#[test]
fn what_goes_along_counts() {
    let (mut lab, worker, sender) = served();
    let mut frame = enqueue_call("f", json!(1));
    frame["metadata"] = json!("m".repeat(1_000));
    frame["baggage"] = json!("b".repeat(10));
    put(&mut lab, sender, frame.clone());
    assert_eq!(stats(&mut lab, "q", "bytes"), [1 + 1_002 + 10 + 1 + 256]);
    frame["metadata"] = json!("m".repeat(1 << 20));
    let refused = lab.ask(sender, frame);
    assert_eq!(refused["error"]["code"], "payload_too_large");
    let message = "a message must not be larger than 1048576 bytes, got 1048589";
    assert_eq!(refused["error"]["message"], message);
    assert_eq!(lab.frames(worker).len(), 1);
}

#[test]
fn what_cannot_be_called_through_a_queue() {
    let (mut lab, worker, sender) = served();
    for (function, action, code, message) in [
        (
            "none",
            json!({"type": "enqueue", "queue": "q"}),
            "function_not_found",
            "No function registered with ID 'none'",
        ),
        (
            "enqueue",
            json!({"type": "enqueue", "queue": "q"}),
            "invalid_request",
            "'enqueue' is the engine's own, and cannot be enqueued",
        ),
        (
            "f",
            json!({"type": "enqueue"}),
            "invalid_request",
            "`action.queue` is missing",
        ),
        (
            "f",
            json!({"type": "enqueue", "queue": ""}),
            "invalid_request",
            "the name of a queue must not be empty",
        ),
        (
            "f",
            json!({"type": "enqueue", "queue": "a\0f"}),
            "invalid_request",
            "the name of a queue must not hold a NUL character",
        ),
    ] {
        let answer = lab.ask(sender, call(function, json!(1), action));
        assert_eq!(answer["error"], json!({"code": code, "message": message}));
    }
    lab.assert_silent(worker);
    let queues = ask_engine(&mut lab, "stats", Value::Null);
    assert_eq!(queues, json!({"queues": []}), "nothing has changed");
}

#[test]
fn ten_calls_of_a_function_are_under_way_at_once_in_order() {
    let (mut lab, worker, sender) = served();
    for number in 1..=25 {
        put(&mut lab, sender, enqueue_call("f", json!(number)));
    }
    let mut calls = lab.frames(worker);
    let data = |calls: &[Value]| calls.iter().map(|it| it["data"].clone()).collect::<Value>();
    assert_eq!(data(&calls), json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    // The first to end makes room for the next; what fails comes before what is new.
    lab.send(worker, answer(&calls.remove(4), Value::Null));
    calls.extend(lab.frames(worker));
    assert_eq!(calls.last().unwrap()["data"], 11);
    lab.send(worker, error(&calls.remove(2)));
    calls.extend(lab.frames(worker));
    assert_eq!(calls.last().unwrap()["data"], 3);
    while !calls.is_empty() {
        lab.send(worker, answer(&calls.remove(0), Value::Null));
        calls.extend(lab.frames(worker));
        assert!(calls.len() <= 10);
    }
    let queues = ask_engine(&mut lab, "stats", Value::Null);
    assert_eq!(
        queues,
        json!({"queues": []}),
        "an empty lane leaves nothing"
    );
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_call_through_a_queue_is_made_again_until_it_is_a_dead_letter() {
    let (mut lab, worker, sender) = served();
    let id = put(&mut lab, sender, enqueue_call("f", json!("bad")));
    let attempts = (1..=10).map(|attempt| {
        let call = lab.only_frame(worker);
        assert_eq!(call["data"], "bad");
        match attempt {
            1 => lab.advance(seconds(30)),
            _ => lab.send(worker, error(&call)),
        }
    });
    assert_eq!(attempts.count(), 10);
    lab.assert_silent(worker);
    let queues = ask_engine(&mut lab, "stats", Value::Null);
    assert_eq!(queues["queues"].as_array().unwrap().len(), 1, "{queues}");
    let letters = peek(&mut lab, json!({"queue_name": "q::dead_letter"}));
    assert_eq!(letters[0]["message_id"], json!(id));
    assert_eq!(letters[0]["function_id"], "f");
    // Whoever reads dead letters is told the function.
    let config = json!({"queue_name": "q::dead_letter"});
    lab.send(worker, register_trigger("dead", "queue", "f", config));
    let call = lab.frames(worker).remove(1);
    assert_eq!(call["data"]["messages"][0]["function_id"], "f");
}

#[test]
fn calls_through_a_queue_wait_for_a_function_that_is_gone() {
    let (mut lab, worker, sender) = served();
    for number in 1..=12 {
        put(&mut lab, sender, enqueue_call("f", json!(number)));
    }
    assert_eq!(lab.frames(worker).len(), 10);
    lab.disconnect(worker);
    assert_eq!(lab.next_deadline(), None);
    assert_eq!(stats(&mut lab, "q", "visible"), [12]);
    let refused = lab.ask(sender, enqueue_call("f", json!(13)));
    assert_eq!(refused["error"]["code"], "function_not_found");
    let next = lab.connect();
    lab.send(next, register_function("f"));
    let mut calls = lab.frames(next);
    let data: Value = calls.iter().map(|it| it["data"].clone()).collect();
    assert_eq!(data, json!([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    while !calls.is_empty() {
        lab.send(next, answer(&calls.remove(0), Value::Null));
        calls.extend(lab.frames(next));
    }
    let queues = ask_engine(&mut lab, "stats", Value::Null);
    assert_eq!(queues, json!({"queues": []}));
}

#[test]
fn the_calls_of_a_worker_that_dies_go_to_another_at_once() {
    let (mut lab, worker, sender) = served();
    let other = lab.connect();
    put(&mut lab, sender, enqueue_call("f", json!(1)));
    lab.function(other, "f");
    assert_eq!(lab.only_frame(worker)["data"], 1);
    lab.disconnect(worker);
    assert_eq!(lab.only_frame(other)["data"], 1);
}

#[test]
fn the_sender_may_leave_and_need_not_ask_for_a_receipt() {
    let (mut lab, worker, sender) = served();
    let mut frame = enqueue_call("f", json!(1));
    frame.as_object_mut().unwrap().remove("invocation_id");
    lab.quietly(sender, frame);
    lab.disconnect(sender);
    let call = lab.only_frame(worker);
    lab.quietly(worker, answer(&call, json!(1)));
}

#[test]
fn a_call_through_a_queue_to_an_endpoint_takes_as_long_as_the_endpoint_may() {
    let (mut lab, worker, sender) = served();
    lab.quietly(
        worker,
        http_function("h", json!({"url": URL, "timeout_ms": 600_000})),
    );
    put(&mut lab, sender, enqueue_call("h", json!({"a": 1})));
    let request = &lab.requests[0];
    assert_eq!(request.body, r#"{"a":1}"#);
    assert_eq!(
        request.session, worker,
        "it counts as that of who serves it"
    );
    assert_eq!(lab.next_deadline(), Some(lab.clock + seconds(600)));
    // It goes on without its worker; when it fails, nobody is there to make it again.
    lab.disconnect(worker);
    lab.end_request(Ended::Failed("reset".to_owned()));
    assert!(lab.requests.is_empty());
    assert_eq!(stats(&mut lab, "q", "visible"), [1]);
}

#[test]
fn function_ids_may_hold_anything() {
    let (mut lab, worker, sender) = served();
    for id in ["a\0b", "\0", "ünï\n", "::dead_letter"] {
        lab.function(worker, id);
        put(&mut lab, sender, enqueue_call(id, json!(id)));
        let call = lab.only_frame(worker);
        assert_eq!(
            (&call["function_id"], &call["data"]),
            (&json!(id), &json!(id))
        );
        let queues = ask_engine(&mut lab, "stats", Value::Null);
        assert_eq!(queues["queues"][0]["queue_name"], "q");
        assert_eq!(queues["queues"][0]["function_id"], id);
        lab.quietly(worker, answer(&call, Value::Null));
    }
}
