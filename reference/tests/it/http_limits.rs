//! What requests for http triggers are held to.

use std::time::Duration;

use reference::{HttpLimits, Limits, Options, Server};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::http_client::{Answer, Http, PATIENCE, get, request, serve, worker};

async fn serve_with(http: HttpLimits) -> Server {
    serve(Options {
        limits: Limits {
            http,
            close_time_max: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Options::default()
    })
    .await
}

async fn echo(server: &Server, client: &mut Http, asked: String, result: Value) -> Answer {
    let mut worker = worker(server, json!({"path": "/a", "method": "POST"})).await;
    client.send(asked).await;
    let call = worker.served().await;
    worker.answer(&call, result).await;
    client.answer().await
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let server = serve_with(HttpLimits {
        body_bytes_max: 1_000,
        ..HttpLimits::default()
    })
    .await;
    let body = |bytes: usize| "x".repeat(bytes);
    let chunked = |bytes: usize| {
        let head = request("POST", "/a", "Transfer-Encoding: chunked\r\n", "");
        format!("{head}{bytes:x}\r\n{}\r\n0\r\n\r\n", body(bytes))
    };
    for asked in [request("POST", "/a", "", &body(1_000)), chunked(1_000)] {
        let mut client = Http::connect(&server).await;
        let answer = echo(&server, &mut client, asked, json!(1)).await;
        assert_eq!(answer.status, 200);
    }
    let announced = request("POST", "/a", "Content-Length: 1001\r\n", "");
    for asked in [
        announced,
        request("POST", "/a", "", &body(1_001)),
        // Far more than lies in the buffers between the two.
        request("POST", "/a", "", &body(8 << 20)),
        chunked(1_001),
    ] {
        let mut client = Http::connect(&server).await;
        let (mut reading, mut writing) = client.tcp.into_split();
        let sending = async {
            // What the engine no longer takes cannot be sent.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writing, asked.as_bytes()).await;
        };
        let mut answer = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut reading, &mut answer);
        let (read, ()) = tokio::join!(read, sending);
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{read:?} {answer}");
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(
            answer.ends_with("not be larger than 1000 bytes\"}}"),
            "{answer}"
        );
        client = Http::connect(&server).await;
        assert_eq!(client.ask(get("/none")).await.status, 404);
    }
}

#[tokio::test]
async fn a_client_that_reads_when_it_has_written_all_is_told_what_was_wrong() {
    let server = serve(Options {
        limits: Limits {
            close_time_max: PATIENCE,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let mut client = Http::connect(&server).await;
    let body = "x".repeat(32 << 20);
    client.send(request("POST", "/a", "", &body)).await;
    assert_eq!(client.answer().await.status, 413);
}

#[tokio::test]
async fn a_head_is_read_up_to_its_limit() {
    let server = serve_with(HttpLimits {
        head_bytes_max: 16 << 10,
        target_bytes_max: 1_000,
        ..HttpLimits::default()
    })
    .await;
    let target = |bytes: usize| format!("/{}", "x".repeat(bytes - 1));
    let header = |bytes: usize| format!("X-Long: {}\r\n", "x".repeat(bytes));
    for (asked, status) in [
        (get(&target(1_000)), 404),
        (get(&target(1_001)), 414),
        (get(&format!("/?{}", "x".repeat(999))), 414),
        (request("GET", "/", &header(15_000), ""), 404),
        (request("GET", "/", &header(17_000), ""), 431),
        (request("GET", "/", &header(1_000_000), ""), 431),
        (request("GET", "/", &"A: b\r\n".repeat(101), ""), 431),
    ] {
        let mut client = Http::connect(&server).await;
        // What the engine no longer takes cannot be sent.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut client.tcp, asked.as_bytes()).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{} bytes", asked.len());
    }
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    const SHORT: Duration = Duration::from_millis(30);
    let server = serve_with(HttpLimits {
        body_time_max: SHORT,
        ..HttpLimits::default()
    })
    .await;
    let mut client = Http::connect(&server).await;
    let begun = request("POST", "/a", "Content-Length: 5\r\n", "") + "x";
    let answer = client.ask(begun).await;
    assert_eq!((answer.status, &*answer.code()), (408, "bad_request"));
    assert_eq!(answer.header("connection"), "close");
    assert_eq!(client.rest().await, b"");
    let head = serve_with(HttpLimits {
        head_time_max: SHORT,
        ..HttpLimits::default()
    })
    .await;
    let mut client = Http::connect(&head).await;
    client.send("GET / HTTP/1.1\r\nHost:").await;
    assert_eq!(client.rest().await, b"");
    let mut client = Http::connect(&head).await;
    assert_eq!(client.ask(get("/a")).await.status, 404);
    client.send("G").await;
    assert_eq!(client.rest().await, b"");
    let idle = serve_with(HttpLimits {
        idle_time_max: SHORT,
        ..HttpLimits::default()
    })
    .await;
    let mut client = Http::connect(&idle).await;
    assert_eq!(client.rest().await, b"");
    let mut client = Http::connect(&idle).await;
    assert_eq!(client.ask(get("/a")).await.status, 404);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_call_may_take_longer_than_a_connection_may_be_idle() {
    let server = serve_with(HttpLimits {
        idle_time_max: Duration::from_millis(20),
        head_time_max: Duration::from_millis(20),
        body_time_max: Duration::from_secs(20),
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    client.send(get("/a")).await;
    let call = worker.served().await;
    // Meanwhile an idle connection comes to its end twice.
    for _ in 0..2 {
        assert_eq!(Http::connect(&server).await.rest().await, b"");
    }
    worker.answer(&call, json!(1)).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = serve_with(HttpLimits {
        connections_max: 1,
        crowded_time_max: Duration::from_secs(20),
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/:n"})).await;
    let mut first = Http::connect(&server).await;
    assert_eq!(first.ask(get("/")).await.status, 404);
    let mut second = Http::connect(&server).await;
    second.send(get("/second")).await;
    for _ in 0..10 {
        first.send(get("/first")).await;
        let call = worker.served().await;
        assert_eq!(call["data"]["path"], "/first");
        worker.answer(&call, json!(1)).await;
        first.answer().await;
    }
    drop(first);
    let call = worker.served().await;
    assert_eq!(call["data"]["path"], "/second");
    worker.answer(&call, json!(2)).await;
    assert_eq!(second.answer().await.json(), 2);
}

#[tokio::test]
async fn whoever_asks_nothing_leaves_when_others_wait_for_a_place() {
    let server = serve_with(HttpLimits {
        connections_max: 2,
        crowded_time_max: Duration::from_millis(20),
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut busy = Http::connect(&server).await;
    busy.send(get("/a")).await;
    let call = worker.served().await;
    for begun in ["", "GET /a HTTP/1.1\r\nhost:"] {
        let mut silent = Http::connect(&server).await;
        silent.send(begun).await;
        let mut next = Http::connect(&server).await;
        assert_eq!(next.ask(get("/none")).await.status, 404, "it has the place");
        assert_eq!(silent.rest().await, b"");
        drop(next);
    }
    // Who waits for an answer is not idle.
    worker.answer(&call, json!(1)).await;
    assert_eq!(busy.answer().await.status, 200);
}

#[tokio::test]
async fn an_answer_that_is_not_taken_yet_is_not_cut_when_others_wait_for_a_place() {
    const CROWDED_TIME: Duration = Duration::from_millis(20);
    const BYTES: usize = 15 << 20;

    let server = serve_with(HttpLimits {
        connections_max: 1,
        crowded_time_max: CROWDED_TIME,
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut slow = Http::connect(&server).await;
    slow.send(get("/a")).await;
    let call = worker.served().await;
    let body = "x".repeat(BYTES);
    worker.answer(&call, json!({"body": body})).await;
    let mut next = Http::connect(&server).await;
    next.send(get("/none")).await;
    let unserved = timeout(10 * CROWDED_TIME, next.answer()).await;
    assert!(unserved.is_err(), "the place is taken");
    assert_eq!(slow.answer().await.body.len(), BYTES);
    assert_eq!(next.answer().await.status, 404);
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_given_up() {
    let server = serve_with(HttpLimits {
        connections_max: 1,
        stall_time_max: Duration::from_millis(30),
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut deaf = Http::connect(&server).await;
    deaf.send(get("/a")).await;
    let call = worker.served().await;
    // Far more than lies in the buffers between the two.
    let large = "x".repeat(15 << 20);
    worker.answer(&call, json!({"body": large})).await;
    let mut next = Http::connect(&server).await;
    assert_eq!(next.ask(get("/none")).await.status, 404, "it has the place");
    let taken = deaf.rest().await.len();
    assert!(taken < 15 << 20, "{taken} bytes");
}

#[tokio::test]
async fn answers_that_are_being_sent_have_a_limit_together() {
    let server = serve_with(HttpLimits {
        answers_bytes_max: 1 << 20,
        ..HttpLimits::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut slow = Http::connect(&server).await;
    let mut other = Http::connect(&server).await;
    slow.send(get("/a")).await;
    let call = worker.served().await;
    // More than all together may be: it is sent all the same, since it is alone.
    worker
        .answer(&call, json!({"body": "x".repeat(15 << 20)}))
        .await;
    let answer = slow.head().await;
    assert_eq!(answer.header("content-length"), (15 << 20).to_string());
    other.send(get("/a")).await;
    let call = worker.served().await;
    worker.answer(&call, json!({"body": "y"})).await;
    let answer = other.answer().await;
    assert_eq!((answer.status, &*answer.code()), (503, "too_many_requests"));
    slow.skip(15 << 20).await;
    slow.send(get("/a")).await;
    let call = worker.served().await;
    worker.answer(&call, json!({"body": "y"})).await;
    assert_eq!(slow.answer().await.text(), "y");
}

#[tokio::test]
async fn bodies_that_are_being_read_have_a_limit_together() {
    let server = serve_with(HttpLimits {
        bodies_bytes_max: 1_000,
        ..HttpLimits::default()
    })
    .await;
    let slow = |coming: usize| {
        let head = request("POST", "/none", "Content-Length: 700\r\n", "");
        head + &"x".repeat(coming)
    };
    let mut first = Http::connect(&server).await;
    first.send(slow(600)).await;
    // Until that has been read there is room.
    let second = async {
        loop {
            let answer = Http::connect(&server).await.ask(slow(700)).await;
            if answer.status != 404 {
                break answer;
            }
        }
    };
    let answer = timeout(PATIENCE, second).await.unwrap();
    assert_eq!((answer.status, &*answer.code()), (503, "too_many_requests"));
    assert_eq!(answer.header("connection"), "close");
    assert!(answer.text().contains("1000 bytes"), "{}", answer.text());
    // The first is none the worse for it, and leaves room.
    assert_eq!(first.ask("x".repeat(100)).await.status, 404);
    // A single one finds room, however large it is.
    let large = request("POST", "/none", "", &"x".repeat(5_000));
    assert_eq!(first.ask(large).await.status, 404);
}
