//! The `reference` command and how many connections the system lets it have open (D-28).

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::Client,
    http_client::PATIENCE,
    process::{finish, program, signal, start_as},
};

/// The command under what a shell says to `ulimit`.
fn limited(to: &str, arguments: &[&str]) -> Command {
    let mut command = program("sh");
    let script = format!(r#"ulimit {to} && exec "$0" "$@""#);
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_reference")])
        .args(arguments);
    command
}

/// Reads on until a line has this in it.
async fn until_logged(log: &mut (impl AsyncBufReadExt + Unpin), part: &str) {
    let mut line = String::new();
    while !line.contains(part) {
        line.clear();
        let read = timeout(PATIENCE, log.read_line(&mut line)).await;
        assert!(read.expect(part).unwrap() > 0, "the log ends");
    }
}

#[tokio::test]
async fn without_descriptors_it_serves_those_who_are_there_and_goes_on_when_some_are_free() {
    let (mut child, url) = start_as(limited("-n 64", &[])).await;
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut first = Client::connect(&url).await;
    first.register("f").await;
    // More than there are descriptors for: the last of them wait.
    let mut coming = JoinSet::new();
    for _ in 0..80 {
        let url = url.clone();
        coming.spawn(async move { Client::connect(&url).await });
    }
    until_logged(&mut log, "cannot accept a connection, and goes on trying: ").await;
    let call = json!({
        "type": "invokefunction", "invocation_id": "i", "function_id": "f", "data": 1,
    });
    first.send(&call.to_string()).await;
    let call = first.served().await;
    first.answer(&call, json!(2)).await;
    assert_eq!(first.frame().await["result"], 2);
    // Whoever is served leaves room for one that waits.
    while let Some(client) = coming.join_next().await {
        client.unwrap().fence().await;
    }
    Client::connect(&url).await.fence().await;
    signal(&child, "TERM").await;
    assert_eq!(first.close_code().await, 1012);
    assert_eq!(finish(child).await.0, Some(0));
}

#[tokio::test]
async fn it_takes_as_many_descriptors_as_it_may() {
    let (_child, url) = start_as(limited("-S -n 64", &[])).await;
    let mut workers = Vec::new();
    for _ in 0..100 {
        workers.push(Client::connect(&url).await);
    }
    for worker in &mut workers {
        worker.fence().await;
    }
}

#[tokio::test]
async fn it_warns_if_the_bounds_allow_for_more_connections_than_the_system() {
    const BOUNDS: &[&str] = &[
        "--sessions-max=40",
        "--handshakes-max=10",
        "--http-connections-max=20",
        "--requests-max=30",
    ];
    for (arguments, warning) in [
        (
            &[][..],
            Some("2000 files and connections may be open at once"),
        ),
        (BOUNDS, None),
    ] {
        let (child, _) = start_as(limited("-n 2000", arguments)).await;
        signal(&child, "TERM").await;
        let (_, log) = finish(child).await;
        assert!(log.contains(warning.unwrap_or("stopped")), "{log}");
        assert_eq!(log.contains("ulimit -n"), warning.is_some(), "{log}");
    }
}
