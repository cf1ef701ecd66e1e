//! A worker or a caller that costs as little as it can.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::LoadError;
use crate::{
    report::printable,
    session::HELLO,
    websocket::{self, Socket, reading_time},
};

const WRITE_BUFFER_BYTES: usize = 64 << 10;
/// How much is told of an engine's own words.
pub(super) const ANSWER_CHARACTERS_MAX: usize = 300;

/// The fields that a load looks at.
#[derive(Debug, Deserialize)]
pub(super) struct Heard<'f> {
    #[serde(rename = "type", default)]
    pub(super) kind: &'f str,
    #[serde(borrow, default)]
    pub(super) id: Option<&'f str>,
    #[serde(default)]
    pub(super) function_id: &'f str,
    #[serde(borrow, default)]
    pub(super) invocation_id: Option<&'f str>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'f RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'f RawValue>,
}

impl<'f> Heard<'f> {
    /// What a frame says; a frame of no interest if it is not of a form that could be meant.
    pub(super) fn read(frame: &'f str) -> Option<Self> {
        serde_json::from_str(frame).ok()
    }

    /// What went wrong, if something did.
    pub(super) fn refusal(&self) -> Option<&'f str> {
        self.error.map(RawValue::get).filter(|it| *it != "null")
    }
}

/// A session of a load. What is sent is written when there is nothing left to read.
#[derive(Debug)]
pub(super) struct Peer {
    socket: Socket,
    pub(super) patience: Duration,
}

impl Peer {
    pub(super) async fn connect(
        url: &str,
        hello: bool,
        patience: Duration,
    ) -> Result<Self, LoadError> {
        let opened = timeout(patience, websocket::open(url, WRITE_BUFFER_BYTES)).await;
        let socket = opened
            .map_err(|_| LoadError::Unreachable(format!("{url} does not answer")))?
            .map_err(|why| LoadError::Unreachable(format!("{url}: {why}")))?;
        let mut peer = Self { socket, patience };
        if hello {
            peer.send(HELLO.to_owned()).await?;
        }
        Ok(peer)
    }

    /// Sends a frame with what is read or written next.
    pub(super) async fn send(&mut self, frame: String) -> Result<(), LoadError> {
        let sending = self.socket.feed(Message::text(frame));
        while_read(self.patience, sending).await
    }

    pub(super) async fn flush(&mut self) -> Result<(), LoadError> {
        while_read(self.patience, self.socket.flush()).await
    }

    /// The next text frame, whenever it comes.
    pub(super) async fn next(&mut self) -> Result<Utf8Bytes, LoadError> {
        loop {
            let message = match self.socket.next().now_or_never() {
                Some(message) => message,
                None => {
                    self.flush().await?;
                    self.socket.next().await
                }
            };
            match message {
                Some(Ok(Message::Text(frame))) => return Ok(frame),
                Some(Ok(Message::Close(_))) | None => return Err(LoadError::Ended(String::new())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ended(&error)),
            }
        }
    }

    /// When patience ends with what is asked for now.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    /// The next text frame. Whoever waits for one of many keeps to one deadline: frames that
    /// nobody has asked for do not put it off.
    pub(super) async fn hear(
        &mut self,
        what: &'static str,
        deadline: Instant,
    ) -> Result<Utf8Bytes, LoadError> {
        let patience = self.patience;
        let silent = LoadError::Silent { what, patience };
        // What is there already would be heard for ever.
        if Instant::now() > deadline {
            return Err(silent);
        }
        let heard = timeout_at(deadline, self.next()).await;
        heard.unwrap_or(Err(silent))
    }

    /// Answers the next frame, if it is a call: with a result, or with its own data.
    pub(super) async fn serve(&mut self, result: Option<&str>) -> Result<(), LoadError> {
        let frame = self.next().await?;
        if let Some(call) = Heard::read(&frame) {
            self.answer(&call, result).await?;
        }
        Ok(())
    }

    /// Answers a frame, likewise; whether it was a call.
    pub(super) async fn answer(
        &mut self,
        call: &Heard<'_>,
        result: Option<&str>,
    ) -> Result<bool, LoadError> {
        let Some(id) = call.invocation_id.filter(|_| call.kind == "invokefunction") else {
            return Ok(false);
        };
        let data = call.data.map_or("null", RawValue::get);
        let (function, result) = (call.function_id, result.unwrap_or(data));
        let answer = format!(
            r#"{{"type":"invocationresult","invocation_id":"{id}","function_id":"{function}","result":{result}}}"#
        );
        self.send(answer).await?;
        Ok(true)
    }

    pub(super) async fn register_function(&mut self, id: &str) -> Result<(), LoadError> {
        self.send(format!(r#"{{"type":"registerfunction","id":"{id}"}}"#))
            .await
    }

    pub(super) async fn register_trigger(
        &mut self,
        id: &str,
        trigger_type: &str,
        function: &str,
        config: &str,
    ) -> Result<(), LoadError> {
        self.send(format!(
            r#"{{"type":"registertrigger","id":"{id}","trigger_type":"{trigger_type}","function_id":"{function}","config":{config}}}"#
        ))
        .await
    }

    /// Takes a `function` or a `trigger` back.
    pub(super) async fn unregister(&mut self, what: &str, id: &str) -> Result<(), LoadError> {
        self.send(format!(r#"{{"type":"unregister{what}","id":"{id}"}}"#))
            .await
    }

    /// Puts an empty message into a queue.
    pub(super) async fn enqueue(&mut self, queue: &str) -> Result<(), LoadError> {
        self.send(format!(
            r#"{{"type":"invokefunction","function_id":"enqueue","data":{{"queue_name":"{queue}","data":null}}}}"#
        ))
        .await
    }

    /// Waits until the trigger has been registered whose id begins so.
    pub(super) async fn trigger_registered(
        &mut self,
        what: &'static str,
        id: &str,
    ) -> Result<(), LoadError> {
        let deadline = self.deadline();
        loop {
            let frame = self.hear("the result of a registration", deadline).await?;
            let Some(heard) = Heard::read(&frame) else {
                continue;
            };
            if heard.kind != "triggerregistrationresult"
                || heard.id.is_none_or(|it| !it.starts_with(id))
            {
                continue;
            }
            return match heard.refusal() {
                None => Ok(()),
                Some(answer) => Err(LoadError::Refused {
                    what,
                    answer: printable(answer, ANSWER_CHARACTERS_MAX),
                }),
            };
        }
    }

    /// Listens for the answer to a WebSocket ping: an engine that handles what a session sends in
    /// order has then seen all of it.
    pub(super) async fn fence(&mut self) -> Result<(), LoadError> {
        const PAYLOAD: &[u8] = b"fence";
        let asking = self.socket.send(Message::Ping(PAYLOAD.into()));
        while_read(self.patience, asking).await?;
        let deadline = self.deadline();
        loop {
            let silent = LoadError::Silent {
                what: "the answer to a WebSocket ping",
                patience: self.patience,
            };
            if Instant::now() > deadline {
                return Err(silent);
            }
            match timeout_at(deadline, self.socket.next()).await {
                Ok(Some(Ok(Message::Pong(payload)))) if *payload == *PAYLOAD => return Ok(()),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(ended(&error)),
                Ok(None) => return Err(LoadError::Ended(String::new())),
                Err(_) => return Err(silent),
            }
        }
    }

    pub(super) async fn close(mut self) {
        let closing = async {
            if self.socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = timeout(self.patience, closing).await;
    }
}

/// Waits until what is sent is on its way, unless the engine has stopped reading.
async fn while_read(
    patience: Duration,
    sending: impl Future<Output = Result<(), Error>>,
) -> Result<(), LoadError> {
    let time_max = reading_time(patience);
    match timeout(time_max, sending).await {
        Ok(sent) => sent.map_err(|error| ended(&error)),
        Err(_) => Err(LoadError::Unread(time_max)),
    }
}

fn ended(error: &Error) -> LoadError {
    LoadError::Ended(format!(": {error}"))
}
