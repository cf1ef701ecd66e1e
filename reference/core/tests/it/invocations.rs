//! Functions that are served over HTTP: RF-04 to RF-08, RF-15, D-02, D-26.

use reference_core::Variable;
use serde_json::{Value, json};

use crate::{
    functions::{URL, http_function, refusal},
    support::{Lab, invoke},
};

fn authenticated(id: &str, auth: Value) -> Value {
    http_function(id, json!({"url": URL, "auth": auth}))
}

/// Each kind of authentication with its name in the texts; each names the variable `KEY`.
fn kinds_of_auth() -> [(&'static str, Value); 3] {
    [
        (
            "Bearer token",
            json!({"type": "bearer", "token_key": "KEY"}),
        ),
        ("HMAC", json!({"type": "hmac", "secret_key": "KEY"})),
        (
            "API key",
            json!({"type": "api_key", "header": "X-API-Key", "value_key": "KEY"}),
        ),
    ]
}

#[test]
fn a_variable_that_is_set_lets_the_function_register() {
    let mut lab = Lab::new();
    lab.set_variable("KEY", "tok\ten");
    let worker = lab.connect();
    for (name, auth) in kinds_of_auth() {
        lab.quietly(worker, authenticated(name, auth));
    }
}

#[test]
fn a_missing_variable_fails_the_registration_with_the_documented_text() {
    for (name, auth) in kinds_of_auth() {
        let mut lab = Lab::new();
        let worker = lab.connect();
        let text = format!(
            "Missing environment variable 'KEY' for {name} authentication. \
             Please set this environment variable before registering the function."
        );
        let refused = lab.ask(worker, authenticated("f", auth.clone()));
        assert_eq!(refused, refusal("f", "missing_env_var", &text));
        // Nothing is left of it: the id is free, and stays so until it succeeds.
        assert!(!lab.serves("f"));
        lab.set_variable("KEY", "secret");
        lab.quietly(worker, authenticated("f", auth));
    }
}

#[test]
fn a_variable_whose_value_cannot_be_used_fails_the_registration() {
    let not_unicode = || Variable::NotUnicode;
    let value = |text: &str| Variable::Value(text.to_owned());
    for (name, auth) in kinds_of_auth() {
        let in_header = name != "HMAC";
        for (variable, problem, refused) in [
            (value(""), "is empty", true),
            (not_unicode(), "is not UTF-8", true),
            (value("a\r\nb: c"), "holds characters", in_header),
            (value("a\0"), "holds characters", in_header),
            (value("\u{7f}"), "holds characters", in_header),
        ] {
            let mut lab = Lab::new();
            lab.set_variable("KEY", variable);
            let worker = lab.connect();
            let frame = authenticated("f", auth.clone());
            if !refused {
                lab.quietly(worker, frame);
                continue;
            }
            let answer = lab.ask(worker, frame);
            assert_eq!(
                answer["error"]["code"], "invalid_env_var",
                "{name}: {problem}"
            );
            let message = answer["error"]["message"].as_str().unwrap();
            let start = format!("Environment variable 'KEY' for {name} authentication {problem}");
            assert!(message.starts_with(&start), "{message}");
        }
    }
}

#[test]
fn credentials_are_read_at_registration_and_not_at_a_call() {
    let mut lab = Lab::new();
    lab.set_variable("KEY", "secret");
    let (worker, caller) = (lab.connect(), lab.connect());
    for (name, auth) in kinds_of_auth() {
        lab.quietly(worker, authenticated(name, auth));
    }
    lab.set_variable("KEY", Variable::Missing);
    for (name, _) in kinds_of_auth() {
        lab.quietly(caller, invoke("c", name));
    }
    assert_eq!(lab.requests.len(), kinds_of_auth().len());
    assert!(format!("{:?}", lab.engine).contains("redacted"));
}

#[test]
fn secrets_are_nowhere_in_what_the_engine_prints_or_sends() {
    const SECRETS: [&str; 3] = ["hunter2", "bad\nhunter2", "hunter2\u{7f}"];
    for (name, auth) in kinds_of_auth() {
        for secret in SECRETS {
            let mut lab = Lab::new();
            lab.set_variable("KEY", secret);
            let worker = lab.connect();
            lab.send(worker, authenticated(name, auth.clone()));
            lab.send(worker, invoke("c", name));
            for list in ["functions", "workers", "triggers", "registered-triggers"] {
                lab.send(worker, invoke("c", &format!("engine::{list}::list")));
            }
            assert!(!format!("{:?}", lab.engine).contains("hunter2"));
            assert!(!format!("{:?}", lab.history).contains("hunter2"));
            for event in lab.events() {
                assert!(!event.to_string().contains("hunter2"));
            }
        }
    }
}

#[test]
fn a_good_invocation_is_registered() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let good = [
        json!({"url": "http://127.0.0.1:8080"}),
        json!({"url": "https://[::1]/a?b=c#d"}),
        json!({"url": "HTTPS://EXAMPLE.COM"}),
        json!({"url": URL, "method": "GET"}),
        json!({"url": URL, "method": "DELETE", "unknown": 1}),
        json!({"url": URL, "method": null, "timeout_ms": null, "headers": null, "auth": null}),
        json!({"url": URL, "timeout_ms": 1}),
        json!({"url": URL, "timeout_ms": 600_000}),
        json!({"url": URL, "headers": {}}),
        json!({"url": URL, "headers": {"X-A": "", "x-b": "ü", "authorization": "mine"}}),
    ];
    for (number, invocation) in good.into_iter().enumerate() {
        lab.quietly(worker, http_function(&number.to_string(), invocation));
    }
}

#[test]
fn a_bad_value_in_an_invocation_is_refused_and_named() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let header = |name: &str, value: &str| {
        (
            json!({"url": URL, "headers": {name: value}}),
            "`invocation.headers`",
        )
    };
    let mut bad = vec![
        (json!({"url": ""}), "`invocation.url`"),
        (json!({"url": "/lambda"}), "`invocation.url`"),
        (json!({"url": "example.com"}), "`invocation.url`"),
        (json!({"url": "https://"}), "`invocation.url`"),
        (json!({"url": "https://a:99999/"}), "`invocation.url`"),
        (json!({"url": "ftp://example.com/"}), "`invocation.url`"),
        (json!({"url": "file:///etc/passwd"}), "`invocation.url`"),
        (json!({"url": "javascript:alert(1)"}), "`invocation.url`"),
        (
            json!({"url": "https://me@example.com/"}),
            "`invocation.url`",
        ),
        (
            json!({"url": "https://:pw@example.com/"}),
            "`invocation.url`",
        ),
        (json!({"url": URL, "method": ""}), "`invocation.method`"),
        (json!({"url": URL, "method": "post"}), "`invocation.method`"),
        (
            json!({"url": URL, "method": "CONNECT"}),
            "`invocation.method`",
        ),
        (
            json!({"url": URL, "method": "GET / HTTP/1.1\r\n"}),
            "`invocation.method`",
        ),
        (
            json!({"url": URL, "timeout_ms": 0}),
            "`invocation.timeout_ms`",
        ),
        (
            json!({"url": URL, "timeout_ms": -1}),
            "`invocation.timeout_ms`",
        ),
        (
            json!({"url": URL, "timeout_ms": 1.5}),
            "`invocation.timeout_ms`",
        ),
        (
            json!({"url": URL, "timeout_ms": 600_001}),
            "`invocation.timeout_ms`",
        ),
        (
            json!({"url": URL, "timeout_ms": u64::MAX}),
            "`invocation.timeout_ms`",
        ),
        (
            json!({"url": URL, "auth": {"type": "basic"}}),
            "`invocation.auth.type`",
        ),
        (
            json!({"url": URL, "auth": {"type": ""}}),
            "`invocation.auth.type`",
        ),
        (
            json!({"url": URL, "auth": {"type": "api_key", "header": "X Y", "value_key": "K"}}),
            "`invocation.auth.header`",
        ),
        header("", "v"),
        header("x y", "v"),
        header("x:y", "v"),
        header("ü", "v"),
        header("x-a", "v\r\nx-b: w"),
        header("x-a", "\0"),
    ];
    for reserved in [
        "Host",
        "content-length",
        "TRANSFER-ENCODING",
        "Connection",
        "upgrade",
    ] {
        bad.push(header(reserved, "v"));
    }
    for (invocation, field) in bad {
        let answer = lab.ask(worker, http_function("f", invocation.clone()));
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!(
            answer,
            refusal("f", "invalid_request", message),
            "{invocation}"
        );
        assert!(message.contains(field), "{invocation}: {message}");
        assert!(!message.contains("pw@"), "{message}");
    }
    // After all of these the id is still free.
    lab.function(worker, "f");
}

#[test]
fn a_timeout_that_no_integer_type_holds_is_a_bad_value_and_not_a_bad_frame() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for number in [
        "1e400",
        "-1e400",
        "99999999999999999999999",
        "3e-4",
        "30000.5",
    ] {
        let frame = format!(
            r#"{{"type":"registerfunction","id":"f","invocation":{{"url":"{URL}","timeout_ms":{number}}}}}"#
        );
        let answer = lab.ask(worker, frame);
        assert_eq!(answer["error"]["code"], "invalid_request", "{number}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("got {number}")), "{message}");
    }
}

#[test]
fn a_whole_number_may_be_written_with_a_fraction_or_an_exponent() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for (id, number) in [("a", "30000"), ("b", "30000.0"), ("c", "3e4")] {
        let frame = format!(
            r#"{{"type":"registerfunction","id":"{id}","invocation":{{"url":"{URL}","timeout_ms":{number}}}}}"#
        );
        lab.send(worker, frame);
        assert_eq!(lab.frames(worker), [Value::Null; 0], "{number}");
    }
}
