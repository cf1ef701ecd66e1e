//! HTTP-invoked functions over real connections: what an endpoint gets, what a caller gets.

use std::time::Duration;

use reference::{
    FixedEnvironment, Limits, NarrowedEnvironment, Options, Server,
    core::{OutboundPolicy, Reach},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use crate::client::Client;

const SECRET: &str = "s3cret-value";

pub(crate) fn options() -> Options {
    Options {
        environment: Box::new(FixedEnvironment::new([("KEY", SECRET)])),
        ..Options::default()
    }
}

/// A session with a function `f` that is served at a URL.
pub(crate) async fn with_function(server: &Server, invocation: Value) -> Client {
    let mut client = Client::connect(&server.url()).await;
    let frame = json!({"type": "registerfunction", "id": "f", "invocation": invocation});
    client.send(&frame.to_string()).await;
    client.fence().await;
    client
}

pub(crate) async fn call(client: &mut Client, data: &str) -> Value {
    let frame = format!(
        r#"{{"type":"invokefunction","invocation_id":"i","function_id":"f","data":{data}}}"#
    );
    client.send(&frame).await;
    client.frame().await
}

async fn endpoint(response: ResponseTemplate) -> MockServer {
    let endpoint = MockServer::start().await;
    Mock::given(path("/hook"))
        .respond_with(response)
        .mount(&endpoint)
        .await;
    endpoint
}

async fn requests(endpoint: &MockServer) -> Vec<Request> {
    endpoint.received_requests().await.unwrap()
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request
        .headers
        .get(name)
        .map_or("", |it| it.to_str().unwrap())
}

#[tokio::test]
async fn a_call_is_a_request_and_its_answer_the_result() {
    let endpoint = endpoint(
        ResponseTemplate::new(200).set_body_raw(r#"{"done": true,"n":1.0}"#, "application/json"),
    )
    .await;
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let invocation = json!({
        "url": format!("{}/hook?q=1", endpoint.uri()), "method": "PUT",
        "headers": {"X-Custom": "value"},
    });
    let mut client = with_function(&server, invocation).await;
    let answer = call(&mut client, r#"{ "amount":12.50 }"#).await;
    assert_eq!(answer["result"], json!({"done": true, "n": 1.0}));
    let requests = requests(&endpoint).await;
    let request = &requests[0];
    assert_eq!(request.method.as_str(), "PUT");
    assert_eq!(request.url.query(), Some("q=1"));
    assert_eq!(request.body, br#"{ "amount":12.50 }"#, "byte for byte");
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-custom", "value"),
        ("x-iii-function-path", "f"),
        ("authorization", ""),
    ] {
        assert_eq!(header(request, name), value, "{name}");
    }
    assert!(header(request, "x-iii-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(header(request, "x-iii-invocation-id").len(), 36);
}

#[tokio::test]
async fn every_method_carries_the_payload() {
    for name in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let endpoint = MockServer::start().await;
        Mock::given(method(name))
            .respond_with(ResponseTemplate::new(204))
            .mount(&endpoint)
            .await;
        let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
        let invocation = json!({"url": endpoint.uri(), "method": name});
        let mut client = with_function(&server, invocation).await;
        assert_eq!(
            call(&mut client, "[1]").await["result"],
            Value::Null,
            "{name}"
        );
        assert_eq!(requests(&endpoint).await[0].body, b"[1]", "{name}");
    }
}

#[tokio::test]
async fn each_kind_of_auth_has_its_header() {
    for (auth, name, start) in [
        (
            json!({"type": "bearer", "token_key": "KEY"}),
            "authorization",
            "Bearer s3cret-value",
        ),
        (
            json!({"type": "api_key", "header": "X-API-Key", "value_key": "KEY"}),
            "x-api-key",
            SECRET,
        ),
        (
            json!({"type": "hmac", "secret_key": "KEY"}),
            "x-iii-signature",
            "sha256=",
        ),
    ] {
        let endpoint = endpoint(ResponseTemplate::new(200)).await;
        let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
        let url = format!("{}/hook", endpoint.uri());
        let mut client = with_function(&server, json!({"url": url, "auth": auth})).await;
        assert_eq!(call(&mut client, "1").await["result"], Value::Null);
        let requests = requests(&endpoint).await;
        let value = header(&requests[0], name);
        assert!(value.starts_with(start), "{name}: {value}");
    }
}

#[tokio::test]
async fn answers_that_are_no_results_have_their_codes() {
    for (response, code) in [
        (
            ResponseTemplate::new(200).set_body_string("<html>"),
            "invalid_response",
        ),
        (
            ResponseTemplate::new(500).set_body_string("oops"),
            "http_error",
        ),
        (
            ResponseTemplate::new(422)
                .set_body_json(json!({"error": {"code": "too_small", "message": "no"}})),
            "too_small",
        ),
        (
            ResponseTemplate::new(302).insert_header("location", "/elsewhere"),
            "http_error",
        ),
        (
            ResponseTemplate::new(200).set_body_string(format!("\"{}\"", "x".repeat(2_000))),
            "response_too_large",
        ),
    ] {
        let endpoint = endpoint(response).await;
        let limits = Limits {
            response_bytes_max: 1_000,
            ..Limits::default()
        };
        let options = Options {
            limits,
            ..options()
        };
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        let url = format!("{}/hook", endpoint.uri());
        let mut client = with_function(&server, json!({"url": url})).await;
        assert_eq!(call(&mut client, "1").await["error"]["code"], code);
        assert_eq!(
            requests(&endpoint).await.len(),
            1,
            "{code}: redirects are not followed"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_too_slow_ends_the_call() {
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    let endpoint = endpoint(slow).await;
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let url = format!("{}/hook", endpoint.uri());
    let mut client = with_function(&server, json!({"url": url, "timeout_ms": 50})).await;
    let answer = call(&mut client, "1").await;
    assert_eq!(answer["error"]["code"], "timeout");
}

/// Answers the first connection with these bytes, whatever is asked, and ends it.
async fn raw_endpoint(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        let _ = tcp.read(&mut request).await;
        let _ = tcp.write_all(answer).await;
        let _ = tcp.shutdown().await;
    });
    url
}

#[tokio::test]
async fn endpoints_that_break_the_protocol_are_failed_requests() {
    for answer in [
        &b""[..],
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ] {
        let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
        let url = raw_endpoint(answer).await;
        let mut client = with_function(&server, json!({"url": url})).await;
        let failed = call(&mut client, "1").await;
        let shown = String::from_utf8_lossy(answer);
        assert_eq!(failed["error"]["code"], "http_request_failed", "{shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_connections_is_named_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/?token=in-the-url",
        listener.local_addr().unwrap()
    );
    drop(listener);
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let mut client = with_function(&server, json!({"url": url})).await;
    let failed = call(&mut client, "1").await;
    assert_eq!(failed["error"]["code"], "http_request_failed");
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("efused"), "{message}");
    assert!(!message.contains("in-the-url"), "{message}");
}

#[tokio::test]
async fn a_caller_that_leaves_cancels_its_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let _worker = with_function(&server, json!({"url": url})).await;
    let mut caller = Client::connect(&server.url()).await;
    caller
        .send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1}"#)
        .await;
    let (mut tcp, _) = listener.accept().await.unwrap();
    let mut request = [0; 4_096];
    assert!(tcp.read(&mut request).await.unwrap() > 0);
    drop(caller);
    // The connection is given up, not kept for an answer that nobody wants.
    while tcp.read(&mut request).await.is_ok_and(|bytes| bytes > 0) {}
}

#[tokio::test]
async fn where_calls_may_go_is_decided_once_the_address_is_known() {
    let endpoint = endpoint(ResponseTemplate::new(200)).await;
    let port = endpoint.address().port();
    let policy = |reach, hosts: &[&str]| OutboundPolicy {
        reach,
        hosts: hosts.iter().map(|it| (*it).to_owned()).collect(),
    };
    for (policy, host, allowed) in [
        (policy(Reach::Any, &[]), "127.0.0.1", true),
        (policy(Reach::Loopback, &[]), "localhost", true),
        (policy(Reach::Public, &[]), "127.0.0.1", false),
        (policy(Reach::Public, &[]), "localhost", false),
        (policy(Reach::Public, &[]), "[::ffff:127.0.0.1]", false),
        (policy(Reach::Any, &["localhost"]), "localhost", true),
        (policy(Reach::Any, &["localhost"]), "127.0.0.1", false),
        (policy(Reach::Any, &[]), "169.254.169.254", false),
        (policy(Reach::Any, &[]), "0.0.0.0", false),
    ] {
        let shown = format!("{policy:?} {host}");
        let options = Options {
            outbound: policy,
            ..options()
        };
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        let url = format!("http://{host}:{port}/hook");
        let mut client = with_function(&server, json!({"url": url})).await;
        let answer = call(&mut client, "1").await;
        assert_eq!(answer.get("error").is_none(), allowed, "{shown}: {answer}");
    }
    assert_eq!(requests(&endpoint).await.len(), 3);
}

#[tokio::test]
async fn variables_that_may_not_be_named_are_refused_whether_they_exist_or_not() {
    let environment = FixedEnvironment::new([("WORKER_KEY", "v"), ("OTHER", "v")]);
    let options = Options {
        environment: Box::new(NarrowedEnvironment::new(environment, ["WORKER_*"])),
        ..Options::default()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let mut client = Client::connect(&server.url()).await;
    for (name, code) in [
        ("WORKER_KEY", None),
        ("WORKER_NONE", Some("missing_env_var")),
        ("OTHER", Some("invalid_env_var")),
        ("NONE", Some("invalid_env_var")),
    ] {
        let auth = json!({"type": "bearer", "token_key": name});
        let invocation = json!({"url": "http://127.0.0.1:9/", "auth": auth});
        let frame = json!({"type": "registerfunction", "id": name, "invocation": invocation});
        client.send(&frame.to_string()).await;
        if let Some(code) = code {
            assert_eq!(client.frame().await["error"]["code"], code, "{name}");
        }
        client.fence().await;
    }
}

#[tokio::test]
async fn trace_context_goes_with_the_request() {
    let endpoint = endpoint(ResponseTemplate::new(200)).await;
    let server = Server::bind("127.0.0.1:0", options()).await.unwrap();
    let url = format!("{}/hook", endpoint.uri());
    let mut client = with_function(&server, json!({"url": url})).await;
    client
        .send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1,"traceparent":"00-a-b-01","baggage":"k=v"}"#)
        .await;
    client.frame().await;
    let requests = requests(&endpoint).await;
    assert_eq!(header(&requests[0], "traceparent"), "00-a-b-01");
    assert_eq!(header(&requests[0], "baggage"), "k=v");
}
