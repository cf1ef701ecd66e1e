//! How much may be registered (D-28).

use reference_core::Settings;
use serde_json::{Value, json};

use crate::support::{Lab, register_function, register_trigger, unregister};

/// Room for one small registration, and not for two.
const ONE: usize = 1_000;

fn lab(per_session_max: usize, max: usize) -> Lab {
    Lab::with(Settings {
        registration_bytes_max: max,
        registration_bytes_per_session_max: per_session_max,
        ..Settings::default()
    })
}

#[track_caller]
fn assert_full(answer: &Value, whose: &str) {
    assert_eq!(answer["error"]["code"], "too_many_registrations");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(whose), "{message}");
}

fn trigger_type(id: &str) -> Value {
    json!({"type": "registertriggertype", "id": id})
}

fn subscription(id: &str) -> Value {
    register_trigger(id, "queue", "f", json!({"queue_name": id}))
}

#[test]
fn a_session_registers_so_much_and_others_still_can() {
    let mut lab = lab(ONE, usize::MAX);
    let (first, second) = (lab.connect(), lab.connect());
    lab.quietly(first, register_function("f"));
    for more in [register_function("g"), trigger_type("t"), subscription("r")] {
        let answer = lab.ask(first, more);
        assert_full(&answer, "of the session would be larger than 1000 bytes");
    }
    assert!(!lab.serves("g"));
    lab.quietly(second, register_function("g"));
    assert!(lab.serves("g"));
}

#[test]
fn all_sessions_register_so_much_together() {
    let mut lab = lab(usize::MAX, ONE);
    let (first, second) = (lab.connect(), lab.connect());
    lab.quietly(first, register_function("f"));
    let answer = lab.ask(second, register_function("g"));
    assert_full(&answer, "all registrations would be larger than 1000 bytes");
    lab.disconnect(first);
    lab.quietly(second, register_function("g"));
}

#[test]
fn what_is_unregistered_makes_room() {
    let mut lab = lab(ONE, usize::MAX);
    let (owner, other) = (lab.connect(), lab.connect());
    lab.quietly(other, register_function("f"));
    for _ in 0..3 {
        lab.quietly(owner, register_function("g"));
        lab.quietly(owner, unregister("function", "g"));
        lab.quietly(owner, trigger_type("t"));
        lab.quietly(owner, unregister("triggertype", "t"));
        assert_eq!(lab.ask(owner, subscription("r")).get("error"), None);
        lab.quietly(owner, unregister("trigger", "r"));
    }
}

#[test]
fn what_is_refused_takes_none() {
    let mut lab = lab(ONE, usize::MAX);
    let (owner, other) = (lab.connect(), lab.connect());
    lab.quietly(other, register_function("f"));
    let (worse, missing) = (
        register_trigger(
            "r",
            "http",
            "f",
            json!({"path": "no slash", "method": "GET"}),
        ),
        register_trigger(
            "r",
            "http",
            "missing",
            json!({"path": "/r", "method": "GET"}),
        ),
    );
    for refused in [
        worse,
        missing,
        json!({"type": "registertriggertype", "id": "http"}),
    ] {
        assert!(lab.ask(owner, refused)["error"].is_object());
    }
    lab.quietly(owner, register_function("g"));
    assert_eq!(
        lab.ask(owner, register_function("g"))["error"]["code"],
        "duplicate_function_id"
    );
    lab.quietly(owner, unregister("function", "g"));
    lab.quietly(owner, register_function("g"));
}

#[test]
fn a_trigger_that_its_provider_refuses_takes_none() {
    let mut lab = lab(ONE, usize::MAX);
    let (owner, provider, worker) = (lab.connect(), lab.connect(), lab.connect());
    lab.quietly(worker, register_function("f"));
    lab.quietly(provider, trigger_type("t"));
    for _ in 0..3 {
        lab.send(owner, register_trigger("r", "t", "f", json!({})));
        let asked = lab.only_frame(provider);
        let refusal = json!({
            "type": "triggerregistrationresult", "id": asked["id"], "trigger_type": "t",
            "function_id": "f", "error": {"code": "no", "message": "No"},
        });
        lab.send(provider, refusal);
        assert_eq!(lab.only_frame(owner)["error"]["code"], "no");
    }
    lab.quietly(owner, register_function("g"));
}

#[test]
fn every_text_of_a_registration_counts() {
    let long = "x".repeat(ONE);
    let raw = json!({ "x": long });
    let mut with = vec![
        json!({"type": "registertriggertype", "id": "t", "description": long}),
        json!({"type": "registertriggertype", "id": "t", "trigger_request_format": raw}),
        json!({"type": "registertriggertype", "id": "t", "call_request_format": raw}),
        register_trigger(
            "r",
            "http",
            "f",
            json!({"path": "/r", "method": "GET", "more": long}),
        ),
    ];
    for (field, value) in [
        ("description", json!(long)),
        ("request_format", raw.clone()),
        ("response_format", raw.clone()),
        ("metadata", raw.clone()),
        (
            "invocation",
            json!({"url": format!("http://localhost/{long}")}),
        ),
        (
            "invocation",
            json!({"url": "http://localhost/", "headers": {"x": long}}),
        ),
        (
            "invocation",
            json!({"url": "http://localhost/", "headers": {long.clone(): "x"}}),
        ),
    ] {
        let mut function = register_function("g");
        function[field] = value;
        with.push(function);
    }
    for registration in with {
        let mut lab = lab(ONE, usize::MAX);
        let (owner, other) = (lab.connect(), lab.connect());
        lab.quietly(other, register_function("f"));
        assert_full(&lab.ask(owner, registration), "of the session");
    }
}

#[test]
fn a_registration_counts_its_texts_and_what_it_takes_beside_them() {
    let of_function = json!({
        "type": "registerfunction", "id": "seven-l", "description": "five!",
        "request_format": {"a": 1}, "response_format": {"ab": 12}, "metadata": {"abc": 123},
        "invocation": {"url": "http://localhost/", "headers": {"x-one": "1", "x-two": "22"}},
    });
    let of_type = json!({
        "type": "registertriggertype", "id": "seven-l", "description": "five!",
        "trigger_request_format": {"a": 1}, "call_request_format": {"ab": 12},
    });
    let mut rows = vec![
        (
            of_function,
            512 + 7 + 5 + 7 + 9 + 11 + 17 + (5 + 1) + (5 + 2),
        ),
        (of_type, 512 + 7 + 5 + 7 + 9),
    ];
    for (trigger_type, config, besides) in [
        ("http", json!({"path": "/"}), 700),
        ("http", json!({"path": "/a/:b/c"}), 3 * 700),
        ("cron", json!({"schedule": "* * * * *"}), 1_400),
        ("queue", json!({"queue_name": "q"}), 300),
        ("own", json!({"path": "/a"}), 0),
    ] {
        let texts = "seven-l".len() + trigger_type.len() + "fun".len() + config.to_string().len();
        let of_trigger = register_trigger("seven-l", trigger_type, "fun", config);
        rows.push((of_trigger, 512 + besides + texts));
    }
    for (registration, bytes) in rows {
        for (room, fits) in [(bytes, true), (bytes - 1, false)] {
            let mut lab = lab(room, usize::MAX);
            let (owner, other, provider) = (lab.connect(), lab.connect(), lab.connect());
            lab.quietly(other, json!({"type": "registerfunction", "id": "fun"}));
            lab.trigger_type(provider, "own");
            lab.send(owner, registration.clone());
            let refused = lab.frames(owner).iter().any(|it| it["error"].is_object());
            assert_eq!(refused, !fits, "{registration} in {room} bytes");
        }
    }
}

#[test]
fn formats_that_are_enforced_count_what_they_are_compiled_to() {
    let function = json!({
        "type": "registerfunction", "id": "f", "request_format": {"type": "string"},
    });
    for (enforce_formats, fits) in [(false, true), (true, false)] {
        let mut lab = Lab::with(Settings {
            registration_bytes_per_session_max: 512 + 100,
            enforce_formats,
            ..Settings::default()
        });
        let owner = lab.connect();
        lab.send(owner, &function);
        assert_eq!(lab.texts(owner).is_empty(), fits);
    }
}

#[test]
fn answers_that_a_provider_owes_count_with_it_as_far_as_there_is_room() {
    const OWED: usize = 512 + 2;
    let type_bytes = 512 + 1;
    let mut lab = lab(type_bytes + 2 * OWED, usize::MAX);
    let (provider, registrar) = (lab.connect(), lab.connect());
    lab.quietly(provider, trigger_type("t"));
    lab.quietly(registrar, register_function("f"));
    let abandoned = |lab: &mut Lab, id: &str| {
        lab.send(registrar, register_trigger(id, "t", "f", json!({})));
        lab.send(registrar, unregister("trigger", id));
        lab.frames(registrar);
        lab.frames(provider)[0]["id"].take()
    };
    for id in ["aa", "bb"] {
        assert_eq!(abandoned(&mut lab, id), id);
    }
    assert_full(&lab.ask(provider, register_function("g")), "of the session");
    // What there is no room for is not remembered, and does not crowd out what is.
    for _ in 0..2 {
        assert_eq!(abandoned(&mut lab, "cc"), "cc");
    }
    assert_ne!(abandoned(&mut lab, "aa"), "aa");
    let answer = json!({
        "type": "triggerregistrationresult", "id": "bb", "trigger_type": "t", "function_id": "f",
    });
    for _ in 0..2 {
        lab.quietly(provider, &answer);
    }
    lab.quietly(provider, register_function("g"));
    assert_full(&lab.ask(provider, register_function("h")), "of the session");
}

#[test]
fn of_the_answers_that_a_provider_owes_a_thousand_take_room() {
    let mut lab = lab(600_000, usize::MAX);
    let (provider, registrar) = (lab.connect(), lab.connect());
    lab.quietly(provider, trigger_type("t"));
    lab.quietly(registrar, register_function("f"));
    for number in 0..1_500 {
        let id = format!("{number:04}");
        lab.send(registrar, register_trigger(&id, "t", "f", json!({})));
        lab.send(registrar, unregister("trigger", &id));
        lab.history.clear();
    }
    lab.frames(provider);
    let left = 600_000 - 513 - 1_000 * (512 + 4);
    for number in 0..left / 516 {
        lab.quietly(provider, register_function(&format!("{number:04}")));
    }
    assert_full(
        &lab.ask(provider, register_function("more")),
        "of the session",
    );
}
