//! A connection that is given up when its peer is silent, or takes nothing, for too long.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{pace::Pace, presence::Presence};
use crate::{HttpLimits, transport::Transport};

pub(super) struct Line<'a> {
    transport: &'a mut Transport,
    pace: Pace,
    limits: HttpLimits,
    silence: Alarm,
    stall: Alarm,
    stalled_since: Option<Instant>,
    presence: Presence,
}

impl<'a> Line<'a> {
    pub(super) fn new(transport: &'a mut Transport, pace: Pace, limits: HttpLimits) -> Self {
        Self {
            transport,
            pace,
            limits,
            silence: Alarm::default(),
            stall: Alarm::default(),
            stalled_since: None,
            presence: Presence::default(),
        }
    }

    fn written<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled_since = None;
            self.pace.told();
            return written;
        }
        let since = *self.stalled_since.get_or_insert_with(|| {
            self.pace.stalled();
            Instant::now()
        });
        let deadline = since.checked_add(self.limits.stall_time_max);
        ready!(self.stall.poll(deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// TLS may keep what has been written.
    fn flushed(
        &mut self,
        flushed: Poll<io::Result<()>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if flushed.is_ready() && self.stalled_since.is_none() {
            return flushed;
        }
        self.written(flushed, cx)
    }
}

impl AsyncRead for Line<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut *line.transport).poll_read(cx, buffer) {
            if buffer.filled().len() > before {
                line.pace.heard();
            }
            return Poll::Ready(read);
        }
        let deadline = line.pace.deadline(&line.limits, cx.waker());
        ready!(line.silence.poll(deadline, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Line<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        let written = Pin::new(&mut *line.transport).poll_write(cx, bytes);
        line.written(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let line = self.get_mut();
        let written = Pin::new(&mut *line.transport).poll_write_vectored(cx, slices);
        line.written(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        // The library asks for this whenever it is called, and has written all by then.
        let waiting = line.pace.waiting();
        line.presence.check(waiting, line.transport, cx)?;
        let flushed = Pin::new(&mut *line.transport).poll_flush(cx);
        line.flushed(flushed, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = self.get_mut();
        let ended = Pin::new(&mut *line.transport).poll_shutdown(cx);
        line.flushed(ended, cx)
    }
}

/// A timer that is set anew only when it is wanted at another time.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Rings at the deadline, and never if there is none.
    pub(super) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else {
            return Poll::Pending;
        };
        let sleep = self
            .0
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(cx)
    }
}
