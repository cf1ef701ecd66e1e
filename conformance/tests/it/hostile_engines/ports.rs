//! Ports for http triggers that mean harm, beside an engine that is sound.

use std::net::SocketAddr;

use conformance_suite::environment::Environment;
use futures_util::future::join_all;
use reference::{FixedEnvironment, Options, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    Ended, aimed,
    server::{WORDS, deep, endless, hold},
};

/// What a port answers requests with.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Nothing,
    /// Headers without end.
    EndlessHead,
    /// Answers that are on their way, without end.
    EndlessInterim,
    /// Chunks without end.
    EndlessBody,
    /// One chunk of far more bytes than it may have.
    HugeChunk,
    /// A body that is announced to be larger than any memory, and comes byte by byte.
    HugeLength,
    /// JSON that is deeper than any reader can follow by calling itself.
    Deep,
    /// Bytes that are no header.
    BadHeaders,
    /// What acts on whoever reads it, wherever words may stand.
    Words,
}

const ALL: [Answer; 9] = [
    Answer::Nothing,
    Answer::EndlessHead,
    Answer::EndlessInterim,
    Answer::EndlessBody,
    Answer::HugeChunk,
    Answer::HugeLength,
    Answer::Deep,
    Answer::BadHeaders,
    Answer::Words,
];

/// Stands before the port of an engine: requests get there, and answers do not come from there.
async fn port(answer: Answer, engine: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Whoever is harmed may leave.
            tokio::spawn(serve(tcp, answer, engine));
        }
    });
    url
}

async fn serve(mut tcp: TcpStream, answer: Answer, engine: SocketAddr) -> Option<()> {
    let mut request = vec![0; 4 << 10];
    let read = tcp.read(&mut request).await.ok()?;
    let mut engine = TcpStream::connect(engine).await.ok()?;
    engine.write_all(request.get(..read)?).await.ok()?;
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = format!("{ok}transfer-encoding: chunked\r\n\r\n");
    let whole = |head: &str, body: &str| {
        let length = body.len();
        format!("{ok}{head}content-length: {length}\r\n\r\n{body}").into_bytes()
    };
    let text = match answer {
        Answer::Nothing => return hold(tcp).await,
        Answer::EndlessHead => return endless(tcp, ok.as_bytes(), b"x: y\r\n").await,
        Answer::EndlessInterim => {
            return endless(tcp, b"", b"HTTP/1.1 102 Processing\r\n\r\n").await;
        }
        Answer::EndlessBody => return endless(tcp, chunked.as_bytes(), b"1\r\nx\r\n").await,
        Answer::HugeChunk => {
            let head = format!("{chunked}fffffffff\r\n");
            return endless(tcp, head.as_bytes(), b"x").await;
        }
        Answer::HugeLength => {
            let head = format!("{ok}content-length: 99999999999999\r\n\r\n");
            return endless(tcp, head.as_bytes(), b"x").await;
        }
        Answer::Deep => whole("content-type: application/json\r\n", &deep()),
        Answer::BadHeaders => b"HTTP/1.1 200 OK\r\n\x00\xff: \x1b[2J\r\n\r\n".to_vec(),
        // A header cannot hold all of it.
        Answer::Words => whole("x-word: \u{9b}31m\u{202e}<b>\r\n", WORDS),
    };
    tcp.write_all(&text).await.ok()?;
    hold(tcp).await
}

/// Runs a command against the reference, whose requests go to another port.
async fn at(answer: Answer, arguments: &[&str]) -> Ended {
    let variables = Environment::embedded().unwrap().set;
    let options = Options {
        environment: Box::new(FixedEnvironment::new(variables)),
        ..Options::default()
    };
    let server = Server::bind("127.0.0.1:0", options).await.unwrap();
    let port = port(answer, server.http_address().unwrap()).await;
    aimed(&["--url", &server.url(), "--http-url", &port], arguments).await
}

const RUN: [&str; 6] = [
    "run",
    "http-trigger-fires*",
    "http-answer-*",
    "--strict",
    "--histories",
    "0",
];
const BENCH: [&str; 7] = [
    "bench",
    "--rounds",
    "1",
    "--calls",
    "4",
    "--measure",
    "http",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_a_port_hangs_a_run_or_fills_memory() {
    let judged = |answer| async move {
        let (run, bench) = tokio::join!(at(answer, &RUN), at(answer, &BENCH));
        let told = format!("{answer:?}: {}{}", run.out, run.err);
        assert_eq!(run.code, Some(1), "{told}");
        // No answer is a call that is lost; any other ends the measurement.
        let told = format!("{answer:?}: {}{}", bench.out, bench.err);
        assert!(matches!(bench.code, Some(1 | 3)), "{told}");
    };
    for some in ALL.chunks(3) {
        join_all(some.iter().copied().map(judged)).await;
    }
}
