//! `conformance init` against engines of several kinds.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
};

use ::engines::BoxedMachine;
use conformance_suite::target_file::TargetFile;
use reference::{
    FixedEnvironment, Options, Server,
    core::{Deadline, Effect, Engine, Input, Machine, Settings, World},
};
use serde_json::{Value, json};

use crate::{
    command::run,
    embedded,
    engines::{Fate, Faulty, serve},
    targets::{Answers, Folder, with_names_of_its_own},
};

/// Long enough for any machine, where nothing is waited for in vain.
const PATIENT: [&str; 2] = ["--patience-ms", "60000"];
/// Where something is: it may miss what comes, and must not find what does not.
const HASTY: [&str; 2] = ["--patience-ms", "200"];

/// Runs the command beside an engine that lives in this test.
async fn command(arguments: &[&str]) -> (Option<i32>, String, String) {
    let all: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
    let run = move || run(&all.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The target file that is made of an engine, without what depends on the machine, and what was
/// said.
async fn init(server: &Server, patience: [&str; 2]) -> (Value, String) {
    let (url, http_url) = (server.url(), server.http_url().unwrap());
    let addresses = [
        "init",
        "--url",
        &url,
        "--http-url",
        &http_url,
        "--output",
        "-",
    ];
    let (code, out, err) = command(&[&addresses[..], &patience].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.ends_with("\nconformance run --target FILE\n"), "{err}");
    let mut file: Value = serde_json::from_str(&out).unwrap();
    let fields = file.as_object_mut().unwrap();
    fields.remove("time_scale");
    assert_eq!(fields.remove("url"), Some(url.into()));
    assert_eq!(fields.remove("http_url"), Some(http_url.into()));
    (file, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_reference_a_minimal_file_is_written_and_a_run_with_it_passes() {
    let server = embedded::start().await.unwrap();
    let folder = Folder::new();
    let path = folder.path("target.json");
    let (url, http_url) = (server.url(), server.http_url().unwrap());
    let addresses = [
        "init",
        "--url",
        &url,
        "--http-url",
        &http_url,
        "--output",
        &path,
    ];
    let words = [&addresses[..], &PATIENT].concat();
    let (code, out, err) = command(&words).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out, format!("conformance run --target {path}\n"));
    for told in [
        "connects: ws://",
        "by ping frames",
        "served with it",
        "http: a trigger in the documents' words is registered and calls its function",
        "http: requests are served at http://127.0.0.1:",
        "cron: a trigger in the documents' words is registered",
        "queue: a trigger in the documents' words is registered and calls its function",
        "loopback interface are reached",
        "env true",
    ] {
        assert!(err.contains(told), "{told} in {err}");
    }
    let text = fs::read_to_string(&path).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap();
    file.as_object_mut().unwrap().remove("time_scale");
    assert_eq!(file, json!({"url": url, "http_url": http_url, "env": true}));
    TargetFile::read(path.as_ref()).unwrap();
    let select = ["run", "--target", &path, "RF-05", "RF-14", "RT-04", "RT-06"];
    let (code, out, err) = command(&select).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.ends_with(" 0 failed, 0 skipped\n"), "{out}");

    // Somebody may have put work into it.
    let (code, _, err) = command(&words).await;
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("it exists already; --force"), "{err}");
    fs::write(&path, "x".repeat(1_000)).unwrap();
    let (code, _, err) = command(&[&words[..], &["--force"]].concat()).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_found_and_serve_a_run() {
    let server = with_names_of_its_own(Answers::All).await;
    let (file, err) = init(&server, PATIENT).await;
    let expected = json!({"env": true, "config_keys": names_of_its_own()});
    assert_eq!(file, expected, "{err}");
    for told in [
        "http: a trigger in the documents' words is refused: invalid_config",
        "cron: a trigger in the documents' words is refused: invalid_config",
        "queue: a trigger in the documents' words is refused: trigger_type_not_found",
        "queue: a trigger as {\"queue_name\":\"topic\",\"type\":\"durable:subscriber\"} is \
         registered and calls its function",
    ] {
        assert!(err.contains(told), "{told} in {err}");
    }
    let mut file = file;
    file["url"] = server.url().into();
    file["http_url"] = server.http_url().into();
    let folder = Folder::new();
    let path = folder.write("target.json", &file);
    let select = [
        "http-trigger-takes-path-and-method",
        "document-cron-trigger-is-registered",
        "queue-trigger-calls-its-function",
    ];
    let (code, out, err) = command(&[&["run", "--target", &path], &select[..]].concat()).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("cases passed with other names than the documents'"),
        "{out}"
    );
    assert!(!out.contains("  passed  "), "{out}");
}

fn names_of_its_own() -> Value {
    json!({
        "http": {"path": "api_path", "method": "http_method"},
        "cron": {"schedule": {"key": "expression", "prefix": "0 "}},
        "queue": {"type": "durable:subscriber", "queue_name": "topic"},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_found_where_registrations_are_not_answered() {
    let server = with_names_of_its_own(Answers::None).await;
    let (file, err) = init(&server, ["--patience-ms", "4000"]).await;
    assert_eq!(file["config_keys"], names_of_its_own(), "{err}");
    let fires = "is registered and calls its function";
    assert_eq!(err.matches(fires).count(), 3, "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_told_by_what_is_not_refused() {
    let server = with_names_of_its_own(Answers::Failures).await;
    let (file, err) = init(&server, ["--patience-ms", "4000"]).await;
    assert_eq!(file["config_keys"], names_of_its_own(), "{err}");
    let told = "is not refused, as an empty config is; that it fires was not seen";
    assert_eq!(err.matches(told).count(), 1, "{err}");
}

/// The reference, for sessions that have introduced themselves.
struct Formal {
    engine: Engine,
    known: BTreeSet<String>,
}

impl Machine for Formal {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        if let Input::Text { session, frame } = &input {
            let session = format!("{session:?}");
            if frame.contains("engine::workers::register") {
                self.known.insert(session);
            } else if !self.known.contains(&session) {
                return;
            }
        }
        self.engine.handle(input, world, effects);
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.engine.next_deadline()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_sessions_have_to_introduce_themselves_is_found() {
    let formal = Formal {
        engine: Engine::new(Settings::default()),
        known: BTreeSet::new(),
    };
    // What a busy machine takes does not matter: it is found when it is served at last.
    let (file, err) = init(
        &serve(Box::new(formal) as BoxedMachine).await,
        ["--patience-ms", "4000"],
    )
    .await;
    assert_eq!(file["hello"], true, "{err}");
    assert!(err.contains("a ping frame is not answered"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_silent_engine_the_address_is_left() {
    let server = serve(Faulty::outgoing(|_| Fate::Drop)).await;
    let (file, err) = init(&server, HASTY).await;
    assert_eq!(file.get("hello"), None, "{err}");
    assert_eq!(file.get("config_keys"), None, "{err}");
    for told in [
        "connects: without a `workerregistered`",
        "a ping frame is not answered",
        "hello: not found out",
        "http: a trigger in the documents' words is not answered",
        "cron: it was not found under any other names that are known",
        "queue: it was not found under any other names that are known",
    ] {
        assert!(err.contains(told), "{told} in {err}");
    }
}

#[test]
fn what_cannot_be_reached_or_meant_is_told() {
    // Nothing listens on the discard port of the loopback interface.
    let (code, out, err) = run(&["init", "--url", "ws://127.0.0.1:9", "--output", "-"]);
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("cannot connect to ws://127.0.0.1:9"), "{err}");
    assert_eq!(out, "");
    for (arguments, told) in [
        (
            &["--url", "http://127.0.0.1:9"][..],
            "must begin with ws://",
        ),
        (
            &["--url", "ws://127.0.0.1:9", "--http-url", "x"],
            "must begin with http://",
        ),
        (&["--patience-ms", "0"], "--patience-ms"),
    ] {
        let (code, _, err) = run(&[&["init", "--output", "-"], arguments].concat());
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(told), "{err}");
    }
}

async fn with_variables(variables: BTreeMap<String, String>) -> Server {
    let options = Options {
        environment: Box::new(FixedEnvironment::new(variables)),
        ..Options::default()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_the_engine_has_are_told_from_those_it_has_not() {
    let (file, err) = init(&with_variables(BTreeMap::new()).await, PATIENT).await;
    assert_eq!(file, json!({}), "{err}");
    assert!(
        err.contains("env: refused as missing: API_KEY_ENV_VAR, "),
        "{err}"
    );

    let mut variables = embedded::variables();
    let token = variables["CONFORMANCE_TOKEN"].clone();
    variables.retain(|name, _| name == "CONFORMANCE_TOKEN");
    variables.insert("WEBHOOK_SECRET".to_owned(), "of my own".to_owned());
    let (file, err) = init(&with_variables(variables).await, PATIENT).await;
    assert_eq!(
        file,
        json!({"variables": {"CONFORMANCE_TOKEN": token}}),
        "{err}"
    );
    assert!(
        err.contains("with other values than `conformance env` prints: WEBHOOK_SECRET\n"),
        "{err}"
    );
    assert!(!err.contains("of my own"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_no_endpoint_is_reached_is_told() {
    let server = serve(Faulty::requests(|_| false)).await;
    let (file, err) = init(&server, HASTY).await;
    assert_eq!(file.get("callback_bind"), None, "{err}");
    assert!(err.contains("loopback interface are not reached"), "{err}");
    assert!(err.contains("--callback-host"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_registered_is_taken_back() {
    let left = Arc::new(Mutex::new((BTreeSet::new(), 0)));
    let log = Arc::clone(&left);
    let server = serve(Faulty::incoming(move |frame| {
        let kind = frame["type"].as_str().unwrap_or_default();
        let (of, registers) = match kind.strip_prefix("un") {
            Some(of) => (of, false),
            None => (kind, true),
        };
        if of.starts_with("register") {
            let key = format!("{of} {}", frame["id"]);
            let (left, all) = &mut *log.lock().unwrap();
            *all += 1;
            assert!(if registers {
                left.insert(key)
            } else {
                left.remove(&key)
            });
        }
        true
    }))
    .await;
    init(&server, PATIENT).await;
    let (left, all) = &*left.lock().unwrap();
    assert_eq!(*left, BTreeSet::new());
    assert!(*all > 20, "{all}");
}
