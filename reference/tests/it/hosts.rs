//! Hosts of endpoints: known for what they are, however they are written (D-28).

use std::{io, net::IpAddr};

use reference::{
    Limits, Options, Resolver, Server,
    core::{OutboundPolicy, Reach},
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    client::Client,
    endpoints::{call, options, with_function},
    hostile::{Raw, assert_failed, ok, server},
};

/// Whatever the name, it is this machine.
struct Here;

impl Resolver for Here {
    fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec!["127.0.0.1".parse().unwrap()])
    }
}

#[tokio::test]
async fn an_address_is_known_however_it_is_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (reach, hosts) in [
        (
            Reach::Public,
            &[
                "127.0.0.1",
                "127.0.0.1.",
                "127.1",
                "2130706433",
                "0x7f000001",
                "0x7f.1",
                "0177.0.0.1",
                "%31%32%37.0.0.1",
                "①②⑦.0.0.1",
                "127。0。0。1",
                "[::1]",
                "[::ffff:127.0.0.1]",
                "[::ffff:7f00:1]",
                "[0:0:0:0:0:ffff:127.0.0.1]",
                "[::127.0.0.1]",
                "[64:ff9b::127.0.0.1]",
                "localhost",
                "LOCALHOST.",
                "evil.test",
            ][..],
        ),
        (
            Reach::Any,
            &[
                "0",
                "0.0.0.0",
                "[::]",
                "[::ffff:0.0.0.0]",
                "169.254.169.254",
                "2852039166",
                "0xa9fea9fe",
                "169.254.43518",
                "0251.0376.0251.0376",
                "[::ffff:169.254.169.254]",
                "[::ffff:a9fe:a9fe]",
                "[::a9fe:a9fe]",
                "[64:ff9b::a9fe:a9fe]",
                "[fe80::a9fe:a9fe]",
                "[fd00:ec2::254]",
                "[fd00:0ec2:0:0:0:0:0:0254]",
            ][..],
        ),
    ] {
        let options = Options {
            outbound: OutboundPolicy {
                reach,
                hosts: Vec::new(),
            },
            resolver: Box::new(Here),
            ..options()
        };
        let server = Server::bind("127.0.0.1:0", options).await.unwrap();
        for host in hosts {
            let url = format!("http://{host}:{port}/");
            let mut client = with_function(&server, json!({"url": url})).await;
            let answer = call(&mut client, "1").await;
            assert_failed(&answer, "http_request_failed", "not one that may be called");
        }
    }
}

#[tokio::test]
async fn a_list_of_hosts_is_not_talked_round() {
    let endpoint = Raw::start(vec![vec![ok("1")], vec![ok("1")]]).await;
    let port = endpoint.url.rsplit(':').next().unwrap();
    let server = Server::bind(
        "127.0.0.1:0",
        Options {
            outbound: OutboundPolicy {
                reach: Reach::Any,
                hosts: vec!["good.test".to_owned(), "*.below.test".to_owned()],
            },
            resolver: Box::new(Here),
            ..options()
        },
    )
    .await
    .unwrap();
    for (host, allowed) in [
        ("GOOD.test.", true),
        ("a.below.test", true),
        ("good.test..", false),
        ("good.test.evil.test", false),
        ("evil.test\\@good.test", false),
        ("evil.test#@good.test", false),
        ("evil.test?@good.test", false),
        ("notgood.test", false),
        ("below.test", false),
        ("xbelow.test", false),
        ("127.0.0.1", false),
    ] {
        let url = format!("http://{host}:{port}");
        let mut client = with_function(&server, json!({"url": url})).await;
        let answer = call(&mut client, "1").await;
        if allowed {
            assert_eq!(answer["result"], 1, "{host}: {answer}");
        } else {
            assert_failed(&answer, "http_request_failed", "not among those");
        }
    }
}

#[tokio::test]
async fn urls_that_cannot_be_called_are_refused_or_fail() {
    let server = server(Limits::default()).await;
    for (url, code) in [
        ("http://user@127.0.0.1/", "invalid_request"),
        ("http://user:secret@127.0.0.1/", "invalid_request"),
        ("http://:secret@127.0.0.1/", "invalid_request"),
        ("http://good.test@127.0.0.1/", "invalid_request"),
        ("http://[fe80::1%25lo]/", "invalid_request"),
        ("http://127.0.0.1:65536/", "invalid_request"),
        ("http:///", "invalid_request"),
        ("http://256.0.0.1/", "invalid_request"),
        ("//127.0.0.1/", "invalid_request"),
        ("file:///etc/hosts", "invalid_request"),
        ("http://127.0.0.1:0/", "http_request_failed"),
    ] {
        let mut client = Client::connect(&server.url()).await;
        let frame = json!({"type": "registerfunction", "id": "f", "invocation": {"url": url}});
        client.send(&frame.to_string()).await;
        let answer = match code {
            "invalid_request" => client.frame().await,
            _ => call(&mut client, "1").await,
        };
        assert_failed(&answer, code, "");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.contains("secret"), "{message}");
    }
}
