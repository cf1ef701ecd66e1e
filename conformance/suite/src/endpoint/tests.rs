//! Engines that make requests no engine should.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::{Answer, BODY_BYTES_MAX, Behaviour, Callback, Endpoint, Endpoints};
use crate::transcript::Transcript;

const SEGMENT: &str = "it";
/// Far longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

async fn open(transcript: &Transcript) -> (Endpoints, Endpoint) {
    let endpoints = Endpoints::open(&Callback::default()).await.unwrap();
    let answer = Answer {
        status: 201,
        headers: vec![("Content-Type".to_owned(), "text/x".to_owned())],
        body: Some(("{}".to_owned(), "application/json")),
        delay: Duration::ZERO,
    };
    let behaviour = Behaviour::Answers(vec![answer]);
    let endpoint = endpoints.serve(
        "endpoint",
        SEGMENT.to_owned(),
        behaviour,
        &BTreeMap::new(),
        transcript,
    );
    (endpoints, endpoint)
}

/// A connection that has begun a request with a body of so many bytes.
async fn begun(endpoints: &Endpoints, bytes: usize) -> TcpStream {
    let address = ("127.0.0.1", endpoints.http.port());
    let mut tcp = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /{SEGMENT}/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp
}

/// The answer to a request with this body.
async fn asked(endpoints: &Endpoints, body: &[u8]) -> String {
    let mut tcp = begun(endpoints, body.len()).await;
    tcp.write_all(body).await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_without_end_ends_its_connection_and_no_other() {
    let transcript = Transcript::default();
    let (endpoints, mut endpoint) = open(&transcript).await;
    let mut tcp = begun(&endpoints, 1 << 40).await;
    let piece = vec![b'x'; 64 << 10];
    // It ends once nobody reads it any more.
    while tcp.write_all(&piece).await.is_ok() {}
    let answer = asked(&endpoints, b"{}").await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/x\r\n"), "{answer}");
    let received = endpoint.take(Instant::now() + LONG).await.unwrap();
    assert_eq!(
        (received.below.as_str(), received.body.as_slice()),
        ("/x", &b"{}"[..])
    );
    let noted = |text: &str| transcript.entries().iter().any(|it| it.text.contains(text));
    assert!(noted(
        "a request was not read to its end (length limit exceeded"
    ));
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_no_request() {
    let transcript = Transcript::default();
    let (endpoints, mut endpoint) = open(&transcript).await;
    let mut cut = begun(&endpoints, 10).await;
    cut.write_all(b"{").await.unwrap();
    cut.shutdown().await.unwrap();
    // Once it has ended it has been looked at.
    let _ = cut.read_to_end(&mut Vec::new()).await;
    asked(&endpoints, b"{}").await;
    let received = endpoint.take(Instant::now() + LONG).await.unwrap();
    assert_eq!(received.body, b"{}");
    assert_eq!(endpoint.take(Instant::now()).await, None);
}

#[tokio::test]
async fn no_more_is_kept_than_there_is_room_for() {
    let (endpoints, mut endpoint) = open(&Transcript::default()).await;
    let body = vec![b'x'; BODY_BYTES_MAX];
    for _ in 0..20 {
        let answer = asked(&endpoints, &body).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    }
    let mut kept = 0;
    while endpoint.take(Instant::now()).await.is_some() {
        kept += 1;
    }
    assert_eq!(kept, 15);
}
