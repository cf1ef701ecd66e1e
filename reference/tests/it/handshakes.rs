//! Connections that are no workers yet: how many there may be, and for how long (D-28).

use std::time::Duration;

use reference::{Limits, Options, Server};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::client_async;

use crate::{
    client::Client,
    http_client::{Http, PATIENCE, request, serve},
};

/// With which the handshake of a worker begins.
const START: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade:";
/// What makes a request a handshake.
pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn serve_with(limits: Limits) -> Server {
    serve(Options {
        limits,
        ..Options::default()
    })
    .await
}

/// Somebody at the port of workers who says so much, and no more.
async fn stranger(server: &Server, start: &str) -> Http {
    let mut stranger = Http::over(TcpStream::connect(server.address()).await.unwrap());
    stranger.send(start).await;
    stranger
}

#[tokio::test]
async fn strangers_that_make_no_handshake_leave_room_for_workers() {
    let server = serve_with(Limits {
        sessions_max: 3,
        handshakes_max: 2,
        // Only a test that fails waits for it.
        handshake_time_max: PATIENCE * 10,
        crowded_handshake_time_max: Duration::from_millis(10),
        ..Limits::default()
    })
    .await;
    let mut first = Client::connect(&server.url()).await;
    let mut strangers = Vec::new();
    for start in ["", "G", START].into_iter().cycle().take(12) {
        strangers.push(stranger(&server, start).await);
    }
    // Behind them all.
    let mut second = Client::connect(&server.url()).await;
    for start in ["", START].into_iter().cycle().take(4) {
        strangers.push(stranger(&server, start).await);
    }
    let mut third = Client::connect(&server.url()).await;
    for worker in [&mut first, &mut second, &mut third] {
        worker.fence().await;
    }
    // Those at whose places they are have been sent away without a word.
    assert_eq!(strangers.swap_remove(0).rest().await, b"");
}

#[tokio::test]
async fn workers_take_none_of_the_places_for_handshakes() {
    let server = serve_with(Limits {
        handshakes_max: 1,
        ..Limits::default()
    })
    .await;
    let mut workers = Vec::new();
    for _ in 0..5 {
        workers.push(Client::connect(&server.url()).await);
    }
    for worker in &mut workers {
        worker.fence().await;
    }
}

#[tokio::test]
async fn a_slow_handshake_is_waited_for_while_nobody_waits_for_its_place() {
    let server = serve_with(Limits {
        handshakes_max: 2,
        crowded_handshake_time_max: Duration::ZERO,
        ..Limits::default()
    })
    .await;
    let slow = TcpStream::connect(server.address()).await.unwrap();
    for _ in 0..20 {
        Client::connect(&server.url()).await.fence().await;
    }
    let (socket, _) = client_async(server.url(), slow).await.unwrap();
    let mut client = Client { socket };
    assert_eq!(client.frame().await["type"], "workerregistered");
}

#[tokio::test]
async fn a_handshake_that_is_not_made_ends_in_time() {
    let server = serve_with(Limits {
        handshake_time_max: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    for start in ["", "G", START] {
        assert_eq!(stranger(&server, start).await.rest().await, b"", "{start}");
    }
    Client::connect(&server.url()).await.fence().await;
}

#[tokio::test]
async fn the_head_of_a_handshake_is_read_up_to_its_limit() {
    let server = serve(Options::default()).await;
    let asked = |headers: &str| request("GET", "/", &format!("{UPGRADE}{headers}"), "");
    let long = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
    // Those of the request itself are five.
    for headers in [String::new(), long(60_000), "A: b\r\n".repeat(119)] {
        let mut client = stranger(&server, &asked(&headers)).await;
        assert_eq!(client.head().await.status, 101, "{} bytes", headers.len());
    }
    for headers in [long(70_000), "A: b\r\n".repeat(120)] {
        let mut client = Http::over(TcpStream::connect(server.address()).await.unwrap());
        // What the engine no longer takes cannot be sent.
        let _ = client.tcp.write_all(asked(&headers).as_bytes()).await;
        assert_eq!(client.rest().await, b"", "{} bytes", headers.len());
    }
}
