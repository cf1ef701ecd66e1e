//! Endpoints that mean harm, or do it: what they send ends one call, and nothing else.

use std::time::Duration;

use reference::{Limits, Options, Server};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use crate::endpoints::{call, options, with_function};

const PATIENCE: Duration = Duration::from_secs(20);

/// An endpoint that says exactly what it is told to.
pub(crate) struct Raw {
    pub(crate) url: String,
    /// What each connection was sent in all, once it has been ended.
    ended: mpsc::UnboundedReceiver<String>,
}

impl Raw {
    /// For each connection, one answer for each request.
    pub(crate) async fn start(connections: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (end, ended) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for answers in connections {
                let (tcp, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(tcp, answers, end.clone()));
            }
        });
        Self { url, ended }
    }

    /// What the next connection that ends was sent.
    async fn ended(&mut self) -> String {
        let ended = timeout(PATIENCE, self.ended.recv()).await;
        ended.expect("the connection ends").unwrap()
    }
}

async fn converse(mut tcp: TcpStream, answers: Vec<Vec<u8>>, ended: mpsc::UnboundedSender<String>) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4_096];
    for answer in answers {
        let bytes = tcp.read(&mut buffer).await.unwrap_or(0);
        seen.extend_from_slice(&buffer[..bytes]);
        let _ = tcp.write_all(&answer).await;
    }
    // As long as the connection lives: it is the engine that has to end it.
    while let Ok(bytes @ 1..) = tcp.read(&mut buffer).await {
        seen.extend_from_slice(&buffer[..bytes]);
    }
    let _ = ended.send(String::from_utf8_lossy(&seen).into_owned());
}

/// An answer with this body.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

pub(crate) async fn server(limits: Limits) -> Server {
    let options = Options {
        limits,
        ..options()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

#[track_caller]
pub(crate) fn assert_failed(answer: &Value, code: &str, problem: &str) {
    assert_eq!(answer["error"]["code"], code, "{answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(problem), "{message}");
}

#[tokio::test]
async fn endless_answers_are_cut_off_and_their_connections_ended() {
    let endless = |start: &str, more: &str| {
        [start, &more.repeat(2_000_000 / more.len())]
            .concat()
            .into_bytes()
    };
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    for (answer, code, problem) in [
        (
            endless("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"),
            "http_request_failed",
            "message head is too large",
        ),
        (
            endless("HTTP/1.1 200 OK\r\nX-More: ", "and more "),
            "http_request_failed",
            "message head is too large",
        ),
        (
            endless(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                &chunk,
            ),
            "response_too_large",
            "answered with more than 1000000 bytes",
        ),
        (
            endless("HTTP/1.1 200 OK\r\n\r\n", &chunk),
            "response_too_large",
            "answered with more than 1000000 bytes",
        ),
        (
            endless(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                "and more ",
            ),
            "http_request_failed",
            "error reading a body",
        ),
        (
            endless(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n0\r\n",
                "X-More: and more\r\n",
            ),
            "http_request_failed",
            "error reading a body",
        ),
    ] {
        let mut endpoint = Raw::start(vec![vec![answer], vec![ok("1")]]).await;
        let server = server(Limits {
            response_bytes_max: 1_000_000,
            ..Limits::default()
        })
        .await;
        let mut client = with_function(&server, json!({"url": endpoint.url})).await;
        assert_failed(&call(&mut client, "1").await, code, problem);
        endpoint.ended().await;
        assert_eq!(call(&mut client, "1").await["result"], 1, "{problem}");
    }
}

#[tokio::test]
async fn an_answer_that_stalls_ends_in_time_with_its_connection() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let mut endpoint = Raw::start(vec![vec![half]]).await;
    let server = server(Limits::default()).await;
    let invocation = json!({"url": endpoint.url, "timeout_ms": 2_000});
    let mut client = with_function(&server, invocation).await;
    assert_failed(&call(&mut client, "1").await, "timeout", "within 2000 ms");
    endpoint.ended().await;
}

#[tokio::test]
async fn an_endpoint_that_answers_without_reading_is_not_sent_the_rest() {
    // More than lies between the two.
    const BYTES: usize = 24 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = server(Limits {
        frame_bytes_max: 2 * BYTES,
        ..Limits::default()
    })
    .await;
    let mut client = with_function(&server, json!({"url": url})).await;
    let data = format!("\"{}\"", "x".repeat(BYTES));
    let answering = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut head = [0; 4_096];
        let bytes = tcp.read(&mut head).await.unwrap();
        let head = String::from_utf8_lossy(&head[..bytes]).to_ascii_lowercase();
        let length = format!("content-length: {}\r\n", BYTES + 2);
        assert!(head.contains(&length), "{head}");
        tcp.write_all(&ok("1")).await.unwrap();
        tcp
    };
    let (answer, mut tcp) = tokio::join!(call(&mut client, &data), answering);
    assert_eq!(answer["result"], 1);
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, tcp.read_to_end(&mut rest)).await;
    // It is ended or reset, before all has come.
    let _ = read.expect("the connection ends");
    assert!(rest.len() < BYTES, "{}", rest.len());
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_nobodys() {
    let twice = [ok("1"), ok(r#""forged""#)].concat();
    let mut endpoint = Raw::start(vec![vec![twice], vec![ok("2"), ok("3")]]).await;
    let server = server(Limits::default()).await;
    let mut client = with_function(&server, json!({"url": endpoint.url})).await;
    assert_eq!(call(&mut client, "1").await["result"], 1);
    endpoint.ended().await;
    // The next connection is good for more than one.
    assert_eq!(call(&mut client, "1").await["result"], 2);
    assert_eq!(call(&mut client, "1").await["result"], 3);
}

#[tokio::test]
async fn nothing_is_decompressed_and_nothing_compressed_is_asked_for() {
    // The JSON text "boom".
    const GZIP: [u8; 26] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 83, 74, 202, 207, 207, 85, 2, 0, 245, 30, 169, 61, 6, 0,
        0, 0,
    ];
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        GZIP.len()
    );
    let answer = [head.as_bytes(), &GZIP].concat();
    let mut endpoint = Raw::start(vec![vec![answer]]).await;
    let server = server(Limits::default()).await;
    let mut client = with_function(&server, json!({"url": endpoint.url})).await;
    let answer = call(&mut client, "1").await;
    assert_failed(&answer, "invalid_response", "not JSON");
    drop((client, server));
    let seen = endpoint.ended().await.to_ascii_lowercase();
    assert!(seen.contains("content-type: application/json"), "{seen}");
    assert!(!seen.contains("accept-encoding"), "{seen}");
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_a_change_of_protocol_is_refused() {
    let interim = ["HTTP/1.1 100 Continue\r\n\r\n"; 1_000].concat();
    let late = [interim.into_bytes(), ok("1")].concat();
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let mut endpoint = Raw::start(vec![vec![late, switch.to_vec()]]).await;
    let server = server(Limits::default()).await;
    let mut client = with_function(&server, json!({"url": endpoint.url})).await;
    assert_eq!(call(&mut client, "1").await["result"], 1);
    assert_failed(&call(&mut client, "1").await, "http_error", "answered 101");
    endpoint.ended().await;
}

#[tokio::test]
async fn a_connection_that_is_never_made_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It is taken, and then nothing is said.
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = server(Limits {
        connect_time_max: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut client = with_function(&server, json!({"url": url})).await;
    assert_failed(
        &call(&mut client, "1").await,
        "http_request_failed",
        "no connection was made within 50 ms",
    );
    let (mut tcp, _) = listener.accept().await.unwrap();
    let mut hello = Vec::new();
    let read = timeout(PATIENCE, tcp.read_to_end(&mut hello)).await;
    read.expect("the connection ends").unwrap();
}
