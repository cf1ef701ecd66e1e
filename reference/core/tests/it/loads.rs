//! How much the calls that workers have still to answer may be together (D-28).

use std::time::Duration;

use reference_core::{EventKind, SessionId, Settings};
use serde_json::{Value, json};

use crate::support::{
    Asked, Lab, Step, answer, invoke, register_function, register_trigger, seconds,
};

/// What a call of `f` under an id of one letter counts.
const CALL: usize = 512 + 1 + 1 + "null".len();

/// A lab with the function `f`, `g` and `h`, a worker each.
fn served(settings: Settings) -> (Lab, [SessionId; 3]) {
    let mut lab = Lab::with(settings);
    let workers = ["f", "g", "h"].map(|function| {
        let worker = lab.connect();
        lab.quietly(worker, register_function(function));
        worker
    });
    (lab, workers)
}

/// What the caller is told of a call at once, if anything.
fn told(lab: &mut Lab, caller: SessionId, id: &str, function: &str) -> Option<Value> {
    let mut call = invoke(id, function);
    call["data"] = Value::Null;
    lab.send(caller, call);
    lab.frames(caller).pop()
}

#[track_caller]
fn assert_refused(told: Option<&Value>, bound: &str) {
    let error = &told.expect("a refusal")["error"];
    assert_eq!(error["code"], "too_many_requests");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(bound), "{message}");
}

#[test]
fn what_one_session_asks_of_workers_is_bounded_and_others_still_ask() {
    let (mut lab, [f, ..]) = served(Settings {
        call_bytes_per_caller_max: 2 * CALL,
        ..Settings::default()
    });
    let (caller, other) = (lab.connect(), lab.connect());
    assert_eq!(told(&mut lab, caller, "a", "f"), None);
    assert_eq!(told(&mut lab, caller, "b", "g"), None);
    let refusal = told(&mut lab, caller, "c", "h");
    assert_refused(refusal.as_ref(), "the calls of this session that workers");
    assert_eq!(told(&mut lab, other, "a", "h"), None);
    let call = lab.only_frame(f);
    lab.send(f, answer(&call, json!(1)));
    lab.frames(caller);
    assert_eq!(told(&mut lab, caller, "d", "h"), None);
}

#[test]
fn what_all_ask_of_workers_is_bounded_and_has_room_again() {
    let (mut lab, [f, g, _]) = served(Settings {
        call_bytes_max: 2 * CALL,
        ..Settings::default()
    });
    let (first, second) = (lab.connect(), lab.connect());
    assert_eq!(told(&mut lab, first, "a", "f"), None);
    assert_eq!(told(&mut lab, second, "b", "g"), None);
    for caller in [first, second] {
        let refusal = told(&mut lab, caller, "c", "h");
        assert_refused(refusal.as_ref(), "all calls that workers");
    }
    // A caller that leaves makes no room, as its worker has still to answer; a worker does.
    lab.disconnect(second);
    assert!(told(&mut lab, first, "c", "h").is_some());
    lab.disconnect(g);
    assert_eq!(told(&mut lab, first, "c", "h"), None);
    let call = lab.only_frame(f);
    lab.send(f, answer(&call, json!(1)));
    lab.frames(first);
    assert_eq!(told(&mut lab, first, "d", "f"), None);
}

#[test]
fn a_call_of_any_size_finds_room_alone() {
    let (mut lab, _) = served(Settings {
        call_bytes_per_worker_max: 1,
        call_bytes_per_caller_max: 1,
        call_bytes_max: 1,
        ..Settings::default()
    });
    let caller = lab.connect();
    assert_eq!(told(&mut lab, caller, "a", "f"), None);
    assert!(told(&mut lab, caller, "b", "g").is_some());
}

#[test]
fn a_call_that_has_ended_makes_room_for_one() {
    let of_a_caller = Settings {
        call_bytes_per_caller_max: 3 * CALL,
        ..Settings::default()
    };
    let of_all = Settings {
        call_bytes_max: 3 * CALL,
        ..Settings::default()
    };
    for settings in [of_a_caller, of_all] {
        let (mut lab, [f, ..]) = served(settings);
        let caller = lab.connect();
        for (id, function) in [("a", "f"), ("b", "g"), ("c", "h")] {
            assert_eq!(told(&mut lab, caller, id, function), None);
        }
        let call = lab.only_frame(f);
        lab.send(f, answer(&call, json!(1)));
        lab.frames(caller);
        assert_eq!(told(&mut lab, caller, "d", "f"), None);
        assert!(told(&mut lab, caller, "e", "g").is_some());
    }
}

/// A lab whose workers may be asked so much.
fn only_so_many_per_worker(calls: usize) -> (Lab, [SessionId; 3]) {
    served(Settings {
        call_bytes_per_worker_max: calls * CALL,
        call_bytes_per_caller_max: 2 * CALL,
        call_bytes_max: 2 * CALL,
        ..Settings::default()
    })
}

#[test]
fn a_call_that_has_timed_out_counts_with_its_worker_alone_until_it_answers() {
    let (mut lab, [f, g, _]) = only_so_many_per_worker(2);
    let caller = lab.connect();
    for id in ["a", "b"] {
        assert_eq!(told(&mut lab, caller, id, "f"), None);
    }
    lab.advance(seconds(30));
    assert_eq!(lab.frames(caller).len(), 2);
    let refusal = told(&mut lab, caller, "c", "f");
    assert_refused(refusal.as_ref(), "the calls that its worker has still");
    for id in ["c", "d"] {
        assert_eq!(told(&mut lab, caller, id, "g"), None);
    }
    for call in lab.frames(g) {
        lab.send(g, answer(&call, json!(1)));
    }
    lab.frames(caller);
    lab.events();
    let late = lab.frames(f).remove(1);
    for _ in 0..2 {
        lab.send(f, answer(&late, json!(1)));
        lab.send(g, answer(&late, json!(1)));
    }
    lab.assert_silent(caller);
    let dropped = |it: &EventKind| matches!(it, EventKind::AnswerDropped { .. });
    assert_eq!(lab.events().iter().filter(|it| dropped(it)).count(), 4);
    assert_eq!(told(&mut lab, caller, "e", "f"), None);
    assert!(told(&mut lab, caller, "e", "f").is_some());
}

#[test]
fn a_call_that_has_timed_out_counts_no_longer_than_another_could_last() {
    let (mut lab, _) = only_so_many_per_worker(1);
    let caller = lab.connect();
    assert_eq!(told(&mut lab, caller, "a", "f"), None);
    lab.advance(seconds(60) - Duration::from_nanos(1));
    assert_eq!(lab.frames(caller).len(), 1);
    assert!(told(&mut lab, caller, "b", "f").is_some());
    lab.advance(Duration::from_nanos(1));
    assert_eq!(told(&mut lab, caller, "c", "f"), None);
}

#[test]
fn a_worker_that_goes_leaves_nothing_of_what_it_has_not_answered() {
    let (mut lab, [f, ..]) = only_so_many_per_worker(1);
    let caller = lab.connect();
    assert_eq!(told(&mut lab, caller, "a", "f"), None);
    lab.advance(seconds(30));
    lab.frames(caller);
    lab.disconnect(f);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn clients_that_give_up_do_not_flood_a_worker() {
    let (mut lab, [f, ..]) = served(Settings {
        call_bytes_per_worker_max: 5_000,
        ..Settings::default()
    });
    lab.ask(
        f,
        register_trigger("t", "http", "f", json!({"path": "/f", "method": "POST"})),
    );
    let mut refused = 0;
    for _ in 0..10 {
        let exchange = lab.request(Asked {
            method: "POST",
            target: "/f".to_owned(),
            body: vec![b'x'; 1_000],
            ..Asked::default()
        });
        match lab.answer_to(exchange) {
            Some(answer) => {
                assert_eq!(answer.status, 503);
                refused += 1;
            }
            None => lab.input(Step::HttpAbandoned(exchange)),
        }
    }
    let calls = lab.frames(f);
    assert_eq!((calls.len() + refused, calls.len() < 4), (10, true));
    for call in calls {
        lab.quietly(f, answer(&call, json!(1)));
    }
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn messages_that_are_handed_out_again_and_again_do_not_flood_a_worker() {
    let (mut lab, [f, ..]) = served(Settings {
        call_bytes_per_worker_max: 5_000,
        ..Settings::default()
    });
    let config = json!({"queue_name": "q", "visibility_timeout": 0.001, "batch_size": 1});
    lab.ask(f, register_trigger("t", "queue", "f", config));
    for _ in 0..10 {
        let mut enqueue = invoke("e", "enqueue");
        enqueue["data"] = json!({"queue_name": "q", "data": "x".repeat(1_000)});
        lab.send(f, enqueue);
    }
    lab.advance(seconds(20));
    let calls = lab.frames_of_type(f, "invokefunction");
    assert!(calls.len() < 4, "{}", calls.len());
}
