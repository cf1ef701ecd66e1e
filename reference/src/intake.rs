//! Messages of one session, on their way from its socket to the machine.

use std::{
    collections::VecDeque,
    iter,
    task::{Context, Poll},
};

use futures_util::StreamExt;
use reference_core::{Input, SessionId, Unreadable};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes, error::ProtocolError};

use crate::{connection::Socket, outbox::Wire};

/// From how many bytes on no more are read beside them.
const TOGETHER_BYTES: usize = 64 << 10;

/// What has been read and not yet been handled.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    received: VecDeque<Received>,
    /// Nothing can be read any more.
    over: bool,
}

#[derive(Debug)]
enum Received {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// The WebSocket library answers it as it reads on.
    Ping,
    Pong,
    Bad(Bad),
    /// The peer has closed the connection, or is gone.
    End,
}

/// Why nothing can be read any more.
#[derive(Debug)]
enum Bad {
    NotUtf8,
    TooLarge,
    Framing(String),
}

/// What there is to be read after some messages have been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There may be more already.
    More,
    /// All that has come has been read.
    Rest,
    /// Nothing can be read any more.
    Unreadable,
    /// The peer has closed the connection, or is gone.
    End,
}

impl Intake {
    pub(crate) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Reads what has come, if all that was read before has been handled: at most so many
    /// messages. Says whether more may have come.
    pub(crate) fn fill(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
        messages: usize,
    ) -> bool {
        let (mut bytes, mut goes_on) = (0, self.is_empty() && !self.over);
        while goes_on && self.received.len() < messages && bytes < TOGETHER_BYTES {
            let Poll::Ready(message) = socket.poll_next_unpin(cx) else {
                return false;
            };
            if let Some(Ok(message)) = &message {
                count(socket.get_mut(), message);
            }
            let received = Received::of(message);
            self.over = received.is_last();
            // Reading on would send the pong, which must not overtake the answers to earlier frames.
            goes_on = !self.over && !matches!(received, Received::Ping);
            bytes += received.bytes();
            self.received.push_back(received);
        }
        true
    }

    /// Gives `take_in` what there is for the machine, if there is anything, in its order and for as
    /// long as `goes_on` says, but at least one message. Gives what comes after it.
    pub(crate) fn handle(
        &mut self,
        session: SessionId,
        frame_bytes_max: usize,
        goes_on: impl Fn() -> bool,
        take_in: impl FnOnce(&mut dyn Iterator<Item = Input<'_>>),
    ) -> Next {
        let (mut count, mut next) = (0, Next::More);
        let inputs = iter::from_fn(|| {
            while count == 0 || goes_on() {
                let received = self.received.get(count)?;
                count += 1;
                match received {
                    Received::Text(frame) => return Some(Input::Text { session, frame }),
                    Received::Binary(frame) => return Some(Input::Binary { session, frame }),
                    Received::Ping | Received::Pong => {}
                    Received::Bad(bad) => {
                        next = Next::Unreadable;
                        let reason = bad.reason(frame_bytes_max);
                        return Some(Input::Unreadable { session, reason });
                    }
                    Received::End => next = Next::End,
                }
            }
            None
        });
        let mut inputs = inputs.peekable();
        if inputs.peek().is_some() {
            take_in(&mut inputs);
        }
        self.received.drain(..count);
        next
    }
}

/// A message has come: no part of it is one of what is still to come.
pub(crate) fn count(wire: &mut Wire, message: &Message) {
    match message {
        Message::Text(_) | Message::Binary(_) => wire.message_ended(),
        Message::Ping(payload) | Message::Pong(payload) => wire.control_ended(payload.len()),
        Message::Close(_) | Message::Frame(_) => {}
    }
}

impl Received {
    fn of(message: Option<Result<Message, Error>>) -> Self {
        match message {
            Some(Ok(Message::Text(frame))) => Self::Text(frame),
            Some(Ok(Message::Binary(frame))) => Self::Binary(frame),
            Some(Ok(Message::Ping(_))) => Self::Ping,
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Self::Pong,
            Some(Ok(Message::Close(_))) | None => Self::End,
            Some(Err(Error::Utf8(_))) => Self::Bad(Bad::NotUtf8),
            Some(Err(Error::Capacity(_))) => Self::Bad(Bad::TooLarge),
            Some(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => Self::End,
            Some(Err(Error::Protocol(error))) => Self::Bad(Bad::Framing(error.to_string())),
            Some(Err(_)) => Self::End,
        }
    }

    fn is_last(&self) -> bool {
        matches!(self, Self::Bad(_) | Self::End)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Text(frame) => frame.len(),
            Self::Binary(frame) => frame.len(),
            Self::Ping | Self::Pong | Self::Bad(_) | Self::End => 0,
        }
    }
}

impl Bad {
    fn reason(&self, frame_bytes_max: usize) -> Unreadable<'_> {
        match self {
            Self::NotUtf8 => Unreadable::NotUtf8,
            Self::TooLarge => Unreadable::TooLarge {
                bytes_max: frame_bytes_max,
            },
            Self::Framing(problem) => Unreadable::BadFraming { problem },
        }
    }
}
