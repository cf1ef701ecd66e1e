//! Connections that are no workers yet: how many there may be, and for how long (D-28).

use std::time::Duration;

use reference::{Limits, Options, Server};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

use crate::{
    client::Client,
    http_client::{Http, PATIENCE, serve},
};

/// With which the handshake of a worker begins.
const START: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade:";

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
