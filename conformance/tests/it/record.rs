//! `conformance record` and `conformance replay`: what was said becomes a case, and a case is
//! played with all that is said.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Stdio},
};

use conformance_suite::assets;
use futures_util::{SinkExt, StreamExt};
use reference::Server;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Bytes, Message, protocol::CloseFrame},
};

use crate::{
    command::{command, run},
    embedded,
    engines::{Fate, Faulty, serve},
    lint::Folder,
};

async fn run_blocking(arguments: &[&str]) -> (Option<i32>, String, String) {
    let all: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

async fn reference() -> Server {
    Server::bind("127.0.0.1:0", embedded::options())
        .await
        .unwrap()
}

/// The command while it records.
struct Recording {
    child: Child,
    out: BufReader<ChildStdout>,
    url: String,
}

impl Recording {
    async fn start(arguments: &[&str]) -> Self {
        let mut command = command(arguments);
        tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            let url = line
                .split(' ')
                .find(|it| it.starts_with("ws://127.0.0.1:") && !arguments_hold(&line, it));
            let url = url.unwrap_or_else(|| panic!("{line}")).to_owned();
            Self { child, out, url }
        })
        .await
        .unwrap()
    }

    #[cfg(unix)]
    async fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        let kill = move || {
            std::process::Command::new("sh")
                .arg("-c")
                .arg(kill)
                .status()
        };
        assert!(
            tokio::task::spawn_blocking(kill)
                .await
                .unwrap()
                .unwrap()
                .success()
        );
    }

    /// Waits until it has ended; its exit code and the rest of what it said.
    async fn end(mut self) -> (Option<i32>, String) {
        tokio::task::spawn_blocking(move || {
            let mut rest = String::new();
            self.out.read_to_string(&mut rest).unwrap();
            (self.child.wait().unwrap().code(), rest)
        })
        .await
        .unwrap()
    }
}

/// Whether an address is that of the engine, which the line names first.
fn arguments_hold(line: &str, url: &str) -> bool {
    line.starts_with(&format!("recording: clients of {url} "))
}

/// A client that knows nothing of being recorded.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn connect(url: &str) -> Self {
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next frame of a type.
    async fn receive(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(text) = self.0.next().await.unwrap().unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == kind {
                    return frame;
                }
            }
        }
    }

    /// A ping; its own payload comes back, once.
    async fn ping(&mut self) {
        let payload = Bytes::from_static(b"through");
        self.0.send(Message::Ping(payload.clone())).await.unwrap();
        loop {
            if let Message::Pong(answer) = self.0.next().await.unwrap().unwrap() {
                assert_eq!(answer, payload);
                return;
            }
        }
    }

    /// Closes, and tells what the engine answered.
    async fn close(mut self, code: u16) -> Option<u16> {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.0.send(Message::Close(Some(frame))).await.unwrap();
        let mut answer = None;
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Close(Some(frame)) = message {
                answer = Some(frame.code.into());
            }
        }
        answer
    }
}

/// A worker that serves a function, and a caller that calls it and one that does not exist.
async fn converse(url: &str) {
    let mut worker = Client::connect(url).await;
    worker.receive("workerregistered").await;
    worker.ping().await;
    let register = json!({"type": "registerfunction", "id": "orders.create"});
    worker.send(register.clone()).await;
    worker.send(register).await;
    worker.receive("functionregistrationresult").await;
    let mut caller = Client::connect(url).await;
    caller.receive("workerregistered").await;
    let (call, data) = (
        "5b6a7c1e-9f0d-4c2b-8a3e-1d2c3b4a5f60",
        json!({"$odd": 1, "text": "é"}),
    );
    caller
        .send(json!({
            "type": "invokefunction", "invocation_id": call, "function_id": "orders.create",
            "data": data,
        }))
        .await;
    let invoked = worker.receive("invokefunction").await;
    worker
        .send(json!({
            "type": "invocationresult", "invocation_id": invoked["invocation_id"],
            "function_id": "orders.create", "result": {"ok": true},
        }))
        .await;
    caller.receive("invocationresult").await;
    let missing = json!({
        "type": "invokefunction", "invocation_id": "second", "function_id": "orders.none",
        "data": null,
    });
    caller.send(missing).await;
    caller.receive("invocationresult").await;
    caller.send(json!({"type": "ping"})).await;
    caller.receive("pong").await;
    caller.0.send(Message::text("no JSON")).await.unwrap();
    caller.receive("error").await;
    caller.0.send(Message::binary(vec![1, 2])).await.unwrap();
    caller.receive("error").await;
    assert_eq!(caller.close(1000).await, Some(1000));
    assert_eq!(worker.close(4001).await, Some(4001));
}

#[tokio::test]
async fn what_was_said_becomes_a_case_that_passes_there_and_fails_elsewhere() {
    let engine = reference().await;
    let folder = Folder::new();
    let file = folder.path().join("recorded-orders.json");
    let path = file.display().to_string();
    let recording = Recording::start(&[
        "record",
        "--url",
        &engine.url(),
        "--sessions",
        "2",
        "--output",
        &path,
    ])
    .await;
    converse(&recording.url).await;
    let (code, rest) = recording.end().await;
    assert_eq!((code, rest.contains("saved: ")), (Some(0), true), "{rest}");

    let text = std::fs::read_to_string(&file).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(case["level"], "observe");
    assert!(
        case["title"].as_str().unwrap().starts_with("Recorded: "),
        "{text}"
    );
    for (literal, token) in [
        ("orders.create", json!({"$unique": "function"})),
        ("5b6a7c1e", json!({"$unique_uuid": "call"})),
        ("second", json!({"$unique": "call-2"})),
    ] {
        assert!(!text.contains(literal), "{literal} in {text}");
        assert!(holds(&case, &token), "{token} in {text}");
    }
    for token in [
        json!({"$capture": {"name": "invocation", "is": {"$uuid": true}}}),
        json!({"$ref": "invocation"}),
        json!({"$text": "A function with ID '{function}' is already registered"}),
        json!({"on": "session-2", "send_text": "no JSON"}),
        json!({"on": "session-2", "send_raw": {"opcode": "binary", "hex": "0102"}}),
        json!({"on": "session-2", "close": 1000}),
        json!({"on": "session-1", "close": 4001}),
        json!({"on": "session-2", "connect": true}),
    ] {
        assert!(holds(&case, &token), "{token} in {text}");
    }
    assert!(!text.contains("pong"), "{text}");
    let (code, out, _) = run_blocking(&["lint", &path]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.ends_with("1 file: 0 faults, 0 warnings\n"),
        "{out}{text}"
    );

    let cases = folder.path().display().to_string();
    let again = ["run", "--strict", "--cases", &cases, "--url"];
    // More than once: nothing of the first time is in the way of the second.
    for _ in 0..2 {
        let (code, out, err) = run_blocking(&[&again[..], &[&engine.url()]].concat()).await;
        assert_eq!(code, Some(0), "{out}{err}{text}");
        // With it the probe that its fences need.
        assert!(out.contains("\n2 passed, 0 failed, "), "{out}");
    }
    engine.shutdown().await;

    let faulty = serve(Faulty::outgoing(|frame| {
        if frame["type"] == "invocationresult" && frame.get("error").is_some() {
            frame["error"]["code"] = "other".into();
        }
        Fate::Keep
    }))
    .await;
    let (code, out, _) = run_blocking(&[&again[..], &[&faulty.url()]].concat()).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("error.code"), "{out}");
    faulty.shutdown().await;
}

/// Whether a value is anywhere in another.
fn holds(value: &Value, wanted: &Value) -> bool {
    value == wanted
        || match value {
            Value::Array(items) => items.iter().any(|it| holds(it, wanted)),
            Value::Object(fields) => fields.values().any(|it| holds(it, wanted)),
            _ => false,
        }
}

#[tokio::test]
async fn a_greeting_alone_can_be_recorded_and_replayed() {
    let engine = reference().await;
    let folder = Folder::new();
    let path = folder.path().join("silent.json").display().to_string();
    let recording = Recording::start(&["record", "--url", &engine.url(), "--output", &path]).await;
    let silent = Client::connect(&recording.url).await;
    silent.close(1000).await;
    let (code, _) = recording.end().await;
    assert_eq!(code, Some(0));
    let (code, out, _) = run_blocking(&["replay", &path, "--strict", "--url", &engine.url()]).await;
    assert_eq!(code, Some(0), "{out}");
    engine.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn an_interrupt_saves_what_was_said_if_anything_was() {
    let engine = reference().await;
    let folder = Folder::new();
    let path = folder.path().join("open.json").display().to_string();
    let arguments = ["record", "--url", &engine.url(), "--output", &path];
    let idle = Recording::start(&arguments).await;
    idle.interrupt().await;
    assert_eq!(idle.end().await.0, Some(4));
    assert!(!std::path::Path::new(&path).exists());

    let recording = Recording::start(&arguments).await;
    let mut client = Client::connect(&recording.url).await;
    client.receive("workerregistered").await;
    client.send(json!({"type": "no-such-type"})).await;
    client.receive("error").await;
    recording.interrupt().await;
    assert_eq!(recording.end().await.0, Some(0));
    let (code, out, _) = run_blocking(&["replay", &path, "--strict", "--url", &engine.url()]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("no-such-type"), "{out}");
    engine.shutdown().await;
}

#[tokio::test]
async fn wrong_command_lines_of_record_say_what_is_wrong() {
    let engine = reference().await;
    let folder = Folder::new();
    let taken = folder.file("taken.json", "{}");
    let free = folder.path().join("free.json").display().to_string();
    let odd = folder.path().join("Odd name.json").display().to_string();
    let nowhere = folder.path().join("no/free.json").display().to_string();
    let url = engine.url();
    let none = "ws://127.0.0.1:1";
    for (arguments, exit, mention) in [
        (
            vec!["--url", &url, "--output", &taken],
            2,
            "it exists already",
        ),
        (vec!["--url", &url, "--output", &odd], 2, "lower-case words"),
        (
            vec!["--url", &url, "--output", &nowhere],
            2,
            "no such folder",
        ),
        (
            vec!["--url", &url, "--output", &free, "--clause", "X-1"],
            2,
            "no clause `X-1`",
        ),
        (
            vec!["--url", "wss://x", "--output", &free],
            2,
            "must begin with ws://",
        ),
        (vec!["--url", none, "--output", &free], 3, "cannot connect"),
    ] {
        let arguments = [vec!["record"], arguments].concat();
        let (code, out, err) = run_blocking(&arguments).await;
        assert_eq!(
            (code, out.as_str()),
            (Some(exit), ""),
            "{arguments:?} {err}"
        );
        assert!(err.contains(mention), "{arguments:?} {err}");
    }
    engine.shutdown().await;
}

fn carried(folder: &str, id: &str) -> &'static str {
    let path = format!("{folder}/{id}.json");
    assets::cases()
        .into_iter()
        .find(|it| it.path == path)
        .unwrap()
        .text
}

#[test]
fn a_case_is_replayed_from_wherever_it_is_with_all_that_is_said() {
    let folder = Folder::new();
    let id = "trigger-of-unknown-type-is-refused";
    let file = folder.file(&format!("{id}.json"), carried("trigger", id));
    let (code, out, err) = run(&["replay", &file]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains(&format!("passed  {id}\n  transcript\n")),
        "{out}"
    );
    assert!(
        out.contains("worker → {\"type\":\"registertrigger\""),
        "{out}"
    );
    assert!(out.contains("worker ← {"), "{out}");

    // What it needs is probed for by the cases that the suite carries.
    let id = "calls-answered-in-reverse-order-keep-their-answers";
    let text = carried("call", id);
    assert!(text.contains("\"needs\""), "{text}");
    let file = folder.file(&format!("{id}.json"), text);
    let (code, out, err) = run(&["replay", &file]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains(&format!("passed  {id}\n")), "{out}");
}

#[test]
fn a_case_that_fails_is_replayed_with_the_difference() {
    let folder = Folder::new();
    let id = "trigger-of-unknown-type-is-refused";
    let code = |code: &str| format!("\"code\": \"{code}\"");
    let text = carried("trigger", id);
    let text = text.replace(&code("trigger_type_not_found"), &code("other"));
    assert!(text.contains(&code("other")));
    let file = folder.file(&format!("{id}.json"), text);
    let (code, out, err) = run(&["replay", &file]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        out.contains("error.code") && out.contains("transcript"),
        "{out}"
    );
    for (arguments, exit, mention) in [
        (vec!["replay"], 2, "<FILE>"),
        (vec!["replay", "no/such.json"], 2, "no/such.json"),
        (vec!["replay", &file, &file], 2, "one file"),
        (
            vec!["replay", &file, "--url", "ws://127.0.0.1:1"],
            3,
            "cannot connect",
        ),
    ] {
        let (code, _, err) = run(&arguments);
        assert_eq!(code, Some(exit), "{arguments:?} {err}");
        assert!(err.contains(mention), "{arguments:?} {err}");
    }
}
