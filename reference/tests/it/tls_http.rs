//! Requests over TLS (D-31), and clients that speak it on the wrong port, or not at all.

use std::time::Duration;

use reference::{Access, HttpLimits, Limits, Options, Server, Token};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::rustls::{
    ClientConfig,
    version::{TLS12, TLS13},
};
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    client::Client,
    http_client::{Http, PATIENCE, get, request},
    tls::Authority,
    tls_ports::{Secured, assert_ends_well, rest, secure},
};

#[tokio::test]
async fn http_triggers_are_served_over_tls() {
    let secured = Secured::serve("https", Options::default()).await;
    let mut worker = secured.worker().await;
    worker.register("f").await;
    let config = json!({"path": "/a", "method": "POST"});
    worker.trigger("http", "t", "f", config).await;
    let mut client = secured.http().await;
    // The largest body that is taken, twice over one connection.
    for _ in 0..2 {
        let text = "y".repeat((1 << 20) - 2);
        let body = format!("\"{text}\"");
        let json = "Content-Type: application/json\r\n";
        let serving = async {
            let call = worker.served().await;
            let body = call["data"]["body"].clone();
            worker
                .answer(&call, json!({"status_code": 200, "body": body}))
                .await;
        };
        let post = request("POST", "/a", json, &body);
        let (answer, ()) = tokio::join!(client.ask(post), serving);
        assert_eq!(answer.status, 200);
        assert!(answer.text() == text, "{} bytes", answer.body.len());
    }
    assert_eq!(client.ask(get("/healthz")).await.text(), "ok\n");
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(client.ask(last).await.status, 200);
    assert_ends_well(&mut client.tcp).await;
}

#[tokio::test]
async fn names_origins_and_tokens_are_asked_for_over_tls_too() {
    let access = Access {
        token: Some(Token::new("tok-3n")),
        ..Access::default()
    };
    let options = Options {
        access,
        ..Options::default()
    };
    let secured = Secured::serve("access", options).await;
    for (name, value, status) in [
        ("host", "evil.test", 403),
        ("origin", "https://evil.test", 403),
        ("authorization", "Bearer tok-3m", 401),
        ("authorization", "Bearer tok-3n", 101),
    ] {
        let mut upgrade = secured.server.url().into_client_request().unwrap();
        upgrade
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        let mut tls = secured.tls(&TLS13).await;
        let shaken = match client_async(upgrade, &mut tls).await {
            Ok((_, response)) => response.status().as_u16(),
            Err(Error::Http(response)) => {
                let status = response.status().as_u16();
                assert_ends_well(&mut tls).await;
                status
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(shaken, status, "{name}: {value}");
    }
    let mut client = secured.http().await;
    let answer = client.ask(get("/a")).await;
    assert_eq!((answer.status, &*answer.code()), (401, "unauthorized"));
}

#[tokio::test]
async fn a_request_for_the_other_port_is_told_so_over_tls_too() {
    let secured = Secured::serve("other-port", Options::default()).await;
    let mut client = Http::over(secured.tls(&TLS12).await);
    let answer = client.ask(get("/orders")).await;
    assert_eq!(answer.status, 426);
    assert_ends_well(&mut client.tcp).await;
    client = Http::over(secured.tls(&TLS13).await);
    client
        .send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status, 426);
    assert_eq!(client.rest().await, b"", "no body");
}

#[tokio::test]
async fn a_client_without_tls_is_told_so_and_harms_nobody() {
    let secured = Secured::serve("plain-client", Options::default()).await;
    let mut worker = secured.worker().await;
    let ports = [
        secured.server.address(),
        secured.server.http_address().unwrap(),
    ];
    for port in ports {
        let mut client = Http::over(TcpStream::connect(port).await.unwrap());
        let answer = client.ask(get("/healthz")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("wss:// or https://"), "{answer:?}");
        assert_eq!(client.rest().await, b"");
        let mut head = Http::over(TcpStream::connect(port).await.unwrap());
        head.send("HEAD / HTTP/1.1\r\n\r\n").await;
        assert_eq!(head.head().await.status, 400);
        assert_eq!(head.rest().await, b"", "no body");
        let no_hello = b"\x16\x03\x01\0\x05\x01\0\0\x01\0";
        for noise in [&no_hello[..], b"\0\0\0\0\0\0", b"{}\n{}\n"] {
            let mut tcp = TcpStream::connect(port).await.unwrap();
            tcp.write_all(noise).await.unwrap();
            let alert = rest(&mut tcp).await;
            assert_eq!(alert.first(), Some(&21), "{noise:?}: {alert:?}");
        }
        // One that only comes and goes.
        drop(TcpStream::connect(port).await.unwrap());
    }
    let plain = secured.server.url().replace("wss:", "ws:");
    match tokio_tungstenite::connect_async(plain).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
    worker.fence().await;
    assert_eq!(secured.http().await.ask(get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_tls_client_on_ports_without_tls_ends_quickly_and_harms_nobody() {
    let server = Server::bind("127.0.0.1:0", Options::default())
        .await
        .unwrap();
    let mut worker = Client::connect(&server.url()).await;
    let authority = Authority::new();
    for port in [server.address(), server.http_address().unwrap()] {
        let tcp = TcpStream::connect(port).await.unwrap();
        let config = ClientConfig::builder()
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        assert!(secure(tcp, config).await.is_err());
    }
    worker.fence().await;
}

#[tokio::test]
async fn a_handshake_of_tls_that_is_not_made_ends_in_time() {
    let mut limits = Limits {
        handshake_time_max: Duration::from_millis(50),
        ..Limits::default()
    };
    limits.http.head_time_max = Duration::from_millis(50);
    let options = Options {
        limits,
        ..Options::default()
    };
    let secured = Secured::serve("silent", options).await;
    let ports = [
        secured.server.address(),
        secured.server.http_address().unwrap(),
    ];
    for port in ports {
        for start in [&b""[..], b"\x16", b"\x16\x03\x01\x01\x00\x01\x00"] {
            let mut tcp = TcpStream::connect(port).await.unwrap();
            tcp.write_all(start).await.unwrap();
            rest(&mut tcp).await;
        }
    }
    // Nor the one of WebSocket that is to come after it.
    let mut tls = secured.tls(&TLS13).await;
    let mut nothing = Vec::new();
    let ended = timeout(PATIENCE, tls.read_to_end(&mut nothing)).await;
    let _ = ended.expect("the connection ends");
}

#[tokio::test]
async fn a_peer_that_does_not_take_its_answer_is_given_up_over_tls_too() {
    let http = HttpLimits {
        connections_max: 1,
        stall_time_max: Duration::from_millis(30),
        ..HttpLimits::default()
    };
    let limits = Limits {
        http,
        ..Limits::default()
    };
    let options = Options {
        limits,
        ..Options::default()
    };
    let secured = Secured::serve("slow-http", options).await;
    let mut worker = secured.worker().await;
    worker.register("f").await;
    worker
        .trigger("http", "t", "f", json!({"path": "/a"}))
        .await;
    let mut deaf = secured.http().await;
    deaf.send(get("/a")).await;
    let call = worker.served().await;
    // Far more than lies in the buffers between the two.
    let large = "x".repeat(15 << 20);
    worker.answer(&call, json!({"body": large})).await;
    let mut next = secured.http().await;
    assert_eq!(next.ask(get("/none")).await.status, 404, "it has the place");
    let taken = deaf.rest().await.len();
    assert!(taken < 15 << 20, "{taken} bytes");
}

#[tokio::test]
async fn a_client_that_ends_what_it_sends_is_answered_over_tls_and_one_that_leaves_frees_its_place()
{
    let mut limits = Limits::default();
    limits.http.connections_max = 1;
    let options = Options {
        limits,
        ..Options::default()
    };
    let secured = Secured::serve("half", options).await;
    let mut worker = secured.worker().await;
    worker.register("f").await;
    worker
        .trigger("http", "t", "f", json!({"path": "/a"}))
        .await;
    let mut client = secured.http().await;
    client.send(get("/a")).await;
    client.tcp.shutdown().await.unwrap();
    let call = worker.served().await;
    assert_eq!(client.head().await.status, 100);
    worker.answer(&call, json!(7)).await;
    assert_eq!(client.answer().await.json(), 7);
    assert_eq!(client.rest().await, b"");
    drop(client);
    for with_a_word in [true, false] {
        let mut client = secured.http().await;
        client.send(get("/a")).await;
        worker.served().await;
        if with_a_word {
            client.tcp.shutdown().await.unwrap();
        }
        drop(client);
    }
    let mut next = secured.http().await;
    assert_eq!(next.ask(get("/none")).await.status, 404, "it has the place");
}
