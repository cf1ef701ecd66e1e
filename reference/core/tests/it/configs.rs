//! The `config` of the engine's own trigger types: RT-04 to RT-06, RT-09, RT-14, D-25.

use serde_json::json;

use crate::{
    support::{refused, register_trigger, registered},
    triggers::{assert_code, http, with_function},
};

#[test]
fn optional_parts_of_a_config_may_be_left_out_and_unknown_ones_are_ignored() {
    let (mut lab, worker) = with_function("f");
    for (number, (trigger_type, config)) in [
        ("http", json!({"path": "/"})),
        (
            "http",
            json!({"path": "/a/:id", "method": null, "unknown": {}}),
        ),
        ("cron", json!({"schedule": "*/5 * * * *"})),
        ("cron", json!({"schedule": "30 0 9 * * MON", "jitter": 1})),
        ("queue", json!({"queue_name": "q"})),
    ]
    .into_iter()
    .enumerate()
    {
        let id = number.to_string();
        let result = lab.ask(worker, register_trigger(&id, trigger_type, "f", config));
        assert_eq!(result, registered(&id, trigger_type, "f"));
    }
}

#[test]
fn a_bad_schedule_is_refused_with_the_documented_text() {
    let (mut lab, worker) = with_function("f");
    for schedule in [
        "invalid cron expression",
        "* * * *",
        "0 0 31 2 *",
        "'",
        "a\nb",
    ] {
        let error = json!({
            "code": "invalid_config",
            "message": format!("Invalid cron expression: '{schedule}'"),
        });
        let config = json!({"schedule": schedule});
        assert_eq!(
            lab.ask(worker, register_trigger("t", "cron", "f", config)),
            refused("t", "cron", "f", error)
        );
    }
}

#[test]
fn what_is_wrong_with_a_config_is_named() {
    let (mut lab, worker) = with_function("f");
    for (trigger_type, config, mentions) in [
        ("http", json!(null), "must be an object, got null"),
        ("http", json!([]), "must be an object, got an array"),
        (
            "cron",
            json!("0 9 * * *"),
            "must be an object, got a string",
        ),
        ("queue", json!(7), "must be an object, got a number"),
        ("http", json!({}), "`path` is missing"),
        ("http", json!({"path": null}), "`path` is missing"),
        ("http", json!({"path": ""}), "`path` must not be empty"),
        (
            "http",
            json!({"path": ["/"]}),
            "`path` must be a string, got an array",
        ),
        ("http", json!({"path": "x"}), "`path` must start with '/'"),
        (
            "http",
            json!({"path": "/x y"}),
            "`path` must be a path alone",
        ),
        (
            "http",
            json!({"path": "/", "method": "get"}),
            "`method` must be one of",
        ),
        (
            "http",
            json!({"path": "/", "method": 1}),
            "`method` must be a string, got 1",
        ),
        ("cron", json!({}), "`schedule` is missing"),
        (
            "cron",
            json!({"schedule": 9}),
            "`schedule` must be a string, got 9",
        ),
        (
            "cron",
            json!({"schedule": "* * * * *", "timezone": "Nowhere"}),
            "timezone: 'Nowhere'",
        ),
        (
            "cron",
            json!({"schedule": "* * * * *", "timezone": ""}),
            "timezone: ''",
        ),
        (
            "cron",
            json!({"schedule": "* * * * *", "timezone": 1}),
            "`timezone` must be a string",
        ),
        ("queue", json!({}), "`queue_name` is missing"),
        (
            "queue",
            json!({"queue_name": true}),
            "`queue_name` must be a string",
        ),
        (
            "queue",
            json!({"queue_name": "q", "batch_size": 0}),
            "`batch_size` must be",
        ),
        (
            "queue",
            json!({"queue_name": "q", "batch_size": "10"}),
            "`batch_size` must be",
        ),
        (
            "queue",
            json!({"queue_name": "q", "batch_size": -1}),
            "got -1",
        ),
        (
            "queue",
            json!({"queue_name": "q", "visibility_timeout": 0}),
            "`visibility_timeout` must be",
        ),
    ] {
        let result = lab.ask(
            worker,
            register_trigger("t", trigger_type, "f", config.clone()),
        );
        assert_code(&result, "invalid_config");
        let message = result["error"]["message"].as_str().unwrap();
        assert!(message.contains(mentions), "{config}: {message}");
    }
    // No refusal has taken the id.
    assert_eq!(lab.ask(worker, http("t")), registered("t", "http", "f"));
}

#[test]
fn a_missing_config_is_null() {
    let (mut lab, worker) = with_function("f");
    let mut request = http("t");
    request.as_object_mut().unwrap().remove("config");
    assert_code(&lab.ask(worker, request), "invalid_config");
}

#[test]
fn a_number_beyond_all_types_in_a_config_is_invalid_config() {
    let (mut lab, worker) = with_function("f");
    for field in ["batch_size", "visibility_timeout"] {
        let request = format!(
            r#"{{"type":"registertrigger","id":"t","trigger_type":"queue","function_id":"f",
                "config":{{"queue_name":"q","{field}":1e400}}}}"#
        );
        let result = lab.ask(worker, request);
        assert_code(&result, "invalid_config");
        assert!(result["error"]["message"].as_str().unwrap().contains(field));
    }
}

#[test]
fn a_config_that_fits_another_type_is_refused() {
    let (mut lab, worker) = with_function("f");
    for (trigger_type, config) in [
        ("http", json!({"schedule": "0 9 * * *"})),
        ("cron", json!({"queue_name": "q"})),
        ("queue", json!({"path": "/x"})),
    ] {
        let result = lab.ask(worker, register_trigger("t", trigger_type, "f", config));
        assert_code(&result, "invalid_config");
    }
}
