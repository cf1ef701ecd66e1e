//! What waits to be written to one session, and the writing of it.
//!
//! Whoever has something for a session writes it to its socket at once, as far as the socket has
//! room: no task has to be woken for it. For the rest, the connection's own task waits.

use std::{
    io::{self, IoSlice},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use reference_core::{CloseCode, Overflow, wire::asks};
use rustls::ServerConnection;
use tokio::{
    net::{TcpStream, tcp::OwnedWriteHalf},
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use self::{queue::Queue, room::Part, seal::Seal};
pub(crate) use self::{
    room::{Room, Rooms},
    unwritten::Unwritten,
    wire::Wire,
};
use crate::Limits;

mod queue;
mod room;
mod seal;
mod unwritten;
mod wire;

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
    /// While more than that waits of answers, nothing is read.
    answer_bytes_max: usize,
    /// How long the peer may take nothing of it.
    stall_time_max: Duration,
    /// What it shares with all others.
    rooms: Arc<Rooms>,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// What the queue takes of what all share.
    part: Part,
    /// What a message does of which a part has come.
    unfinished: Part,
    /// Nothing is read, until the peer has taken enough of its answers.
    paused: bool,
    /// Somebody is writing, and will write what is queued meanwhile.
    busy: bool,
    /// The socket had no room for all, or somebody has written enough: since then it has taken
    /// nothing.
    stuck_since: Option<Instant>,
    /// The peer takes nothing any more.
    broken: bool,
    overflowed: Option<Overflow>,
    close: Option<CloseFrame>,
    close_is_known: bool,
}

/// What a connection's own task is told.
#[derive(Debug)]
pub(crate) enum News {
    /// More was to be queued than may wait, or has waited for longer than it may; or a message of
    /// which a part has come takes too much room.
    Overflowed(Overflow),
    /// The engine closes the session; what is queued is still written.
    Closing,
    /// It has been written, and the Close frame comes next.
    ToClose(CloseFrame),
    /// Nothing can be written any more.
    Broken,
    /// What was not read while too many answers waited can be read again.
    Drained,
}

impl Outbox {
    /// For a session of which no more may wait than the limits say, and no longer.
    pub(crate) fn new(
        tcp: Option<OwnedWriteHalf>,
        tls: Option<ServerConnection>,
        limits: &Limits,
        rooms: &Arc<Rooms>,
    ) -> Arc<Self> {
        Arc::new(Self {
            tcp,
            seal: tls.map(|session| Box::new(Seal::new(session))),
            state: Mutex::default(),
            bell: Notify::new(),
            answer_bytes_max: limits.answer_bytes_max,
            bytes_max: limits.outbox_bytes_max,
            stall_time_max: limits.stall_time_max,
            rooms: Arc::clone(rooms),
        })
    }

    /// Queues a frame, or tells of an overflow if too much waits already. A single frame of any
    /// size always finds room.
    pub(crate) fn push(&self, frame: String) {
        let mut state = self.lock();
        if state.part.is_leaving() {
            return;
        }
        let waiting = state.queue.bytes();
        if waiting > 0 && waiting + frame.len() > self.bytes_max {
            state.overflowed = Some(Overflow::Unread);
            self.bell.notify_one();
        } else if asks(&frame) {
            state.queue.push_text(frame);
        } else {
            state.queue.push_answer(frame);
        }
        state.count(&self.rooms);
    }

    /// Queues a ping (D-30).
    pub(crate) fn ping(&self) {
        self.lock().queue.push_ping();
    }

    /// How much waits, unless the session is being closed.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.lock().part.staying()
    }

    /// How much has come of a message that is not whole, unless the session is being closed.
    pub(crate) fn unfinished_bytes(&self) -> usize {
        self.lock().unfinished.staying()
    }

    /// So much has come of a message that is not whole.
    fn set_unfinished(&self, bytes: usize) {
        self.lock().unfinished.set(&self.rooms.unfinished, bytes);
    }

    /// Tells of an overflow, as more waits for all sessions than may.
    pub(crate) fn give_up_unread(&self) {
        let mut state = self.lock();
        state.overflowed = Some(Overflow::Unread);
        state.leave_unread(&self.rooms);
        self.bell.notify_one();
    }

    /// Tells of an overflow, as more has come for all sessions of messages that are not whole than
    /// may.
    pub(crate) fn give_up_unfinished(&self) {
        let mut state = self.lock();
        state.overflowed = Some(Overflow::Unfinished);
        state.unfinished.leave(&self.rooms.unfinished);
        self.bell.notify_one();
    }

    /// Has the session closed once all that is queued has been written.
    pub(crate) fn close(&self, code: CloseCode, reason: &'static str) {
        let mut state = self.lock();
        state.close = Some(CloseFrame {
            code: code.number().into(),
            reason: reason.into(),
        });
        state.leave(&self.rooms);
        self.bell.notify_one();
    }

    /// The session has ended; what is queued is still written while its connection is there.
    pub(crate) fn leave(&self) {
        let mut state = self.lock();
        state.leave(&self.rooms);
        if state.broken {
            self.bell.notify_one();
        }
    }

    /// Whether more is to be read from the peer. If not, [`News::Drained`] tells when it is.
    pub(crate) fn reads_on(&self) -> bool {
        let mut state = self.lock();
        state.paused = state.is_full(self.answer_bytes_max);
        !state.paused
    }

    /// Whether what has been caused is to be written before more is read.
    pub(crate) fn has_enough(&self) -> bool {
        let state = self.lock();
        state.close.is_some() || state.is_full(self.answer_bytes_max)
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
                state.broken |= error.kind() != io::ErrorKind::WouldBlock;
                break;
            }
            if state.broken {
                break;
            }
        }
        if state.broken {
            state.queue.clear();
        }
        state.busy = false;
        state.see(taken);
        state.count(&self.rooms);
        let drained = state.paused && !state.is_full(self.answer_bytes_max);
        if state.stuck_since.is_some() || state.broken || state.close.is_some() || drained {
            self.bell.notify_one();
        }
    }

    /// Goes on writing when the socket has room again, until there is something to tell.
    pub(crate) async fn news(&self) -> News {
        loop {
            let stuck_since = match self.lock().news(self) {
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

impl Drop for Outbox {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        state.part.set(&self.rooms.unread, 0);
        state.unfinished.set(&self.rooms.unfinished, 0);
    }
}

impl State {
    /// Whether so much waits of answers that nothing more is to be asked. A session that is being
    /// closed asks nothing.
    fn is_full(&self, answer_bytes_max: usize) -> bool {
        self.close.is_none() && self.queue.answer_bytes() > answer_bytes_max
    }

    /// What it takes is counted apart from what those take that stay.
    fn leave(&mut self, rooms: &Rooms) {
        self.unfinished.leave(&rooms.unfinished);
        self.leave_unread(rooms);
    }

    /// If too much waits for those that leave as well, this one is not even given what waits for
    /// it.
    fn leave_unread(&mut self, rooms: &Rooms) {
        if !self.part.leave(&rooms.unread) {
            self.broken = true;
            self.queue.clear();
            self.count(rooms);
        }
    }

    /// Counts what waits with what does for all.
    fn count(&mut self, rooms: &Rooms) {
        self.part.set(&rooms.unread, self.queue.bytes());
    }

    /// The socket has taken so many bytes.
    fn see(&mut self, taken: usize) {
        self.stuck_since = match self.stuck_since {
            _ if self.queue.is_empty() => None,
            Some(since) if taken == 0 => Some(since),
            _ => Some(Instant::now()),
        };
    }

    /// What is to be told, or else since when the socket has taken nothing.
    fn news(&mut self, outbox: &Outbox) -> Result<News, Option<Instant>> {
        if self.broken {
            return Ok(News::Broken);
        }
        if let Some(with) = self.overflowed.take() {
            return Ok(News::Overflowed(with));
        }
        if self.close.is_none()
            && let Some(since) = &mut self.stuck_since
            && since.elapsed() >= outbox.stall_time_max
        {
            *since = Instant::now();
            return Ok(News::Overflowed(Overflow::Unread));
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
        if self.paused && !self.is_full(outbox.answer_bytes_max) {
            self.paused = false;
            return Ok(News::Drained);
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
