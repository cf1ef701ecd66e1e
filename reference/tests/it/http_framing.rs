//! How requests follow one another on a connection, and what must not pass for one.

use reference::Options;
use serde_json::json;

use crate::http_client::{Http, get, request, serve, worker};

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/:n", "method": "POST"})).await;
    let mut client = Http::connect(&server).await;
    for n in 1..=3 {
        client
            .send(request("POST", &format!("/{n}"), "", "body"))
            .await;
        let call = worker.served().await;
        worker.answer(&call, json!(n)).await;
        assert_eq!(client.answer().await.json(), n);
    }
    client
        .send(request("POST", "/4", "Connection: close\r\n", ""))
        .await;
    let call = worker.served().await;
    worker.answer(&call, json!(4)).await;
    assert_eq!(client.answer().await.json(), 4);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn requests_in_one_piece_are_answered_in_their_order() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/:n", "method": "POST"})).await;
    let mut client = Http::connect(&server).await;
    let requests: Vec<String> = (1..=3)
        .map(|n| request("POST", &format!("/{n}"), "", &format!("\"{n}\"")))
        .collect();
    client.send(requests.concat() + &get("/none?last")).await;
    for n in 1..=3 {
        let call = worker.served().await;
        assert_eq!(call["data"]["path_params"]["n"], n.to_string());
        worker.answer(&call, call["data"]["body"].clone()).await;
    }
    for n in 1..=3 {
        assert_eq!(client.answer().await.text(), format!("\"\\\"{n}\\\"\""));
    }
    assert_eq!(client.answer().await.status, 405);
}

#[tokio::test]
async fn a_body_in_chunks_is_put_together() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a", "method": "POST"})).await;
    let mut client = Http::connect(&server).await;
    let head = "Transfer-Encoding: Chunked\r\nContent-Type: application/json\r\n";
    client.send(request("POST", "/a", head, "")).await;
    for chunk in [
        "1\r\n[\r\n",
        "3;x=y\r\n1,2\r\n",
        "1\r\n]\r\n",
        "0\r\nX-Trailer: t\r\n\r\n",
    ] {
        client.send(chunk).await;
    }
    let call = worker.served().await;
    assert_eq!(call["data"]["body"], json!([1, 2]));
    assert_eq!(call["data"]["headers"].get("x-trailer"), None);
    worker.answer(&call, json!(1)).await;
    assert_eq!(client.answer().await.status, 200);
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a", "method": "POST"})).await;
    let mut client = Http::connect(&server).await;
    let head = "Expect: 100-continue\r\nContent-Length: 4\r\n";
    client.send(request("POST", "/a", head, "")).await;
    assert_eq!(client.head().await.status, 100);
    client.send("body").await;
    let call = worker.served().await;
    assert_eq!(call["data"]["body"], "body");
    worker.answer(&call, json!(1)).await;
    assert_eq!(client.answer().await.status, 200);
    // What is too large is refused at once.
    let head = "Expect: 100-continue\r\nContent-Length: 10000000\r\n";
    let answer = client.ask(request("POST", "/a", head, "")).await;
    assert_eq!((answer.status, &*answer.code()), (413, "payload_too_large"));
}

#[tokio::test]
async fn what_could_be_read_as_two_requests_is_refused() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a", "method": "POST"})).await;
    let smuggled = get("/smuggled");
    for head in [
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4, 4\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: +4\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length : 4\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n Content-Length: 4\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nX-A: b\rContent-Length: 4\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n",
        "POST /a HTTP/1.1\r\n\r\n",
        "POST /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST  /a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /a HTTP/1.1\nno header\n\n",
    ] {
        let mut client = Http::connect(&server).await;
        let answer = client.ask(format!("{head}{smuggled}")).await;
        assert!(matches!(answer.status, 400 | 501), "{head:?}: {answer:?}");
        // Neither is what follows taken for a request.
        assert_eq!(client.rest().await, b"", "{head:?}");
    }
    // RFC 9112, section 6.3: the chunks count, and the connection ends.
    for head in [
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
    ] {
        let mut client = Http::connect(&server).await;
        client.send(format!("{head}0\r\n\r\n{smuggled}")).await;
        let call = worker.served().await;
        assert_eq!(call["data"]["body"], json!(null));
        worker.answer(&call, json!(1)).await;
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.rest().await, b"", "{head:?}");
    }
    worker.fence().await;
    let compressed = "Transfer-Encoding: gzip, chunked\r\n";
    let mut client = Http::connect(&server).await;
    let asked = request("POST", "/a", compressed, "") + "0\r\n\r\n";
    assert_eq!(client.ask(asked).await.status, 501);
}

#[tokio::test]
async fn upgrades_to_websocket_and_tunnels_are_refused() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a"})).await;
    let mut client = Http::connect(&server).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let answer = client.ask(request("GET", "/a", upgrade, "")).await;
    assert_eq!((answer.status, &*answer.code()), (400, "bad_request"));
    assert!(answer.text().contains("--listen"), "{}", answer.text());
    let mut client = Http::connect(&server).await;
    let tunnel = "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n";
    assert_eq!(client.ask(tunnel).await.status, 501);
    assert_eq!(client.rest().await, b"");
    // RFC 9110, section 7.8: an offer that is not taken up is no fault.
    let mut client = Http::connect(&server).await;
    let offer =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    for _ in 0..2 {
        client.send(request("GET", "/a", offer, "")).await;
        let call = worker.served().await;
        worker.answer(&call, json!(1)).await;
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn targets_are_taken_as_they_are_sent() {
    let server = serve(Options::default()).await;
    let mut worker = worker(&server, json!({"path": "/a/:b"})).await;
    let mut client = Http::connect(&server).await;
    for target in ["http://app.localhost/a/x?q=1", "/a/x?q=1"] {
        client.send(get(target)).await;
        let call = worker.served().await;
        assert_eq!(call["data"]["path"], "/a/x");
        assert_eq!(call["data"]["query_params"], json!({"q": "1"}));
        worker.answer(&call, json!(1)).await;
        assert_eq!(client.answer().await.status, 200);
    }
    for (target, status) in [
        ("/a/../a/x", 400),
        ("/a/%2e%2e/x", 400),
        ("/a/%ff", 400),
        ("//a/x", 404),
        ("/A/x", 404),
        ("/a/x/", 404),
        ("/", 404),
    ] {
        let mut client = Http::connect(&server).await;
        assert_eq!(client.ask(get(target)).await.status, status, "{target}");
    }
    let mut client = Http::connect(&server).await;
    let answer = client.ask(request("OPTIONS", "*", "", "")).await;
    assert!(matches!(answer.status, 400 | 404), "{answer:?}");
    let old = "GET /a/x HTTP/1.0\r\n\r\n";
    let mut client = Http::connect(&server).await;
    client.send(old).await;
    let call = worker.served().await;
    worker.answer(&call, json!(1)).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
}
