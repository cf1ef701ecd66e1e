//! Registering triggers of the engine's own types: RT-01 to RT-16, D-03 to D-06.

use reference_core::{EventKind, SessionId, Subject};
use serde_json::{Value, json};

use crate::support::{
    Lab, invoke, refused, register_function, register_trigger, registered, unregister,
};

pub fn with_function(id: &str) -> (Lab, SessionId) {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, id);
    (lab, worker)
}

pub fn http(id: &str) -> Value {
    register_trigger(id, "http", "f", json!({"path": "/x"}))
}

#[track_caller]
pub fn assert_code(result: &Value, code: &str) {
    assert_eq!(result["error"]["code"], code, "{result}");
}

#[test]
fn success_repeats_the_request_and_has_no_error_field() {
    let (mut lab, worker) = with_function("f");
    for (trigger_type, config) in [
        (
            "http",
            json!({"path": "/webhooks/github", "method": "POST"}),
        ),
        (
            "cron",
            json!({"schedule": "0 9 * * *", "timezone": "America/New_York"}),
        ),
        (
            "queue",
            json!({"queue_name": "q", "batch_size": 10, "visibility_timeout": 30}),
        ),
    ] {
        let id = format!("my {trigger_type}");
        let result = lab.ask(worker, register_trigger(&id, trigger_type, "f", config));
        assert_eq!(result, registered(&id, trigger_type, "f"));
    }
}

#[test]
fn an_unknown_type_is_refused_with_the_documented_text() {
    let (mut lab, worker) = with_function("my_function");
    let error = json!({
        "code": "trigger_type_not_found",
        "message": "No trigger type registered with ID 'nonexistent_type'",
    });
    assert_eq!(
        lab.ask(
            worker,
            register_trigger("t", "nonexistent_type", "my_function", json!({}))
        ),
        refused("t", "nonexistent_type", "my_function", error)
    );
}

#[test]
fn an_unknown_function_is_refused_with_the_documented_text() {
    let (mut lab, worker) = with_function("f");
    let error = json!({
        "code": "function_not_found",
        "message": "No function registered with ID 'nonexistent_function'",
    });
    let config = json!({"path": "/test"});
    assert_eq!(
        lab.ask(
            worker,
            register_trigger("t", "http", "nonexistent_function", config)
        ),
        refused("t", "http", "nonexistent_function", error)
    );
}

#[test]
fn a_taken_id_is_refused_with_the_documented_text_and_the_first_trigger_stays() {
    let (mut lab, worker) = with_function("f");
    lab.ask(worker, http("existing_trigger"));
    let error = json!({
        "code": "duplicate_trigger_id",
        "message": "A trigger with ID 'existing_trigger' is already registered",
    });
    let config = json!({"queue_name": "q"});
    assert_eq!(
        lab.ask(
            worker,
            register_trigger("existing_trigger", "queue", "f", config)
        ),
        refused("existing_trigger", "queue", "f", error)
    );
    let list = lab.ask(worker, invoke("c", "engine::registered-triggers::list"));
    let triggers = list["result"]["registered_triggers"].as_array().unwrap();
    assert_eq!(triggers.len(), 1);
    assert_eq!(triggers[0]["trigger_type"], "http");
}

#[test]
fn of_several_faults_the_first_in_the_documents_order_is_reported() {
    let (mut lab, worker) = with_function("f");
    lab.ask(worker, http("taken"));
    let (good, bad) = (json!({"path": "/"}), json!({}));
    for (id, trigger_type, function, config, code) in [
        ("taken", "none", "none", &bad, "trigger_type_not_found"),
        ("free", "none", "none", &good, "trigger_type_not_found"),
        ("taken", "none", "f", &good, "trigger_type_not_found"),
        ("taken", "http", "none", &bad, "function_not_found"),
        ("free", "http", "none", &bad, "function_not_found"),
        ("taken", "http", "none", &good, "function_not_found"),
        ("taken", "http", "f", &bad, "invalid_config"),
        ("taken", "http", "f", &good, "duplicate_trigger_id"),
    ] {
        let request = register_trigger(id, trigger_type, function, config.clone());
        assert_code(&lab.ask(worker, request), code);
    }
}

#[test]
fn the_function_comes_first() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    assert_code(&lab.ask(worker, http("t")), "function_not_found");
    lab.function(worker, "f");
    assert_eq!(lab.ask(worker, http("t")), registered("t", "http", "f"));
}

#[test]
fn requests_without_a_pause_take_effect_and_are_answered_in_order() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.send(worker, http("a"));
    lab.send(worker, register_function("f"));
    lab.send(worker, http("b"));
    lab.send(worker, http("b"));
    lab.send(worker, unregister("trigger", "b"));
    lab.send(worker, http("b"));
    let frames = lab.frames(worker);
    let answers: Vec<(&Value, &Value)> = frames
        .iter()
        .map(|frame| (&frame["id"], &frame["error"]["code"]))
        .collect();
    assert_eq!(
        json!(answers),
        json!([
            ["a", "function_not_found"],
            ["b", null],
            ["b", "duplicate_trigger_id"],
            ["b", null]
        ])
    );
}

#[test]
fn a_function_of_another_session_and_one_of_the_engine_will_do() {
    let (mut lab, _worker) = with_function("f");
    let registrar = lab.connect();
    assert_eq!(lab.ask(registrar, http("t")), registered("t", "http", "f"));
    let function = "engine::functions::list";
    let request = register_trigger("u", "http", function, json!({"path": "/"}));
    assert_eq!(
        lab.ask(registrar, request),
        registered("u", "http", function)
    );
}

#[test]
fn trigger_ids_are_unique_within_a_session_only() {
    let (mut lab, worker) = with_function("f");
    let other = lab.connect();
    assert_eq!(lab.ask(worker, http("t")), registered("t", "http", "f"));
    assert_eq!(lab.ask(other, http("t")), registered("t", "http", "f"));
    assert_code(&lab.ask(other, http("t")), "duplicate_trigger_id");
    // Each unregisters its own.
    lab.quietly(other, unregister("trigger", "t"));
    assert_code(&lab.ask(worker, http("t")), "duplicate_trigger_id");
    assert_eq!(lab.ask(other, http("t")), registered("t", "http", "f"));
}

#[test]
fn unregistering_a_trigger_is_silent_and_frees_its_id() {
    let (mut lab, worker) = with_function("f");
    for _ in 0..3 {
        assert_eq!(lab.ask(worker, http("t")), registered("t", "http", "f"));
        lab.quietly(worker, unregister("trigger", "t"));
    }
    let with_type = json!({"type": "unregistertrigger", "id": "t", "trigger_type": "http"});
    lab.ask(worker, http("t"));
    lab.quietly(worker, with_type);
    lab.ask(worker, http("t"));
}

#[test]
fn unregistering_a_trigger_that_is_not_the_sessions_own_is_logged_and_does_nothing() {
    let (mut lab, worker) = with_function("f");
    let other = lab.connect();
    lab.ask(worker, http("t"));
    lab.events();
    lab.quietly(other, unregister("trigger", "t"));
    let (subject, id) = (Subject::Trigger, "t".to_owned());
    assert_eq!(lab.events(), [EventKind::NotItsOwn { subject, id }]);
    assert_code(&lab.ask(worker, http("t")), "duplicate_trigger_id");
}

#[test]
fn a_trigger_outlives_its_function() {
    let (mut lab, worker) = with_function("f");
    lab.ask(worker, http("t"));
    lab.quietly(worker, unregister("function", "f"));
    let list = lab.ask(worker, invoke("c", "engine::registered-triggers::list"));
    assert_eq!(list["result"]["registered_triggers"][0]["id"], "t");
    lab.function(worker, "f");
    assert_code(&lab.ask(worker, http("t")), "duplicate_trigger_id");
}

#[test]
fn the_session_goes_on_after_each_refusal() {
    let (mut lab, worker) = with_function("f");
    for request in [
        register_trigger("t", "none", "f", json!({})),
        register_trigger("t", "http", "none", json!({})),
        register_trigger("t", "http", "f", json!({})),
    ] {
        assert!(lab.ask(worker, request)["error"].is_object());
        assert_eq!(
            lab.ask(worker, json!({"type": "ping"})),
            json!({"type": "pong"})
        );
    }
    assert_eq!(lab.closes(), []);
}
