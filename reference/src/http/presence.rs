//! Whether a client that has ended what it sends is still there: one that waits for its answer
//! looks like one that has left.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{io::AsyncWrite, time::Instant};

use super::{line::Alarm, pace::Waiting};
use crate::transport::Transport;

/// What a client passes over that is there; the system of one that has left resets the connection.
const QUESTION: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// How soon the answer to that is looked for; then after twice as long each time.
const LOOK_TIME: Duration = Duration::from_millis(10);

#[derive(Default)]
pub(super) struct Presence {
    /// Since the client has ended what it sends.
    looks: Option<Looks>,
}

struct Looks {
    alarm: Alarm,
    at: Instant,
    pause: Duration,
}

impl Presence {
    /// Has the task come back while the client waits for its answer.
    ///
    /// # Errors
    ///
    /// If the client has left.
    pub(super) fn check(
        &mut self,
        waiting: Option<Waiting>,
        transport: &mut Transport,
        cx: &mut Context<'_>,
    ) -> io::Result<()> {
        let Some(waiting) = waiting else {
            self.looks = None;
            return Ok(());
        };
        if self.looks.is_none() {
            match transport.poll_ended(cx)? {
                Poll::Ready(true) => {}
                Poll::Ready(false) | Poll::Pending => return Ok(()),
            }
            if waiting.takes_interim {
                ask(transport, cx)?;
            }
            self.looks = Some(Looks::begin());
        }
        let tcp = SockRef::from(transport.tcp());
        let looks = self.looks.as_mut();
        looks.map_or(Ok(()), |looks| looks.look(cx, || tcp.take_error()))
    }
}

/// Nothing else waits to be written, so there is room for it.
fn ask(transport: &mut Transport, cx: &mut Context<'_>) -> io::Result<()> {
    let mut transport = Pin::new(transport);
    match transport.as_mut().poll_write(cx, QUESTION)? {
        Poll::Ready(bytes) if bytes == QUESTION.len() => {}
        _ => return Err(io::ErrorKind::WriteZero.into()),
    }
    // What TLS keeps of it is flushed with the rest.
    let _ = transport.poll_flush(cx)?;
    Ok(())
}

impl Looks {
    fn begin() -> Self {
        Self {
            alarm: Alarm::default(),
            at: Instant::now() + LOOK_TIME,
            pause: LOOK_TIME,
        }
    }

    fn look(
        &mut self,
        cx: &mut Context<'_>,
        fault: impl Fn() -> io::Result<Option<io::Error>>,
    ) -> io::Result<()> {
        while self.alarm.poll(Some(self.at), cx).is_ready() {
            if let Some(error) = fault()? {
                return Err(error);
            }
            self.pause *= 2;
            self.at = Instant::now() + self.pause;
        }
        Ok(())
    }
}
