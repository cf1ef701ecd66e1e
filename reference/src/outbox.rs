//! What waits to be written to one session, bounded in bytes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use reference_core::CloseCode;
use tokio::sync::{
    Notify,
    mpsc::{self, UnboundedReceiver, UnboundedSender},
};

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(String),
    /// A WebSocket ping (D-30).
    Ping,
    Close {
        code: CloseCode,
        reason: &'static str,
    },
}

/// The end that the hub writes to, without ever waiting.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: UnboundedSender<Outgoing>,
    load: Arc<Load>,
    bytes_max: usize,
}

/// The end that the connection reads from.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: UnboundedReceiver<Outgoing>,
    load: Arc<Load>,
}

/// What both ends know, and may tell while a write is under way.
#[derive(Debug, Default)]
pub(crate) struct Load {
    bytes: AtomicUsize,
    overflow: Notify,
    closing: Notify,
}

pub(crate) fn channel(bytes_max: usize) -> (Outbox, Outlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let load = Arc::new(Load::default());
    let outbox = Outbox {
        queue: sender,
        load: Arc::clone(&load),
        bytes_max,
    };
    let outlet = Outlet {
        queue: receiver,
        load,
    };
    (outbox, outlet)
}

impl Outbox {
    /// Queues a frame, or calls an overflow if too much waits already. A single frame of any
    /// size always finds room.
    pub(crate) fn push(&self, frame: String) {
        let bytes = frame.len();
        let waiting = self.load.bytes.load(Ordering::Relaxed);
        if waiting > 0 && waiting + bytes > self.bytes_max {
            self.load.overflow.notify_one();
        } else {
            self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
            self.queue_up(Outgoing::Frame(frame));
        }
    }

    /// Queues a ping.
    pub(crate) fn ping(&self) {
        self.queue_up(Outgoing::Ping);
    }

    /// Queues a Close frame, and tells the connection that the end has begun.
    pub(crate) fn close(&self, code: CloseCode, reason: &'static str) {
        self.queue_up(Outgoing::Close { code, reason });
        self.load.closing.notify_one();
    }

    fn queue_up(&self, outgoing: Outgoing) {
        // Fails only if the connection is gone, and then there is nobody to write to.
        let _ = self.queue.send(outgoing);
    }
}

impl Outlet {
    /// Takes what waits, at most `count`; none are left only when the session has ended.
    pub(crate) async fn take(&mut self, batch: &mut Vec<Outgoing>, count: usize) -> usize {
        self.queue.recv_many(batch, count).await
    }

    /// Tells that a frame has been written.
    pub(crate) fn written(&self, bytes: usize) {
        self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn load(&self) -> Arc<Load> {
        Arc::clone(&self.load)
    }
}

impl Load {
    /// Waits until more is queued than the session may leave waiting.
    pub(crate) async fn overflowed(&self) {
        self.overflow.notified().await;
    }

    /// Waits until the engine closes the session.
    pub(crate) async fn closing(&self) {
        self.closing.notified().await;
    }
}
