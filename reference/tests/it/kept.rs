//! Connections to endpoints that are kept, and end when they are to be used again.

use std::io;

use reference::{Limits, Server};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    client::Client,
    endpoints::{call, with_function},
    hostile::{assert_failed, ok, server},
    http_client::PATIENCE,
};

async fn start() -> (TcpListener, Server, Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = server(Limits::default()).await;
    let client = with_function(&server, json!({"url": url})).await;
    (listener, server, client)
}

/// Reads a request with this body.
async fn request(tcp: &mut TcpStream, body: &str) {
    let (mut read, end) = (Vec::new(), format!("\r\n\r\n{body}"));
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

#[tokio::test]
async fn connections_are_kept_to_the_endpoints_that_were_called_last() {
    // As many as there are (D-28).
    const ENDPOINTS: usize = 32;

    let server = server(Limits::default()).await;
    let mut client = Client::connect(&server.url()).await;
    let mut endpoints = Vec::new();
    for number in 0..ENDPOINTS {
        endpoints.push(Endpoint::register(&mut client, number).await);
    }
    for endpoint in &mut endpoints {
        endpoint.serve(&mut client).await;
    }
    // Of those that are kept the first is now the one that was called last.
    endpoints[0].serve(&mut client).await;
    let mut another = Endpoint::register(&mut client, ENDPOINTS).await;
    another.serve(&mut client).await;
    let mut forgotten = endpoints.remove(1);
    let rest = forgotten.kept.as_mut().unwrap().read_u8();
    let end = timeout(PATIENCE, rest).await.expect("the connection ends");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    endpoints.push(another);
    for endpoint in &mut endpoints {
        endpoint.serve(&mut client).await;
    }
    forgotten.kept = None;
    forgotten.serve(&mut client).await;
}

/// An endpoint of a function, to which there is one connection at most.
struct Endpoint {
    function: String,
    listener: TcpListener,
    kept: Option<TcpStream>,
}

impl Endpoint {
    async fn register(client: &mut Client, number: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let function = format!("f{number}");
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let frame = json!({
            "type": "registerfunction", "id": function, "invocation": {"url": url},
        });
        client.send(&frame.to_string()).await;
        client.fence().await;
        Self {
            function,
            listener,
            kept: None,
        }
    }

    /// A call, over the connection that has been kept if there is one.
    async fn serve(&mut self, client: &mut Client) {
        let answering = async {
            let mut tcp = match self.kept.take() {
                Some(tcp) => tcp,
                None => self.listener.accept().await.unwrap().0,
            };
            request(&mut tcp, "1").await;
            tcp.write_all(&ok("2")).await.unwrap();
            tcp
        };
        let (answer, tcp) = tokio::join!(client.call(&self.function, json!(1)), answering);
        assert_eq!(answer["result"], 2, "{answer}");
        self.kept = Some(tcp);
    }
}
