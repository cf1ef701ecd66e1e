//! The `reference` command as people and scripts run it.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn command() -> Command {
    program(env!("CARGO_BIN_EXE_reference"))
}

/// A program that is given nothing by those who run the tests.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REFERENCE_")) {
        command.env_remove(name);
    }
    command
}

/// Starts it on a free port, and gives the URL that it prints.
async fn start(arguments: &[&str]) -> (Child, String) {
    let mut command = command();
    command.args(arguments);
    start_as(command).await
}

pub(crate) async fn start_as(mut command: Command) -> (Child, String) {
    let anywhere = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    let mut child = command.args(anywhere).spawn().unwrap();
    let mut line = String::new();
    let stdout = child.stdout.as_mut().unwrap();
    let read = BufReader::new(stdout);
    let mut lines = read.lines();
    if let Some(first) = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap() {
        line = first;
    }
    let url = line
        .strip_prefix("listening on ")
        .expect("the bound address");
    (child, url.to_owned())
}

/// Sends a signal to a process that this test has started.
pub(crate) async fn signal(child: &Child, name: &str) {
    let pid = child.id().expect("still running").to_string();
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

pub(crate) async fn finish(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = timeout(PATIENCE, child.wait_with_output())
        .await
        .unwrap()
        .unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_signal_closes_every_session_1012_and_exits_0() {
    for name in ["TERM", "INT"] {
        let (child, url) = start(&[]).await;
        let mut client = Client::connect(&url).await;
        signal(&child, name).await;
        assert_eq!(client.close_code().await, 1012, "{name}");
        let (code, log) = finish(child).await;
        assert_eq!(code, Some(0), "{name}: {log}");
    }
}

#[tokio::test]
async fn a_signal_is_no_sudden_end_from_the_moment_that_the_engine_listens() {
    for name in ["INT", "TERM"] {
        for _ in 0..10 {
            let (child, _) = start(&[]).await;
            signal(&child, name).await;
            assert_eq!(finish(child).await.0, Some(0), "{name}");
        }
    }
}

#[tokio::test]
async fn an_engine_whose_log_nobody_reads_goes_on() {
    for closed in [true, false] {
        let (mut child, url) = start(&[]).await;
        let log = child.stderr.take();
        if closed {
            drop(log);
        }
        let mut client = Client::connect(&url).await;
        // More lines than a pipe holds and wait to be printed (D-28).
        for index in 0..20_000 {
            let frame = format!(r#"{{"type":"registerfunction","id":"function-{index}"}}"#);
            client.socket.feed(Message::text(frame)).await.unwrap();
        }
        client.fence().await;
        Client::connect(&url).await.fence().await;
        signal(&child, "TERM").await;
        assert_eq!(client.close_code().await, 1012);
        assert_eq!(finish(child).await.0, Some(0), "closed: {closed}");
    }
}

#[tokio::test]
async fn the_log_has_one_line_for_each_registration_and_each_refusal() {
    let (child, url) = start(&[]).await;
    let mut client = Client::connect(&url).await;
    client
        .send(r#"{"type":"registerfunction","id":"orders.create"}"#)
        .await;
    client
        .send(r#"{"type":"registerfunction","id":"orders.create"}"#)
        .await;
    assert_eq!(
        client.frame().await["error"]["code"],
        "duplicate_function_id"
    );
    client
        .send(r#"{"type":"registertrigger","id":"t\nINFO forged","trigger_type":"no","function_id":"f","config":{}}"#)
        .await;
    assert_eq!(
        client.frame().await["error"]["code"],
        "trigger_type_not_found"
    );
    client.send("{").await;
    client.frame().await;
    signal(&child, "TERM").await;
    client.close_code().await;
    let (_, log) = finish(child).await;
    for part in [
        ": registered function `orders.create`",
        ": refused function `orders.create`: duplicate_function_id: \
         A function with ID 'orders.create' is already registered",
        ": refused trigger `t\\nINFO forged`: trigger_type_not_found: \
         No trigger type registered with ID 'no'",
        ": bad frame: malformed frame: ",
        "SIGTERM: closing every session",
        "stopped",
    ] {
        let lines = log.lines().filter(|line| line.contains(part)).count();
        assert_eq!(lines, 1, "`{part}` in:\n{log}");
    }
}

#[tokio::test]
async fn in_json_each_line_of_the_log_is_an_object_that_names_the_worker() {
    let (child, url) = start(&["--log-format", "json"]).await;
    let mut client = Client::connect_silently(&url).await;
    let worker = client.frame().await["worker_id"].clone();
    client
        .send(r#"{"type":"registerfunction","id":"a\"b"}"#)
        .await;
    client.fence().await;
    signal(&child, "TERM").await;
    client.close_code().await;
    let (_, log) = finish(child).await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let registered = lines
        .iter()
        .find(|line| line["message"] == "registered function `a\"b`")
        .unwrap_or_else(|| panic!("no such line in:\n{log}"));
    let span = json!({"name": "session", "worker": worker});
    assert_eq!(registered["span"], span);
    assert_eq!(registered["level"], "INFO");
    assert!(registered["timestamp"].is_string());
}

#[tokio::test]
async fn the_line_of_a_call_that_failed_names_its_caller_its_function_and_the_call() {
    const ID: &str = "call\n\"1\"";
    for (format, level) in [("json", "info"), ("json", "warn"), ("text", "warn")] {
        let (child, url) = start(&["--log-format", format, "--log", level]).await;
        let mut client = Client::connect_silently(&url).await;
        let worker = client.frame().await["worker_id"].clone();
        let call = json!({
            "type": "invokefunction", "invocation_id": ID, "function_id": "no`ne",
            "data": "the payload",
        });
        client.send(&call.to_string()).await;
        assert_eq!(client.frame().await["invocation_id"], ID);
        signal(&child, "TERM").await;
        client.close_code().await;
        let (_, log) = finish(child).await;
        let mut lines = log.lines().filter(|line| line.contains("failed"));
        let line = lines.next().expect(&log);
        assert_eq!(lines.next(), None);
        if format == "json" {
            let line: Value = serde_json::from_str(line).expect(line);
            let span = json!({
                "name": "invocation", "worker": worker, "function": "no`ne", "invocation": ID,
            });
            assert_eq!(line["span"], span);
        } else {
            let worker = worker.as_str().unwrap();
            let span = format!(
                r#"invocation{{worker={worker} function="no`ne" invocation="call\n\"1\""}}: "#
            );
            assert!(line.contains(&span), "`{span}` in {line}");
        }
        assert!(!log.contains("the payload"), "{log}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let (child, url) = start(&[]).await;
    let address = url.strip_prefix("ws://").unwrap();
    for (arguments, error) in [
        (
            ["--listen", address, "--http", "off"],
            format!("error: cannot listen on {address}: "),
        ),
        (
            ["--listen", "127.0.0.1:0", "--http", address],
            format!("error: cannot serve http triggers on {address}: "),
        ),
    ] {
        let second = command().args(arguments).spawn().unwrap();
        let (code, errors) = finish(second).await;
        assert_eq!(code, Some(1));
        assert!(errors.contains(&error), "{errors}");
        let flag = "; --http takes another address, or `off`";
        assert_eq!(errors.contains(flag), arguments[3] == address, "{errors}");
    }
    signal(&child, "TERM").await;
    finish(child).await;
}

/// Everything that it prints until it ends.
pub(crate) async fn printed(arguments: &[&str]) -> (String, String) {
    let mut child = command().args(arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    signal(&child, "TERM").await;
    let mut printed = first.unwrap() + "\n";
    while let Some(line) = lines.next_line().await.unwrap() {
        printed += &format!("{line}\n");
    }
    (printed, finish(child).await.1)
}

#[tokio::test]
async fn it_says_where_it_listens_and_where_http_triggers_are() {
    let (lines, log) = printed(&["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]).await;
    let (first, second) = lines.split_once('\n').unwrap();
    assert!(first.starts_with("listening on ws://127.0.0.1:"), "{lines}");
    let port = second.strip_prefix("http triggers on http://127.0.0.1:");
    let port: u16 = port.unwrap().trim_end().parse().unwrap();
    assert!(log.contains(&format!("http triggers on http://127.0.0.1:{port}")));
    let (lines, _) = printed(&["--listen", "127.0.0.1:0", "--http", "off"]).await;
    assert_eq!(lines.lines().count(), 1, "{lines}");
}

#[tokio::test]
async fn a_wrong_command_line_exits_2() {
    for arguments in [
        ["--listen", "here"],
        ["--outbound-host", "*"],
        ["--outbound-host", "http://localhost"],
        ["--outbound-host", "a b"],
        ["--outbound", "everywhere"],
        ["--http", "3111"],
        ["--http-body-bytes-max", "1M"],
        ["--queue-attempts-max", "0"],
    ] {
        let child = command().args(arguments).spawn().unwrap();
        let (code, errors) = finish(child).await;
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(errors.contains(arguments[0]), "{errors}");
    }
}

const SECRET: &str = "hunter2-hunter2";
const TOKEN: &str = "t0k3n-in-the-url";

#[tokio::test]
async fn no_line_of_the_log_and_no_frame_holds_a_secret() {
    for format in ["text", "json"] {
        call_with_secrets(format).await;
    }
}

async fn call_with_secrets(format: &str) {
    let endpoint = wiremock::MockServer::start().await;
    let refusal = wiremock::ResponseTemplate::new(401);
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(refusal)
        .mount(&endpoint)
        .await;
    let mut noisy = command();
    noisy
        .args(["--log", "debug", "--log-format", format])
        .env("KEY", SECRET);
    let (child, url) = start_as(noisy).await;
    let mut client = Client::connect(&url).await;
    let mut frames = String::new();
    for auth in [
        r#"{"type":"bearer","token_key":"KEY"}"#,
        r#"{"type":"hmac","secret_key":"KEY"}"#,
        r#"{"type":"api_key","header":"X-API-Key","value_key":"KEY"}"#,
        r#"{"type":"api_key","header":"Not a header","value_key":"KEY"}"#,
    ] {
        for (origin, refused) in [
            (&*endpoint.uri(), false),
            ("http://127.0.0.1:9", false),
            ("http://169.254.169.254", false),
            ("ftp://127.0.0.1", true),
            ("http://127.0.0.1:99999", true),
            (&format!("http://user:{TOKEN}@127.0.0.1"), true),
            (TOKEN, true),
        ] {
            let url = format!("{origin}/{TOKEN}?token={TOKEN}");
            let refused = refused || auth.contains("Not a header");
            client
                .send(&format!(
                    r#"{{"type":"registerfunction","id":"f","invocation":{{"url":"{url}","auth":{auth}}}}}"#
                ))
                .await;
            let calls = ["f", "engine::functions::list", "engine::workers::list"];
            for called in calls {
                client
                    .send(&format!(
                        r#"{{"type":"invokefunction","invocation_id":"{called}","function_id":"{called}","data":1}}"#
                    ))
                    .await;
            }
            // A refusal adds a frame; the answer of the endpoint comes when it comes.
            for _ in 0..calls.len() + usize::from(refused) {
                frames += &client.text().await;
            }
            client
                .send(r#"{"type":"unregisterfunction","id":"f"}"#)
                .await;
        }
    }
    let requests = endpoint.received_requests().await.unwrap();
    assert_eq!(requests.len(), 3);
    assert!(requests.iter().all(|it| it.url.as_str().contains(TOKEN)));
    signal(&child, "TERM").await;
    client.close_code().await;
    let (_, log) = finish(child).await;
    for line in [
        "request of function `f` failed",
        "refused function `f`",
        "registered function `f` at http://127.0.0.1:9",
    ] {
        assert!(log.contains(line), "`{line}` in {log}");
    }
    for shown in [frames, log] {
        for secret in [SECRET, TOKEN] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn formats_are_enforced_on_request() {
    let (_child, url) = start(&["--enforce-formats"]).await;
    let mut client = Client::connect(&url).await;
    let register = r#"{"type":"registerfunction","id":"f","request_format":{"type":"string"}}"#;
    client.send(register).await;
    let answer = client.call("f", serde_json::json!(1)).await;
    assert_eq!(answer["error"]["code"], "invalid_request", "{answer}");
}
