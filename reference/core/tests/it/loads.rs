//! How much the calls that workers have still to answer may be together (D-28).

use reference_core::{SessionId, Settings};
use serde_json::{Value, json};

use crate::support::{Lab, answer, invoke, register_function};

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
