//! Endpoints that do what no HTTP server would: half an answer, a reset, a byte at a time.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use httparse::{Header, Status};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinHandle, JoinSet},
};

use super::{
    ACCEPT_PAUSE, BODY_BYTES_MAX, Behaviour, HEAD_BYTES_MAX, REQUEST_TIME_MAX, Received, Registry,
    Served,
};
use crate::{case::RawPart, transcript::Direction};

const HEADERS_MAX: usize = 128;
/// How long an engine that says no more is kept.
const HOLD_TIME_MAX: Duration = Duration::from_secs(60);
/// Text that repeats is sent in pieces of about this size.
const PIECE_BYTES: usize = 64 << 10;

/// One listener for all of them. A connection has one request.
pub(super) struct RawServer {
    port: u16,
    accepting: JoinHandle<()>,
}

impl RawServer {
    pub(super) fn start(listener: TcpListener, registry: &Arc<Registry>) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let registry = Arc::clone(registry);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((tcp, _)) = accepted else {
                            tokio::time::sleep(ACCEPT_PAUSE).await;
                            continue;
                        };
                        let registry = Arc::clone(&registry);
                        connections.spawn(async move {
                            // An engine may leave at any time.
                            let _ = converse(tcp, &registry).await;
                        });
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { port, accepting })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn converse(mut tcp: TcpStream, registry: &Registry) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let reading = tokio::time::timeout(REQUEST_TIME_MAX, read(&mut tcp, registry));
    let Ok(Some((served, request))) = reading.await? else {
        return Ok(());
    };
    served.receive(request);
    if let Behaviour::Raw(parts) = &served.behaviour {
        for part in parts.iter() {
            play(&mut tcp, part, &served).await?;
        }
    }
    tcp.shutdown().await
}

async fn play(tcp: &mut TcpStream, part: &RawPart, served: &Served) -> io::Result<()> {
    match part {
        RawPart::Send(text) => {
            served.note(Direction::Sent, text.as_str());
            tcp.write_all(text.as_bytes()).await
        }
        RawPart::Repeat(repeat) => {
            let shown = format!("`{}` {} times", repeat.text, repeat.times);
            served.note(Direction::Sent, shown);
            let pause = Duration::from_millis(repeat.every_ms);
            let at_once = match pause.is_zero() {
                true => (PIECE_BYTES / repeat.text.len().max(1)).clamp(1, PIECE_BYTES),
                false => 1,
            };
            let mut left = usize::try_from(repeat.times).unwrap_or(usize::MAX);
            while left > 0 {
                let now = left.min(at_once);
                tcp.write_all(repeat.text.repeat(now).as_bytes()).await?;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                left -= now;
            }
            Ok(())
        }
        RawPart::Hold(_) => {
            served.note(Direction::Note, "says no more");
            let mut rest = [0; 1_024];
            let leaving = async { while tcp.read(&mut rest).await.is_ok_and(|read| read > 0) {} };
            let _ = tokio::time::timeout(HOLD_TIME_MAX, leaving).await;
            Ok(())
        }
        RawPart::Reset(_) => {
            served.note(Direction::Note, "resets the connection");
            tcp.set_zero_linger()?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// Reads a request whole.
async fn read(
    tcp: &mut TcpStream,
    registry: &Registry,
) -> io::Result<Option<(Arc<Served>, Received)>> {
    tcp.readable().await?;
    let _room = registry.bodies.acquire().await.map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    loop {
        if bytes.len() > HEAD_BYTES_MAX + BODY_BYTES_MAX || tcp.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut headers);
        let Ok(parsed) = head.parse(&bytes) else {
            return Ok(None);
        };
        let Status::Complete(end) = parsed else {
            continue;
        };
        let Some(body) = body(head.headers, bytes.get(end..).unwrap_or_default()) else {
            continue;
        };
        let (method, target) = (head.method.unwrap_or(""), head.path.unwrap_or(""));
        let Some((served, below)) = registry.find(target) else {
            return Ok(None);
        };
        let headers = head.headers.iter().map(|it| (it.name, it.value));
        let received = Received::new(method, below, headers, body);
        return Ok(Some((served, received)));
    }
}

/// The body that is behind a head, if it has come whole.
fn body(headers: &[Header<'_>], bytes: &[u8]) -> Option<Vec<u8>> {
    let header = |name: &str| {
        let found = headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        found.and_then(|it| std::str::from_utf8(it.value).ok())
    };
    if header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        return unchunked(bytes);
    }
    let length = header("content-length").and_then(|it| it.parse().ok());
    bytes.get(..length.unwrap_or(0)).map(<[u8]>::to_vec)
}

/// RFC 9112, section 7.1. What is wrong is never whole.
fn unchunked(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Ok(Status::Complete((start, length))) = httparse::parse_chunk_size(bytes) else {
            return None;
        };
        let rest = bytes.get(start..)?;
        if length == 0 {
            let no_trailers = rest.starts_with(b"\r\n");
            let whole = no_trailers || rest.windows(4).any(|it| it == b"\r\n\r\n");
            return whole.then_some(body);
        }
        let length = usize::try_from(length).ok()?;
        body.extend_from_slice(rest.get(..length)?);
        bytes = rest.get(length..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_whole() {
        let length = [Header {
            name: "Content-Length",
            value: b"3",
        }];
        let chunked = [Header {
            name: "Transfer-Encoding",
            value: b"Chunked",
        }];
        let read = |headers: &[Header<'_>], text: &str| {
            body(headers, text.as_bytes()).map(|it| String::from_utf8(it).unwrap())
        };
        assert_eq!(read(&[], "").as_deref(), Some(""));
        assert_eq!(read(&length, "abc").as_deref(), Some("abc"));
        assert_eq!(read(&length, "ab"), None);
        for trailers in ["", "x: 1\r\ny: 2\r\n"] {
            let text = format!("1;x=\"y\"\r\na\r\n002\r\nbc\r\n0\r\n{trailers}\r\n");
            assert_eq!(read(&chunked, &text).as_deref(), Some("abc"));
            for end in 0..text.len() {
                assert_eq!(read(&chunked, text.get(..end).unwrap()), None, "{end}");
            }
        }
    }
}
