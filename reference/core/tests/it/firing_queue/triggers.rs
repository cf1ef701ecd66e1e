//! Messages that triggers hand out.

use std::time::Duration;

use reference_core::{DeadlineReason, EventKind, Machine, Settings};
use serde_json::{Value, json};

use super::{
    call, enqueue, enqueue_call, error, listen, messages, peek, put, served, served_with, stats,
};
use crate::{
    functions::{URL, http_function},
    support::{
        Ended, Lab, Step, answer, parse, refused, register_function, register_trigger, registered,
        seconds, unregister,
    },
};

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
    lab.events();
    for attempt in 1..=10 {
        let call = lab.only_frame(worker);
        assert_eq!(messages(&call), [(json!("bad"), attempt)]);
        assert_eq!(lab.events(), [], "it is not given up yet");
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
