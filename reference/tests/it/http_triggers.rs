//! Http triggers over real connections: what a function gets, and what becomes of its answer.

use std::time::Duration;

use reference::{
    Options,
    core::{Engine, Settings},
};
use serde_json::{Value, json};

use crate::http_client::{Http, get, request, serve, worker};

#[tokio::test]
async fn a_request_is_a_call_and_its_result_the_answer() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/orders/:id"})).await;
    let mut client = Http::connect(&server).await;
    let headers = "X-Twice: a\r\nx-twice: b\r\nAccept: */*\r\ntraceparent: 00-a-b-01\r\n";
    client
        .send(request("GET", "/orders/7%20b?tag=x&tag=y&q=1", headers, ""))
        .await;
    let call = worker.served().await;
    assert_eq!(call["function_id"], "f");
    assert_eq!(call["traceparent"], "00-a-b-01");
    assert_eq!(
        call["data"],
        json!({
            "path": "/orders/7%20b",
            "method": "GET",
            "path_params": {"id": "7 b"},
            "query_params": {"tag": ["x", "y"], "q": "1"},
            "headers": {
                "host": "localhost", "x-twice": "a, b", "accept": "*/*", "traceparent": "00-a-b-01",
            },
            "body": null,
            "trigger": {"type": "http", "path": "/orders/:id", "method": "GET"},
        })
    );
    let result = json!({
        "status_code": 201,
        "headers": {"X-Order": "é7", "Set-Cookie": ["a=1", "b=2"]},
        "body": {"id": 7},
    });
    worker.answer(&call, result).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 201);
    for (name, value) in [
        ("x-order", "é7"),
        ("set-cookie", "a=1, b=2"),
        ("content-type", "application/json"),
        ("content-length", "8"),
        ("connection", ""),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    assert!(!answer.header("date").is_empty());
    assert_eq!(answer.text(), r#"{"id":7}"#);
}

#[tokio::test]
async fn bodies_arrive_by_their_content_type() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/in", "method": "POST"})).await;
    let mut client = Http::connect(&server).await;
    for (content_type, body, expected, encoding) in [
        (
            "application/json",
            r#"{ "a":[1] }"#,
            json!({"a": [1]}),
            Value::Null,
        ),
        ("text/plain", "h\u{e9}", json!("h\u{e9}"), Value::Null),
        ("image/png", "\0\u{1}", json!("AAE="), json!("base64")),
    ] {
        let headers = format!("Content-Type: {content_type}\r\n");
        client.send(request("POST", "/in", &headers, body)).await;
        let call = worker.served().await;
        assert_eq!(call["data"]["body"], expected);
        assert_eq!(call["data"]["body_encoding"], encoding);
        let echo = json!({"body": call["data"]["body"], "body_encoding": encoding});
        worker.answer(&call, echo).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 200);
        if content_type != "application/json" {
            assert_eq!(answer.body, body.as_bytes(), "{content_type}");
        }
    }
    let headers = "Content-Type: application/json\r\n";
    let answer = client.ask(request("POST", "/in", headers, "{")).await;
    assert_eq!((answer.status, &*answer.code()), (400, "bad_request"));
    // The connection is as good as before.
    let answer = client.ask(get("/in")).await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_head_is_answered_as_a_get_without_the_body() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    for result in [
        json!({"body": "12345"}),
        json!({"status_code": 404, "body": "12345"}),
    ] {
        client.send(request("HEAD", "/a", "", "")).await;
        let call = worker.served().await;
        assert_eq!(call["data"]["method"], "HEAD");
        worker.answer(&call, result).await;
        let answer = client.head().await;
        assert_eq!(answer.header("content-length"), "5");
        assert_eq!(answer.header("transfer-encoding"), "");
    }
    // What comes next is the next answer: no byte of a body lies between.
    let answer = client.ask(get("/none")).await;
    assert_eq!((answer.status, &*answer.code()), (404, "route_not_found"));
    client.send(request("HEAD", "/none", "", "")).await;
    let headless = client.head().await;
    assert_eq!(headless.status, 404);
    assert_eq!(
        headless.header("content-length"),
        answer.body.len().to_string()
    );
    assert_eq!(client.ask(get("/none")).await.status, 404);
}

#[tokio::test]
async fn methods_without_a_trigger_are_told_those_that_have_one() {
    let server = serve(Options::default()).await;
    let _worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    let answer = client.ask(request("DELETE", "/a", "", "")).await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (405, "method_not_allowed")
    );
    let allow = answer.header("allow");
    assert!(allow.contains("GET") && allow.contains("HEAD"), "{allow}");
    let answer = client.ask(request("OPTIONS", "/a", "", "")).await;
    assert_eq!((answer.status, answer.header("allow")), (204, allow));
    assert_eq!(answer.header("content-length"), "");
    let answer = client.ask(request("BREW", "/a", "", "")).await;
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn statuses_without_a_body_have_none() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    for (status, length) in [(204, ""), (205, "0"), (304, ""), (200, "0")] {
        client.send(get("/a")).await;
        let call = worker.served().await;
        let result = json!({"status_code": status, "headers": {"etag": "\"1\""}});
        worker.answer(&call, result).await;
        let answer = client.answer().await;
        assert_eq!(
            (answer.status, &*answer.header("content-length")),
            (status, length)
        );
        assert_eq!(answer.header("etag"), "\"1\"");
    }
}

#[tokio::test]
async fn a_result_cannot_add_to_the_head_of_an_answer() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    for headers in [
        json!({"X-A": "b\r\nSet-Cookie: stolen=1"}),
        json!({"X-A\r\nSet-Cookie": "stolen=1"}),
        json!(["X-A: b\n\nbody"]),
        json!({"Content-Length": "0"}),
        json!({"Transfer-Encoding": "chunked"}),
        json!({"Connection": "upgrade"}),
    ] {
        client.send(get("/a")).await;
        let call = worker.served().await;
        worker
            .answer(&call, json!({"headers": headers, "body": "x"}))
            .await;
        let answer = client.answer().await;
        assert_eq!((answer.status, &*answer.code()), (502, "invalid_response"));
        assert_eq!(answer.header("set-cookie"), "");
    }
}

#[tokio::test]
async fn a_trigger_whose_function_is_gone_answers_503_until_it_is_back() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    worker.unregister("f").await;
    let answer = client.ask(get("/a")).await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (503, "function_not_found")
    );
    worker.register("f").await;
    client.send(get("/a")).await;
    let call = worker.served().await;
    worker.answer(&call, json!("back")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.text()), (200, r#""back""#));
}

#[tokio::test]
async fn what_a_worker_does_not_answer_is_502_or_504() {
    let settings = Settings {
        call_timeout: Duration::from_millis(20),
        ..Settings::default()
    };
    let server = serve(Options {
        machine: Box::new(Engine::new(settings)),
        ..Options::default()
    })
    .await;
    let mut slow = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    let answer = client.ask(get("/a")).await;
    assert_eq!((answer.status, &*answer.code()), (504, "timeout"));
    let server = serve(Options::default()).await;
    let mut failing = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    client.send(get("/a")).await;
    let call = failing.served().await;
    failing.fail(&call, "no stock").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, &*answer.code()), (502, "it_failed"));
    client.send(get("/a")).await;
    failing.served().await;
    drop(failing);
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, &*answer.code()),
        (502, "invocation_stopped")
    );
    // Its triggers have gone with it.
    assert_eq!(client.ask(get("/a")).await.status, 404);
    slow.served().await;
}

#[tokio::test]
async fn a_function_of_the_engine_and_an_endpoint_can_be_behind_a_trigger() {
    let endpoint = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_json(json!({"body": "hi"})))
        .mount(&endpoint)
        .await;
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/none"})).await;
    let frame = json!({
        "type": "registerfunction", "id": "served", "invocation": {"url": endpoint.uri()},
    });
    worker.send(&frame.to_string()).await;
    worker
        .trigger("http", "served", "served", json!({"path": "/served"}))
        .await;
    let listing = json!({"path": "/functions"});
    worker
        .trigger("http", "list", "engine::functions::list", listing)
        .await;
    let mut client = Http::connect(&server).await;
    assert_eq!(client.ask(get("/served")).await.text(), "hi");
    let answer = client.ask(get("/functions")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("served"), "{}", answer.text());
}
