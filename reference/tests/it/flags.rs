//! What the flags of the `reference` command do, on its own ports (D-15, D-22, D-28, D-31).

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest, http::HeaderName},
};

use crate::{
    client::Client,
    http_client::{Answer, Http, PATIENCE, get, request},
    process::{command, finish, signal},
};

/// A process, and its two ports.
struct Started {
    child: Child,
    url: String,
    http: String,
    _out: Lines<BufReader<ChildStdout>>,
}

async fn start(arguments: &[&str]) -> Started {
    start_as(command(), arguments).await
}

async fn start_as(mut command: Command, arguments: &[&str]) -> Started {
    let anywhere = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let mut child = command.args(anywhere).args(arguments).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut announced = async |what: &str| {
        let line = timeout(PATIENCE, out.next_line()).await.unwrap().unwrap();
        let line = line.unwrap();
        line.strip_prefix(what).expect(&line).to_owned()
    };
    let url = announced("listening on ").await;
    let http = announced("http triggers on http://").await;
    Started {
        child,
        url,
        http,
        _out: out,
    }
}

impl Started {
    /// The status that a worker with this header is refused with, if it is.
    async fn refusal(&self, name: &str, value: &str) -> Option<u16> {
        let mut request = self.url.as_str().into_client_request().unwrap();
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
        match connect_async(request).await {
            Ok(_) => None,
            Err(Error::Http(response)) => Some(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn ask(&self, bytes: String) -> Answer {
        let tcp = TcpStream::connect(&self.http).await.unwrap();
        Http::over(tcp).ask(bytes).await
    }

    /// Its log, once it has ended.
    async fn log(self) -> String {
        signal(&self.child, "TERM").await;
        let (code, log) = finish(self.child).await;
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

fn from(host: &str, headers: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_token_is_asked_for_and_told_to_nobody() {
    const TOKEN: &str = "tok-5n-of-nobody-else";
    let engine = start(&["--token", TOKEN, "--log", "debug"]).await;
    let shown = format!("Bearer {TOKEN}");
    assert_eq!(engine.refusal("x-nothing", "").await, Some(401));
    assert_eq!(engine.refusal("authorization", &shown).await, None);
    assert_eq!(
        engine.refusal("authorization", "Bearer tok-5n").await,
        Some(401)
    );
    let shown = format!("Authorization: {shown}\r\n");
    for target in ["/nowhere", "/metrics"] {
        let refused = engine.ask(from("localhost", "", target)).await;
        assert_eq!(refused.code(), "unauthorized", "{target}");
        let answer = engine.ask(from("localhost", &shown, target)).await;
        assert_eq!(answer.status, if target == "/metrics" { 200 } else { 404 });
        assert!(!answer.text().contains(TOKEN), "{}", answer.text());
    }
    let log = engine.log().await;
    assert!(log.contains("connected") && !log.contains(TOKEN), "{log}");
}

#[tokio::test]
async fn pages_of_an_origin_and_names_of_a_host_are_let_in() {
    let engine = start(&[
        "--allow-origin",
        "http://page.test:3000",
        "--allow-host",
        "engine",
    ])
    .await;
    for (name, value, refused) in [
        ("origin", "http://page.test:3000", None),
        ("origin", "http://page.test", Some(403)),
        ("host", "engine:1", None),
        ("host", "page.test", Some(403)),
    ] {
        assert_eq!(engine.refusal(name, value).await, refused, "{name} {value}");
    }
    for (host, code) in [("engine", "route_not_found"), ("page.test", "forbidden")] {
        let answer = engine.ask(from(host, "", "/nowhere")).await;
        assert_eq!(answer.code(), code, "{host}");
    }
    for target in ["/healthz", "/metrics"] {
        let answer = engine.ask(from("page.test", "", target)).await;
        assert_eq!(answer.status, 403, "{target}");
    }
    let unasked = start(&[]).await;
    for (name, value) in [("origin", "http://page.test:3000"), ("host", "engine:1")] {
        assert_eq!(unasked.refusal(name, value).await, Some(403), "{name}");
    }
}

/// What a session is told of a function with a bearer token from this variable, if it is refused.
async fn refused_for(client: &mut Client, variable: &str) -> Option<Value> {
    let auth = json!({"type": "bearer", "token_key": variable});
    let invocation = json!({"url": "http://127.0.0.1:9/", "auth": auth});
    let frame = json!({"type": "registerfunction", "id": variable, "invocation": invocation});
    client.send(&frame.to_string()).await;
    client.send(r#"{"type":"ping"}"#).await;
    let told = client.frame().await;
    if told["type"] == "pong" {
        return None;
    }
    assert_eq!(client.frame().await["type"], "pong");
    Some(told)
}

#[tokio::test]
async fn variables_that_are_not_allowed_cannot_be_named() {
    let mut command = command();
    command
        .env("WORKER_TOKEN", "a-value-of-ours")
        .env("OTHER_TOKEN", "a-value-of-others");
    let engine = start_as(command, &["--env-allow", "WORKER_*", "--log", "debug"]).await;
    let mut client = Client::connect(&engine.url).await;
    assert_eq!(refused_for(&mut client, "WORKER_TOKEN").await, None);
    let refused = refused_for(&mut client, "OTHER_TOKEN").await.unwrap();
    assert_eq!(refused["error"]["code"], "invalid_env_var", "{refused}");
    let log = engine.log().await;
    assert!(!log.contains("a-value-of"), "{log}");
}

#[tokio::test]
async fn a_call_ends_after_its_time() {
    let engine = start(&["--call-timeout-ms", "50"]).await;
    let mut worker = Client::connect(&engine.url).await;
    worker.register("f").await;
    let mut caller = Client::connect(&engine.url).await;
    let answer = caller.call("f", json!(1)).await;
    assert_eq!(answer["error"]["code"], "timeout", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("50 ms"), "{message}");
}

#[tokio::test]
async fn endpoints_are_no_farther_than_they_may_be() {
    for (flag, value) in [("--outbound", "public"), ("--outbound-host", "example.com")] {
        let engine = start(&[flag, value]).await;
        let mut client = Client::connect(&engine.url).await;
        let invocation = json!({"url": "http://127.0.0.1:9/"});
        let frame = json!({"type": "registerfunction", "id": "f", "invocation": invocation});
        client.send(&frame.to_string()).await;
        let told = client.call("f", json!(1)).await;
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains("may be called"), "{flag}: {told}");
    }
}

#[tokio::test]
async fn a_message_is_handed_out_no_more_often_than_it_may_be() {
    let engine = start(&["--queue-attempts-max", "1"]).await;
    let mut worker = Client::connect(&engine.url).await;
    worker.register("send").await;
    let config = json!({"queue_name": "mail"});
    worker.trigger("queue", "t", "send", config).await;
    let mut client = Client::connect(&engine.url).await;
    let data = json!({"queue_name": "mail", "data": 1});
    client.call("enqueue", data).await;
    let call = worker.served().await;
    worker.fail(&call, "no").await;
    worker.fence().await;
    let stats = client
        .call("engine::queue::stats", json!({"queue_name": "mail"}))
        .await;
    assert_eq!(stats["result"]["queues"][0]["dead_letters"], 1, "{stats}");
}

#[tokio::test]
async fn no_payload_is_in_the_log() {
    const SECRETS: [&str; 6] = [
        "data-of-a-call",
        "result-of-a-call",
        "failure-of-a-call",
        "body-of-a-request",
        "header-of-a-request",
        "header-of-an-answer",
    ];
    let engine = start(&["--log", "debug"]).await;
    let mut worker = Client::connect(&engine.url).await;
    worker.register("f").await;
    let config = json!({"path": "/f", "method": "POST"});
    worker.trigger("http", "t", "f", config).await;
    let url = engine.url.clone();
    let calling = tokio::spawn(async move {
        let mut caller = Client::connect(&url).await;
        for _ in 0..2 {
            caller.call("f", json!("data-of-a-call")).await;
        }
    });
    let call = worker.served().await;
    worker.answer(&call, json!("result-of-a-call")).await;
    let call = worker.served().await;
    worker.fail(&call, "failure-of-a-call").await;
    calling.await.unwrap();
    let tcp = TcpStream::connect(&engine.http).await.unwrap();
    let mut http = Http::over(tcp);
    let header = "X-Own: header-of-a-request\r\n";
    http.send(request("POST", "/f", header, r#""body-of-a-request""#))
        .await;
    let call = worker.served().await;
    let answer = json!({
        "status_code": 200,
        "headers": {"x-own": "header-of-an-answer"},
        "body": "result-of-a-call",
    });
    worker.answer(&call, answer).await;
    assert_eq!(http.answer().await.header("x-own"), "header-of-an-answer");
    let metrics = engine.ask(get("/metrics")).await;
    let log = engine.log().await;
    for line in [
        "registered function `f`",
        "called function `f`\n",
        "call of function `f` answered\n",
        "call of function `f` answered with an error\n",
    ] {
        assert!(log.contains(line), "`{line}` in {log}");
    }
    let of_calls: Vec<&str> = log.lines().filter(|it| it.contains("call")).collect();
    let with_ids = |line: &&&str| {
        ["worker=", "function=\"f\"", "invocation="]
            .iter()
            .all(|id| line.contains(id))
    };
    assert_eq!(of_calls.iter().filter(with_ids).count(), 6, "{log}");
    for secret in SECRETS {
        assert!(!log.contains(secret), "{log}");
        assert!(!metrics.text().contains(secret), "{}", metrics.text());
    }
}
