//! Sitting between clients and an engine: every byte goes on, and what it says is noted.

use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedSender,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::http::Uri;

use super::{
    notes::{Event, Notes},
    wire::{Reader, Said},
};

const HEAD_BYTES_MAX: usize = 64 << 10;
const CHUNK_BYTES: usize = 16 << 10;
/// How long an engine may go on when its client has left.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_secs(5);
/// How long either side may read nothing of what the other says.
const READING_TIME_MAX: Duration = Duration::from_secs(60);
/// How long connecting to the engine may take, and shaking hands with it and the client.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An engine's address.
#[derive(Clone, Debug)]
pub(super) struct Upstream {
    host: String,
    port: u16,
    target: String,
}

impl Upstream {
    /// # Errors
    ///
    /// What is wrong with the URL.
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("`{url}`: {error}"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("ws"), Some(host)) => Ok(Self {
                host: host.trim_matches(['[', ']']).to_owned(),
                port: uri.port_u16().unwrap_or(80),
                target: uri
                    .path_and_query()
                    .map_or("/", |it| it.as_str())
                    .to_owned(),
            }),
            _ => Err(format!(
                "`{url}` must begin with ws:// (wss:// is not supported)"
            )),
        }
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = timeout(CONNECT_TIME_MAX, connecting).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Serves clients until it is dropped. `ended` hears of each session that was opened and is over.
pub(super) async fn serve(
    listener: TcpListener,
    upstream: Upstream,
    notes: Arc<Notes>,
    ended: UnboundedSender<()>,
) {
    let upstream = Arc::new(upstream);
    let sessions = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (upstream, sessions) = (Arc::clone(&upstream), Arc::clone(&sessions));
        let (notes, ended) = (Arc::clone(&notes), ended.clone());
        tokio::spawn(async move {
            let shaking = timeout(CONNECT_TIME_MAX, shake_hands(client, &upstream));
            // A connection that fails before it is a session's is no part of the recording.
            if let Ok(Ok((client, engine))) = shaking.await {
                let session = sessions.fetch_add(1, Ordering::Relaxed);
                let relay = Relay { session, notes };
                relay.note(Event::Connected);
                relay.run(client, engine).await;
                let _ = ended.send(());
            }
        });
    }
}

/// Passes the handshake on, without the extensions, under which frames would not be readable.
async fn shake_hands(
    mut client: TcpStream,
    upstream: &Upstream,
) -> io::Result<(TcpStream, TcpStream)> {
    client.set_nodelay(true)?;
    let head = read_head(&mut client).await?;
    let mut engine = upstream.connect().await?;
    engine
        .write_all(without_extensions(&head, &upstream.target).as_bytes())
        .await?;
    let answer = read_head(&mut engine).await?;
    client.write_all(answer.as_bytes()).await?;
    match answer.split(' ').nth(1) {
        Some("101") => Ok((client, engine)),
        _ => Err(io::Error::other("the engine refuses the upgrade")),
    }
}

/// A request or an answer up to the empty line; nobody says more before the other has spoken.
async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(io::Error::other("the head is too long"));
        }
        // Byte by byte, since what follows the empty line are frames.
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn without_extensions(head: &str, target: &str) -> String {
    let mut passed_on = String::with_capacity(head.len());
    for (index, line) in head.split_inclusive("\r\n").enumerate() {
        let name = line.split(':').next().unwrap_or_default();
        let mut words = line.split(' ');
        match (index, words.next(), words.next_back()) {
            (0, Some(method), Some(version)) => {
                passed_on += &format!("{method} {target} {version}");
            }
            _ if name.eq_ignore_ascii_case("sec-websocket-extensions") => {}
            _ => passed_on += line,
        }
    }
    passed_on
}

struct Relay {
    session: usize,
    notes: Arc<Notes>,
}

impl Relay {
    async fn run(&self, client: TcpStream, engine: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_engine, to_engine) = engine.into_split();
        let mut up = pin!(async {
            self.pass(from_client, to_engine, Event::FromClient).await;
            self.note(Event::ClientGone);
        });
        let mut down = pin!(self.pass(from_engine, to_client, Event::FromEngine));
        tokio::select! {
            () = &mut down => up.await,
            () = &mut up => {
                // Nobody hears it any more, but it is part of what was said.
                let _ = timeout(LAST_WORDS_TIME_MAX, down).await;
            }
        }
    }

    /// Passes bytes on until their side ends, and the end as well.
    async fn pass(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        event: fn(Said) -> Event,
    ) {
        let mut reader = Reader::default();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = match from.read(&mut chunk).await {
                Ok(length) if length > 0 => chunk.get(..length).unwrap_or_default(),
                _ => break,
            };
            // Noted before it is passed on, so that what answers it is noted after it.
            if !self.notes.is_full() {
                for said in reader.read(bytes) {
                    self.note(event(said));
                }
            }
            let passing = timeout(READING_TIME_MAX, to.write_all(bytes));
            if !matches!(passing.await, Ok(Ok(()))) {
                break;
            }
        }
        let _ = to.shutdown().await;
    }

    fn note(&self, event: Event) {
        self.notes.note(self.session, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_is_passed_on_without_extensions() {
        let head =
            "GET /from HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
        assert_eq!(
            without_extensions(head, "/to?a"),
            "GET /to?a HTTP/1.1\r\nHost: x\r\n\r\n"
        );
    }

    #[test]
    fn addresses_of_engines() {
        let upstream = Upstream::new("ws://[::1]:9/a?b").unwrap();
        assert_eq!(
            (
                upstream.host.as_str(),
                upstream.port,
                upstream.target.as_str()
            ),
            ("::1", 9, "/a?b")
        );
        assert!(Upstream::new("http://x").is_err());
        assert!(Upstream::new("ws://").is_err());
    }
}
