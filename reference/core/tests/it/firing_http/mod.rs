//! Http triggers fire: RT-03, RT-04, CO-13, CO-22, D-05, D-06, D-07, D-11, D-15, D-23.

mod ends;
mod pages;

use reference_core::{EventKind, ExchangeId, HeaderText, SessionId};
use serde_json::{Value, json};

use self::ends::at_an_endpoint;
use crate::{
    functions::{URL, http_function},
    support::{
        Asked, Ended, Lab, Step, answer, invoke, parse, refused, register_trigger, registered,
        seconds, unregister,
    },
};

fn asked(method: &'static str, target: &str) -> Asked {
    Asked {
        method,
        target: target.to_owned(),
        ..Asked::default()
    }
}

/// Registers an http trigger.
fn route(lab: &mut Lab, by: SessionId, id: &str, method: &str, path: &str, function: &str) {
    let config = json!({"path": path, "method": method});
    let result = lab.ask(by, register_trigger(id, "http", function, config));
    assert_eq!(result, registered(id, "http", function));
}

/// A worker that serves `f` by GET of `/f`.
fn served() -> (Lab, SessionId) {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    route(&mut lab, worker, "t", "GET", "/f", "f");
    (lab, worker)
}

/// Status and body of an answer, the body as JSON.
#[track_caller]
fn answered(lab: &Lab, exchange: ExchangeId) -> (u16, Value) {
    let answer = lab.answer_to(exchange).expect("an answer");
    let body = String::from_utf8(answer.body.clone()).unwrap();
    (answer.status, parse(&body))
}

/// Status and code of an answer with an error.
#[track_caller]
fn failed(lab: &Lab, exchange: ExchangeId) -> (u16, String) {
    let (status, body) = answered(lab, exchange);
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}

/// Asks, and has the worker answer with its name.
#[track_caller]
fn served_by(lab: &mut Lab, workers: &[SessionId], target: &str) -> Value {
    let exchange = lab.request(asked("GET", target));
    for worker in workers {
        for call in lab.frames(*worker) {
            lab.send(*worker, answer(&call, call["function_id"].clone()));
        }
    }
    answered(lab, exchange).1
}

#[test]
fn a_request_becomes_a_call_with_everything_in_it() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "users.put");
    route(&mut lab, worker, "t", "PUT", "/users/:id", "users.put");
    let exchange = lab.request(Asked {
        method: "PUT",
        target: "/users/a%20b?x=1&x=2&y".to_owned(),
        headers: vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("traceparent".to_owned(), "00-trace".to_owned()),
        ],
        body: br#"{ "n":1.0 }"#.to_vec(),
    });
    let text = lab.only_text(worker);
    assert!(
        text.contains(r#""body":{ "n":1.0 }"#),
        "byte for byte: {text}"
    );
    let call = parse(&text);
    assert_eq!(
        call,
        json!({
            "type": "invokefunction",
            "invocation_id": call["invocation_id"],
            "function_id": "users.put",
            "traceparent": "00-trace",
            "data": {
                "path": "/users/a%20b",
                "method": "PUT",
                "path_params": {"id": "a b"},
                "query_params": {"x": ["1", "2"], "y": ""},
                "headers": {"content-type": "application/json", "traceparent": "00-trace"},
                "body": {"n": 1.0},
                "trigger": {"type": "http", "path": "/users/:id", "method": "PUT"},
            },
        })
    );
    assert_eq!(lab.answer_to(exchange), None);
    let reply = json!({"status_code": 201, "headers": {"X-Id": "7"}, "body": {"ok": true}});
    lab.send(worker, answer(&call, reply));
    let answer = lab.answer_to(exchange).unwrap();
    assert_eq!(answer.status, 201);
    let headers = [("X-Id", "7"), ("content-type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answer.headers, headers);
    assert_eq!(answer.body, br#"{"ok":true}"#);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_result_that_describes_no_answer_is_the_body_of_one() {
    let (mut lab, worker) = served();
    let exchange = lab.request(asked("GET", "/f"));
    let call = lab.only_frame(worker);
    lab.send(worker, answer(&call, json!([1, 2])));
    assert_eq!(answered(&lab, exchange), (200, json!([1, 2])));
}

#[test]
fn trace_context_goes_along() {
    for (headers, traceparent, baggage) in [
        (vec![], Value::Null, Value::Null),
        (
            vec![("Traceparent", "a"), ("BAGGAGE", "b=1")],
            json!("a"),
            json!("b=1"),
        ),
        (
            vec![("baggage", "b=1"), ("baggage", "c=2")],
            Value::Null,
            json!("b=1,c=2"),
        ),
        // Two of them say nothing.
        (
            vec![("traceparent", "a"), ("traceparent", "b")],
            Value::Null,
            Value::Null,
        ),
    ] {
        let (mut lab, worker) = served();
        let own = headers.iter();
        let headers = own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        lab.request(Asked {
            headers: headers.collect(),
            ..asked("GET", "/f")
        });
        let call = lab.only_frame(worker);
        assert_eq!(call["traceparent"], traceparent);
        assert_eq!(call["baggage"], baggage);
    }
}

#[test]
fn requests_for_no_trigger_are_answered_at_once() {
    let (mut lab, worker) = served();
    for (method, target, status, code, allow) in [
        ("GET", "/none", 404, "route_not_found", None),
        ("GET", "/f/", 404, "route_not_found", None),
        (
            "POST",
            "/f",
            405,
            "method_not_allowed",
            Some("GET, HEAD, OPTIONS"),
        ),
        ("GET", "/%ff", 400, "bad_request", None),
        ("GET", "*", 400, "bad_request", None),
    ] {
        let exchange = lab.request(asked(method, target));
        assert_eq!(
            failed(&lab, exchange),
            (status, code.to_owned()),
            "{target}"
        );
        let headers = &lab.answer_to(exchange).unwrap().headers;
        let allowed = headers.iter().find(|(name, _)| name == "allow");
        assert_eq!(allowed.map(|(_, value)| &**value), allow, "{target}");
    }
    let exchange = lab.request(asked("OPTIONS", "/f"));
    let answer = lab.answer_to(exchange).unwrap();
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let allow = ("allow".to_owned(), "GET, HEAD, OPTIONS".to_owned());
    assert_eq!(answer.headers, [allow]);
    lab.assert_silent(worker);
}

#[test]
fn a_body_that_is_not_what_it_says_calls_nobody() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    route(&mut lab, worker, "t", "POST", "/f", "f");
    let exchange = lab.request(Asked {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: b"{".to_vec(),
        ..asked("POST", "/f")
    });
    assert_eq!(failed(&lab, exchange), (400, "bad_request".to_owned()));
    lab.assert_silent(worker);
}

#[test]
fn a_get_trigger_serves_head_and_sees_it() {
    let (mut lab, worker) = served();
    let exchange = lab.request(asked("HEAD", "/f"));
    let call = lab.only_frame(worker);
    assert_eq!(call["data"]["method"], "HEAD");
    assert_eq!(call["data"]["trigger"]["method"], "GET");
    lab.send(worker, answer(&call, json!("x")));
    assert_eq!(answered(&lab, exchange), (200, json!("x")));
}

#[test]
fn a_function_that_is_gone_is_503_and_works_again_when_it_is_back() {
    let (mut lab, worker) = served();
    lab.quietly(worker, unregister("function", "f"));
    lab.events();
    let exchange = lab.request(asked("GET", "/f"));
    let message = "No function registered with ID 'f'";
    let error = json!({"error": {"code": "function_not_found", "message": message}});
    assert_eq!(answered(&lab, exchange), (503, error));
    let events = lab.events();
    assert!(
        matches!(&events[..], [EventKind::CallFailed { function_id, .. }] if function_id == "f")
    );
    // Whoever serves it.
    let other = lab.connect();
    lab.function(other, "f");
    assert_eq!(served_by(&mut lab, &[other], "/f"), json!("f"));
}

#[test]
fn each_way_in_which_a_worker_fails_has_an_answer() {
    let (mut lab, worker) = served();
    let exchange = lab.request(asked("GET", "/f"));
    let call = lab.only_frame(worker);
    let error = json!({"code": "out_of_stock", "message": "no", "stacktrace": "secret"});
    lab.send(
        worker,
        json!({
            "type": "invocationresult", "invocation_id": call["invocation_id"],
            "function_id": "f", "error": error,
        }),
    );
    let told = json!({"error": {"code": "out_of_stock", "message": "no"}});
    assert_eq!(answered(&lab, exchange), (502, told));

    let exchange = lab.request(asked("GET", "/f"));
    let call = lab.only_frame(worker);
    lab.send(worker, answer(&call, json!({"status_code": 99})));
    assert_eq!(failed(&lab, exchange), (502, "invalid_response".to_owned()));

    let exchange = lab.request(asked("GET", "/f"));
    lab.advance(seconds(30) - std::time::Duration::from_nanos(1));
    assert_eq!(lab.answer_to(exchange), None);
    lab.advance(std::time::Duration::from_nanos(1));
    assert_eq!(failed(&lab, exchange), (504, "timeout".to_owned()));

    let exchange = lab.request(asked("GET", "/f"));
    lab.disconnect(worker);
    assert_eq!(
        failed(&lab, exchange),
        (502, "invocation_stopped".to_owned())
    );
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn the_worker_that_serves_may_go_while_another_ones_trigger_stays() {
    let (mut lab, registrar) = served();
    lab.quietly(registrar, unregister("function", "f"));
    let worker = lab.connect();
    lab.function(worker, "f");
    let exchange = lab.request(asked("GET", "/f"));
    lab.disconnect(worker);
    assert_eq!(
        failed(&lab, exchange),
        (502, "invocation_stopped".to_owned())
    );
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(
        failed(&lab, exchange),
        (503, "function_not_found".to_owned())
    );
}

#[test]
fn a_trigger_that_goes_leaves_its_calls_under_way() {
    let (mut lab, worker) = served();
    let exchange = lab.request(asked("GET", "/f"));
    let call = lab.only_frame(worker);
    lab.quietly(worker, unregister("trigger", "t"));
    lab.send(worker, answer(&call, json!(1)));
    assert_eq!(answered(&lab, exchange), (200, json!(1)));
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(failed(&lab, exchange), (404, "route_not_found".to_owned()));
}

#[test]
fn the_oldest_route_serves_and_the_next_one_takes_over() {
    let mut lab = Lab::new();
    let workers = [lab.connect(), lab.connect()];
    for (worker, function) in workers.into_iter().zip(["old", "new"]) {
        lab.function(worker, function);
        lab.events();
        route(&mut lab, worker, "t", "GET", "/x", function);
        let events = lab.events();
        let shadowed = matches!(&events[0], EventKind::RouteShadowed { path, .. } if path == "/x");
        assert_eq!(shadowed, function == "new", "{events:?}");
    }
    assert_eq!(served_by(&mut lab, &workers, "/x"), json!("old"));
    lab.disconnect(workers[0]);
    assert_eq!(served_by(&mut lab, &workers[1..], "/x"), json!("new"));
    lab.disconnect(workers[1]);
    let exchange = lab.request(asked("GET", "/x"));
    assert_eq!(failed(&lab, exchange).0, 404);
}

#[test]
fn a_function_that_is_gone_does_not_let_the_next_route_take_over() {
    let (mut lab, first) = served();
    let second = lab.connect();
    lab.function(second, "g");
    route(&mut lab, second, "t", "GET", "/f", "g");
    lab.quietly(first, unregister("function", "f"));
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(failed(&lab, exchange).0, 503);
    lab.assert_silent(second);
}

#[test]
fn of_two_faults_the_route_is_told_before_the_duplicate() {
    let mut lab = Lab::new();
    let (worker, other) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    route(&mut lab, worker, "t", "GET", "/users/:id", "f");
    let config = |path: &str| json!({"path": path});
    let conflict = json!({
        "code": "invalid_config",
        "message": "Invalid http config: `path` must not differ from '/users/:id' \
                    in the names of parameters alone, got '/users/:name'",
    });
    let duplicate = json!({
        "code": "duplicate_trigger_id", "message": "A trigger with ID 't' is already registered",
    });
    for (by, path, error) in [
        (worker, "/users/:id", &duplicate),
        (worker, "/elsewhere", &duplicate),
        (worker, "/users/:name", &conflict),
        (other, "/users/:name", &conflict),
    ] {
        let frame = register_trigger("t", "http", "f", config(path));
        assert_eq!(
            lab.ask(by, frame),
            refused("t", "http", "f", error.clone()),
            "{path}"
        );
    }
    let exchange = lab.request(asked("GET", "/elsewhere"));
    assert_eq!(
        failed(&lab, exchange).0,
        404,
        "what is refused serves nothing"
    );
    // The name is free once nobody uses the other.
    lab.quietly(worker, unregister("trigger", "t"));
    route(&mut lab, other, "t", "GET", "/users/:name", "f");
}

#[test]
fn a_trigger_may_call_a_function_of_the_engines_own() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    route(
        &mut lab,
        worker,
        "list",
        "GET",
        "/functions",
        "engine::functions::list",
    );
    route(&mut lab, worker, "put", "POST", "/put", "enqueue");
    let exchange = lab.request(asked("GET", "/functions"));
    let functions = json!({"functions": [{"function_id": "f"}]});
    assert_eq!(answered(&lab, exchange), (200, functions));
    // Its payload names no queue.
    let exchange = lab.request(asked("POST", "/put"));
    assert_eq!(failed(&lab, exchange), (400, "invalid_request".to_owned()));
    lab.assert_silent(worker);
}

#[test]
fn a_session_that_is_overtaken_leaves_its_routes() {
    let (mut lab, greeted) = {
        let mut lab = Lab::new();
        let greeted = lab.connect_greeted();
        (lab, greeted)
    };
    let (older, greeting) = greeted;
    lab.function(older, "f");
    route(&mut lab, older, "t", "GET", "/f", "f");
    let newer = lab.connect();
    lab.send(
        newer,
        json!({
            "type": "reattach", "previous_worker_id": greeting["worker_id"],
            "reattach_token": greeting["reattach_token"],
        }),
    );
    let exchange = lab.request(asked("GET", "/f"));
    assert_eq!(failed(&lab, exchange).0, 404);
}

#[test]
fn a_hundred_thousand_routes_come_and_go() {
    const ROUTES: usize = 100_000;
    let (mut lab, keeper) = served();
    let worker = lab.connect();
    for number in 0..ROUTES {
        let id = number.to_string();
        let config = json!({"path": format!("/{}/:id/{number}", number % 100)});
        lab.send(worker, register_trigger(&id, "http", "f", config));
        lab.history.clear();
    }
    assert_eq!(lab.texts(worker).len(), ROUTES);
    let exchange = lab.request(asked("GET", "/42/x/4242"));
    let call = lab.only_frame(keeper);
    assert_eq!(call["data"]["path_params"], json!({"id": "x"}));
    lab.send(keeper, answer(&call, json!(1)));
    assert_eq!(answered(&lab, exchange), (200, json!(1)));
    for number in 0..ROUTES / 2 {
        lab.send(worker, unregister("trigger", &number.to_string()));
        lab.history.clear();
    }
    lab.disconnect(worker);
    for path in ["/42/x/4242", "/99/x/99999"] {
        let exchange = lab.request(asked("GET", path));
        assert_eq!(failed(&lab, exchange).0, 404);
    }
    assert_eq!(served_by(&mut lab, &[keeper], "/f"), json!("f"));
}

#[test]
fn calls_and_requests_do_not_get_in_each_others_way() {
    let (mut lab, worker) = served();
    let caller = lab.connect();
    lab.send(caller, invoke("c", "f"));
    let exchange = lab.request(asked("GET", "/f"));
    let [first, second] = <[Value; 2]>::try_from(lab.frames(worker)).unwrap();
    lab.send(worker, answer(&second, json!("second")));
    assert_eq!(answered(&lab, exchange), (200, json!("second")));
    lab.assert_silent(caller);
    lab.send(worker, answer(&first, json!("first")));
    assert_eq!(lab.only_frame(caller)["result"], "first");
}

#[test]
fn nothing_is_kept_of_a_request_that_has_ended() {
    type End = fn(&mut Lab, SessionId, ExchangeId);
    let by_worker: [End; 4] = [
        |lab, worker, _| {
            let call = lab.only_frame(worker);
            lab.send(worker, answer(&call, json!(1)));
        },
        |lab, worker, _| lab.disconnect(worker),
        |lab, _, _| lab.advance(seconds(30)),
        |lab, _, exchange| lab.input(Step::HttpAbandoned(exchange)),
    ];
    let by_endpoint: [End; 4] = [
        |lab, _, _| lab.end_request(Ended::Answer(200, String::new())),
        |lab, _, _| lab.end_request(Ended::Failed("reset".to_owned())),
        |lab, _, _| lab.advance(seconds(2)),
        |lab, _, exchange| lab.input(Step::HttpAbandoned(exchange)),
    ];
    let labs = || {
        let (lab, worker) = served();
        let (other, other_worker, _) = at_an_endpoint();
        [(lab, worker), (other, other_worker)]
    };
    for ends in by_worker.into_iter().zip(by_endpoint) {
        for ((mut lab, worker), end) in labs().into_iter().zip([ends.0, ends.1]) {
            let exchange = lab.request(asked("GET", "/f"));
            end(&mut lab, worker, exchange);
            // What its worker has not answered counts with it for so long.
            lab.advance(seconds(30));
            assert_eq!(lab.next_deadline(), None);
            let engine = format!("{:?}", lab.engine);
            assert!(engine.contains("in_flight: {}, exchanges: {}"), "{engine}");
            assert!(!engine.contains("Late {"), "{engine}");
        }
    }
}
