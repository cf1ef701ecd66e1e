//! What waits to be written to one session, and the writing of it.
//!
//! Whoever has something for a session writes it to its socket at once, as far as the socket has
//! room: no task has to be woken for it. For the rest, the connection's own task waits.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use reference_core::CloseCode;
use rustls::ServerConnection;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use self::{queue::Queue, seal::Seal};
use crate::Limits;

mod queue;
mod seal;

/// How many pieces one system call writes at most.
const SLICES: usize = 16;
/// How often whoever writes takes what has been queued meanwhile, before the connection's own
/// task goes on: nobody may be kept writing for others for ever.
const BATCHES_MAX: usize = 8;

/// A session's socket, and what waits to be written to it, bounded in bytes.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// There is none where the hub is tested alone.
    tcp: Option<OwnedWriteHalf>,
    /// What lies between the two where TLS is spoken.
    seal: Option<Box<Seal>>,
    state: Mutex<State>,
    /// Rung when there is something for the connection's own task.
    bell: Notify,
    bytes_max: usize,
    /// How long the peer may take nothing of it.
    stall_time_max: Duration,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Somebody is writing, and will write what is queued meanwhile.
    busy: bool,
    /// The socket had no room for all, or somebody has written enough: since then it has taken
    /// nothing.
    stuck_since: Option<Instant>,
    /// The peer takes nothing any more.
    broken: bool,
    overflowed: bool,
    close: Option<CloseFrame>,
    close_is_known: bool,
}

/// What a connection's own task is told.
#[derive(Debug)]
pub(crate) enum News {
    /// More was to be queued than may wait, or has waited for longer than it may.
    Overflowed,
    /// The engine closes the session; what is queued is still written.
    Closing,
    /// It has been written, and the Close frame comes next.
    ToClose(CloseFrame),
    /// Nothing can be written any more.
    Broken,
}

impl Outbox {
    /// For a session of which no more may wait than the limits say, and no longer.
    pub(crate) fn new(
        tcp: Option<OwnedWriteHalf>,
        tls: Option<ServerConnection>,
        limits: &Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            tcp,
            seal: tls.map(|session| Box::new(Seal::new(session))),
            state: Mutex::default(),
            bell: Notify::new(),
            bytes_max: limits.outbox_bytes_max,
            stall_time_max: limits.stall_time_max,
        })
    }

    /// Queues a frame, or tells of an overflow if too much waits already. A single frame of any
    /// size always finds room.
    pub(crate) fn push(&self, frame: String) {
        let mut state = self.lock();
        let waiting = state.queue.bytes();
        if waiting > 0 && waiting + frame.len() > self.bytes_max {
            state.overflowed = true;
            self.bell.notify_one();
        } else {
            state.queue.push_text(frame);
        }
    }

    /// Queues a ping (D-30).
    pub(crate) fn ping(&self) {
        self.lock().queue.push_ping();
    }

    /// Has the session closed once all that is queued has been written.
    pub(crate) fn close(&self, code: CloseCode, reason: &'static str) {
        self.lock().close = Some(CloseFrame {
            code: code.number().into(),
            reason: reason.into(),
        });
        self.bell.notify_one();
    }

    /// Whether the engine has closed the session.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().close.is_some()
    }

    /// Writes what is queued, as far as there is room, unless somebody is at it.
    pub(crate) fn write(&self) {
        let Some(tcp) = &self.tcp else {
            return self.bell.notify_one();
        };
        let mut state = self.lock();
        if state.busy || state.broken {
            return;
        }
        state.busy = true;
        let mut taken = 0;
        for _ in 0..BATCHES_MAX {
            if state.queue.is_empty() {
                break;
            }
            let mut batch = state.queue.take();
            drop(state);
            let outcome = match &self.seal {
                None => write_batch(tcp.as_ref(), &mut batch, &mut taken),
                Some(seal) => seal.write(tcp.as_ref(), &mut batch, &mut taken),
            };
            state = self.lock();
            state.queue.give_back(batch);
            if let Err(error) = outcome {
                state.broken = error.kind() != io::ErrorKind::WouldBlock;
                break;
            }
        }
        state.busy = false;
        state.see(taken);
        if state.stuck_since.is_some() || state.broken || state.close.is_some() {
            self.bell.notify_one();
        }
    }

    /// Goes on writing when the socket has room again, until there is something to tell.
    pub(crate) async fn news(&self) -> News {
        loop {
            let stuck_since = match self.lock().news(self.stall_time_max) {
                Ok(news) => return news,
                Err(stuck_since) => stuck_since,
            };
            let Some(since) = stuck_since else {
                self.bell.notified().await;
                continue;
            };
            tokio::select! {
                () = self.bell.notified() => {}
                () = self.room() => self.write(),
                () = sleep_until(since + self.stall_time_max) => {}
            }
        }
    }

    /// Waits until the socket has room, or is broken, which the next write shows.
    async fn room(&self) {
        match &self.tcp {
            Some(tcp) => {
                let _ = tcp.writable().await;
            }
            None => std::future::pending().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The socket has taken so many bytes.
    fn see(&mut self, taken: usize) {
        self.stuck_since = match self.stuck_since {
            _ if self.queue.is_empty() => None,
            Some(since) if taken == 0 => Some(since),
            _ => Some(Instant::now()),
        };
    }

    /// What is to be told, or else since when the socket has taken nothing.
    fn news(&mut self, stall_time_max: Duration) -> Result<News, Option<Instant>> {
        if self.broken {
            return Ok(News::Broken);
        }
        if mem::take(&mut self.overflowed) {
            return Ok(News::Overflowed);
        }
        if self.close.is_none()
            && let Some(since) = &mut self.stuck_since
            && since.elapsed() >= stall_time_max
        {
            *since = Instant::now();
            return Ok(News::Overflowed);
        }
        if self.close.is_some() {
            if !mem::replace(&mut self.close_is_known, true) {
                return Ok(News::Closing);
            }
            if self.queue.is_empty()
                && !self.busy
                && let Some(frame) = self.close.take()
            {
                return Ok(News::ToClose(frame));
            }
        }
        Err(self.stuck_since)
    }
}

/// Takes off what could be written, and counts it.
fn write_batch(tcp: &TcpStream, batch: &mut queue::Batch, taken: &mut usize) -> io::Result<()> {
    while !batch.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = batch.slices(&mut slices);
        match tcp.try_write_vectored(slices.get(..count).unwrap_or_default())? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            bytes => {
                batch.advance(bytes);
                *taken += bytes;
            }
        }
    }
    Ok(())
}

/// Outboxes that have something to write; it is written at the latest when they are dropped.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(Vec<Arc<Outbox>>);

impl Unwritten {
    pub(crate) fn add(&mut self, outbox: &Arc<Outbox>) {
        if !self.0.last().is_some_and(|last| Arc::ptr_eq(last, outbox)) {
            self.0.push(Arc::clone(outbox));
        }
    }

    pub(crate) fn write(&mut self) {
        for outbox in self.0.drain(..) {
            outbox.write();
        }
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.write();
    }
}

/// A session's socket as the WebSocket library has it: what the library writes itself, pongs and
/// Close frames, is queued behind all else.
#[derive(Debug)]
pub(crate) struct Wire {
    reader: OwnedReadHalf,
    outbox: Arc<Outbox>,
}

impl Wire {
    pub(crate) fn new(reader: OwnedReadHalf, outbox: Arc<Outbox>) -> Self {
        Self { reader, outbox }
    }

    /// The socket itself.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.reader.as_ref()
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
        match &wire.outbox.seal {
            None => Pin::new(&mut wire.reader).poll_read(cx, buffer),
            Some(seal) => seal.poll_read(wire.reader.as_ref(), cx, buffer),
        }
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

#[cfg(test)]
impl Outbox {
    /// The next text frame, once there is one.
    pub(crate) async fn next(&self) -> String {
        loop {
            if let Some(frame) = self.lock().queue.pop_text() {
                return frame;
            }
            self.bell.notified().await;
        }
    }
}
