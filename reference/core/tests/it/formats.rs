//! Formats that are enforced: D-14.

use reference_core::{EventKind, SessionId, Settings};
use serde_json::{Value, json};

use crate::{
    functions::{URL, http_function, refusal},
    support::{Asked, Ended, Lab, answer, fixture, parse, register_trigger, registered, seconds},
};

fn strict() -> Lab {
    Lab::with(Settings {
        enforce_formats: true,
        ..Settings::default()
    })
}

/// The document's own function, and a result format with a required field.
fn payment() -> Value {
    let path = fixture("documents/register-function/01-basic-function-registration.json");
    let mut frame = parse(&std::fs::read_to_string(path).unwrap());
    frame["response_format"]["required"] = json!(["transaction_id"]);
    frame
}

const PAYMENT: &str = "process_payment";

fn served() -> (Lab, SessionId, SessionId) {
    let mut lab = strict();
    let (worker, caller) = (lab.connect(), lab.connect());
    let frame = payment();
    assert_eq!(frame["id"], PAYMENT);
    lab.quietly(worker, frame);
    (lab, worker, caller)
}

fn call(function_id: &str, data: Value) -> Value {
    json!({
        "type": "invokefunction", "invocation_id": "c", "function_id": function_id, "data": data,
    })
}

fn failure(function_id: &str, code: &str, message: &str) -> Value {
    json!({
        "type": "invocationresult", "invocation_id": "c", "function_id": function_id,
        "error": {"code": code, "message": message},
    })
}

const WRONG_AMOUNT: &str = "`data` is not what the `request_format` of function 'process_payment' \
                            takes: at '/amount': it is not of type \"number\"";

#[test]
fn what_fits_passes_unchanged() {
    let (mut lab, worker, caller) = served();
    lab.send(
        caller,
        r#"{"type":"invokefunction","invocation_id":"c","function_id":"process_payment","data":{ "currency":"EUR", "amount":1.0 }}"#,
    );
    let text = lab.only_text(worker);
    assert!(
        text.contains(r#""data":{ "currency":"EUR", "amount":1.0 }"#),
        "{text}"
    );
    let result = json!({"transaction_id": "t", "more": [1]});
    lab.send(worker, answer(&parse(&text), result.clone()));
    assert_eq!(lab.only_frame(caller)["result"], result);
}

#[test]
fn data_that_does_not_fit_reaches_no_worker() {
    let (mut lab, worker, caller) = served();
    let data = json!({"amount": "12", "currency": "EUR"});
    assert_eq!(
        lab.ask(caller, call(PAYMENT, data.clone())),
        failure(PAYMENT, "invalid_request", WRONG_AMOUNT)
    );
    // A missing payload is null.
    let bare = json!({"type": "invokefunction", "invocation_id": "c", "function_id": PAYMENT});
    let refused = lab.ask(caller, bare);
    assert_eq!(refused["error"]["code"], "invalid_request");
    let mut void = call(PAYMENT, data);
    void["action"] = json!({"type": "void"});
    lab.quietly(caller, void);
    let logged = lab.events();
    let last = logged.last().expect("the refusal is logged");
    assert!(
        matches!(last, EventKind::CallFailed { failure, .. } if failure.message() == WRONG_AMOUNT),
        "{last:?}"
    );
    lab.assert_silent(worker);
}

#[test]
fn a_result_that_does_not_fit_becomes_an_error() {
    let (mut lab, worker, caller) = served();
    lab.send(
        caller,
        call(PAYMENT, json!({"amount": 1, "currency": "EUR"})),
    );
    let called = lab.only_frame(worker);
    lab.send(worker, answer(&called, json!({"status": "done"})));
    let message = "Function 'process_payment' gave a result that its `response_format` does not \
                   take: \"transaction_id\" is a required property";
    assert_eq!(
        lab.only_frame(caller),
        failure(PAYMENT, "invalid_response", message)
    );
    assert_eq!(lab.next_deadline(), None, "the call has ended");
}

#[test]
fn a_workers_error_is_no_result() {
    let (mut lab, worker, caller) = served();
    lab.send(
        caller,
        call(PAYMENT, json!({"amount": 1, "currency": "EUR"})),
    );
    let error = json!({"code": "card_declined", "message": "no"});
    let called = lab.only_frame(worker);
    lab.send(
        worker,
        json!({"type": "invocationresult", "invocation_id": called["invocation_id"], "error": error}),
    );
    assert_eq!(lab.only_frame(caller)["error"], error);
}

#[test]
fn endpoints_are_held_to_formats_as_well() {
    let mut lab = strict();
    let (worker, caller) = (lab.connect(), lab.connect());
    let mut function = http_function("f", json!({"url": URL}));
    function["request_format"] = json!({"type": "array"});
    function["response_format"] = json!({"items": {"type": "integer"}});
    lab.quietly(worker, function);
    let refused = lab.ask(caller, call("f", json!({})));
    assert_eq!(refused["error"]["code"], "invalid_request");
    assert!(lab.requests.is_empty(), "nothing is requested");
    lab.quietly(caller, call("f", json!([])));
    lab.end_request(Ended::Answer(200, "[1,2.5]".to_owned()));
    let message = "Function 'f' gave a result that its `response_format` does not take: \
                   at '/1': it is not of type \"integer\"";
    assert_eq!(
        lab.only_frame(caller),
        failure("f", "invalid_response", message)
    );
}

#[test]
fn a_format_that_cannot_be_enforced_is_refused() {
    let mut lab = strict();
    let worker = lab.connect();
    for (field, format, problem) in [
        (
            "request_format",
            json!({"properties": {"a": {"minLength": "1"}}}),
            "at '/properties/a/minLength': it is not of type \"integer\"",
        ),
        (
            "response_format",
            json!({"$ref": "https://example.com/schema.json"}),
            "at '/$ref': must be `#` or begin with `#/`: nothing outside the format is read",
        ),
    ] {
        let mut frame = json!({"type": "registerfunction", "id": "f"});
        frame[field] = format;
        let refused = lab.ask(worker, frame);
        let message = format!("`{field}`: {problem}");
        assert_eq!(refused, refusal("f", "invalid_request", &message));
        assert!(!lab.serves("f"));
    }
}

#[test]
fn each_provider_is_held_to_its_own_formats() {
    let mut lab = strict();
    let (first, second, caller) = (lab.connect(), lab.connect(), lab.connect());
    for (worker, kind) in [(first, "string"), (second, "integer")] {
        lab.quietly(
            worker,
            json!({"type": "registerfunction", "id": "f", "request_format": {"type": kind}}),
        );
    }
    lab.quietly(caller, call("f", json!("one")));
    assert_eq!(lab.only_frame(first)["data"], "one");
    lab.quietly(caller, call("f", json!(2)));
    assert_eq!(lab.only_frame(second)["data"], 2);
    let refused = lab.ask(caller, call("f", json!(3)));
    assert_eq!(refused["error"]["code"], "invalid_request");
}

#[test]
fn a_request_that_does_not_fit_is_answered_400() {
    let mut lab = strict();
    let worker = lab.connect();
    let body = json!({"properties": {"body": {"type": "object"}}, "required": ["body"]});
    lab.quietly(
        worker,
        json!({"type": "registerfunction", "id": "f", "request_format": body, "response_format": false}),
    );
    let config = json!({"path": "/f", "method": "POST"});
    let result = lab.ask(worker, register_trigger("t", "http", "f", config));
    assert_eq!(result, registered("t", "http", "f"));
    let post = |lab: &mut Lab, body: &str| {
        lab.request(Asked {
            method: "POST",
            target: "/f".to_owned(),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
        })
    };
    let exchange = post(&mut lab, "[]");
    assert_eq!(lab.answer_to(exchange).map(|it| it.status), Some(400));
    lab.assert_silent(worker);
    let exchange = post(&mut lab, "{}");
    let called = lab.only_frame(worker);
    lab.send(worker, answer(&called, json!({})));
    assert_eq!(lab.answer_to(exchange).map(|it| it.status), Some(502));
}

/// The message ends with the dead letters, without a call, and its function rests in between:
/// nothing is tried for ever in one go.
#[test]
fn messages_that_do_not_fit_are_given_up() {
    let mut lab = strict();
    let (worker, sender) = (lab.connect(), lab.connect());
    lab.quietly(
        worker,
        json!({"type": "registerfunction", "id": "f", "request_format": {"type": "string"}}),
    );
    let mut enqueue = call("f", json!(1));
    enqueue["action"] = json!({"type": "enqueue", "queue": "q"});
    let receipt = lab.ask(sender, &enqueue);
    assert!(
        receipt["result"]["messageReceiptId"].is_string(),
        "{receipt}"
    );
    let given_up = |it: &EventKind| matches!(it, EventKind::MessagesGivenUp { count: 1, .. });
    for attempts in 1..10 {
        assert!(!lab.events().iter().any(given_up), "after {attempts}");
        lab.advance(seconds(1));
    }
    assert!(lab.events().iter().any(given_up));
    lab.assert_silent(worker);
    enqueue["data"] = json!("one");
    lab.send(sender, &enqueue);
    lab.advance(seconds(1));
    assert_eq!(lab.only_frame(worker)["data"], "one");
}
