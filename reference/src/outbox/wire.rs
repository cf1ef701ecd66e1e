//! A session's socket, as the WebSocket library is shown it.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, tcp::OwnedReadHalf},
};

use super::Outbox;

/// A session's socket as the WebSocket library has it: what the library writes itself, pongs and
/// Close frames, is queued behind all else.
#[derive(Debug)]
pub(crate) struct Wire {
    reader: OwnedReadHalf,
    outbox: Arc<Outbox>,
    /// How much has come since the last message that is whole.
    unfinished: usize,
}

/// So much of a message is not counted with what has come of all.
const UNCOUNTED_BYTES: usize = 16 << 10;
/// What stands before the payload of a ping or a pong of a client's (RFC 6455, section 5.2).
const CONTROL_HEAD_BYTES: usize = 6;

impl Wire {
    pub(crate) fn new(reader: OwnedReadHalf, outbox: Arc<Outbox>) -> Self {
        Self {
            reader,
            outbox,
            unfinished: 0,
        }
    }

    /// The socket itself.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.reader.as_ref()
    }

    /// A message has come as a whole.
    pub(crate) fn message_ended(&mut self) {
        self.count(0);
    }

    /// A ping or a pong has come, which is part of no message.
    pub(crate) fn control_ended(&mut self, payload_bytes: usize) {
        let bytes = CONTROL_HEAD_BYTES + payload_bytes;
        self.count(self.unfinished.saturating_sub(bytes));
    }

    /// So much has come since the last message that is whole.
    fn count(&mut self, unfinished: usize) {
        let counted = |bytes| if bytes > UNCOUNTED_BYTES { bytes } else { 0 };
        if counted(unfinished) != counted(self.unfinished) {
            self.outbox.set_unfinished(counted(unfinished));
        }
        self.unfinished = unfinished;
    }

    /// Tells the peer that this is all, if TLS is spoken, as far as there is room.
    pub(crate) fn end(&self) {
        if let Some(seal) = &self.outbox.seal {
            seal.end(self.tcp());
        }
    }

    /// Waits until all that is queued has been written.
    pub(crate) async fn written(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_written(cx)).await
    }

    fn poll_written(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.outbox.write();
            {
                let state = self.outbox.lock();
                if state.broken {
                    return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
                }
                if state.busy {
                    // Whoever is writing is done in a moment.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if state.queue.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            ready!(self.tcp().poll_write_ready(cx))?;
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let read = match &wire.outbox.seal {
            None => Pin::new(&mut wire.reader).poll_read(cx, buffer),
            Some(seal) => seal.poll_read(wire.reader.as_ref(), cx, buffer),
        };
        wire.count(wire.unfinished + buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A peer that asks and does not read is not answered without end.
        if self.outbox.lock().stuck_since.is_some() {
            ready!(self.poll_written(cx))?;
        }
        self.outbox.lock().queue.push_raw(bytes);
        // The library does not flush its last Close frame.
        self.outbox.write();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_written(cx)
    }
}
