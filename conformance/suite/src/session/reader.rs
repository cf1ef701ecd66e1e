//! What reads for a session, as long as its connection lasts.

use std::sync::Arc;

use futures_util::{StreamExt, stream::SplitStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::CLOSE_WITHOUT_A_CODE;
use crate::{
    frame::Frame,
    held::{Held, in_memory},
    transcript::{Direction, Transcript},
    websocket::Socket,
};

/// What an engine may send to one session: no case asks for anything near it, and an engine that
/// never stops must not fill the suite's memory.
const FRAMES_MAX: usize = 20_000;
const BYTES_MAX: usize = 8 << 20;

/// Something that has come from the engine.
#[derive(Debug)]
pub(super) enum Incoming {
    Frame(Frame),
    Pong(Bytes),
    Ended(Option<u16>),
    Flooded,
}

/// What reads for a session.
pub(super) struct Reader {
    pub(super) incoming: UnboundedSender<Incoming>,
    pub(super) held: Arc<Held>,
    pub(super) name: String,
    pub(super) transcript: Transcript,
}

impl Reader {
    /// Reads until the connection ends, and answers pings by doing so.
    pub(super) async fn read(self, mut stream: SplitStream<Socket>) {
        let mut code = None;
        let (mut frames, mut bytes) = (0, 0);
        loop {
            let message = match stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    if !matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) {
                        self.note(Direction::Note, format!("connection lost: {error}"));
                    }
                    break;
                }
                None => break,
            };
            frames += 1;
            bytes += message.len();
            let has_room = self.hear(message, &mut code);
            if !has_room || frames > FRAMES_MAX || bytes > BYTES_MAX {
                let note = format!("no longer listened to, after {frames} frames of {bytes} bytes");
                self.note(Direction::Note, note);
                let _ = self.incoming.send(Incoming::Flooded);
                return;
            }
        }
        let _ = self.incoming.send(Incoming::Ended(code));
    }

    /// Passes on what has come; whether there was room for it.
    fn hear(&self, message: Message, code: &mut Option<u16>) -> bool {
        let received = |text: String| self.note(Direction::Received, text);
        match message {
            Message::Text(text) => {
                if !self.held.add(in_memory(&text)) {
                    received(text.to_string());
                    return false;
                }
                match Frame::read(&text) {
                    Ok(frame) => {
                        received(frame.text.clone());
                        let _ = self.incoming.send(Incoming::Frame(frame));
                    }
                    Err(problem) => received(format!("{text}  ({problem})")),
                }
            }
            Message::Binary(bytes) => received(format!("(binary frame of {} bytes)", bytes.len())),
            Message::Pong(payload) => {
                received(format!("(WebSocket pong `{}`)", payload.escape_ascii()));
                let _ = self.incoming.send(Incoming::Pong(payload));
            }
            Message::Close(frame) => {
                received(match &frame {
                    Some(frame) => format!("(Close {})", u16::from(frame.code)),
                    None => "(Close without a code)".to_owned(),
                });
                *code = Some(frame.map_or(CLOSE_WITHOUT_A_CODE, |it| it.code.into()));
            }
            Message::Ping(_) | Message::Frame(_) => {}
        }
        true
    }

    fn note(&self, direction: Direction, text: String) {
        self.transcript.add(&self.name, direction, text);
    }
}
