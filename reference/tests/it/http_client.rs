//! A client that sends what it is told to, byte for byte, and reads answers off the connection.

use std::time::Duration;

use reference::{Options, Server};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::client::Client;

/// Long enough for any machine; only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn serve(options: Options) -> Server {
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

/// A worker with a function `f` behind an http trigger of this config.
pub(crate) async fn worker(server: &Server, config: Value) -> Client {
    let mut worker = Client::connect(&server.url()).await;
    worker.register("f").await;
    worker.trigger("http", "t", "f", config).await;
    worker
}

/// A request without a body.
pub(crate) fn get(target: &str) -> String {
    request("GET", target, "", "")
}

/// A request with a body, if there is any, and its length.
pub(crate) fn request(method: &str, target: &str, headers: &str, body: &str) -> String {
    let length = match body.len() {
        0 => String::new(),
        bytes => format!("Content-Length: {bytes}\r\n"),
    };
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{headers}{length}\r\n{body}")
}

pub(crate) struct Http<S = TcpStream> {
    pub(crate) tcp: S,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case, a line each.
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> String {
        let values = self.head.lines().filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = values
            .filter(|(it, _)| *it == name)
            .map(|(_, value)| value)
            .collect();
        values.join(", ")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of the engine's own error body.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Http {
    pub(crate) async fn connect(server: &Server) -> Self {
        let tcp = TcpStream::connect(server.http_address().unwrap()).await;
        Self::over(tcp.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http<S> {
    pub(crate) fn over(tcp: S) -> Self {
        Self {
            tcp,
            read: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.tcp.write_all(bytes.as_ref()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length");
        let length: usize = if length.is_empty() {
            0
        } else {
            length.parse().unwrap()
        };
        while self.read.len() < length {
            assert!(self.more().await, "{answer:?} ends before its body does");
        }
        answer.body = self.read.drain(..length).collect();
        answer
    }

    /// An answer without the body that its length is of.
    pub(crate) async fn head(&mut self) -> Answer {
        let end = loop {
            let end = self.read.windows(4).position(|it| it == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            let read = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more().await, "no answer but {read:?}");
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let (start, headers) = head.split_once("\r\n").unwrap();
        let status = start.strip_prefix("HTTP/1.1 ").expect("a status line");
        let headers = headers.lines().map(|line| match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}\n", name.to_lowercase()),
            None => String::new(),
        });
        Answer {
            status: status.split(' ').next().unwrap().parse().unwrap(),
            head: headers.collect(),
            body: Vec::new(),
        }
    }

    /// Reads so much of what comes, and leaves it at that.
    pub(crate) async fn skip(&mut self, bytes: usize) {
        while self.read.len() < bytes {
            assert!(self.more().await, "the connection has ended");
        }
        self.read.drain(..bytes);
    }

    /// What comes until the connection ends, whether it is closed or reset.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    async fn more(&mut self) -> bool {
        let read = timeout(PATIENCE, self.tcp.read_buf(&mut self.read)).await;
        read.expect("patience").is_ok_and(|bytes| bytes > 0)
    }
}
