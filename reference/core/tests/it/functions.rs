//! Registering functions: RF-01 to RF-03, RF-09 to RF-13, D-01, D-03, D-14, D-16.

use reference_core::{EventKind, Subject};
use serde_json::{Value, json};

use crate::support::{Lab, answer, invoke, register_function, register_trigger, unregister};

pub const URL: &str = "https://example.com/lambda";

pub fn http_function(id: &str, invocation: Value) -> Value {
    json!({"type": "registerfunction", "id": id, "invocation": invocation})
}

pub fn refusal(id: &str, code: &str, message: &str) -> Value {
    json!({
        "type": "functionregistrationresult", "id": id,
        "error": {"code": code, "message": message},
    })
}

#[test]
fn a_registered_function_is_called_under_its_id_and_registration_is_silent() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.quietly(worker, register_function("process_payment"));
    lab.send(caller, invoke("c", "process_payment"));
    assert_eq!(lab.only_frame(worker)["function_id"], "process_payment");
    lab.assert_silent(caller);
}

#[test]
fn every_optional_field_may_be_there() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let formats = [
        json!({"type": "object"}),
        json!({}),
        json!(true),
        json!(false),
    ];
    for (number, format) in formats.into_iter().enumerate() {
        lab.quietly(
            worker,
            json!({
                "type": "registerfunction", "id": number.to_string(), "description": "d",
                "request_format": format, "response_format": format, "metadata": [number],
            }),
        );
    }
}

#[test]
fn formats_do_not_restrict_calls() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.quietly(
        worker,
        json!({"type": "registerfunction", "id": "f", "request_format": false, "response_format": false}),
    );
    lab.send(caller, invoke("c", "f"));
    let call = lab.only_frame(worker);
    lab.send(worker, answer(&call, json!(1)));
    assert_eq!(lab.only_frame(caller)["result"], 1);
}

#[test]
fn a_second_registration_of_an_id_is_refused_and_the_first_stays() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.quietly(
        worker,
        json!({"type": "registerfunction", "id": "f", "description": "first"}),
    );
    let second = json!({"type": "registerfunction", "id": "f", "description": "second"});
    assert_eq!(
        lab.ask(worker, second),
        refusal(
            "f",
            "duplicate_function_id",
            "A function with ID 'f' is already registered"
        )
    );
    let list = lab.ask(worker, invoke("c", "engine::functions::list"));
    let functions = json!([{"function_id": "f", "description": "first"}]);
    assert_eq!(list["result"]["functions"], functions);
}

#[test]
fn a_function_over_http_and_one_of_the_worker_share_their_ids() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    let again = lab.ask(worker, http_function("f", json!({"url": URL})));
    assert_eq!(again["error"]["code"], "duplicate_function_id");
}

#[test]
fn an_unregistered_id_can_be_registered_again_and_another_one_at_any_time() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for _ in 0..3 {
        lab.function(worker, "f");
        assert!(lab.serves("f"));
        lab.frames(worker);
        lab.quietly(worker, unregister("function", "f"));
        assert!(!lab.serves("f"));
    }
    lab.function(worker, "g");
}

#[test]
fn unregistering_what_is_not_there_changes_nothing_and_is_logged() {
    let mut lab = Lab::new();
    let (owner, other) = (lab.connect(), lab.connect());
    lab.function(owner, "f");
    for id in ["f", "unknown", "engine::functions::list"] {
        lab.events();
        lab.quietly(other, unregister("function", id));
        let (subject, id) = (Subject::Function, id.to_owned());
        assert_eq!(lab.events(), [EventKind::NotItsOwn { subject, id }]);
    }
    assert!(lab.serves("f"));
}

#[test]
fn two_sessions_may_serve_one_id_and_calls_go_round() {
    let mut lab = Lab::new();
    let workers = [lab.connect(), lab.connect(), lab.connect()];
    let caller = lab.connect();
    for worker in workers {
        lab.function(worker, "f");
    }
    for _ in 0..4 {
        for worker in workers {
            lab.send(caller, invoke("c", "f"));
            assert_eq!(lab.only_frame(worker)["function_id"], "f");
        }
    }
}

#[test]
fn who_stops_serving_leaves_the_others_serving() {
    let mut lab = Lab::new();
    let (first, second, third) = (lab.connect(), lab.connect(), lab.connect());
    for worker in [first, second, third] {
        lab.function(worker, "f");
    }
    lab.quietly(second, unregister("function", "f"));
    for _ in 0..2 {
        assert!(lab.serves("f"));
    }
    let calls = [first, second, third].map(|worker| lab.frames(worker).len());
    assert_eq!(calls, [1, 0, 1]);
    lab.disconnect(first);
    for _ in 0..3 {
        assert!(lab.serves("f"));
    }
    assert_eq!(lab.frames(third).len(), 3);
    lab.disconnect(third);
    assert!(!lab.serves("f"));
}

#[test]
fn the_engines_own_functions_cannot_be_registered() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for id in [
        "engine::workers::register",
        "engine::functions::list",
        "enqueue",
    ] {
        let answer = lab.ask(worker, register_function(id));
        assert_eq!(answer["error"]["code"], "duplicate_function_id");
    }
    // Nor can those that the engine may have some day.
    let answer = lab.ask(worker, register_function("engine::mine"));
    assert_eq!(answer["error"]["code"], "invalid_request");
    lab.function(worker, "engine.mine");
}

#[test]
fn registrations_and_refusals_are_logged() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.events();
    lab.send(
        worker,
        http_function("f", json!({"url": "https://example.com/?key=1"})),
    );
    lab.send(worker, register_function("f"));
    lab.send(worker, unregister("function", "f"));
    lab.send(worker, json!({"type": "registerservice", "id": "s\n"}));
    let events = lab.events();
    let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "registered function `f` at https://example.com");
    assert!(lines[1].starts_with("refused function `f`: duplicate_function_id: "));
    assert_eq!(lines[2], "unregistered function `f`");
    assert_eq!(lines[3], r"registered service `s\n`");
    assert_eq!(lines.len(), 4);
    lab.frames(worker);
}

#[test]
fn what_a_registration_leaves_with_the_engine_is_bounded() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let large = json!({"description": "x".repeat(1 << 20)});
    for field in ["request_format", "response_format", "metadata"] {
        let answer = lab.ask(
            worker,
            json!({"type": "registerfunction", "id": "f", field: large}),
        );
        assert_eq!(answer["error"]["code"], "invalid_request");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(field), "{message}");
    }
    lab.function(worker, "f");
    let answer = lab.ask(
        worker,
        json!({
            "type": "registertrigger", "id": "t", "trigger_type": "http", "function_id": "f",
            "config": {"path": "/", "more": large},
        }),
    );
    assert_eq!(answer["error"]["code"], "invalid_config");
}

#[test]
fn a_registration_may_leave_a_whole_mebibyte_in_each_field() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    // Quotes and braces count as well.
    let of_bytes = |bytes: usize| json!({"d": "x".repeat(bytes - r#"{"d":""}"#.len())});
    let (largest, too_large) = (of_bytes(1 << 20), of_bytes((1 << 20) + 1));
    lab.function(worker, "f");
    for field in ["request_format", "response_format", "metadata"] {
        let with = |value: &Value| json!({"type": "registerfunction", "id": field, field: value});
        let refused = lab.ask(worker, with(&too_large));
        assert_eq!(refused["error"]["code"], "invalid_request", "{field}");
        lab.quietly(worker, with(&largest));
    }
    let provider = lab.connect();
    lab.trigger_type(provider, "blob");
    let with = |config: &Value| register_trigger("t", "blob", "f", config.clone());
    let refused = lab.ask(worker, with(&too_large));
    assert_eq!(refused["error"]["code"], "invalid_config");
    lab.assert_silent(provider);
    lab.send(worker, with(&largest));
    assert_eq!(lab.only_frame(provider)["config"], largest);
}
