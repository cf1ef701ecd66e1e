//! Requests that end before their answer, engines that do, and many at once.

use reference::{HttpLimits, Limits, Options};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
    time::timeout,
};

use crate::{
    client::Client,
    http_client::{Http, PATIENCE, get, request, serve, worker},
};

/// A worker with an http trigger for a function that is served by an endpoint, which is here.
async fn endpoint(worker: &mut Client, path: &str) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let frame = json!({"type": "registerfunction", "id": "e", "invocation": {"url": url}});
    worker.send(&frame.to_string()).await;
    worker
        .trigger("http", "e", "e", json!({"path": path}))
        .await;
    listener
}

/// Reads until a request has come whole, which has `}}` at its end.
async fn whole(tcp: &mut TcpStream) {
    let mut read = Vec::new();
    while !read.ends_with(b"}}") {
        assert!(tcp.read_buf(&mut read).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_request_to_the_endpoint() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/other"})).await;
    let listener = endpoint(&mut worker, "/a").await;
    let mut client = Http::connect(&server).await;
    client.send(get("/a")).await;
    let (mut tcp, _) = listener.accept().await.unwrap();
    whole(&mut tcp).await;
    drop(client);
    let mut scrap = [0; 64];
    let read = timeout(PATIENCE, tcp.read(&mut scrap)).await;
    assert_eq!(read.expect("patience").unwrap_or(0), 0, "it is given up");
    // One that stays is not.
    let mut client = Http::connect(&server).await;
    client.send(get("/a")).await;
    let (mut tcp, _) = listener.accept().await.unwrap();
    whole(&mut tcp).await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7";
    tcp.write_all(answer).await.unwrap();
    assert_eq!(client.answer().await.json(), 7);
}

#[tokio::test]
async fn the_answer_for_a_client_that_has_left_goes_nowhere() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    for _ in 0..3 {
        let mut leaving = Http::connect(&server).await;
        leaving.send(get("/a")).await;
        let call = worker.served().await;
        drop(leaving);
        worker.answer(&call, json!(1)).await;
    }
    let mut client = Http::connect(&server).await;
    client.send(get("/a")).await;
    let call = worker.served().await;
    worker.answer(&call, json!(2)).await;
    assert_eq!(client.answer().await.json(), 2);
}

#[tokio::test]
async fn shutting_down_answers_what_is_under_way_and_closes_what_is_not() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a", "method": "POST"})).await;
    let mut fresh = Http::connect(&server).await;
    let mut idle = Http::connect(&server).await;
    assert_eq!(idle.ask(get("/none")).await.status, 404);
    let mut sending = Http::connect(&server).await;
    let head = "Expect: 100-continue\r\nContent-Length: 1\r\n";
    sending.send(request("POST", "/a", head, "")).await;
    assert_eq!(sending.head().await.status, 100);
    let mut waiting = Http::connect(&server).await;
    waiting.send(request("POST", "/a", "", "x")).await;
    worker.served().await;
    let address = server.http_address().unwrap();
    let ended = async {
        let answer = waiting.answer().await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (502, "invocation_stopped")
        );
        assert_eq!(answer.header("connection"), "close");
        assert_eq!(waiting.rest().await, b"");
        sending.send("x").await;
        let answer = sending.answer().await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (503, "invocation_stopped")
        );
        for client in [&mut fresh, &mut idle, &mut sending] {
            assert_eq!(client.rest().await, b"");
        }
    };
    let ((), (), code) = tokio::join!(ended, server.shutdown(), worker.close_code());
    assert_eq!(code, 1012);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_client_that_does_nothing_does_not_hold_up_the_end() {
    let limits = Limits {
        close_time_max: std::time::Duration::from_millis(50),
        ..Limits::default()
    };
    let server = serve(Options {
        limits,
        ..Options::default()
    })
    .await;
    let mut client = Http::connect(&server).await;
    client.send("GET /a HTTP/1.1\r\nHost").await;
    let mut other = Http::connect(&server).await;
    assert_eq!(other.ask(get("/none")).await.status, 404);
    server.shutdown().await;
    assert_eq!(client.rest().await, b"");
}

const CLIENTS: usize = 1_000;

/// In a process that may have so many sockets.
#[cfg(unix)]
#[tokio::test]
async fn a_thousand_requests_at_once_are_all_answered() {
    let this = std::env::current_exe().unwrap();
    let run = "ulimit -n 4096 && exec \"$0\" --exact http_ends::many_at_once --ignored";
    let output = Command::new("sh")
        .args(["-c", run, this.to_str().unwrap()])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(shown.contains("1 passed"), "{shown}");
}

#[tokio::test]
#[ignore = "needs more descriptors; run by the test above"]
async fn many_at_once() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/:n", "method": "POST"})).await;
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let mut client = Http::connect(&server).await;
        clients.spawn(async move {
            let body = n.to_string();
            let answer = client
                .ask(request("POST", &format!("/{n}"), "", &body))
                .await;
            assert_eq!((answer.status, answer.text()), (200, &*body));
            client
        });
    }
    // Not one is answered before all are there.
    let mut calls = Vec::new();
    while calls.len() < CLIENTS {
        calls.push(worker.served().await);
    }
    for call in calls.iter().rev() {
        worker
            .answer(call, json!({"body": call["data"]["path_params"]["n"]}))
            .await;
    }
    assert_eq!(clients.join_all().await.len(), CLIENTS);
}

#[tokio::test]
async fn a_client_that_has_ended_what_it_sends_gets_its_answer() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a", "method": "POST"})).await;
    for body in ["", "body"] {
        let mut client = Http::connect(&server).await;
        client.send(request("POST", "/a", "", body)).await;
        client.tcp.shutdown().await.unwrap();
        let call = worker.served().await;
        // What it has to pass over, and would be refused if it had left.
        assert_eq!(client.head().await.status, 100);
        worker.answer(&call, json!(body)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.json()), (200, json!(body)));
        assert_eq!(client.rest().await, b"");
    }
    // Such a client understands one answer alone.
    let mut client = Http::connect(&server).await;
    client.send("POST /a HTTP/1.0\r\n\r\n").await;
    client.tcp.shutdown().await.unwrap();
    let call = worker.served().await;
    worker.answer(&call, json!(7)).await;
    let all = String::from_utf8(client.rest().await).unwrap();
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n"), "{all}");
    assert!(all.ends_with("\r\n\r\n7"), "{all}");
}

#[tokio::test]
async fn a_client_that_leaves_while_a_worker_serves_it_frees_its_place() {
    let server = serve(Options {
        limits: Limits {
            http: HttpLimits {
                connections_max: 1,
                ..HttpLimits::default()
            },
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    for _ in 0..3 {
        let mut client = Http::connect(&server).await;
        client.send(get("/a")).await;
        let call = worker.served().await;
        drop(client);
        // The call is not answered, and the only place is free for the next one.
        let mut next = Http::connect(&server).await;
        assert_eq!(next.ask(get("/none")).await.status, 404);
        // Nobody waits for its answer.
        worker.answer(&call, json!(1)).await;
        worker.fence().await;
    }
}
