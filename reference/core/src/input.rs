//! What goes into the engine: inputs, and the world as it is at that moment.

use std::time::Duration;

use uuid::Uuid;

use crate::{HttpTriggerRequest, request::HttpOutcome};

/// One connection, from its acceptance to its end. Never reused within an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One HTTP request to the engine, and the one answer to it. Never reused within an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeId(pub u64);

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A worker has connected.
    Connected {
        /// A fresh id for it.
        session: SessionId,
    },
    /// A text frame has arrived whole.
    Text {
        /// Who sent it.
        session: SessionId,
        /// Its text.
        frame: &'a str,
    },
    /// A binary frame has arrived whole.
    Binary {
        /// Who sent it.
        session: SessionId,
        /// Its bytes.
        frame: &'a [u8],
    },
    /// A frame has arrived that the transport cannot hand over.
    Unreadable {
        /// Who sent it.
        session: SessionId,
        /// Why it cannot.
        reason: Unreadable<'a>,
    },
    /// A session takes more room than it may (D-28).
    Overflowed {
        /// Which one.
        session: SessionId,
        /// With what.
        with: Overflow,
    },
    /// The session has ended: its Close frame has arrived, or the connection is lost (D-07).
    Disconnected {
        /// Which one.
        session: SessionId,
    },
    /// A request that the engine asked for has been answered, or cannot be.
    RequestEnded {
        /// The request's name.
        call: Uuid,
        /// What came of it.
        outcome: HttpOutcome<'a>,
    },
    /// A request for an http trigger has arrived whole (RT-04). It gets one
    /// [`crate::Effect::Respond`], unless it is abandoned first.
    HttpRequest {
        /// A fresh id for it.
        exchange: ExchangeId,
        /// The request.
        request: HttpTriggerRequest<'a>,
    },
    /// Whoever sent the request has left: nobody waits for its answer any more.
    HttpAbandoned {
        /// Which one.
        exchange: ExchangeId,
    },
    /// The clock has moved; due deadlines are acted on.
    Tick,
    /// The engine is to stop (D-23).
    Shutdown,
}

/// Why a transport could not hand a frame over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable<'a> {
    /// A text frame that is not UTF-8 (D-21).
    NotUtf8,
    /// Bytes that are no WebSocket frames (D-28).
    BadFraming {
        /// What is wrong with them.
        problem: &'a str,
    },
    /// A frame or message over the limit (D-08).
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
}

/// With what a session takes more room than it may (D-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// With what waits to be sent to it.
    Unread,
    /// With a message of which a part has come.
    Unfinished,
}

/// The two clocks. Time-outs are measured on the one that never jumps; only what people
/// see and schedule uses the one that shows the date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Since an arbitrary fixed point; never goes back.
    pub monotonic: Duration,
    /// Since the Unix epoch, UTC; may be set at any time.
    pub wall: Duration,
}

/// What the engine may know of the world while it handles one input.
pub struct World<'a> {
    /// The time.
    pub now: Now,
    /// Where new ids come from.
    pub ids: &'a mut dyn IdSource,
    /// Where credentials come from.
    pub environment: &'a dyn Environment,
}

/// A source of ids that nobody can guess.
pub trait IdSource {
    /// A UUID that was not given out before.
    fn next_id(&mut self) -> Uuid;
}

/// The environment that registrations may name variables of (RF-05 to RF-08).
pub trait Environment {
    /// Looks one variable up, now.
    fn variable(&self, name: &str) -> Variable;
}

/// What an environment knows of a name.
#[derive(Clone, PartialEq, Eq)]
pub enum Variable {
    /// There is no such variable.
    Missing,
    /// Registrations may not name it, whether it is there or not (D-28).
    NotAllowed,
    /// It is there, but it is not UTF-8.
    NotUnicode,
    /// Its value.
    Value(String),
}
