//! The lists that clients ask for (CO-17).

use reference_core::Settings;
use serde_json::{Value, json};

use crate::support::{EPOCH, Lab, Step, answer, invoke, register_trigger, seconds, unregister};

fn list(lab: &mut Lab, what: &str) -> Value {
    let asker = lab.connect();
    let mut answer = lab.ask(asker, invoke("c", &format!("engine::{what}::list")));
    lab.disconnect(asker);
    answer["result"].take()
}

#[test]
fn the_list_of_functions_has_each_id_once_with_what_was_given() {
    let mut lab = Lab::new();
    assert_eq!(list(&mut lab, "functions"), json!({"functions": []}));
    let (worker, other) = (lab.connect(), lab.connect());
    let full = json!({
        "description": "d", "request_format": {"type": "object"},
        "response_format": true, "metadata": [1],
    });
    let mut registration = full.clone();
    registration["type"] = json!("registerfunction");
    registration["id"] = json!("z");
    lab.quietly(worker, registration);
    lab.function(worker, "a");
    lab.function(other, "a");
    let mut listed = full;
    listed["function_id"] = json!("z");
    assert_eq!(
        list(&mut lab, "functions"),
        json!({"functions": [{"function_id": "a"}, listed]})
    );
}

#[test]
fn the_list_of_workers_has_what_each_is_and_does() {
    let mut lab = Lab::new();
    lab.advance(seconds(7));
    let (worker, greeting) = lab.connect_greeted();
    lab.function(worker, "b");
    lab.function(worker, "a");
    lab.quietly(
        worker,
        json!({
            "type": "invokefunction", "function_id": "engine::workers::register",
            "data": {"name": "orders-1", "runtime": "rust"},
        }),
    );
    lab.quietly(worker, json!({"type": "registerservice", "id": "s"}));
    let asker = lab.connect();
    lab.send(asker, invoke("call", "a"));
    let answer = lab.ask(asker, invoke("c", "engine::workers::list"));
    let workers = answer["result"]["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 2);
    assert_eq!(
        workers[0],
        json!({
            "id": greeting["worker_id"], "name": "orders-1", "runtime": "rust",
            "status": "connected",
            "connected_at_ms": u64::try_from((EPOCH + seconds(7)).as_millis()).unwrap(),
            "function_count": 2, "functions": ["a", "b"], "active_invocations": 1,
        })
    );
    assert_eq!(workers[1].get("name"), None);
}

#[test]
fn what_a_worker_says_of_itself_is_kept_unless_it_is_long() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let (fits, long) = ("x".repeat(1_024), "x".repeat(1_025));
    lab.quietly(
        worker,
        json!({
            "type": "invokefunction", "function_id": "engine::workers::register",
            "data": {"name": long, "runtime": fits, "version": "1"},
        }),
    );
    let answer = lab.ask(worker, invoke("c", "engine::workers::list"));
    let listed = &answer["result"]["workers"][0];
    assert_eq!(listed.get("name"), None);
    assert_eq!(listed["runtime"], fits);
    assert_eq!(listed["version"], "1");
}

#[test]
fn a_session_of_telemetry_alone_is_no_worker() {
    let mut lab = Lab::new();
    let (telemetry, asker) = (lab.connect(), lab.connect());
    lab.input(Step::Binary(telemetry, b"OTLP{}".to_vec()));
    let count = |lab: &mut Lab| {
        let answer = lab.ask(asker, invoke("c", "engine::workers::list"));
        answer["result"]["workers"].as_array().unwrap().len()
    };
    assert_eq!(count(&mut lab), 1);
    lab.function(telemetry, "f");
    assert_eq!(count(&mut lab), 2, "it is one from its first text frame on");
}

#[test]
fn the_list_of_trigger_types_has_the_engines_own_and_those_of_workers() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.quietly(
        worker,
        json!({
            "type": "registertriggertype", "id": "blob", "description": "d",
            "trigger_request_format": {"type": "object"}, "call_request_format": true,
        }),
    );
    lab.quietly(worker, json!({"type": "registertriggertype", "id": "a"}));
    let types = list(&mut lab, "triggers")["triggers"].take();
    let ids: Vec<&Value> = types
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(ids, ["http", "cron", "queue", "a", "blob"]);
    for (own, mentions) in
        types
            .as_array()
            .unwrap()
            .iter()
            .zip(["HTTP request", "schedule", "queue"])
    {
        let description = own["description"].as_str().unwrap();
        assert!(description.contains(mentions), "{own}");
    }
    assert_eq!(types[3], json!({"id": "a"}));
    assert_eq!(
        types[4],
        json!({
            "id": "blob", "description": "d",
            "trigger_request_format": {"type": "object"}, "call_request_format": true,
        })
    );
}

#[test]
fn the_list_of_triggers_has_those_of_every_session() {
    let mut lab = Lab::new();
    let (worker, greeting) = lab.connect_greeted();
    let (other, others_greeting) = lab.connect_greeted();
    lab.function(worker, "f");
    for session in [worker, other] {
        lab.ask(
            session,
            register_trigger("t", "http", "f", json!({"path": "/", "x": 1})),
        );
    }
    let trigger = |greeting: &Value| {
        json!({
            "id": "t", "trigger_type": "http", "function_id": "f",
            "config": {"path": "/", "x": 1}, "worker_id": greeting["worker_id"],
        })
    };
    assert_eq!(
        list(&mut lab, "registered-triggers"),
        json!({"registered_triggers": [trigger(&greeting), trigger(&others_greeting)]})
    );
}

#[test]
fn a_list_that_nobody_wants_is_not_sent() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let mut call = invoke("c", "engine::workers::list");
    call["action"] = json!({"type": "void"});
    lab.quietly(worker, call);
}

#[test]
fn a_list_that_is_too_large_is_refused_until_it_is_smaller() {
    let long = "x".repeat(1_000);
    let config = json!({"path": format!("/{long}"), "x": long});
    let text = json!({"queue_name": "q", "data": [long, long]});
    for (function_id, adding, removing) in [
        (
            "engine::functions::list",
            json!({"type": "registerfunction", "id": long, "description": long}),
            unregister("function", &long),
        ),
        (
            "engine::registered-triggers::list",
            register_trigger("t", "http", "f", config),
            unregister("trigger", "t"),
        ),
        (
            "engine::triggers::list",
            json!({"type": "registertriggertype", "id": long, "description": long}),
            unregister("triggertype", &long),
        ),
        (
            "engine::queue::peek",
            call_with("enqueue", text),
            register_trigger("t", "queue", "f", json!({"queue_name": "q"})),
        ),
    ] {
        let mut lab = Lab::with(Settings {
            list_bytes_max: 2_000,
            ..Settings::default()
        });
        let worker = lab.connect();
        lab.function(worker, "f");
        let list = call_with(function_id, json!({"queue_name": "q"}));
        assert_eq!(lab.ask(worker, &list).get("error"), None);
        lab.send(worker, adding);
        lab.texts(worker);
        assert_eq!(
            lab.ask(worker, &list)["error"],
            json!({
                "code": "response_too_large",
                "message": "The list would be larger than 2000 bytes",
            }),
            "{function_id}"
        );
        lab.send(worker, removing);
        if let Some(call) = lab.frames_of_type(worker, "invokefunction").first() {
            lab.send(worker, answer(call, json!(null)));
        }
        lab.texts(worker);
        assert_eq!(lab.ask(worker, &list).get("error"), None, "{function_id}");
    }
}

fn call_with(function_id: &str, data: Value) -> Value {
    let mut call = invoke("i", function_id);
    call["data"] = data;
    call
}
