//! Engines that end in the middle of a run: of themselves, for good or for a moment.

#![cfg(unix)]

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use reference::{Options, Server};
use serde_json::{Value, json};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use crate::{
    command::{run, run_at},
    embedded,
    engines::Faulty,
    reports::{Scratch, assert_fits, schema},
};

/// The case whose frame is the end of the engine.
const DEADLY: &str = "cron-timezone-unknown-is-refused";

fn is_deadly(frame: &Value) -> bool {
    frame["config"]["timezone"] == "Mars/Olympus_Mons"
}

/// Not a test: the engine that other tests start, as a process of its own.
#[tokio::test]
#[ignore = "it is an engine"]
async fn an_engine_that_crashes() {
    let address = |name| format!("127.0.0.1:{}", std::env::var(name).unwrap());
    let options = Options {
        machine: Faulty::incoming(|frame| {
            if is_deadly(frame) {
                std::process::abort();
            }
            true
        })
        .into(),
        http: Some(address("HTTP_PORT").parse().unwrap()),
        ..embedded::options()
    };
    let _server = Server::bind(address("PORT"), options).await.unwrap();
    std::future::pending::<()>().await;
}

/// Runs the suite on it, with a script around its start.
fn run_started(script: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let own = std::env::current_exe().unwrap().display().to_string();
    let script = format!(
        "export PORT={{port}} HTTP_PORT={{http_port}}
        start() {{ \"$0\" --ignored --exact crashes::an_engine_that_crashes; }}
        {script}"
    );
    let command = ["--", "sh", "-c", &script, &own];
    run(&[&["run"], arguments, &command].concat())
}

const ONCE: &str = r#"exec "$0" --ignored --exact crashes::an_engine_that_crashes"#;
// A supervisor waits a moment, so as not to restart in vain for ever.
const SUPERVISED: &str = "while :; do start || :; sleep 0.5; done";

#[test]
fn an_engine_that_crashes_stops_the_run_and_those_beside_it_are_named() {
    let scratch = Scratch::new();
    let requests = ["json", "tap", "markdown", "junit", "html"]
        .map(|it| format!("--report={it}={}", scratch.path(it)));
    let mut arguments: Vec<&str> = requests.iter().map(String::as_str).collect();
    arguments.extend(["--seed", "7"]);
    let (code, out, err) = run_started(ONCE, &arguments);
    assert_eq!(code, Some(1), "{out}{err}");
    let (_, told) = out.split_once("THE ENGINE WENT AWAY").unwrap();
    assert!(!out.contains("\nFAILED") || out.find("THE ENGINE") < out.find("\nFAILED"));
    assert!(told.contains("its process ended: signal: 6"), "{told}");
    assert!(told.contains(" --jobs 1 "), "{told}");
    let document: Value = serde_json::from_str(&scratch.text("json")).unwrap();
    assert_fits(&schema(None), &document);
    assert_eq!(document["complete"], false);
    let beside: Vec<&str> = document["engine_gone"]["beside"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    assert!(beside.contains(&DEADLY), "{beside:?}");
    assert!(
        beside.len() <= 33,
        "16 at once, as many that wait for the clock, and the histories: {beside:?}"
    );
    // Nothing fails that was not running, and what had not begun says why.
    let cases = document["cases"].as_array().unwrap();
    for case in cases.iter().filter(|it| it["verdict"] == "failed") {
        assert!(beside.contains(&case["id"].as_str().unwrap()), "{case}");
    }
    let reason = format!(
        "the engine went away during the run, beside {}",
        beside.join(", ")
    );
    let unbegun = |it: &&Value| it["verdict"] == "untestable" && it["reason"] == reason.as_str();
    assert!(cases.iter().filter(unbegun).count() > 0, "{out}");
    assert!(cases.len() > 500, "every case is there: {}", cases.len());
    assert!(
        scratch
            .text("tap")
            .contains("\nBail out! the engine went away")
    );
    assert!(
        scratch
            .text("markdown")
            .contains("**The run was stopped:** ")
    );
    assert!(
        scratch
            .text("junit")
            .contains("<error message=\"the engine went")
    );
    assert!(
        scratch
            .text("html")
            .contains("The run was stopped: the engine")
    );
}

#[test]
fn one_at_a_time_the_culprit_is_alone() {
    let select = [DEADLY, "trigger-of-unknown-type-is-refused", "--jobs", "1"];
    let (code, out, err) = run_started(ONCE, &select);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains(&format!("running   {DEADLY}\n")), "{out}");
}

#[test]
fn an_engine_that_is_restarted_is_judged_to_the_end() {
    let scratch = Scratch::new();
    let report = format!("--report=json={}", scratch.path("json"));
    let (code, out, err) = run_started(SUPERVISED, &["RT-09", "--seed", "7", &report]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(!out.contains("THE ENGINE WENT AWAY"), "{out}");
    // What fails beside the crash may be innocent: it is said how to find out.
    let (_, told) = out
        .split_once("\nTHE ENGINE WAS AWAY during the run")
        .unwrap();
    let running = told
        .lines()
        .find(|it| it.starts_with("  running "))
        .unwrap();
    assert!(running.contains(DEADLY), "{running}");
    assert!(told.contains(" --jobs 1 "), "{told}");
    let document: Value = serde_json::from_str(&scratch.text("json")).unwrap();
    assert_fits(&schema(None), &document);
    let beside = &document["engine_restarts"][0]["beside"];
    assert!(beside.as_array().unwrap().contains(&DEADLY.into()));
    let cases = document["cases"].as_array().unwrap();
    let deadly = cases.iter().find(|it| it["id"] == DEADLY).unwrap();
    assert_eq!(deadly["verdict"], "failed");
    assert!(!out.contains("untestable"), "{out}");
}

#[test]
fn a_list_of_known_failures_is_not_written_from_a_run_that_was_cut_short() {
    let scratch = Scratch::new();
    let list = scratch.path("list.json");
    let known = json!([{"case": DEADLY, "reason": "known"}]).to_string();
    fs::write(&list, &known).unwrap();
    let updating = ["RT-09", "--expected", &list, "--update-expected"];
    let (code, _, err) = run_started(ONCE, &updating);
    assert_eq!(code, Some(1), "{err}");
    assert!(
        err.contains("stays as it was, since the engine went away"),
        "{err}"
    );
    assert_eq!(fs::read_to_string(&list).unwrap(), known);
    // Nor does a crash count as the failure that was expected.
    let (code, out, _) = run_started(ONCE, &["RT-09", "--expected", &list, "--jobs", "1"]);
    assert_eq!(code, Some(1), "{out}");
}

/// Passes connections on to the reference, and takes no more when it is told to.
struct Door {
    url: String,
    _server: Server,
}

/// Closes for good once so many sessions were opened.
async fn door_that_closes_after(sessions: usize) -> Door {
    let server = embedded::start().await.unwrap();
    let inner = server.url().trim_start_matches("ws://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut passing = JoinSet::new();
        for _ in 0..sessions {
            let (mut outer, _) = listener.accept().await.unwrap();
            let inner = inner.clone();
            passing.spawn(async move {
                let mut inner = TcpStream::connect(inner).await.unwrap();
                let _ = copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
        drop(listener);
        passing.shutdown().await;
    });
    Door {
        url,
        _server: server,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_somewhere_else_that_listens_no_more_is_gone() {
    let door = door_that_closes_after(60).await;
    let (code, out, err) = run_at(door.url, &["--patience-ms", "500", "--histories", "0"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("THE ENGINE WENT AWAY"), "{out}");
    assert!(
        out.contains("  seen      cannot connect to ws://127.0.0.1:"),
        "{out}"
    );
    assert!(out.contains(" cases, which are untestable"), "{out}");
}

/// Ends each connection when it has seen so many, and goes on listening.
async fn engine_that_drops_sessions(every: usize) -> Door {
    let server = embedded::start().await.unwrap();
    let inner = server.url().trim_start_matches("ws://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (count, drop_all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    tokio::spawn(async move {
        loop {
            let (mut outer, _) = listener.accept().await.unwrap();
            let (inner, drop_all) = (inner.clone(), Arc::clone(&drop_all));
            if count.fetch_add(1, Ordering::Relaxed) % every == every - 1 {
                drop_all.notify_waiters();
            }
            tokio::spawn(async move {
                let dropped = drop_all.notified();
                let mut inner = TcpStream::connect(inner).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut outer, &mut inner) => {}
                    () = dropped => {}
                }
            });
        }
    });
    Door {
        url,
        _server: server,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_drops_sessions_and_goes_on_is_judged_to_the_end() {
    // Some of them while it is found out what the engine serves.
    let door = engine_that_drops_sessions(9).await;
    let (code, out, err) = run_at(door.url, &["RT-09", "RT-10"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(!out.contains("THE ENGINE WENT AWAY"), "{out}");
    assert!(out.contains("FAILED"), "{out}");
}
