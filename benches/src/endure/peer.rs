//! A worker or a caller, whose socket can be mistreated.

use std::{borrow::Cow, collections::VecDeque, io, net::Shutdown, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use socket2::SockRef;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Error, Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::{
    Outcome,
    address::Address,
    engine::PATIENCE,
    trouble::{Trouble, WithinPatience},
};

const BUFFER_BYTES: usize = 16 << 10;
/// What a Close frame without a code counts as (RFC 6455, section 7.1.5).
const CLOSE_WITHOUT_A_CODE: u16 = 1005;
/// The bit of a header's second byte that says that a frame is masked.
const MASKED: u8 = 0x80;
/// The first byte of a text frame that is whole.
const WHOLE_TEXT: u8 = 0x81;

/// A session.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
    /// What came while something else was waited for.
    unread: VecDeque<Incoming>,
    pub(crate) worker_id: String,
    pub(crate) reattach_token: String,
}

/// Something that has come.
#[derive(Clone, Debug)]
pub(crate) enum Incoming {
    Frame(Utf8Bytes),
    /// A Close frame.
    Closed(u16),
    /// The connection has ended without one.
    Broken,
}

/// The fields of a frame that are looked at.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Heard<'f> {
    #[serde(rename = "type", default)]
    pub(crate) kind: &'f str,
    #[serde(borrow, default)]
    pub(crate) id: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub(crate) trigger_type: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub(crate) function_id: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub(crate) invocation_id: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'f RawValue>,
    #[serde(borrow, default)]
    pub(crate) result: Option<&'f RawValue>,
    #[serde(borrow, default)]
    pub(crate) error: Option<ErrorBody<'f>>,
    #[serde(borrow, default)]
    pub(crate) worker_id: Option<Cow<'f, str>>,
    #[serde(borrow, default)]
    pub(crate) reattach_token: Option<Cow<'f, str>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ErrorBody<'f> {
    #[serde(borrow, default)]
    pub(crate) code: Cow<'f, str>,
}

impl<'f> Heard<'f> {
    pub(crate) fn read(frame: &'f str) -> Outcome<Self> {
        serde_json::from_str(frame)
            .map_err(|error| Trouble::unexpected(format!("not readable: {error}: {frame}")))
    }

    /// The code of the error, or nothing if it is a success.
    pub(crate) fn code(&self) -> Option<&str> {
        self.error.as_ref().map(|error| &*error.code)
    }
}

impl Peer {
    /// Connects, and reads the greeting.
    pub(crate) async fn connect(address: Address) -> Outcome<Self> {
        let tcp = TcpStream::connect(address.workers).await?;
        tcp.set_nodelay(true)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES);
        let url = format!("ws://{}/", address.workers);
        let opening = client_async_with_config(url, tcp, Some(config));
        let (socket, _) = timeout(PATIENCE, opening)
            .await
            .or_silent("a WebSocket handshake", PATIENCE)??;
        let mut peer = Self {
            socket,
            unread: VecDeque::new(),
            worker_id: String::new(),
            reattach_token: String::new(),
        };
        let greeting = peer.hear("the greeting").await?;
        let heard = Heard::read(&greeting)?;
        if heard.kind != "workerregistered" {
            let problem = format!("the greeting is {greeting}");
            return Err(Trouble::unexpected(problem));
        }
        peer.worker_id = heard.worker_id.unwrap_or_default().into_owned();
        peer.reattach_token = heard.reattach_token.unwrap_or_default().into_owned();
        Ok(peer)
    }

    /// Connects, and registers a function.
    pub(crate) async fn worker(address: Address, function: &str) -> Outcome<Self> {
        let mut peer = Self::connect(address).await?;
        peer.send(register_function(function)).await?;
        peer.fence().await?;
        Ok(peer)
    }

    /// Sends a frame at once.
    pub(crate) async fn send(&mut self, frame: impl Into<Utf8Bytes>) -> Outcome {
        Ok(self.socket.send(Message::Text(frame.into())).await?)
    }

    /// Sends a frame with those that follow.
    pub(crate) async fn feed(&mut self, frame: impl Into<Utf8Bytes>) -> Outcome {
        Ok(self.socket.feed(Message::Text(frame.into())).await?)
    }

    pub(crate) async fn flush(&mut self) -> Outcome {
        Ok(self.socket.flush().await?)
    }

    /// What comes next, whenever it comes. Nothing is lost if it is not waited for.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.unread.pop_front() {
            Some(incoming) => incoming,
            None => self.read().await,
        }
    }

    /// The next frame, unless it takes too long.
    pub(crate) async fn hear(&mut self, what: &'static str) -> Outcome<Utf8Bytes> {
        self.hear_within(what, PATIENCE).await
    }

    /// The next frame, unless it takes longer than that.
    pub(crate) async fn hear_within(
        &mut self,
        what: &'static str,
        patience: Duration,
    ) -> Outcome<Utf8Bytes> {
        match timeout(patience, self.next())
            .await
            .or_silent(what, patience)?
        {
            Incoming::Frame(frame) => Ok(frame),
            other => Err(Trouble::unexpected(format!("instead of {what}: {other:?}"))),
        }
    }

    /// Waits until the engine has handled all that was sent: by a ping, which it answers in order.
    pub(crate) async fn fence(&mut self) -> Outcome {
        self.send(r#"{"type":"ping"}"#).await?;
        let fencing = async {
            loop {
                let incoming = self.read().await;
                match &incoming {
                    Incoming::Frame(frame) if frame.as_str() == r#"{"type":"pong"}"# => {
                        return Ok(());
                    }
                    Incoming::Frame(_) => self.unread.push_back(incoming),
                    other => {
                        let problem = format!("instead of a pong: {other:?}");
                        return Err(Trouble::unexpected(problem));
                    }
                }
            }
        };
        timeout(PATIENCE, fencing)
            .await
            .or_silent("the answer to a ping", PATIENCE)?
    }

    /// Registers a function and an http trigger for it, at `/` and its id.
    pub(crate) async fn register(&mut self, function: &str) -> Outcome {
        self.register_with(function, register_http(function)).await
    }

    /// Registers a function and a trigger for it.
    pub(crate) async fn register_with(
        &mut self,
        function: &str,
        trigger: impl Into<Utf8Bytes>,
    ) -> Outcome {
        self.feed(register_function(function)).await?;
        self.feed(trigger).await?;
        self.fence().await?;
        let registered = self.unread.iter().position(|incoming| {
            let Incoming::Frame(frame) = incoming else {
                return false;
            };
            Heard::read(frame).is_ok_and(|heard| {
                heard.kind == "triggerregistrationresult" && heard.code().is_none()
            })
        });
        match registered {
            Some(at) => {
                self.unread.remove(at);
                Ok(())
            }
            None => Err(Trouble::unexpected(format!(
                "the trigger of {function} was refused: {:?}",
                self.unread
            ))),
        }
    }

    /// Answers every call with what it brings, until the session ends.
    pub(crate) async fn echo(mut self) -> Outcome {
        while let Incoming::Frame(frame) = self.next().await {
            if let Some(answer) = echoed(&Heard::read(&frame)?)
                && self.send(answer).await.is_err()
            {
                break;
            }
        }
        Ok(())
    }

    /// Sends a Close frame, and waits for the engine's.
    pub(crate) async fn close(mut self) -> Outcome {
        let closing = async {
            self.socket.close(None).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok(())
        };
        timeout(PATIENCE, closing)
            .await
            .or_silent("the end of a session", PATIENCE)?
    }

    /// Sends a Close frame and nothing else.
    pub(crate) async fn say_close(&mut self) -> Outcome {
        Ok(self.socket.send(Message::Close(None)).await?)
    }

    /// Ends one direction of the connection, without a Close frame.
    pub(crate) fn end_writing(&self) -> Outcome {
        Ok(SockRef::from(self.socket.get_ref()).shutdown(Shutdown::Write)?)
    }

    /// Writes the beginning of a frame, and resets the connection.
    pub(crate) fn reset_in_mid_frame(self) -> Outcome {
        let tcp = self.socket.get_ref();
        SockRef::from(tcp).set_linger(Some(Duration::ZERO))?;
        // A text frame of 100 bytes, of which four are there.
        let part = [WHOLE_TEXT, MASKED | 100, 0, 0, 0, 0, b'{', b'"', b't', b'y'];
        match tcp.try_write(&part)? {
            written if written == part.len() => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::WriteZero).into()),
        }
    }

    /// The bare connection; what has come already is lost.
    pub(crate) fn into_tcp(self) -> TcpStream {
        self.socket.into_inner()
    }

    async fn read(&mut self) -> Incoming {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(frame))) => return Incoming::Frame(frame),
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|it| it.code.into());
                    return Incoming::Closed(code.unwrap_or(CLOSE_WITHOUT_A_CODE));
                }
                Some(Ok(_)) => {}
                None | Some(Err(Error::ConnectionClosed | _)) => return Incoming::Broken,
            }
        }
    }
}

/// The answer to a call, with what it brings.
pub(crate) fn echoed(call: &Heard<'_>) -> Option<String> {
    if call.kind != "invokefunction" {
        return None;
    }
    let id = call.invocation_id.as_deref()?;
    let data = call.data.map_or("null", RawValue::get);
    Some(result(id, data))
}

pub(crate) fn result(invocation_id: &str, result: &str) -> String {
    format!(r#"{{"type":"invocationresult","invocation_id":"{invocation_id}","result":{result}}}"#)
}

pub(crate) fn invoke(invocation_id: &str, function: &str, data: &str) -> String {
    format!(
        r#"{{"type":"invokefunction","invocation_id":"{invocation_id}","function_id":"{function}","data":{data}}}"#
    )
}

pub(crate) fn register_function(id: &str) -> String {
    format!(r#"{{"type":"registerfunction","id":"{id}"}}"#)
}

pub(crate) fn register_http(function: &str) -> String {
    format!(
        r#"{{"type":"registertrigger","id":"{function}","trigger_type":"http","function_id":"{function}","config":{{"path":"/{function}","method":"GET"}}}}"#
    )
}

/// A text frame as a client may put it on the wire: masked with zeros, which changes nothing.
pub(crate) fn on_the_wire(frame: &str) -> Vec<u8> {
    let length = frame.len();
    let mut bytes = vec![WHOLE_TEXT];
    match u8::try_from(length) {
        Ok(short @ 0..=125) => bytes.push(MASKED | short),
        _ => {
            let long = u16::try_from(length).unwrap_or(u16::MAX);
            bytes.push(MASKED | 126);
            bytes.extend(long.to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(frame.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_echoed_and_nothing_else() {
        let call = invoke("i", "f", "[1, 2]");
        let answer = echoed(&Heard::read(&call).unwrap()).unwrap();
        let heard = Heard::read(&answer).unwrap();
        assert_eq!(heard.invocation_id.as_deref(), Some("i"));
        assert_eq!(heard.result.map(RawValue::get), Some("[1, 2]"));
        assert!(echoed(&heard).is_none());
    }

    #[test]
    fn frames_have_the_headers_of_rfc_6455() {
        assert_eq!(on_the_wire("ab"), [0x81, 0x82, 0, 0, 0, 0, b'a', b'b']);
        let long = on_the_wire(&"x".repeat(300));
        assert_eq!(long[..8], [0x81, 0xfe, 1, 44, 0, 0, 0, 0]);
        assert_eq!(long.len(), 308);
    }
}
