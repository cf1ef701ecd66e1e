//! What comes out of the engine: everything that it can ask of the world.

use uuid::Uuid;

use crate::{
    HttpAnswer,
    event::Event,
    input::{ExchangeId, SessionId},
    request::HttpRequest,
};

/// One thing to do. All effects of an input are carried out, in order, before the next input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send a text frame.
    Send {
        /// To whom.
        session: SessionId,
        /// The frame's text.
        frame: String,
    },
    /// Send a Close frame after all that was sent before. For the engine the session has ended.
    Close {
        /// Whose session.
        session: SessionId,
        /// The reason, for programs.
        code: CloseCode,
        /// The reason, for people; at most 123 bytes.
        reason: &'static str,
    },
    /// Make a request; what comes of it is told by [`crate::Input::RequestEnded`] (RF-14).
    Request(Box<HttpRequest>),
    /// Give a request up: nobody waits for it any more.
    CancelRequest {
        /// The request's name.
        call: Uuid,
    },
    /// Answer an HTTP request (RT-04).
    Respond {
        /// Which one.
        exchange: ExchangeId,
        /// With what.
        answer: Box<HttpAnswer>,
    },
    /// Write a line to the log.
    Report(Event),
}

/// The close codes that the engine uses: of RFC 6455, section 7.4.1, and of the registry that it set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: a newer session has taken this one's place (CO-15).
    Normal,
    /// 1002: what came is not the WebSocket protocol (D-28).
    Protocol,
    /// 1007: a text frame was not UTF-8 (D-21).
    InvalidPayload,
    /// 1009: a frame was over the limit (D-08).
    TooLarge,
    /// 1012: the engine stops, and may come again (D-23).
    ServiceRestart,
    /// 1013: it does not take what it is sent (D-28).
    TryAgainLater,
}

impl CloseCode {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Protocol => 1002,
            Self::InvalidPayload => 1007,
            Self::TooLarge => 1009,
            Self::ServiceRestart => 1012,
            Self::TryAgainLater => 1013,
        }
    }
}
