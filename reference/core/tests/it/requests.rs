//! Calls of functions that endpoints serve: RF-14, RF-15, D-11, D-28.

use reference_core::{HeaderText, Method, SessionId, Settings};
use serde_json::{Value, json};

use crate::{
    functions::{URL, http_function},
    support::{Ended, Lab, invoke, seconds, unregister},
};

fn served() -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.quietly(
        worker,
        http_function("f", json!({"url": URL, "timeout_ms": 2000})),
    );
    (lab, worker, caller)
}

fn ok(body: &str) -> Ended {
    Ended::Answer(200, body.to_owned())
}

#[test]
fn a_call_becomes_a_request_and_its_answer_the_result() {
    let (mut lab, worker, caller) = served();
    let call =
        r#"{"type":"invokefunction","invocation_id":"c","function_id":"f","data":{ "b":1.0 }}"#;
    lab.quietly(caller, call);
    lab.assert_silent(worker);
    let request = &lab.requests[0];
    assert_eq!(request.url.expose().as_str(), URL);
    assert_eq!(request.body, r#"{ "b":1.0 }"#, "byte for byte");
    lab.end_request(ok(r#"{"z":1e400,"a":1}"#));
    assert_eq!(
        lab.only_text(caller),
        r#"{"type":"invocationresult","invocation_id":"c","function_id":"f","result":{"z":1e400,"a":1}}"#
    );
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_request_is_made_with_the_method_of_the_registration() {
    for (name, method) in [
        (Value::Null, Method::Post),
        (json!("GET"), Method::Get),
        (json!("POST"), Method::Post),
        (json!("PUT"), Method::Put),
        (json!("PATCH"), Method::Patch),
        (json!("DELETE"), Method::Delete),
    ] {
        let mut lab = Lab::new();
        let worker = lab.connect();
        lab.quietly(
            worker,
            http_function("f", json!({"url": URL, "method": name})),
        );
        lab.quietly(worker, invoke("c", "f"));
        assert_eq!(lab.requests[0].method, method);
    }
}

#[test]
fn a_call_without_data_sends_null() {
    let (mut lab, _, caller) = served();
    lab.quietly(
        caller,
        json!({"type": "invokefunction", "invocation_id": "c", "function_id": "f"}),
    );
    assert_eq!(lab.requests[0].body, "null");
}

#[test]
fn each_way_to_fail_has_a_code() {
    for (ended, code) in [
        (Ended::Failed("refused".to_owned()), "http_request_failed"),
        (Ended::TooLarge(10), "response_too_large"),
        (ok("<html>"), "invalid_response"),
        (Ended::Answer(500, "oops".to_owned()), "http_error"),
        (Ended::Answer(302, String::new()), "http_error"),
        (
            Ended::Answer(400, r#"{"error":{"code":"own","message":"m"}}"#.to_owned()),
            "own",
        ),
    ] {
        let (mut lab, _, caller) = served();
        lab.quietly(caller, invoke("c", "f"));
        lab.events();
        lab.end_request(ended);
        let answer = lab.only_frame(caller);
        assert_eq!(answer["error"]["code"], code);
        assert_eq!(answer.get("result"), None);
        assert_eq!(lab.events().len(), 1, "{code} is logged");
    }
}

#[test]
fn a_request_ends_at_its_own_time_and_is_cancelled() {
    let (mut lab, _, caller) = served();
    lab.quietly(caller, invoke("c", "f"));
    assert_eq!(lab.next_deadline().unwrap(), lab.clock + seconds(2));
    lab.advance(seconds(2));
    assert_eq!(lab.only_frame(caller)["error"]["code"], "timeout");
    assert!(lab.requests.is_empty());
}

#[test]
fn an_answer_that_comes_after_the_end_is_dropped() {
    let (mut lab, _, caller) = served();
    lab.quietly(caller, invoke("c", "f"));
    let call = lab.requests[0].call;
    lab.advance(seconds(2));
    lab.frames(caller);
    lab.input(crate::support::Step::RequestEnded(call, ok("1")));
    lab.assert_silent(caller);
}

#[test]
fn a_caller_that_leaves_cancels_its_requests_and_no_others() {
    let (mut lab, worker, caller) = served();
    let other = lab.connect();
    lab.quietly(caller, invoke("a", "f"));
    lab.quietly(other, invoke("b", "f"));
    lab.disconnect(caller);
    assert_eq!(lab.requests.len(), 1);
    // The function goes with its worker; a request that is under way belongs to its caller.
    lab.disconnect(worker);
    lab.end_request(ok("1"));
    assert_eq!(lab.only_frame(other)["result"], 1);
}

#[test]
fn a_void_call_makes_a_request_and_no_reply() {
    let (mut lab, _, caller) = served();
    let mut call = invoke("c", "f");
    call["action"] = json!({"type": "void"});
    lab.quietly(caller, &call);
    lab.disconnect(caller);
    assert_eq!(
        lab.requests.len(),
        1,
        "nobody waits for it, so nobody cancels it"
    );
    lab.end_request(ok("1"));
}

/// A lab with these settings, a worker with the function `f` at an endpoint, and two callers.
fn bounded(settings: Settings) -> (Lab, [SessionId; 2]) {
    let mut lab = Lab::with(settings);
    let worker = lab.connect();
    let invocation = json!({"url": URL, "timeout_ms": 2000});
    lab.quietly(worker, http_function("f", invocation));
    let callers = [lab.connect(), lab.connect()];
    (lab, callers)
}

/// A call of `f` whose request has a body of so many bytes.
fn large(bytes: usize) -> Value {
    let mut call = invoke("large", "f");
    call["data"] = json!("x".repeat(bytes - 2));
    call
}

#[track_caller]
fn assert_too_many(answer: &Value, message: &str) {
    assert_eq!(answer["error"]["code"], "too_many_requests");
    assert_eq!(answer["error"]["message"], message);
}

#[test]
fn more_requests_than_allowed_are_refused_until_one_has_ended() {
    let (mut lab, [caller, other]) = bounded(Settings {
        requests_max: 2,
        ..Settings::default()
    });
    lab.quietly(caller, invoke("a", "f"));
    lab.quietly(other, invoke("b", "f"));
    let refused = lab.ask(caller, invoke("c", "f"));
    assert_too_many(
        &refused,
        "2 requests to endpoints are under way, no more are made at once",
    );
    lab.end_request(ok(""));
    assert_eq!(lab.only_frame(caller)["result"], Value::Null);
    lab.quietly(caller, invoke("d", "f"));
}

#[test]
fn a_session_cannot_take_all_requests_not_even_by_void_calls() {
    let (mut lab, [caller, other]) = bounded(Settings {
        requests_per_session_max: 2,
        ..Settings::default()
    });
    let mut void = invoke("v", "f");
    void["action"] = json!({"type": "void"});
    lab.quietly(caller, &void);
    lab.quietly(caller, invoke("a", "f"));
    let refused = lab.ask(caller, invoke("b", "f"));
    assert_too_many(
        &refused,
        "2 requests to endpoints are under way for this session, no more are made for one at once",
    );
    lab.quietly(other, invoke("c", "f"));
    // Each way in which a request can end makes room: an answer, a time-out, the session's end.
    lab.end_request(ok("1"));
    lab.quietly(caller, invoke("d", "f"));
    lab.advance(seconds(2));
    assert_eq!(lab.frames(caller).len(), 2);
    assert_eq!(lab.frames(other).len(), 1);
    lab.quietly(other, invoke("e", "f"));
    lab.quietly(other, invoke("f", "f"));
    lab.disconnect(other);
    assert!(lab.requests.is_empty());
    lab.quietly(caller, invoke("g", "f"));
    lab.quietly(caller, invoke("h", "f"));
}

#[test]
fn by_default_four_sessions_take_all_requests() {
    let (mut lab, [first, _]) = bounded(Settings::default());
    let others = [lab.connect(), lab.connect(), lab.connect()];
    for caller in [first].into_iter().chain(others) {
        for _ in 0..256 {
            lab.quietly(caller, invoke("c", "f"));
        }
        let refused = lab.ask(caller, invoke("c", "f"));
        assert_eq!(refused["error"]["code"], "too_many_requests");
    }
    assert_eq!(lab.requests.len(), 1_024);
    let late = lab.connect();
    let refused = lab.ask(late, invoke("c", "f"));
    assert_too_many(
        &refused,
        "1024 requests to endpoints are under way, no more are made at once",
    );
}

#[test]
fn the_bodies_of_requests_are_bounded_together() {
    let (mut lab, [caller, other]) = bounded(Settings {
        request_bytes_max: 1_000,
        request_bytes_per_session_max: 800,
        ..Settings::default()
    });
    lab.quietly(caller, large(800));
    let refused = lab.ask(caller, large(2));
    assert_too_many(
        &refused,
        "With this one, the bodies of the requests to endpoints that are under way \
         for this session would be larger than 800 bytes",
    );
    let refused = lab.ask(other, large(201));
    assert_too_many(
        &refused,
        "With this one, the bodies of the requests to endpoints that are under way \
         would be larger than 1000 bytes",
    );
    lab.quietly(other, large(200));
    assert_eq!(lab.requests.len(), 2, "a refused one takes nothing");
    lab.end_request(ok("1"));
    lab.frames(caller);
    lab.quietly(other, large(600));
}

#[test]
fn a_body_of_any_size_is_sent_when_no_other_is_under_way() {
    let (mut lab, [caller, other]) = bounded(Settings {
        request_bytes_max: 1_000,
        request_bytes_per_session_max: 800,
        ..Settings::default()
    });
    lab.quietly(caller, large(5_000));
    let refused = lab.ask(caller, large(2));
    assert_eq!(refused["error"]["code"], "too_many_requests");
    lab.end_request(ok("1"));
    lab.frames(caller);
    lab.quietly(other, large(5_000));
}

#[test]
fn stopping_answers_requests_and_cancels_them() {
    let (mut lab, _, caller) = served();
    lab.quietly(caller, invoke("c", "f"));
    lab.input(crate::support::Step::Shutdown);
    assert_eq!(lab.frames(caller)[0]["error"]["code"], "invocation_stopped");
    assert!(lab.requests.is_empty());
}

#[test]
fn each_function_has_its_own_credential_as_it_was_at_registration() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    let auth = json!({"url": URL, "auth": {"type": "bearer", "token_key": "TOKEN"}});
    for value in ["first", "second"] {
        lab.set_variable("TOKEN", value);
        lab.quietly(worker, http_function(value, auth.clone()));
    }
    lab.set_variable("TOKEN", "third");
    for value in ["first", "second"] {
        lab.quietly(caller, invoke("c", value));
        let request = lab.requests.remove(0);
        let carried = request.headers.iter().find_map(|(name, text)| match text {
            HeaderText::Secret(secret) if name == "Authorization" => Some(secret.expose()),
            _ => None,
        });
        assert_eq!(carried, Some(format!("Bearer {value}").as_str()));
    }
}

#[test]
fn what_a_registration_puts_into_its_requests_is_bounded() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let url = |bytes: usize| {
        let filler = "x".repeat(bytes - URL.len() - 1);
        json!({"url": format!("{URL}?{filler}")})
    };
    let headers = |count: usize| {
        let headers: serde_json::Map<String, Value> = (0..count)
            .map(|it| (format!("x-{it}"), json!("")))
            .collect();
        json!({"url": URL, "headers": headers})
    };
    let header = |bytes: usize| json!({"url": URL, "headers": {"x": "v".repeat(bytes - 1)}});
    for (largest, too_large, field) in [
        (url(8 << 10), url((8 << 10) + 1), "`invocation.url`"),
        (headers(100), headers(101), "`invocation.headers`"),
        (
            header(32 << 10),
            header((32 << 10) + 1),
            "`invocation.headers`",
        ),
    ] {
        assert_refused(&mut lab, worker, too_large, field);
        lab.quietly(worker, http_function("f", largest));
        lab.quietly(worker, unregister("function", "f"));
    }
}

#[test]
fn a_key_is_not_sent_in_a_header_of_the_engines_own() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.set_variable("KEY", "value");
    for header in ["Content-Type", "X-III-Timestamp", "Host"] {
        let auth = json!({"type": "api_key", "header": header, "value_key": "KEY"});
        let invocation = json!({"url": URL, "auth": auth});
        assert_refused(&mut lab, worker, invocation, "`invocation.auth.header`");
    }
}

#[track_caller]
fn assert_refused(lab: &mut Lab, worker: SessionId, invocation: Value, field: &str) {
    let answer = lab.ask(worker, http_function("f", invocation));
    assert_eq!(answer["error"]["code"], "invalid_request", "{field}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.starts_with(field), "{message}");
}

#[test]
fn a_void_calls_failure_is_logged_although_everybody_has_left() {
    let (mut lab, worker, caller) = served();
    let mut call = invoke("c", "f");
    call["action"] = json!({"type": "void"});
    lab.quietly(caller, &call);
    lab.disconnect(caller);
    lab.disconnect(worker);
    lab.events();
    lab.advance(seconds(2));
    assert_eq!(lab.events().len(), 1);
}

#[test]
fn what_is_printed_of_a_request_holds_no_secret() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.set_variable("TOKEN", "s3cret");
    lab.quietly(
        worker,
        http_function(
            "f",
            json!({
                "url": "https://example.com/s3cret?token=s3cret",
                "headers": {"X-Key": "s3cret"},
                "auth": {"type": "bearer", "token_key": "TOKEN"},
            }),
        ),
    );
    lab.quietly(caller, invoke("c", "f"));
    let effects: Vec<_> = lab.history.iter().flat_map(|it| &it.effects).collect();
    let printed = format!("{effects:?} {:?}", lab.engine);
    assert!(
        printed.contains("EndpointUrl(https://example.com)"),
        "{printed}"
    );
    assert!(printed.contains("Secret(redacted)"), "{printed}");
    assert!(!printed.contains("s3cret"), "{printed}");
}
