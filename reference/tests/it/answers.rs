//! Answers of endpoints that are being read at once are bounded together (D-28).

use reference::{Limits, Options, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::{
    client::Client,
    endpoints::{options, with_function},
};

const HALF: usize = 600;

/// An endpoint that answers with a text of so many bytes, and holds its end back until it is told.
async fn slow_endpoint(hold: &watch::Sender<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let held = hold.subscribe();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tokio::spawn(answer_slowly(tcp, held.clone()));
        }
    });
    url
}

async fn answer_slowly(mut tcp: TcpStream, mut held: watch::Receiver<bool>) {
    let mut request = [0; 4_096];
    let _ = tcp.read(&mut request).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n\"", HALF + 2);
    let _ = tcp.write_all(head.as_bytes()).await;
    let _ = tcp.write_all("x".repeat(HALF).as_bytes()).await;
    let _ = held.wait_for(|held| !held).await;
    let _ = tcp.write_all(b"\"").await;
}

fn limits(all: usize, per_session: usize) -> Options {
    Options {
        limits: Limits {
            responses_bytes_max: all,
            responses_bytes_per_session_max: per_session,
            ..Limits::default()
        },
        ..options()
    }
}

#[tokio::test]
async fn answers_that_are_too_large_together_are_given_up() {
    for (options, message) in [
        (
            limits(1_000, 10_000),
            "with this one, the answers that are being read would be larger than 1000 bytes",
        ),
        (
            limits(10_000, 1_000),
            "with this one, the answers that are being read for this session \
             would be larger than 1000 bytes",
        ),
    ] {
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        let hold = watch::Sender::new(true);
        let url = slow_endpoint(&hold).await;
        let mut client = with_function(&server, json!({"url": url})).await;
        for id in ["a", "b"] {
            client.send(&invoke(id)).await;
        }
        // Whichever of the two comes second does not fit, and the other is not harmed.
        let refused = client.frame().await;
        assert_eq!(refused["error"]["code"], "http_request_failed");
        let text = refused["error"]["message"].as_str().unwrap();
        assert_eq!(
            text,
            format!("The request to the endpoint of function 'f' failed: {message}")
        );
        hold.send_replace(false);
        assert_eq!(client.frame().await["result"], "x".repeat(HALF));
    }
}

#[tokio::test]
async fn the_answers_for_one_session_leave_room_for_those_for_others() {
    let server = Server::bind("127.0.0.1:0", limits(2_000, 1_000))
        .await
        .unwrap();
    let hold = watch::Sender::new(true);
    let url = slow_endpoint(&hold).await;
    let mut greedy = with_function(&server, json!({"url": url})).await;
    let mut other = Client::connect(&server.url()).await;
    for id in ["a", "b", "c"] {
        greedy.send(&invoke(id)).await;
    }
    for _ in 0..2 {
        assert_eq!(greedy.frame().await["error"]["code"], "http_request_failed");
    }
    other.send(&invoke("d")).await;
    hold.send_replace(false);
    for client in [&mut greedy, &mut other] {
        assert_eq!(client.frame().await["result"], "x".repeat(HALF));
    }
}

fn invoke(id: &str) -> String {
    format!(r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"f","data":1}}"#)
}
