//! The two ports: who is at the wrong one is told so, and either can be had without the other.

use reference::{HttpBindError, Options, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::Client,
    http_client::{Http, get, request, serve},
};

/// All that the port of workers sends back.
async fn answer(server: &Server, request: &[u8]) -> String {
    let mut tcp = TcpStream::connect(server.address()).await.unwrap();
    tcp.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // Whatever it is, it ends.
    let _ = tcp.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_request_at_the_port_of_workers_is_told_where_it_is() {
    let server = serve(Options::default()).await;
    for asked in [
        get("/"),
        request("POST", "/orders", "", "{}"),
        request("POST", "/orders", "", &"x".repeat(1 << 20)),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        request("GET", "/", "Connection: Upgrade\r\nUpgrade: h2c\r\n", ""),
        request(
            "GET",
            "/",
            "Connection: Upgrade\r\nUpgrade: websocket\r\n",
            "",
        ),
    ] {
        let answer = answer(&server, asked.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect(&asked);
        assert!(
            head.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
            "{head}"
        );
        for header in [
            "Upgrade: websocket",
            "Connection: upgrade, close",
            "Sec-WebSocket-Version: 13",
            &format!("Content-Length: {}", body.len()),
        ] {
            assert!(
                head.lines().any(|line| line == header),
                "{header} in {head}"
            );
        }
        assert!(body.contains("--http"), "{body}");
    }
    let answer = answer(&server, request("HEAD", "/", "", "").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    Client::connect(&server.url()).await.fence().await;
}

#[tokio::test]
async fn what_is_no_http_is_dropped_and_the_server_goes_on() {
    let server = serve(Options::default()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\r\n\r\nnonsense\r\n\r\n",
    ] {
        assert_eq!(answer(&server, bytes).await, "");
    }
    Client::connect(&server.url()).await.fence().await;
}

#[tokio::test]
async fn http_triggers_have_a_port_of_their_own_or_none() {
    let server = serve(Options::default()).await;
    let address = server.http_address().unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(server.http_url().unwrap(), format!("http://{address}"));
    assert_ne!(address, server.address());
    let mut client = Http::connect(&server).await;
    assert_eq!(client.ask(get("/")).await.status, 404);
    let none = Options {
        http: None,
        ..Options::default()
    };
    let without = serve(none).await;
    assert_eq!((without.http_address(), without.http_url()), (None, None));
    Client::connect(&without.url()).await.fence().await;
    let taken = Options {
        http: Some(address),
        ..Options::default()
    };
    let error = Server::bind("127.0.0.1:0", taken).await.unwrap_err();
    let inner = error
        .get_ref()
        .and_then(|it| it.downcast_ref::<HttpBindError>());
    assert_eq!(inner.unwrap().address, address);
    let start = format!("cannot serve http triggers on {address}: ");
    assert!(error.to_string().starts_with(&start), "{error}");
}
