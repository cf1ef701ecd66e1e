//! Calls: CO-09 to CO-13, CO-19, D-09, D-15, D-20, D-24, D-27.

use std::time::Duration;

use reference_core::{DeadlineReason, EventKind, Machine, SessionId, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Lab, answer, invoke, parse, register_function, seconds, unregister};

/// A worker that serves `f`, and a caller.
fn served() -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    (lab, worker, caller)
}

/// A call of `f` on its way, as the worker sees it.
fn called(lab: &mut Lab, worker: SessionId, caller: SessionId, id: &str) -> Value {
    lab.send(caller, invoke(id, "f"));
    lab.only_frame(worker)
}

fn result(id: &str, result: Value) -> Value {
    json!({"type": "invocationresult", "invocation_id": id, "function_id": "f", "result": result})
}

#[track_caller]
fn assert_failed(frame: &Value, id: &str, code: &str) {
    let message = &frame["error"]["message"];
    assert!(message.is_string(), "{frame}");
    let error = json!({"code": code, "message": message});
    let expected = json!({
        "type": "invocationresult", "invocation_id": id,
        "function_id": frame["function_id"], "error": error,
    });
    assert_eq!(*frame, expected);
}

/// Texts that come out differently if anybody reads and rewrites them.
const DELICATE: [&str; 12] = [
    r#"{"b":1,"a":2}"#,
    r#"{"a":1,"a":2,"a":{"a":null,"a":null}}"#,
    "1e400",
    "-0.0",
    "123456789012345678901234567890.10",
    "1.0E+2",
    r#""\u00e9\/\ud83e\udd80\n\u0000""#,
    r#""\ud800""#,
    "[1,  2 ,\t3\n]",
    "\"\u{2028}é\u{7f}\"",
    "false",
    "null",
];

#[test]
fn a_call_reaches_the_worker_under_an_id_of_the_engines_and_its_result_under_the_callers() {
    let (mut lab, worker, caller) = served();
    let mut sent = invoke("no uuid", "f");
    sent["data"] = json!({"amount": 12.5});
    lab.send(caller, &sent);
    let call = lab.only_frame(worker);
    let id = call["invocation_id"].as_str().unwrap();
    let uuid = Uuid::try_parse(id).unwrap();
    assert_eq!(uuid.hyphenated().to_string(), id);
    sent["invocation_id"] = json!(id);
    assert_eq!(call, sent);
    lab.send(worker, answer(&call, json!({"order": 17})));
    lab.assert_silent(worker);
    assert_eq!(
        lab.only_frame(caller),
        result("no uuid", json!({"order": 17}))
    );
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn data_and_result_and_error_pass_byte_for_byte() {
    let (mut lab, worker, caller) = served();
    for text in DELICATE {
        let call = r#""function_id":"f","type":"invokefunction","invocation_id":"c""#;
        lab.send(caller, format!(r#"{{"data": {text} ,{call}}}"#));
        let call = lab.only_text(worker);
        assert!(call.contains(&format!(r#""data":{text}}}"#)), "{call}");
        let id = call.split('"').nth(7).unwrap().to_owned();
        lab.send(
            worker,
            format!(r#"{{"result":  {text},"type":"invocationresult","invocation_id":"{id}"}}"#),
        );
        let answer = lab.only_text(caller);
        assert!(
            answer.contains(&format!(r#""result":{text}}}"#)),
            "{answer}"
        );
    }
    for text in DELICATE.iter().filter(|text| text.starts_with('{')) {
        let call = called(&mut lab, worker, caller, "c");
        let id = &call["invocation_id"];
        lab.send(
            worker,
            format!(r#"{{"error":  {text},"type":"invocationresult","invocation_id":{id}}}"#),
        );
        let answer = lab.only_text(caller);
        assert!(answer.contains(&format!(r#""error":{text}}}"#)), "{answer}");
        assert!(!answer.contains("result\":"), "{answer}");
    }
}

#[test]
fn an_error_that_is_no_object_ends_the_call_as_failed() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    for error in [r#""boom""#, "5", "false", "[]"] {
        let call = called(&mut lab, worker, caller, "c");
        let id = &call["invocation_id"];
        lab.send(
            worker,
            format!(r#"{{"type":"invocationresult","invocation_id":{id},"error":{error}}}"#),
        );
        let answer = lab.only_frame(caller);
        assert_eq!(answer["error"]["code"], "invocation_failed", "{error}");
    }
}

#[test]
fn missing_data_is_null() {
    let (mut lab, worker, caller) = served();
    lab.send(
        caller,
        json!({"type": "invokefunction", "function_id": "f"}),
    );
    assert!(lab.only_text(worker).contains(r#""data":null"#));
}

#[test]
fn metadata_and_trace_context_are_passed_on_to_the_worker_and_trace_context_back() {
    let (mut lab, worker, caller) = served();
    let metadata = r#"{"b":1e400,"a":"\/"}"#;
    let call = r#""type":"invokefunction","invocation_id":"c","function_id":"f""#;
    let trace = r#""traceparent":"00-a-b-01","baggage":"tenant=7\n""#;
    lab.send(
        caller,
        format!(r#"{{{call},"metadata":{metadata},{trace}}}"#),
    );
    let text = lab.only_text(worker);
    assert!(
        text.contains(&format!(r#""metadata":{metadata}"#)),
        "{text}"
    );
    assert!(
        text.contains(r#""traceparent":"00-a-b-01","baggage":"tenant=7\n""#),
        "{text}"
    );
    let id = text.split('"').nth(7).unwrap();
    let reply = json!({
        "type": "invocationresult", "invocation_id": id, "result": 1,
        "traceparent": "tp", "baggage": "",
    });
    lab.send(worker, reply);
    let mut expected = result("c", json!(1));
    expected["traceparent"] = json!("tp");
    expected["baggage"] = json!("");
    assert_eq!(lab.only_frame(caller), expected);
}

#[test]
fn a_call_without_an_id_or_with_the_action_void_gets_no_reply() {
    let (mut lab, worker, caller) = served();
    let void = json!({"type": "void"});
    for call in [
        json!({"type": "invokefunction", "function_id": "f", "data": 1}),
        json!({"type": "invokefunction", "function_id": "f", "data": 1, "action": void}),
        json!({"type": "invokefunction", "function_id": "f", "data": 1, "invocation_id": "c", "action": void}),
    ] {
        lab.quietly(caller, call.clone());
        // The worker sees a plain call, with an id, and may answer it.
        let seen = lab.only_frame(worker);
        assert!(Uuid::try_parse(seen["invocation_id"].as_str().unwrap()).is_ok());
        assert_eq!(seen.get("action"), None);
        lab.quietly(worker, answer(&seen, json!(1)));
        lab.assert_silent(caller);
        // Nor is a failure told.
        let mut lost = call;
        lost["function_id"] = json!("none");
        lab.quietly(caller, lost);
    }
    lab.quietly(
        caller,
        json!({"type": "invokefunction", "function_id": "f"}),
    );
    lab.advance(seconds(31));
    lab.assert_silent(caller);
}

#[test]
fn a_function_that_nobody_serves_is_not_found() {
    let mut lab = Lab::new();
    let caller = lab.connect();
    let failed = lab.ask(caller, invoke("c", "none"));
    assert_failed(&failed, "c", "function_not_found");
    assert_eq!(failed["function_id"], "none");
    assert_eq!(
        failed["error"]["message"],
        "No function registered with ID 'none'"
    );
}

#[test]
fn two_callers_may_use_one_id_and_so_may_one_caller_twice() {
    let (mut lab, worker, caller) = served();
    let other = lab.connect();
    let first = called(&mut lab, worker, caller, "same");
    let second = called(&mut lab, worker, other, "same");
    let third = called(&mut lab, worker, caller, "same");
    assert_ne!(first["invocation_id"], second["invocation_id"]);
    assert_ne!(first["invocation_id"], third["invocation_id"]);
    for (call, value) in [(&third, 3), (&second, 2), (&first, 1)] {
        lab.send(worker, answer(call, json!(value)));
    }
    assert_eq!(
        lab.frames(caller),
        [result("same", json!(3)), result("same", json!(1))]
    );
    assert_eq!(lab.frames(other), [result("same", json!(2))]);
}

#[test]
fn a_worker_may_call_itself() {
    let (mut lab, worker, _) = served();
    let call = lab.ask(worker, invoke("c", "f"));
    assert_eq!(
        lab.ask(worker, answer(&call, json!(1))),
        result("c", json!(1))
    );
}

#[test]
fn neither_result_nor_error_is_success_with_null() {
    let (mut lab, worker, caller) = served();
    for extra in [
        json!({}),
        json!({"result": null}),
        json!({"result": null, "error": null}),
    ] {
        let call = called(&mut lab, worker, caller, "c");
        let mut reply = json!({"type": "invocationresult", "invocation_id": call["invocation_id"]});
        reply
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        lab.send(worker, reply);
        let text = lab.only_text(caller);
        assert_eq!(parse(&text), result("c", Value::Null));
        assert!(
            text.contains(r#""result":null"#) && !text.contains("error"),
            "{text}"
        );
    }
}

#[test]
fn of_result_and_error_the_error_counts() {
    let (mut lab, worker, caller) = served();
    let call = called(&mut lab, worker, caller, "c");
    let mut reply = answer(&call, json!(1));
    reply["error"] =
        json!({"code": "invocation_failed", "message": "out of stock", "stacktrace": "at"});
    lab.send(worker, &reply);
    let mut expected = reply;
    expected["invocation_id"] = json!("c");
    expected.as_object_mut().unwrap().remove("result");
    assert_eq!(lab.only_frame(caller), expected);
}

#[test]
fn answers_of_others_and_second_and_unknown_ones_are_dropped_and_logged() {
    let (mut lab, worker, caller) = served();
    let stranger = lab.connect();
    lab.function(stranger, "g");
    let call = called(&mut lab, worker, caller, "c");
    lab.events();
    lab.quietly(stranger, answer(&call, json!("forged")));
    lab.quietly(caller, answer(&call, json!("forged")));
    for id in ["c", "no uuid", "00000000-0000-0000-0000-00000000ffff"] {
        lab.quietly(
            worker,
            json!({"type": "invocationresult", "invocation_id": id, "result": 1}),
        );
    }
    lab.assert_silent(caller);
    lab.send(worker, answer(&call, json!("first")));
    lab.quietly(worker, answer(&call, json!("second")));
    assert_eq!(lab.only_frame(caller), result("c", json!("first")));
    let events = lab.events();
    assert_eq!(events.len(), 6);
    for event in events {
        assert!(matches!(event, EventKind::AnswerDropped { .. }), "{event}");
    }
}

#[test]
fn a_call_that_is_never_answered_ends_exactly_at_its_time() {
    let call_timeout = Duration::from_millis(1_500);
    let settings = Settings {
        call_timeout,
        ..Settings::default()
    };
    for (mut lab, waits) in [
        (Lab::new(), seconds(30)),
        (Lab::with(settings), call_timeout),
    ] {
        let (worker, caller) = (lab.connect(), lab.connect());
        lab.function(worker, "f");
        lab.advance(seconds(5));
        let call = called(&mut lab, worker, caller, "c");
        let deadline = lab.engine.next_deadline().unwrap();
        assert_eq!(deadline.at, seconds(5) + waits);
        assert_eq!(deadline.reason, DeadlineReason::CallTimeout);
        lab.tick_at(deadline.at - Duration::from_nanos(1));
        lab.assert_silent(caller);
        lab.tick_at(deadline.at);
        assert_failed(&lab.only_frame(caller), "c", "timeout");
        lab.quietly(worker, answer(&call, json!("late")));
        lab.assert_silent(caller);
        assert_eq!(lab.next_deadline(), None);
    }
}

#[test]
fn calls_time_out_in_the_order_in_which_they_were_made() {
    let (mut lab, worker, caller) = served();
    for id in ["a", "b", "c"] {
        called(&mut lab, worker, caller, id);
    }
    lab.advance(seconds(60));
    let frames = lab.frames(caller);
    let ids: Vec<&Value> = frames.iter().map(|frame| &frame["invocation_id"]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[test]
fn a_worker_that_goes_stops_the_calls_that_it_had_to_answer_and_no_others() {
    let (mut lab, worker, caller) = served();
    let other = lab.connect();
    lab.function(other, "g");
    for id in ["a", "b"] {
        called(&mut lab, worker, caller, id);
    }
    lab.send(caller, invoke("kept", "g"));
    lab.disconnect(worker);
    let frames = lab.frames(caller);
    assert_eq!(frames.len(), 2);
    assert_failed(&frames[0], "a", "invocation_stopped");
    assert_failed(&frames[1], "b", "invocation_stopped");
    let call = lab.only_frame(other);
    lab.send(other, answer(&call, json!(1)));
    assert_eq!(lab.only_frame(caller)["invocation_id"], "kept");
    assert_eq!(lab.next_deadline(), None);
    assert_failed(
        &lab.ask(caller, invoke("c", "f")),
        "c",
        "function_not_found",
    );
}

#[test]
fn a_function_that_is_unregistered_may_still_answer_the_calls_under_way() {
    let (mut lab, worker, caller) = served();
    let call = called(&mut lab, worker, caller, "c");
    lab.quietly(worker, unregister("function", "f"));
    lab.send(worker, answer(&call, json!(1)));
    assert_eq!(lab.only_frame(caller), result("c", json!(1)));
}

#[test]
fn a_caller_that_goes_is_sent_nothing_and_its_call_is_still_answered_once() {
    let (mut lab, worker, caller) = served();
    let call = called(&mut lab, worker, caller, "c");
    lab.disconnect(caller);
    lab.assert_silent(worker);
    lab.quietly(worker, answer(&call, json!(1)));
    lab.assert_silent(caller);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_busy_worker_is_spared_what_it_could_not_take() {
    let mut lab = Lab::with(Settings {
        call_bytes_per_worker_max: 2_516,
        ..Settings::default()
    });
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    let large = |id: &str, bytes: usize| {
        let mut call = invoke(id, "f");
        call["data"] = "x".repeat(bytes).into();
        call
    };
    // One that is too large by itself is sent alone.
    lab.send(caller, large("a", 5_000));
    assert_failed(&lab.ask(caller, large("b", 10)), "b", "too_many_requests");
    let first = lab.frames(worker).remove(0);
    lab.quietly(worker, answer(&first, json!(1)));
    assert_eq!(lab.frames(caller).len(), 1);
    // Each counts its payload, in quotes, its id, that of the function, and 512 bytes.
    lab.send(caller, large("c", 742));
    assert_failed(&lab.ask(caller, large("d", 743)), "d", "too_many_requests");
    lab.send(caller, large("d", 742));
    assert_failed(&lab.ask(caller, large("e", 0)), "e", "too_many_requests");
    assert_eq!(lab.frames(worker).len(), 2);
    // What it has not answered counts for nobody else, and ends with it.
    let other = lab.connect();
    lab.function(other, "g");
    let mut elsewhere = large("x", 700);
    elsewhere["function_id"] = "g".into();
    lab.send(caller, elsewhere);
    assert_eq!(lab.frames(other).len(), 1);
    lab.disconnect(worker);
    assert_eq!(lab.frames(caller).len(), 2);
}

#[test]
fn all_that_a_caller_writes_counts_with_the_worker_that_is_called() {
    let counted = |field: &str, value: Value| {
        let mut lab = Lab::with(Settings {
            call_bytes_per_worker_max: 3_000,
            ..Settings::default()
        });
        let (worker, caller) = (lab.connect(), lab.connect());
        lab.function(worker, "f");
        let mut call = invoke("a", "f");
        call[field] = value;
        lab.send(caller, &call);
        lab.send(caller, call);
        let refused = lab.frames(caller).len();
        assert_eq!(lab.frames(worker).len() + refused, 2);
        refused
    };
    let text = json!("x".repeat(1_000));
    for field in [
        "invocation_id",
        "data",
        "metadata",
        "traceparent",
        "baggage",
    ] {
        assert_eq!(counted(field, text.clone()), 1, "{field}");
    }
    assert_eq!(counted("data", json!(1)), 0);
}

#[test]
fn an_action_that_is_none_is_refused() {
    let (mut lab, worker, caller) = served();
    let mut call = invoke("c", "f");
    call["action"] = json!({"type": "enqueue"});
    assert_failed(&lab.ask(caller, &call), "c", "invalid_request");
    call["action"] = json!({"type": "broadcast"});
    let failed = lab.ask(caller, &call);
    assert_failed(&failed, "c", "invalid_request");
    assert!(
        failed["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`action.type`")
    );
    lab.assert_silent(worker);
}

#[test]
fn a_bad_answer_is_an_error_frame_and_leaves_the_call_open() {
    let (mut lab, worker, caller) = served();
    let call = called(&mut lab, worker, caller, "c");
    let id = &call["invocation_id"];
    let bad =
        format!(r#"{{"type":"invocationresult","invocation_id":{id},"result":1,"result":2}}"#);
    assert_eq!(lab.ask(worker, bad)["type"], "error");
    lab.assert_silent(caller);
    lab.send(worker, answer(&call, json!(3)));
    assert_eq!(lab.only_frame(caller), result("c", json!(3)));
}

#[test]
fn a_function_may_be_called_as_soon_as_its_frame_is_sent() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.send(worker, invoke("before", "f"));
    lab.send(worker, register_function("f"));
    lab.send(worker, invoke("after", "f"));
    let frames = lab.frames(worker);
    assert_failed(&frames[0], "before", "function_not_found");
    assert_eq!(frames[1]["type"], "invokefunction");
}
