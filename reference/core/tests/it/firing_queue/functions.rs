//! The engine's own functions about queues, and their limits.

use reference_core::{QueueLimits, Settings};
use serde_json::{Value, json};

use super::{
    ask_engine, call, enqueue, enqueue_call, listen, messages, peek, put, served, served_with,
};
use crate::support::{Lab, answer, register_trigger, registered};

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
    let too_large = "a message must not be larger than 20 bytes, got 21";
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
                 they hold 1030 and the message counts 260";
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
            "triggers": 0, "bytes": 258, "oldest_enqueued_at": "2023-11-14T22:13:20.000Z",
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
