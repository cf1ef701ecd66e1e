//! What people and programs see, word for word: the error frames, and the report of a failure.

use std::time::Duration;

use conformance_suite::{
    frame::Frame,
    ledger::Ledger,
    report::{self, Run},
    session::Session,
    transcript::{Entry, Transcript},
    verdict::{Outcome, Status, Unrun},
};
use reference::{
    Access, FixedEnvironment, Limits, Options, Server, Token,
    core::{Engine, QueueLimits, Settings},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use crate::{
    embedded,
    engines::{Fate, Faulty, Part, judge},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sends frames on one session of a fresh engine, and gives what comes back but for the greeting.
async fn answers(frames: &[&str]) -> Vec<Value> {
    answers_of(embedded::options(), frames, 0).await
}

/// Likewise, of an engine that is not as usual, from which so many more frames are awaited.
async fn answers_of(options: Options, frames: &[&str], awaited: usize) -> Vec<Value> {
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let transcript = Transcript::default();
    let mut session = Session::connect(&server.url(), "worker", false, PATIENCE, &transcript)
        .await
        .unwrap();
    for frame in frames {
        session.send_text(frame).await;
    }
    let deadline = Instant::now() + PATIENCE;
    let mut answers = Vec::new();
    for _ in 0..awaited {
        let failure = |frame: &Frame| frame.value.get("error").map(|_| ());
        let (frame, ()) = session.take(deadline, failure).await.unwrap();
        answers.push(frame.value);
    }
    session.fence(true, deadline).await.unwrap();
    let kept = session.kept().iter().map(|frame| frame.value.clone());
    answers.extend(kept.filter(|it| it["type"] != "workerregistered"));
    answers
}

macro_rules! error_frames {
    ($($name:ident: $frames:expr;)+) => {$(
        #[tokio::test]
        async fn $name() {
            insta::assert_json_snapshot!(stringify!($name), answers(&$frames).await, {
                "[].invocation_id" => "[invocation id]",
                "[].worker_id" => "[worker id]",
            });
        }
    )+};
}

const FUNCTION: &str = r#"{"type":"registerfunction","id":"my_function"}"#;

error_frames! {
    missing_env_var_bearer: [r#"{"type":"registerfunction","id":"f","invocation":{"url":"https://example.com/","auth":{"type":"bearer","token_key":"LAMBDA_TOKEN"}}}"#];
    missing_env_var_hmac: [r#"{"type":"registerfunction","id":"f","invocation":{"url":"https://example.com/","auth":{"type":"hmac","secret_key":"NO_SECRET"}}}"#];
    missing_env_var_api_key: [r#"{"type":"registerfunction","id":"f","invocation":{"url":"https://example.com/","auth":{"type":"api_key","header":"X-API-Key","value_key":"NO_KEY"}}}"#];
    duplicate_function_id: [FUNCTION, FUNCTION];
    invalid_request_method: [r#"{"type":"registerfunction","id":"f","invocation":{"url":"https://example.com/","method":"FETCH"}}"#];
    invalid_request_url: [r#"{"type":"registerfunction","id":"f","invocation":{"url":"/lambda"}}"#];
    invalid_request_action: [r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":null,"action":{"type":"later"}}"#];
    trigger_type_not_found: [FUNCTION, r#"{"type":"registertrigger","id":"t","trigger_type":"nonexistent_type","function_id":"my_function","config":{}}"#];
    trigger_function_not_found: [r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"nonexistent_function","config":{"path":"/test"}}"#];
    invalid_config_cron: [FUNCTION, r#"{"type":"registertrigger","id":"t","trigger_type":"cron","function_id":"my_function","config":{"schedule":"invalid cron expression"}}"#];
    invalid_config_timezone: [FUNCTION, r#"{"type":"registertrigger","id":"t","trigger_type":"cron","function_id":"my_function","config":{"schedule":"0 9 * * *","timezone":"Mars/Olympus_Mons"}}"#];
    invalid_config_http: [FUNCTION, r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"my_function","config":{"path":"test"}}"#];
    invalid_config_queue: [FUNCTION, r#"{"type":"registertrigger","id":"t","trigger_type":"queue","function_id":"my_function","config":{"queue_name":"q","batch_size":0}}"#];
    duplicate_trigger_id: [
        FUNCTION,
        r#"{"type":"registertrigger","id":"existing_trigger","trigger_type":"http","function_id":"my_function","config":{"path":"/a"}}"#,
        r#"{"type":"registertrigger","id":"existing_trigger","trigger_type":"http","function_id":"my_function","config":{"path":"/b"}}"#
    ];
    duplicate_trigger_type_id: [r#"{"type":"registertriggertype","id":"http","description":"mine"}"#];
    trigger_registration_cancelled: [
        FUNCTION,
        r#"{"type":"registertriggertype","id":"own","description":""}"#,
        r#"{"type":"registertrigger","id":"t","trigger_type":"own","function_id":"my_function","config":{}}"#,
        r#"{"type":"unregistertrigger","id":"t"}"#
    ];
    trigger_provider_gone: [
        FUNCTION,
        r#"{"type":"registertriggertype","id":"own","description":""}"#,
        r#"{"type":"registertrigger","id":"t","trigger_type":"own","function_id":"my_function","config":{}}"#,
        r#"{"type":"unregistertriggertype","id":"own"}"#
    ];
    call_function_not_found: [r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":null}"#];
    invalid_request_enqueue: [
        FUNCTION,
        r#"{"type":"invokefunction","invocation_id":"i","function_id":"my_function","data":null,"action":{"type":"enqueue"}}"#,
        r#"{"type":"invokefunction","invocation_id":"j","function_id":"enqueue","data":{"data":1}}"#,
        r#"{"type":"invokefunction","invocation_id":"k","function_id":"enqueue","data":{"queue_name":"","data":1}}"#
    ];
    invalid_config_route: [
        FUNCTION,
        r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"my_function","config":{"path":"/a/:x"}}"#,
        r#"{"type":"registertrigger","id":"u","trigger_type":"http","function_id":"my_function","config":{"path":"/a/:y"}}"#,
        r#"{"type":"registertrigger","id":"v","trigger_type":"http","function_id":"my_function","config":{"path":"/a/../b"}}"#
    ];
    invalid_message: [
        "{",
        "[1]",
        "{}",
        r#"{"type":"nonsense"}"#,
        r#"{"type":"workerregistered","worker_id":"w"}"#,
        r#"{"type":"registerfunction"}"#,
        r#"{"type":"registerfunction","id":""}"#,
        r#"{"type":"registerfunction","id":7}"#,
        r#"{"type":"registerfunction","id":"f","invocation":{"url":7}}"#,
        r#"{"type":"registertrigger","id":"t","trigger_type":"http"}"#,
        r#"{"type":"ping","type":"ping"}"#
    ];
}

const OWN_TYPE: &str = r#"{"type":"registertriggertype","id":"own","description":""}"#;
const OWN_TRIGGER: &str = r#"{"type":"registertrigger","id":"t","trigger_type":"own","function_id":"my_function","config":{}}"#;
const CALL: &str =
    r#"{"type":"invokefunction","invocation_id":"i","function_id":"my_function","data":null}"#;

/// An engine that waits for nobody.
fn impatient() -> Options {
    let settings = Settings {
        call_timeout: Duration::from_millis(5),
        trigger_registration_timeout: Duration::from_millis(5),
        ..Settings::default()
    };
    Options {
        machine: Box::new(Engine::new(settings)),
        ..embedded::options()
    }
}

macro_rules! assert_answers {
    ($name:literal, $answers:expr) => {
        insta::assert_json_snapshot!($name, $answers, {
            "[].invocation_id" => "[invocation id]",
        });
    };
}

#[tokio::test]
async fn invalid_env_var() {
    let options = Options {
        environment: Box::new(FixedEnvironment::new([("EMPTY", ""), ("LINES", "a\nb")])),
        ..Options::default()
    };
    let register = |variable: &str| {
        format!(
            r#"{{"type":"registerfunction","id":"f","invocation":{{"url":"https://example.com/","auth":{{"type":"bearer","token_key":"{variable}"}}}}}}"#
        )
    };
    let frames = [register("EMPTY"), register("LINES")];
    let frames = frames.each_ref().map(String::as_str);
    assert_answers!("invalid_env_var", answers_of(options, &frames, 0).await);
}

#[tokio::test]
async fn trigger_registration_timeout() {
    let frames = [FUNCTION, OWN_TYPE, OWN_TRIGGER];
    assert_answers!(
        "trigger_registration_timeout",
        answers_of(impatient(), &frames, 1).await
    );
}

#[tokio::test]
async fn timeout() {
    assert_answers!(
        "timeout",
        answers_of(impatient(), &[FUNCTION, CALL], 1).await
    );
}

#[tokio::test]
async fn invocation_stopped() {
    let server = embedded::start().await.unwrap();
    let url = server.url();
    let (transcript, deadline) = (Transcript::default(), Instant::now() + PATIENCE);
    let connect = |name| Session::connect(&url, name, false, PATIENCE, &transcript);
    let mut worker = connect("worker").await.unwrap();
    let mut caller = connect("caller").await.unwrap();
    worker.send_text(FUNCTION).await;
    worker.fence(true, deadline).await.unwrap();
    caller.send_text(CALL).await;
    caller.fence(true, deadline).await.unwrap();
    worker.close(1000, deadline).await.unwrap();
    let failure = |frame: &Frame| frame.value.get("error").map(|_| ());
    let (answer, ()) = caller.take(deadline, failure).await.unwrap();
    assert_answers!("invocation_stopped", [answer.value]);
}

#[tokio::test]
async fn invocation_failed() {
    let server = embedded::start().await.unwrap();
    let (url, transcript) = (server.url(), Transcript::default());
    let deadline = Instant::now() + PATIENCE;
    let mut worker = Session::connect(&url, "worker", false, PATIENCE, &transcript)
        .await
        .unwrap();
    worker.send_text(FUNCTION).await;
    worker.send_text(CALL).await;
    let called = |frame: &Frame| (frame.kind() == "invokefunction").then_some(());
    let (call, ()) = worker.take(deadline, called).await.unwrap();
    let answer = json!({
        "type": "invocationresult",
        "invocation_id": call.value["invocation_id"],
        "error": "no object",
    });
    worker.send_text(&answer.to_string()).await;
    let failure = |frame: &Frame| frame.value.get("error").map(|_| ());
    let (answer, ()) = worker.take(deadline, failure).await.unwrap();
    assert_answers!("invocation_failed", [answer.value]);
}

/// Queues that take two small messages.
fn narrow() -> Options {
    let queues = QueueLimits {
        queue_messages_max: 2,
        message_bytes_max: 10,
        ..QueueLimits::default()
    };
    let settings = Settings {
        queues,
        ..Settings::default()
    };
    Options {
        machine: Box::new(Engine::new(settings)),
        ..embedded::options()
    }
}

#[tokio::test]
async fn queues_that_take_no_more() {
    let enqueue = |id: &str, data: &str| {
        format!(
            r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"enqueue","data":{{"queue_name":"q","data":{data}}}}}"#
        )
    };
    let frames = [
        enqueue("large", "[1,2,3,4,5,6]"),
        enqueue("first", "1"),
        enqueue("second", "2"),
        enqueue("third", "3"),
    ];
    let frames = frames.each_ref().map(String::as_str);
    let answers = answers_of(narrow(), &frames, 2).await;
    let refused: Vec<&Value> = answers
        .iter()
        .filter(|it| it["error"].is_object())
        .collect();
    assert_answers!("queues_that_take_no_more", refused);
}

#[tokio::test]
async fn too_many_registrations() {
    let settings = Settings {
        registration_bytes_per_session_max: 1_000,
        ..Settings::default()
    };
    let options = Options {
        machine: Box::new(Engine::new(settings)),
        ..embedded::options()
    };
    let frames = [
        FUNCTION,
        r#"{"type":"registerfunction","id":"another"}"#,
        r#"{"type":"registertriggertype","id":"own","description":""}"#,
        r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"my_function","config":{"path":"/a"}}"#,
    ];
    assert_answers!(
        "too_many_registrations",
        answers_of(options, &frames, 3).await
    );
}

/// Status, `Allow` and body of an answer over HTTP.
async fn asked(server: &Server, method: &str, target: &str, body: &str) -> String {
    let url = server.http_url().unwrap();
    let address = url.strip_prefix("http://").unwrap();
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let told = |line: &&str| line.starts_with("HTTP/") || line.to_lowercase().starts_with("allow");
    let head: Vec<&str> = head.lines().filter(told).collect();
    format!("{method} {target}\n{}\n{body}\n", head.join("\n"))
}

#[tokio::test]
async fn answers_to_requests_that_call_no_function() {
    let server = embedded::start().await.unwrap();
    let (url, transcript) = (server.url(), Transcript::default());
    let mut worker = Session::connect(&url, "worker", false, PATIENCE, &transcript)
        .await
        .unwrap();
    worker.send_text(FUNCTION).await;
    worker
        .send_text(r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"my_function","config":{"path":"/orders/:id","method":"POST"}}"#)
        .await;
    worker
        .send_text(r#"{"type":"unregisterfunction","id":"my_function"}"#)
        .await;
    worker.fence(true, Instant::now() + PATIENCE).await.unwrap();
    let mut answers = String::new();
    for (method, target, body) in [
        ("GET", "/nothing", ""),
        ("GET", "/orders/7", ""),
        ("OPTIONS", "/orders/7", ""),
        ("POST", "/orders/7", "{"),
        ("POST", "/orders/%zz", "1"),
        ("POST", "/orders/7", "1"),
    ] {
        answers += &asked(&server, method, target, body).await;
    }
    let large = format!("\"{}\"", "x".repeat(2 << 20));
    answers += &asked(&server, "POST", "/orders/7", &large).await;
    answers += &asked(&server, "GET", "http://evil.test/orders/7", "").await;
    let with_a_token = Options {
        access: Access {
            token: Some(Token::new("tok-3n")),
            ..Access::default()
        },
        ..embedded::options()
    };
    let server = Server::bind("127.0.0.1:0", with_a_token).await.unwrap();
    answers += &asked(&server, "GET", "/orders/7", "").await;
    insta::assert_snapshot!(answers);
}

/// What a caller is told when the endpoint of a function answers in some way.
async fn answers_of_endpoint(response: ResponseTemplate, options: Options) -> Vec<Value> {
    let endpoint = MockServer::start().await;
    Mock::given(any())
        .respond_with(response)
        .mount(&endpoint)
        .await;
    let invocation = json!({"url": endpoint.uri()});
    let register =
        json!({"type": "registerfunction", "id": "my_function", "invocation": invocation});
    answers_of(options, &[&register.to_string(), CALL], 1).await
}

#[tokio::test]
async fn answers_of_endpoints() {
    let large = Options {
        limits: Limits {
            response_bytes_max: 10,
            ..Limits::default()
        },
        ..embedded::options()
    };
    let busy = Options {
        machine: Box::new(Engine::new(Settings {
            requests_max: 0,
            ..Settings::default()
        })),
        ..embedded::options()
    };
    let usual = embedded::options;
    for (name, response, options) in [
        ("http_error", ResponseTemplate::new(500), usual()),
        (
            "http_error_of_redirect",
            ResponseTemplate::new(302).insert_header("location", "/"),
            usual(),
        ),
        (
            "invalid_response",
            ResponseTemplate::new(200).set_body_string("<html>"),
            usual(),
        ),
        (
            "response_too_large",
            ResponseTemplate::new(200).set_body_string("[1,2,3,4,5,6]"),
            large,
        ),
        ("too_many_requests", ResponseTemplate::new(200), busy),
    ] {
        insta::assert_json_snapshot!(name, answers_of_endpoint(response, options).await, {
            "[].invocation_id" => "[invocation id]",
        });
    }
}

#[tokio::test]
async fn http_request_failed() {
    let register = r#"{"type":"registerfunction","id":"my_function","invocation":{"url":"http://127.0.0.1:9/"}}"#;
    let answers = answers_of(embedded::options(), &[register, CALL], 1).await;
    insta::assert_json_snapshot!("http_request_failed", answers, {
        "[].invocation_id" => "[invocation id]",
        // How the system words it.
        "[].error.message" => "[message]",
    });
}

/// The codes that the specification gives the engine: its table has one a row.
#[test]
fn every_code_has_a_snapshot() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let protocol = std::fs::read_to_string(format!("{root}/spec/protocol.md")).unwrap();
    let snapshots = std::fs::read_dir(format!("{root}/conformance/tests/it/snapshots")).unwrap();
    let snapshots: Vec<String> = snapshots
        .map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap())
        .collect();
    let table = protocol
        .split("| code |")
        .nth(1)
        .expect("the table of codes");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"));
    let mut codes = 0;
    for row in rows {
        let code = row.split('`').nth(1).unwrap();
        let shown = [
            format!("\"code\": \"{code}\""),
            format!("\"code\":\"{code}\""),
        ];
        let shows = |it: &String| shown.iter().any(|shown| it.contains(shown));
        assert!(snapshots.iter().any(shows), "no snapshot of {code}");
        codes += 1;
    }
    assert!(codes > 10, "{codes}");
}

/// Gives everything that differs from run to run a fixed form.
pub(crate) fn steady(mut outcome: Outcome) -> Outcome {
    let suffix = outcome.transcript.iter().find_map(|entry| {
        let frame: Value = serde_json::from_str(&entry.text).ok()?;
        let id = frame["id"].as_str()?.strip_prefix("function-")?;
        Some(id.to_owned())
    });
    let suffix = suffix.expect("a unique id");
    let steady = |text: &mut String| *text = text.replace(&suffix, "[run]");
    // When the greeting arrives is the engine's affair.
    let greeting = |entry: &Entry| entry.text.contains("workerregistered");
    let entries = outcome.transcript.iter().filter(|it| !greeting(it));
    let steadied = entries.cloned().map(|mut entry| {
        entry.at = Duration::ZERO;
        steady(&mut entry.text);
        entry
    });
    outcome.transcript = steadied.collect();
    if let Status::Failed(failure) = &mut outcome.status {
        steady(&mut failure.expected);
        steady(&mut failure.problem);
        for mismatch in &mut failure.mismatches {
            steady(&mut mismatch.expected);
            steady(&mut mismatch.received);
        }
    }
    outcome
}

#[tokio::test]
async fn the_report_of_a_failing_run() {
    let wrong = Faulty::outgoing(|frame| {
        if frame["error"]["code"] == "trigger_type_not_found" {
            frame["error"] = json!({"code": "not_found", "message": "\u{1b}[31mno\u{1b}[0m"});
        }
        Fate::Keep
    });
    let outcomes: Vec<Outcome> = judge(wrong, Part::Clause("RT-07"))
        .await
        .into_iter()
        .filter(|it| it.case == "trigger-of-unknown-type-is-refused")
        .map(steady)
        .collect();
    let run = Run {
        ledger: &Ledger::embedded().unwrap(),
        outcomes: &outcomes,
        complete: false,
        gone: None,
        restarts: Vec::new(),
        cut_short: None,
        unrun: Unrun::default(),
        strict: false,
        left_out: 0,
        stale: &[],
        again: "conformance run --url ws://127.0.0.1:49134",
        again_behind: "",
        took: Duration::from_millis(1_234),
    };
    let mut report = Vec::new();
    report::human(&run, report::Style::default(), &mut report).unwrap();
    let report = anstream::adapter::strip_bytes(&report).into_vec();
    insta::assert_snapshot!(String::from_utf8(report).unwrap());
}
