//! Connections to endpoints that are kept, and end when they are to be used again.

use reference::{Limits, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    client::Client,
    endpoints::{call, with_function},
    hostile::{assert_failed, ok, server},
};

async fn start() -> (TcpListener, Server, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = server(Limits::default()).await;
    let client = with_function(&server, json!({"url": url})).await;
    (listener, server, client)
}

/// Reads a request, which comes in one piece and has this at its end.
async fn request(tcp: &mut TcpStream, end: &str) {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        assert!(tcp.read_buf(&mut read).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_request_of_which_nothing_was_sent_takes_another_connection() {
    let (listener, _server, mut client) = start().await;
    for number in 0..50 {
        let number = number.to_string();
        let answering = async {
            let (mut tcp, _) = listener.accept().await.unwrap();
            request(&mut tcp, &number).await;
            // It says nothing of the end that follows.
            tcp.write_all(&ok(&number)).await.unwrap();
        };
        let (answer, ()) = tokio::join!(call(&mut client, &number), answering);
        assert_eq!(answer["result"].to_string(), number);
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_seen_is_not_made_again() {
    let (listener, _server, mut client) = start().await;
    let answering = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        request(&mut tcp, "1").await;
        tcp.write_all(&ok("1")).await.unwrap();
        tcp
    };
    let (answer, mut tcp) = tokio::join!(call(&mut client, "1"), answering);
    assert_eq!(answer["result"], 1);
    let ending = async {
        request(&mut tcp, "2").await;
        drop(tcp);
    };
    let (answer, ()) = tokio::join!(call(&mut client, "2"), ending);
    assert_failed(&answer, "http_request_failed", "connection ");
    // The next connection is for the next call.
    let answering = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        request(&mut tcp, "3").await;
        tcp.write_all(&ok("3")).await.unwrap();
    };
    let (answer, ()) = tokio::join!(call(&mut client, "3"), answering);
    assert_eq!(answer["result"], 3);
}
