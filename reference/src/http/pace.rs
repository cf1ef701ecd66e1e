//! Whose turn it is on a connection, and since when.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use tokio::time::Instant;

use crate::HttpLimits;

/// What both the connection and its requests know.
#[derive(Clone, Debug)]
pub(super) struct Pace(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// There is something to be taken, and it is not: what has been handed over may still be on
    /// its way when the next request is the peer's to send.
    stalled: bool,
}

#[derive(Debug)]
enum Phase {
    /// There is no request.
    Idle { since: Instant },
    /// One has begun to come.
    Head { since: Instant },
    /// Its head has been read, and its answer has not been handed over.
    Busy {
        /// Who meanwhile waits for bytes, and has no deadline yet.
        reader: Option<Waker>,
        waiting: Option<Waiting>,
    },
}

/// A client that has no answer yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Whether it understands answers that are not the last (RFC 9110, section 15.2).
    pub(super) takes_interim: bool,
}

impl Pace {
    pub(super) fn start() -> Self {
        let since = Instant::now();
        let phase = Phase::Idle { since };
        Self(Arc::new(Mutex::new(State {
            phase,
            stalled: false,
        })))
    }

    /// A request's head is here. The next request may come when the turn is dropped.
    pub(super) fn begin(&self, takes_interim: bool) -> Turn {
        self.lock().phase = Phase::Busy {
            reader: None,
            waiting: Some(Waiting { takes_interim }),
        };
        Turn(self.clone())
    }

    /// Since when it is the peer's turn, and no request has come whole. One that does not take
    /// its answer has a time of its own for that (D-28).
    pub(super) fn unused_since(&self) -> Option<Instant> {
        match &*self.lock() {
            State { stalled: true, .. } => None,
            State {
                phase: Phase::Idle { since } | Phase::Head { since },
                ..
            } => Some(*since),
            _ => None,
        }
    }

    /// Who waits for an answer that has not begun.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        match &self.lock().phase {
            Phase::Busy { waiting, .. } => *waiting,
            Phase::Idle { .. } | Phase::Head { .. } => None,
        }
    }

    /// Bytes have come.
    pub(super) fn heard(&self) {
        let phase = &mut self.lock().phase;
        if let Phase::Idle { .. } = phase {
            let since = Instant::now();
            *phase = Phase::Head { since };
        }
    }

    /// Bytes have been taken: no peer that still reads is idle.
    pub(super) fn told(&self) {
        let mut state = self.lock();
        state.stalled = false;
        if let Phase::Idle { since } = &mut state.phase {
            *since = Instant::now();
        }
    }

    /// There is no room for bytes that are to be taken.
    pub(super) fn stalled(&self) {
        self.lock().stalled = true;
    }

    /// When whatever is waited for from the peer must be here. The waker is called when that
    /// changes from never.
    pub(super) fn deadline(&self, limits: &HttpLimits, waker: &Waker) -> Option<Instant> {
        match &mut self.lock().phase {
            Phase::Idle { since } => since.checked_add(limits.idle_time_max),
            Phase::Head { since } => since.checked_add(limits.head_time_max),
            Phase::Busy { reader, .. } => {
                *reader = Some(waker.clone());
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request's, until its answer has been handed over.
#[derive(Debug)]
pub(super) struct Turn(Pace);

impl Turn {
    /// The answer begins.
    pub(super) fn answer(&self) {
        if let Phase::Busy { waiting, .. } = &mut self.0.lock().phase {
            *waiting = None;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let since = Instant::now();
        let ended = mem::replace(&mut self.0.lock().phase, Phase::Idle { since });
        if let Phase::Busy {
            reader: Some(reader),
            ..
        } = ended
        {
            reader.wake();
        }
    }
}
