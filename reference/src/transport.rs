//! A connection to one of the engine's ports, over TLS if that is what the port speaks (D-31).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ServerConnection;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{Tls, connection::linger};

/// The start of a request line is longer.
pub(crate) const START_BYTES: usize = 5;

#[derive(Debug)]
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// Makes the TLS handshake, if the port speaks TLS. Whoever makes none is told why, for so
    /// long at most; the caller bounds the rest.
    ///
    /// # Errors
    ///
    /// What is wrong with the handshake, for the log.
    pub(crate) async fn open(
        tcp: TcpStream,
        tls: Option<&Tls>,
        close_time_max: Duration,
    ) -> Result<Self, String> {
        match tls {
            None => Ok(Self::Plain(tcp)),
            // What it takes is kept apart, so that connections without it are no larger.
            Some(tls) => Box::pin(Self::open_tls(tcp, tls, close_time_max)).await,
        }
    }

    async fn open_tls(
        mut tcp: TcpStream,
        tls: &Tls,
        close_time_max: Duration,
    ) -> Result<Self, String> {
        let mut start = [0; START_BYTES];
        let peeked = tcp.peek(&mut start).await;
        peeked.map_err(|error| format!("no TLS handshake: {error}"))?;
        // So begins a method, and no handshake.
        if start.first().is_some_and(u8::is_ascii_uppercase) {
            let has_body = start != *b"HEAD ";
            let _ = timeout(close_time_max, ask_for_tls(&mut tcp, has_body)).await;
            return Err("no TLS handshake: a request in plain text".to_owned());
        }
        let acceptor = TlsAcceptor::from(tls.config());
        match acceptor.accept(tcp).into_fallible().await {
            Ok(stream) => Ok(Self::Tls(Box::new(stream))),
            Err((error, tcp)) => {
                // It has been sent an alert.
                let _ = timeout(close_time_max, linger(&tcp)).await;
                Err(format!("no TLS handshake: {error}"))
            }
        }
    }

    /// The socket itself.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// What comes first, without taking it.
    pub(crate) async fn peek(&mut self, start: &mut [u8; START_BYTES]) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => {
                tcp.peek(start).await?;
            }
            Self::Tls(tls) => {
                for (to, from) in start.iter_mut().zip(tls.fill_buf().await?) {
                    *to = *from;
                }
            }
        }
        Ok(())
    }

    /// Whether the peer has ended what it sends, without taking what it has sent; pending while
    /// neither is to be seen.
    pub(crate) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        match self {
            Self::Plain(tcp) => {
                let mut first = [0];
                let peeked = tcp.poll_peek(cx, &mut ReadBuf::new(&mut first));
                peeked.map_ok(|bytes| bytes == 0)
            }
            Self::Tls(tls) => {
                let peeked = Pin::new(&mut **tls).poll_fill_buf(cx);
                peeked.map_ok(<[u8]>::is_empty)
            }
        }
    }

    /// Tells the peer that this is all: over TLS the end of a connection is not enough.
    pub(crate) async fn end(&mut self) {
        if let Self::Tls(tls) = self {
            let _ = tls.shutdown().await;
        }
    }

    /// The socket, and what TLS keeps of it.
    pub(crate) fn into_parts(self) -> (TcpStream, Option<ServerConnection>) {
        match self {
            Self::Plain(tcp) => (tcp, None),
            Self::Tls(tls) => {
                let (tcp, session) = tls.into_inner();
                (tcp, Some(session))
            }
        }
    }
}

/// Tells a client that it has taken the port for one without TLS.
async fn ask_for_tls(tcp: &mut TcpStream, has_body: bool) {
    const TEXT: &str = "This port speaks TLS: its address begins with wss:// or https://.\n";
    let length = TEXT.len();
    let body = if has_body { TEXT } else { "" };
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\n\
         Connection: close\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    if tcp.write_all(answer.as_bytes()).await.is_ok() {
        linger(tcp).await;
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
