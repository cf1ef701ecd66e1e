//! What is told of servers that are no engines at all: one cause, and one failure for all.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::command::{run, run_at};

/// What becomes of a WebSocket.
#[derive(Clone, Copy, Debug)]
enum Manner {
    SaysNothing,
    EndsSessions,
    Echoes,
}

async fn server(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(serve(tcp, manner));
        }
    });
    url
}

async fn serve(tcp: TcpStream, manner: Manner) {
    let Ok(mut socket) = accept_async(tcp).await else {
        return;
    };
    if matches!(manner, Manner::EndsSessions) {
        let _ = socket.close(None).await;
    }
    while let Some(Ok(message)) = socket.next().await {
        if matches!((manner, &message), (Manner::Echoes, Message::Text(_))) {
            let _ = socket.send(message).await;
        }
    }
}

/// Answers whoever connects with these bytes.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let _ = tcp.write_all(bytes).await;
            let _ = tcp.shutdown().await;
            // What was asked is read, so that the answer is not lost by a reset.
            let _ = tcp.read_to_end(&mut Vec::new()).await;
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_all_cases_is_told_once() {
    for (manner, headline) in [
        (Manner::SaysNothing, "THE ENGINE NEVER SENT A FRAME: "),
        (Manner::EndsSessions, "THE ENGINE ENDS EVERY SESSION: "),
        (Manner::Echoes, "THE ENGINE SENDS BACK WHAT IT GETS: "),
    ] {
        let select = ["RT-10", "RF-02", "--histories", "0"];
        let (code, out, err) = run_at(server(manner).await, &select).await;
        assert_eq!(code, Some(1), "{manner:?}: {out}{err}");
        assert_eq!(out.matches(headline).count(), 1, "{manner:?}: {out}");
        assert_eq!(out.matches("\nFAILED ").count(), 1, "{manner:?}: {out}");
        assert!(out.contains(" cases failed in the same way"), "{out}");
        assert!(!out.contains("Differs without deciding"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verbose_and_reports_keep_every_failure_of_a_silent_server() {
    let url = server(Manner::SaysNothing).await;
    let reported = ["RT-10", "RF-02", "--report", "json=-"];
    let (code, out, told) = run_at(url.clone(), &reported).await;
    assert_eq!(code, Some(1), "{told}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let failed = document["counts"]["failed"].as_u64().unwrap();
    assert!(failed > 3, "{told}");
    let cases = document["cases"].as_array().unwrap();
    let kept = cases.iter().filter(|it| it["verdict"] == "failed");
    assert!(kept.clone().all(|it| it["transcript"].is_array()));
    assert_eq!(kept.count() as u64, failed);
    // What could not be judged is not said to differ.
    assert!(told.contains("RF-02  untestable "), "{told}");
    let (_, out, _) = run_at(url, &["RT-10", "RF-02", "--verbose"]).await;
    assert_eq!(out.matches("\nFAILED ").count() as u64, failed, "{out}");
    assert!(!out.contains("failed in the same way"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_websocket_is_told_apart() {
    for (bytes, told) in [
        (
            &b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"[..],
            "the handshake was answered with HTTP 404 Not Found: there is a server of HTTP",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "the handshake was answered with HTTP 200 OK",
        ),
        // An alert of TLS.
        (
            b"\x15\x03\x01\x00\x02\x02\x16",
            "does the port belong to something else, or speak TLS?",
        ),
        (b"", "does the port belong to something else, or speak TLS?"),
    ] {
        let (code, _, err) = run_at(answering(bytes).await, &[]).await;
        assert_eq!(code, Some(3), "{err}");
        assert!(err.contains(told), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[test]
fn a_part_of_the_cases_of_a_clause_passes_it_in_part() {
    let parts: &[&[&str]] = &[
        &["--shard", "1/2", "RT-10"],
        &["--level", "text", "RT-10"],
        &["duplicate-trigger-id-is-refused"],
    ];
    for part in parts {
        let (code, out, err) = run(&[&["run"], *part].concat());
        assert_eq!(code, Some(0), "{part:?}: {out}{err}");
        assert!(out.contains("RT-10  passed in part "), "{part:?}: {out}");
        assert!(out.contains("not run"), "{part:?}: {out}");
    }
    // The whole of it is the whole.
    let (_, out, _) = run(&["run", "RT-10"]);
    assert!(out.contains("RT-10  passed  "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_about_time_and_greetings_do_what_they_say() {
    let url = server(Manner::SaysNothing).await;
    let (_, out, _) = run_at(url.clone(), &["RT-05"]).await;
    assert!(out.contains("1 case left out"), "{out}");
    let (_, out, _) = run_at(url.clone(), &["RT-05", "--slow"]).await;
    assert!(!out.contains("left out"), "{out}");
    let select = "duplicate-trigger-id-is-refused";
    let scaled = [select, "--patience-ms", "1000", "--time-scale", "0.1"];
    let (_, out, _) = run_at(url.clone(), &scaled).await;
    assert!(out.contains("arrived within 100 ms"), "{out}");
    assert!(out.contains("engine::workers::register"), "{out}");
    let (_, out, _) = run_at(url.clone(), &[select, "--no-hello"]).await;
    assert!(!out.contains("engine::workers::register"), "{out}");
    let (code, _, err) = run_at(url, &["--time-scale", "101"]).await;
    assert_eq!(code, Some(2), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_where_http_url_says() {
    let engine = crate::embedded::start().await.unwrap();
    let (_, out, _) = run_at(engine.url(), &["RT-03"]).await;
    assert!(out.contains("say it with --http-url"), "{out}");
    let http_url = engine.http_url().unwrap();
    let (code, out, err) = run_at(engine.url(), &["RT-03", "--http-url", &http_url]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(!out.contains("say it with --http-url"), "{out}");
}
