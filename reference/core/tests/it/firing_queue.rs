//! Queue triggers and calls through queues: RT-03, RT-06, CO-20, D-06, D-07, D-13, D-15, D-27.
//!
//! What queues do by themselves has tests beside it; here it is seen through the engine.

use std::time::Duration;

use reference_core::{DeadlineReason, EventKind, Machine, QueueLimits, SessionId, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    functions::{URL, http_function},
    support::{
        Ended, Lab, Step, answer, parse, refused, register_function, register_trigger, registered,
        seconds, unregister,
    },
};

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

#[test]
fn a_message_is_handed_out_with_its_payload() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({}));
    lab.clock += Duration::from_millis(1_500);
    lab.send(
        sender,
        r#"{"type":"invokefunction","invocation_id":"e","function_id":"enqueue","data":{"queue_name":"q","data":{ "b":1.0,"b":2 }}}"#,
    );
    let receipt = lab.only_frame(sender)["result"]["messageReceiptId"].take();
    let text = lab.only_text(worker);
    assert!(
        text.contains(r#""data":{ "b":1.0,"b":2 }"#),
        "byte for byte: {text}"
    );
    let call = parse(&text);
    assert_eq!(
        call,
        json!({
            "type": "invokefunction",
            "invocation_id": call["invocation_id"],
            "function_id": "f",
            "data": {
                "queue_name": "q",
                "messages": [{
                    "message_id": receipt,
                    "data": {"b": 2},
                    "attempt": 1,
                    "enqueued_at": "2023-11-14T22:13:21.500Z",
                }],
            },
        })
    );
    lab.quietly(worker, answer(&call, Value::Null));
    assert_eq!(lab.next_deadline(), None);
    assert_eq!(
        stats(&mut lab, "q", "visible"),
        [0],
        "the queue has a trigger, and no message"
    );
}

#[test]
fn what_enqueue_takes() {
    for (data, expected) in [
        (json!({"queue_name": "q", "data": 1}), Ok(json!(1))),
        (json!({"topic": "q", "data": [null]}), Ok(json!([null]))),
        (json!({"queue_name": null, "topic": "q"}), Ok(Value::Null)),
        (
            json!({"queue_name": "q", "topic": "other", "more": 1}),
            Ok(Value::Null),
        ),
        (json!({"data": 1}), Err("`data.queue_name` is missing")),
        (Value::Null, Err("`data.queue_name` is missing")),
        (json!([1]), Err("`data` must be an object, got an array")),
        (json!("q"), Err("`data` must be an object, got a string")),
        (
            json!({"queue_name": 7}),
            Err("`data.queue_name` must be a string, got a number"),
        ),
        (
            json!({"topic": {}}),
            Err("`data.topic` must be a string, got an object"),
        ),
        (
            json!({"queue_name": ""}),
            Err("the name of a queue must not be empty"),
        ),
        (
            json!({"queue_name": "a\0b"}),
            Err("the name of a queue must not hold a NUL character"),
        ),
        (
            json!({"queue_name": "n".repeat(1_025)}),
            Err("the name of a queue must not be longer than 1024 bytes, got 1025"),
        ),
    ] {
        let (mut lab, worker, sender) = served();
        listen(&mut lab, worker, "t", json!({}));
        let given = lab.ask(sender, call("enqueue", data.clone(), Value::Null));
        match expected {
            Ok(message) => {
                let call = lab.only_frame(worker);
                assert_eq!(messages(&call), [(message, 1)], "{data}");
            }
            Err(problem) => {
                assert_eq!(given["error"]["code"], "invalid_request", "{data}");
                assert_eq!(given["error"]["message"], problem, "{data}");
                lab.assert_silent(worker);
            }
        }
    }
}

#[test]
fn names_of_queues_may_hold_anything_else() {
    let (mut lab, worker, sender) = served();
    for (number, queue) in ["ünï \n::x", "'q\"", "engine::queue", " ", "\u{1}"]
        .iter()
        .enumerate()
    {
        let config = json!({"queue_name": queue});
        let id = number.to_string();
        let result = lab.ask(worker, register_trigger(&id, "queue", "f", config));
        assert_eq!(result, registered(&id, "queue", "f"));
        put(
            &mut lab,
            sender,
            call(
                "enqueue",
                json!({"topic": queue, "data": number}),
                Value::Null,
            ),
        );
        let call = lab.only_frame(worker);
        assert_eq!(call["data"]["queue_name"], *queue);
        assert_eq!(messages(&call), [(json!(number), 1)]);
    }
}

#[test]
fn messages_that_waited_come_in_batches_in_order() {
    let (mut lab, worker, sender) = served();
    for number in 1..=5 {
        put(&mut lab, sender, enqueue(json!(number)));
    }
    assert_eq!(stats(&mut lab, "q", "visible"), [5]);
    lab.send(
        worker,
        register_trigger(
            "t",
            "queue",
            "f",
            json!({"queue_name": "q", "batch_size": 2}),
        ),
    );
    let [result, mut call] = <[Value; 2]>::try_from(lab.frames(worker)).unwrap();
    assert_eq!(
        result,
        registered("t", "queue", "f"),
        "before the first message"
    );
    let mut batches = Vec::new();
    loop {
        batches.push(
            messages(&call)
                .into_iter()
                .map(|it| it.0)
                .collect::<Value>(),
        );
        lab.assert_silent(worker);
        lab.send(worker, answer(&call, json!("done")));
        match lab.frames(worker).as_slice() {
            [] => break,
            [next] => call = next.clone(),
            more => panic!("{more:?}"),
        }
    }
    assert_eq!(batches, [json!([1, 2]), json!([3, 4]), json!([5])]);
}

#[test]
fn a_result_may_name_messages_that_failed() {
    let (mut lab, worker, sender) = served();
    let ids: Vec<String> = (1..=3)
        .map(|it| put(&mut lab, sender, enqueue(json!(it))))
        .collect();
    listen(&mut lab, worker, "t", json!({}));
    let call = lab.only_frame(worker);
    assert_eq!(messages(&call).len(), 3);
    lab.send(
        worker,
        answer(&call, json!({"failed_message_ids": [ids[1], "unknown"]})),
    );
    let call = lab.only_frame(worker);
    assert_eq!(messages(&call), [(json!(2), 2)]);
    // What names no ids in a list of strings: all of them.
    lab.send(worker, answer(&call, json!({"failed_message_ids": 2})));
    let call = lab.only_frame(worker);
    assert_eq!(messages(&call), [(json!(2), 3)]);
    lab.quietly(worker, answer(&call, json!({"failed_message_ids": []})));
    assert_eq!(stats(&mut lab, "q", "in_flight"), [0]);
}

#[test]
fn what_fails_is_handed_out_again_at_once() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({"visibility_timeout": 5}));
    put(&mut lab, sender, enqueue(json!("m")));
    let first = lab.only_frame(worker);
    lab.send(worker, error(&first));
    let second = lab.only_frame(worker);
    assert_eq!(messages(&second), [(json!("m"), 2)]);
    assert_ne!(second["invocation_id"], first["invocation_id"]);
    // Silence, until its time is up and no sooner.
    let deadline = lab.engine.next_deadline().unwrap();
    assert_eq!(deadline.at, lab.clock + seconds(5));
    assert_eq!(deadline.reason, DeadlineReason::CallTimeout);
    lab.advance(seconds(5) - Duration::from_nanos(1));
    lab.assert_silent(worker);
    lab.advance(Duration::from_nanos(1));
    let third = lab.only_frame(worker);
    assert_eq!(messages(&third), [(json!("m"), 3)]);
    // Late answers change nothing.
    lab.quietly(worker, answer(&second, Value::Null));
    lab.quietly(worker, error(&first));
    assert_eq!(stats(&mut lab, "q", "in_flight"), [1]);
    lab.quietly(worker, answer(&third, Value::Null));
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_visibility_timeout_may_be_longer_than_other_calls_may_take() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({"visibility_timeout": 3600}));
    put(&mut lab, sender, enqueue(json!(1)));
    let call = lab.only_frame(worker);
    lab.advance(seconds(3_599));
    lab.quietly(worker, answer(&call, Value::Null));
    assert_eq!(stats(&mut lab, "q", "visible"), [0]);
}

#[test]
fn the_messages_of_a_worker_that_dies_go_to_another_at_once() {
    let (mut lab, worker, sender) = served();
    let other = lab.connect();
    lab.function(other, "f");
    listen(&mut lab, sender, "t", json!({}));
    put(&mut lab, sender, enqueue(json!(1)));
    let call = lab.only_frame(worker);
    assert_eq!(messages(&call), [(json!(1), 1)]);
    lab.disconnect(worker);
    let call = lab.only_frame(other);
    assert_eq!(messages(&call), [(json!(1), 2)]);
    // And if there is no other, they wait for the next one that serves the function.
    lab.disconnect(other);
    assert_eq!(stats(&mut lab, "q", "visible"), [1]);
    let third = lab.connect();
    lab.send(third, register_function("f"));
    assert_eq!(messages(&lab.only_frame(third)), [(json!(1), 3)]);
}

#[test]
fn the_trigger_of_a_worker_that_dies_goes_and_the_messages_stay() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({}));
    put(&mut lab, sender, enqueue(json!(1)));
    lab.disconnect(worker);
    assert_eq!(stats(&mut lab, "q", "triggers"), [0]);
    assert_eq!(stats(&mut lab, "q", "visible"), [1]);
    let next = lab.connect();
    lab.function(next, "f");
    listen(&mut lab, next, "t", json!({}));
    assert_eq!(messages(&lab.only_frame(next)), [(json!(1), 2)]);
}

#[test]
fn a_function_that_is_gone_costs_no_attempts() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({}));
    lab.quietly(worker, unregister("function", "f"));
    put(&mut lab, sender, enqueue(json!(1)));
    lab.advance(seconds(100));
    lab.assert_silent(worker);
    assert_eq!(lab.next_deadline(), None, "nobody asks again and again");
    lab.send(worker, register_function("f"));
    assert_eq!(messages(&lab.only_frame(worker)), [(json!(1), 1)]);
}

#[test]
fn triggers_compete_for_messages() {
    let (mut lab, worker, sender) = served();
    for id in ["t", "u"] {
        listen(&mut lab, worker, id, json!({"batch_size": 1}));
    }
    for number in 1..=3 {
        put(&mut lab, sender, enqueue(json!(number)));
    }
    let calls = lab.frames(worker);
    let held: Vec<_> = calls.iter().flat_map(messages).map(|it| it.0).collect();
    assert_eq!(held, [json!(1), json!(2)], "one delivery a trigger");
    lab.send(worker, answer(&calls[1], Value::Null));
    assert_eq!(messages(&lab.only_frame(worker)), [(json!(3), 1)]);
}

#[test]
fn after_ten_attempts_a_message_is_a_dead_letter() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({}));
    let id = put(&mut lab, sender, enqueue(json!("bad")));
    for attempt in 1..=10 {
        let call = lab.only_frame(worker);
        assert_eq!(messages(&call), [(json!("bad"), attempt)]);
        lab.events();
        lab.send(worker, error(&call));
    }
    lab.assert_silent(worker);
    let given_up = EventKind::MessagesGivenUp {
        queue: "q".to_owned(),
        count: 1,
    };
    assert_eq!(lab.events(), [given_up]);
    assert_eq!(stats(&mut lab, "q", "dead_letters"), [1]);
    let letters = peek(&mut lab, json!({"queue_name": "q::dead_letter"}));
    let letter = json!({
        "message_id": id, "data": "bad", "attempts": 0, "enqueued_at": "2023-11-14T22:13:20.000Z",
    });
    assert_eq!(letters, json!([letter]));
    // A trigger may read them; what fails there ten times stays.
    let config = json!({"queue_name": "q::dead_letter"});
    lab.send(worker, register_trigger("dead", "queue", "f", config));
    let mut call = lab.frames(worker).remove(1);
    for attempt in 1..=10 {
        assert_eq!(call["data"]["queue_name"], "q::dead_letter");
        assert_eq!(messages(&call), [(json!("bad"), attempt)]);
        lab.send(worker, error(&call));
        if attempt < 10 {
            call = lab.only_frame(worker);
        }
    }
    lab.assert_silent(worker);
    assert_eq!(stats(&mut lab, "q::dead_letter", "parked"), [1]);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_trigger_that_is_registered_anew_is_not_held_up_by_its_past() {
    for (function, batch) in [("f", 1), ("g", 2)] {
        let (mut lab, worker, sender) = served();
        lab.function(worker, "g");
        listen(&mut lab, worker, "t", json!({"batch_size": 1}));
        put(&mut lab, sender, enqueue(json!(1)));
        let past = lab.only_frame(worker);
        lab.quietly(worker, unregister("trigger", "t"));
        let config = json!({"queue_name": "q", "batch_size": batch});
        lab.ask(worker, register_trigger("t", "queue", function, config));
        put(&mut lab, sender, enqueue(json!(2)));
        let present = lab.only_frame(worker);
        assert_eq!(present["function_id"], function);
        assert_eq!(messages(&present), [(json!(2), 1)]);
        // The past fails: its message is handed out when the present has room for it.
        lab.quietly(worker, error(&past));
        lab.send(worker, answer(&present, Value::Null));
        let again = lab.only_frame(worker);
        assert_eq!(messages(&again), [(json!(1), 2)]);
        lab.quietly(worker, answer(&again, Value::Null));
        assert_eq!(stats(&mut lab, "q", "in_flight"), [0]);
    }
}

#[test]
fn a_trigger_cannot_call_a_function_of_the_engines_own() {
    let (mut lab, worker, _) = served();
    for function in ["enqueue", "engine::functions::list"] {
        let frame = register_trigger("t", "queue", function, json!({"queue_name": "q"}));
        let error = json!({
            "code": "invalid_config",
            "message": "A queue trigger cannot call a function of the engine's own",
        });
        assert_eq!(
            lab.ask(worker, frame),
            refused("t", "queue", function, error)
        );
    }
}

#[test]
fn an_endpoint_is_given_messages_too_within_its_own_time() {
    let (mut lab, worker, sender) = served();
    lab.quietly(
        worker,
        http_function("h", json!({"url": URL, "timeout_ms": 2000})),
    );
    let config = json!({"queue_name": "q", "visibility_timeout": 10});
    lab.ask(worker, register_trigger("t", "queue", "h", config));
    put(&mut lab, sender, enqueue(json!(1)));
    let body = |lab: &Lab| json!({"data": parse(&lab.requests[0].body)});
    assert_eq!(messages(&body(&lab)), [(json!(1), 1)]);
    assert_eq!(lab.next_deadline(), Some(lab.clock + seconds(2)));
    lab.advance(seconds(2));
    assert_eq!(messages(&body(&lab)), [(json!(1), 2)]);
    lab.end_request(Ended::Answer(500, String::new()));
    assert_eq!(messages(&body(&lab)), [(json!(1), 3)]);
    lab.end_request(Ended::Answer(204, String::new()));
    assert!(lab.requests.is_empty());
    assert_eq!(stats(&mut lab, "q", "visible"), [0]);
}

#[test]
fn messages_wait_a_second_when_too_much_is_under_way() {
    let (mut lab, worker, sender) = served_with(Settings {
        requests_max: 1,
        ..Settings::default()
    });
    lab.quietly(
        worker,
        http_function("h", json!({"url": URL, "timeout_ms": 60_000})),
    );
    for (id, queue) in [("t", "q"), ("u", "r")] {
        let config = json!({"queue_name": queue, "visibility_timeout": 60});
        lab.ask(worker, register_trigger(id, "queue", "h", config));
    }
    put(&mut lab, sender, enqueue(json!(1)));
    put(
        &mut lab,
        sender,
        call("enqueue", json!({"topic": "r", "data": 2}), Value::Null),
    );
    assert_eq!(lab.requests.len(), 1);
    let deadline = lab.engine.next_deadline().unwrap();
    assert_eq!(deadline.at, lab.clock + seconds(1));
    assert_eq!(deadline.reason, DeadlineReason::QueueRetry);
    lab.advance(seconds(20));
    assert_eq!(lab.requests.len(), 1);
    lab.end_request(Ended::Answer(200, String::new()));
    assert!(lab.requests.is_empty(), "not before its second is over");
    lab.advance(seconds(1));
    let body = json!({"data": parse(&lab.requests[0].body)});
    assert_eq!(messages(&body), [(json!(2), 1)], "no attempt was counted");
    lab.end_request(Ended::Answer(200, String::new()));
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_pause_ends_with_its_trigger() {
    let (mut lab, worker, sender) = served_with(Settings {
        requests_max: 0,
        ..Settings::default()
    });
    lab.quietly(worker, http_function("h", json!({"url": URL})));
    let config = json!({"queue_name": "q"});
    lab.ask(worker, register_trigger("t", "queue", "h", config.clone()));
    put(&mut lab, sender, enqueue(json!(1)));
    lab.quietly(worker, unregister("trigger", "t"));
    lab.send(worker, register_trigger("t", "queue", "f", config));
    let call = lab.frames(worker).remove(1);
    assert_eq!(messages(&call), [(json!(1), 1)]);
    lab.quietly(worker, answer(&call, Value::Null));
    lab.advance(seconds(2));
    assert_eq!(lab.next_deadline(), None);
}

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

#[test]
fn limits_are_told() {
    let queues = QueueLimits {
        queue_messages_max: 2,
        message_bytes_max: 20,
        bytes_max: 1_100,
        queues_max: 3,
        ..QueueLimits::default()
    };
    let (mut lab, worker, sender) = served_with(Settings {
        queues,
        ..Settings::default()
    });
    let refused = |lab: &mut Lab, frame: Value, code: &str, message: &str| {
        let answer = lab.ask(sender, frame);
        assert_eq!(answer["error"], json!({"code": code, "message": message}));
    };
    let long = json!("x".repeat(19));
    let too_large = "the data of a message must not be larger than 20 bytes, got 21";
    refused(
        &mut lab,
        enqueue(long.clone()),
        "payload_too_large",
        too_large,
    );
    refused(
        &mut lab,
        enqueue_call("f", long),
        "payload_too_large",
        too_large,
    );
    let full = "queue 'q' is full: the limit is 2 messages, and it holds 2";
    for number in 1..=2 {
        put(&mut lab, sender, enqueue(json!(number)));
        put(&mut lab, sender, enqueue_call("f", json!(number)));
    }
    refused(&mut lab, enqueue(json!(3)), "queue_full", full);
    refused(&mut lab, enqueue_call("f", json!(3)), "queue_full", full);
    let other = |queue: &str| call("enqueue", json!({"topic": queue}), Value::Null);
    let bytes = "the queues are full: the limit is 1100 bytes, \
                 they hold 1028 and the message counts 260";
    refused(&mut lab, other("r"), "queue_full", bytes);
    let calls = lab.frames(worker);
    lab.quietly(worker, answer(&calls[0], Value::Null));
    put(&mut lab, sender, other("r"));
    lab.quietly(worker, answer(&calls[1], Value::Null));
    put(&mut lab, sender, other("s"));
    let queues = "queue 't' cannot be made: the limit is 3 queues, and there are 3";
    refused(&mut lab, other("t"), "queue_full", queues);
    lab.function(worker, "g");
    let action = json!({"type": "enqueue", "queue": "t"});
    refused(&mut lab, call("g", json!(1), action), "queue_full", queues);
    let frame = register_trigger("t", "queue", "f", json!({"queue_name": "t"}));
    let answer = lab.ask(worker, frame);
    assert_eq!(answer["error"]["code"], "invalid_config");
    let message = format!("Invalid queue config: {queues}");
    assert_eq!(answer["error"]["message"], json!(message));
}

#[test]
fn stats_tell_what_queues_hold() {
    let (mut lab, worker, sender) = served();
    put(
        &mut lab,
        sender,
        call(
            "enqueue",
            json!({"topic": "other", "data": "12345678"}),
            Value::Null,
        ),
    );
    for number in 1..=3 {
        put(&mut lab, sender, enqueue(json!(number)));
    }
    listen(&mut lab, worker, "t", json!({"batch_size": 2}));
    put(&mut lab, sender, enqueue_call("f", json!(4)));
    let empty = |name: &str| {
        json!({
            "queue_name": name, "visible": 0, "in_flight": 0, "parked": 0, "dead_letters": 0,
            "triggers": 0, "bytes": 257, "oldest_enqueued_at": "2023-11-14T22:13:20.000Z",
        })
    };
    let with = |mut queue: Value, more: Value| {
        queue
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        queue
    };
    let other = with(empty("other"), json!({"visible": 1, "bytes": 266}));
    let more = json!({"visible": 1, "in_flight": 2, "triggers": 1, "bytes": 771});
    let queue = with(empty("q"), more);
    let lane = with(empty("q"), json!({"function_id": "f", "in_flight": 1}));
    let all = ask_engine(&mut lab, "stats", json!({}));
    assert_eq!(all["queues"], json!([other, queue, lane]));
    let some = ask_engine(&mut lab, "stats", json!({"queue_name": "q"}));
    assert_eq!(some["queues"], json!([queue, lane]));
    let none = ask_engine(&mut lab, "stats", json!({"queue_name": "none"}));
    assert_eq!(none, json!({"queues": []}));
}

#[test]
fn peeking_takes_nothing() {
    let (mut lab, worker, sender) = served();
    for number in 1..=12 {
        put(&mut lab, sender, enqueue(json!(number)));
    }
    let seen = |lab: &mut Lab, data: Value| -> Value {
        let messages = peek(lab, data);
        let messages = messages.as_array().unwrap().iter();
        messages
            .map(|it| json!([it["data"], it["attempts"]]))
            .collect()
    };
    let all = seen(&mut lab, json!({"queue_name": "q"}));
    assert_eq!(all.as_array().unwrap().len(), 10);
    let two = json!([[1, 0], [2, 0]]);
    assert_eq!(seen(&mut lab, json!({"queue_name": "q", "count": 2})), two);
    assert_eq!(
        seen(&mut lab, json!({"queue_name": "q", "count": 0})),
        json!([])
    );
    listen(&mut lab, worker, "t", json!({"batch_size": 1}));
    let two = json!([[1, 1], [2, 0]]);
    assert_eq!(
        seen(&mut lab, json!({"queue_name": "q", "count": 2.0})),
        two
    );
    assert_eq!(messages(&lab.only_frame(worker)), [(json!(1), 1)]);
    for (data, problem) in [
        (json!({}), "`data.queue_name` is missing"),
        (
            json!({"queue_name": "q", "count": 101}),
            "`data.count` must be a whole number from 0 to 100, got 101",
        ),
        (
            json!({"queue_name": "q", "count": "all"}),
            "`data.count` must be a whole number from 0 to 100, got a string",
        ),
        (
            json!({"queue_name": "q", "function_id": 1}),
            "`data.function_id` must be a string, got a number",
        ),
    ] {
        let answer = lab.ask(sender, call("engine::queue::peek", data, Value::Null));
        let error = json!({"code": "invalid_request", "message": problem});
        assert_eq!(answer["error"], error);
    }
}

#[test]
fn stopping_hands_nothing_out_any_more() {
    let (mut lab, worker, sender) = served();
    listen(&mut lab, worker, "t", json!({"batch_size": 1}));
    for number in 1..=3 {
        put(&mut lab, sender, enqueue(json!(number)));
        put(&mut lab, sender, enqueue_call("f", json!(number)));
    }
    lab.frames(worker);
    lab.input(Step::Shutdown);
    lab.assert_silent(worker);
    assert_eq!(lab.next_deadline(), None);
}
