//! Messages whose function cannot be called just now hold up nobody else's (D-13, D-14, D-28).

use std::time::Duration;

use reference_core::{EventKind, SessionId, Settings};
use serde_json::{Value, json};

use super::{call, enqueue_call, messages, put, served_with, stats};
use crate::{
    functions::{URL, http_function},
    support::{Ended, Lab, answer, invoke, parse, register_trigger, registered, seconds},
};

fn listen(lab: &mut Lab, by: SessionId, id: &str, queue: &str) {
    let config = json!({"queue_name": queue, "batch_size": 1, "visibility_timeout": 60});
    let result = lab.ask(by, register_trigger(id, "queue", "f", config));
    assert_eq!(result, registered(id, "queue", "f"));
}

fn message(queue: &str, data: Value) -> Value {
    let data = json!({"queue_name": queue, "data": data});
    call("enqueue", data, Value::Null)
}

fn only_message(lab: &mut Lab, worker: SessionId) -> (Value, Value) {
    let call = lab.only_frame(worker);
    let data = messages(&call).remove(0).0;
    (call, data)
}

/// How often a call could not be made since this was last asked.
fn refusals(lab: &mut Lab) -> usize {
    let events = lab.events().into_iter();
    events
        .filter(|it| matches!(it, EventKind::CallFailed { .. }))
        .count()
}

#[test]
fn a_worker_with_too_much_to_do_is_tried_once_a_second_whoever_waits_for_it() {
    let (mut lab, worker, sender) = served_with(Settings {
        call_bytes_per_worker_max: 1,
        ..Settings::default()
    });
    let [one, other] = [lab.connect(), lab.connect()];
    lab.send(one, invoke("c", "f"));
    let busy_with = lab.only_frame(worker);
    for (by, id, queue) in [(one, "t", "q"), (other, "u", "q"), (other, "v", "r")] {
        listen(&mut lab, by, id, queue);
    }
    refusals(&mut lab);
    for queue in ["q", "r"] {
        put(&mut lab, sender, message(queue, json!(queue)));
    }
    listen(&mut lab, one, "w", "q");
    assert_eq!(refusals(&mut lab), 1);
    for _ in 0..3 {
        lab.advance(seconds(1));
        assert_eq!(refusals(&mut lab), 1);
    }
    lab.send(worker, answer(&busy_with, Value::Null));
    lab.advance(seconds(1));
    assert_eq!(only_message(&mut lab, worker).1, "q");
}

#[test]
fn what_is_under_way_for_one_subscriber_holds_up_that_one_alone() {
    let (mut lab, worker, sender) = served_with(Settings {
        call_bytes_per_caller_max: 1,
        ..Settings::default()
    });
    let (busy, other, elsewhere) = (lab.connect(), lab.connect(), lab.connect());
    lab.function(elsewhere, "g");
    lab.send(busy, invoke("c", "g"));
    listen(&mut lab, busy, "t", "q");
    listen(&mut lab, busy, "u", "q");
    listen(&mut lab, other, "t", "r");
    put(&mut lab, sender, message("q", json!(1)));
    put(&mut lab, sender, message("r", json!(2)));
    let (call, data) = only_message(&mut lab, worker);
    assert_eq!(data, 2);
    lab.send(worker, answer(&call, Value::Null));
    // One who comes later has to wait as well, and one of another session takes the message.
    assert_eq!(refusals(&mut lab), 1);
    listen(&mut lab, busy, "v", "q");
    assert_eq!(refusals(&mut lab), 0);
    lab.assert_silent(worker);
    listen(&mut lab, other, "u", "q");
    let (call, data) = only_message(&mut lab, worker);
    assert_eq!(data, 1);
    assert_eq!(messages(&call), [(json!(1), 1)], "no attempt was counted");
    lab.send(worker, answer(&call, Value::Null));
    lab.disconnect(other);
    put(&mut lab, sender, message("q", json!(3)));
    lab.assert_silent(worker);
    let asked = lab.only_frame(elsewhere);
    lab.send(elsewhere, answer(&asked, Value::Null));
    lab.assert_silent(worker);
    lab.advance(seconds(1));
    assert_eq!(only_message(&mut lab, worker).1, 3);
}

#[test]
fn a_subscribers_own_requests_hold_up_that_one_alone() {
    let (mut lab, _, sender) = served_with(Settings {
        requests_per_session_max: 1,
        ..Settings::default()
    });
    let (worker, busy, other) = (lab.connect(), lab.connect(), lab.connect());
    lab.quietly(worker, http_function("h", json!({"url": URL})));
    for (by, id, queue) in [(busy, "t", "q"), (busy, "u", "r"), (other, "t", "s")] {
        let config = json!({"queue_name": queue});
        lab.ask(by, register_trigger(id, "queue", "h", config));
    }
    for queue in ["q", "r", "s"] {
        put(&mut lab, sender, message(queue, json!(queue)));
    }
    let asked = |lab: &Lab| -> Vec<Value> {
        let bodies = lab.requests.iter().map(|it| parse(&it.body));
        bodies.map(|it| it["messages"][0]["data"].clone()).collect()
    };
    assert_eq!(asked(&lab), ["q", "s"]);
    lab.end_request(Ended::Answer(204, String::new()));
    lab.advance(seconds(1));
    assert_eq!(asked(&lab), ["s", "r"]);
}

/// A worker whose `f` takes numbers.
fn strict() -> (Lab, SessionId, SessionId) {
    strict_with(Settings::default())
}

fn strict_with(settings: Settings) -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::with(Settings {
        enforce_formats: true,
        ..settings
    });
    let (worker, sender) = (lab.connect(), lab.connect());
    let numbers = json!({
        "properties": {"messages": {"items": {"properties": {"data": {"type": "number"}}}}},
        "not": {"type": "string"},
    });
    lab.quietly(
        worker,
        json!({"type": "registerfunction", "id": "f", "request_format": numbers}),
    );
    (lab, worker, sender)
}

#[test]
fn a_message_that_does_not_fit_holds_up_its_queue_alone() {
    let (mut lab, worker, sender) = strict();
    let subscriber = lab.connect();
    for (id, queue) in [("t", "q"), ("u", "q"), ("v", "r")] {
        listen(&mut lab, subscriber, id, queue);
    }
    put(&mut lab, sender, message("q", json!("bad")));
    put(&mut lab, sender, message("q", json!(1)));
    put(&mut lab, sender, message("r", json!(2)));
    assert_eq!(only_message(&mut lab, worker).1, 2);
    // Whoever else takes from the queue, an attempt of the message takes a second.
    listen(&mut lab, subscriber, "w", "q");
    for second in 1..10 {
        assert_eq!(stats(&mut lab, "q", "visible"), [2], "{second}");
        lab.advance(seconds(1));
    }
    assert_eq!(stats(&mut lab, "q::dead_letter", "visible"), [1]);
    lab.advance(seconds(1));
    assert_eq!(only_message(&mut lab, worker).1, 1);
}

#[test]
fn a_call_that_does_not_fit_is_made_again_each_second_whatever_comes_after_it() {
    let (mut lab, worker, sender) = strict();
    put(&mut lab, sender, enqueue_call("f", json!("bad")));
    for number in 0..12 {
        put(&mut lab, sender, enqueue_call("f", json!(number)));
    }
    assert_eq!(stats(&mut lab, "q::dead_letter", "visible"), [0; 0]);
    lab.assert_silent(worker);
    lab.advance(seconds(9));
    assert_eq!(stats(&mut lab, "q::dead_letter", "visible"), [1]);
    lab.advance(seconds(1));
    assert_eq!(lab.frames(worker).len(), 10);
}

#[test]
fn two_pauses_of_one_subscriber_end_in_whatever_order() {
    let (mut lab, worker, sender) = strict_with(Settings {
        call_bytes_per_caller_max: 1,
        ..Settings::default()
    });
    let (busy, elsewhere) = (lab.connect(), lab.connect());
    lab.function(elsewhere, "g");
    lab.send(busy, invoke("c", "g"));
    listen(&mut lab, busy, "t", "q");
    listen(&mut lab, busy, "u", "r");
    put(&mut lab, sender, message("q", json!("bad")));
    put(&mut lab, sender, message("q", json!(1)));
    lab.advance(Duration::from_millis(500));
    put(&mut lab, sender, message("r", json!(2)));
    // The first message is given up after nine seconds, while its queue waits for another one.
    lab.advance(seconds(15));
    assert_eq!(stats(&mut lab, "q::dead_letter", "visible"), [1]);
    lab.assert_silent(worker);
    let asked = lab.only_frame(elsewhere);
    lab.send(elsewhere, answer(&asked, Value::Null));
    lab.advance(seconds(1));
    assert_eq!(lab.frames(worker).len(), 1);
}
