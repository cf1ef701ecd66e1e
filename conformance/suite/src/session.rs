//! A session of the suite's with the engine under test: it plays a worker or a caller.

mod reader;

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame as WireFrame,
            coding::{Data, OpCode},
        },
    },
};

use self::reader::{Incoming, Reader};
use crate::{
    case::{RawFrame, RawOpcode},
    frame::Frame,
    held::Held,
    mapping::ConfigKeys,
    transcript::{Direction, Transcript, Whole},
    websocket::{Socket, Unopened, open, reading_time},
};

/// What a Close frame without a code counts as (RFC 6455, section 7.1.5).
pub(crate) const CLOSE_WITHOUT_A_CODE: u16 = 1005;

/// How long past a deadline what has arrived already is still looked at.
const PAST_DEADLINE: Duration = Duration::from_millis(100);

/// What a session tells the engine of itself on connecting, as real clients do (CO-16): some
/// engines hold everything else back until they hear it.
pub(crate) const HELLO: &str = concat!(
    r#"{"type":"invokefunction","function_id":"engine::workers::register","data":{"#,
    r#""name":"conformance","runtime":"rust","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"action":{"type":"void"}}"#
);

/// Why a session could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {url}: {problem}")]
pub struct ConnectError {
    url: String,
    problem: String,
    /// Whether it is sure that nobody is there, as opposed to somebody who does not answer.
    pub(crate) nobody_listens: bool,
}

#[cfg(test)]
impl ConnectError {
    pub(crate) fn nobody_listens(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            problem: "refused".to_owned(),
            nobody_listens: true,
        }
    }
}

/// Why nothing more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time was up.
    Patience,
    /// The connection has ended, with this close code if there was one.
    Ended(Option<u16>),
    /// The engine has sent more than anybody could have asked for.
    Flooded,
    /// The engine has not read what it was sent, for so long.
    Unread(Duration),
}

/// One open session.
#[derive(Debug)]
pub struct Session {
    name: String,
    sink: SplitSink<Socket, Message>,
    incoming: UnboundedReceiver<Incoming>,
    /// Frames that no expectation has taken yet, in order.
    kept: Vec<Frame>,
    ended: Option<Stop>,
    /// How long the engine may take to read what it is sent.
    reading_time: Duration,
    /// How long it has read nothing, once that was too long: nothing more is sent then.
    unread: Option<Duration>,
    pings: u64,
    reader: JoinHandle<()>,
    /// Given back when there is neither a session nor somebody who reads for it.
    _held: Arc<Held>,
    transcript: Transcript,
    /// Whether the session has still to say who it is.
    unintroduced: bool,
    /// How trigger types are called there.
    names: ConfigKeys,
}

impl Session {
    /// Connects. If asked to, the session says hello before anything else but a `reattach`, which
    /// has to come first (CO-15).
    ///
    /// # Errors
    ///
    /// When there is no WebSocket to be had within `patience`.
    pub async fn connect(
        url: &str,
        name: &str,
        hello: bool,
        patience: Duration,
        transcript: &Transcript,
    ) -> Result<Self, ConnectError> {
        let failed = |why: Unopened| ConnectError {
            url: url.to_owned(),
            problem: why.problem,
            nobody_listens: why.nobody_listens,
        };
        let no_answer = || format!("no answer within {} ms", patience.as_millis());
        let socket = timeout(patience, open(url, 0))
            .await
            .map_err(|_| failed(Unopened::new(no_answer())))?
            .map_err(failed)?;
        transcript.connected(name);
        let (sink, stream) = socket.split();
        let (sender, incoming) = mpsc::unbounded_channel();
        let held = Arc::new(Held::default());
        let reader = Reader {
            incoming: sender,
            held: Arc::clone(&held),
            name: name.to_owned(),
            transcript: transcript.clone(),
        };
        let reader = tokio::spawn(reader.read(stream));
        Ok(Self {
            name: name.to_owned(),
            sink,
            incoming,
            kept: Vec::new(),
            ended: None,
            reading_time: reading_time(patience),
            unread: None,
            pings: 0,
            reader,
            _held: held,
            transcript: transcript.clone(),
            unintroduced: hello,
            names: ConfigKeys::default(),
        })
    }

    /// From now on the results of registrations name trigger types as the documents do; the
    /// transcript has what has come.
    pub fn restore_names(&mut self, names: &ConfigKeys) {
        self.names = names.clone();
    }

    async fn introduce(&mut self) {
        if std::mem::take(&mut self.unintroduced) {
            self.transcript.add(&self.name, Direction::Sent, HELLO);
            self.send(Message::text(HELLO)).await;
        }
    }

    /// Sends a text frame. A connection that is gone shows when something is awaited.
    pub async fn send_text(&mut self, text: &str) {
        let frame = Frame::read(text).ok();
        let reattaches = frame.as_ref().is_some_and(|it| it.kind() == "reattach");
        if !reattaches {
            self.introduce().await;
        }
        // What is no frame may read like what a transcript says of others.
        let whole = frame.is_none().then(|| whole(text.as_bytes(), true));
        self.transcript
            .add_whole(&self.name, Direction::Sent, text, whole);
        self.send(Message::text(text)).await;
    }

    /// Sends a frame of any payload as text or as binary.
    pub async fn send_bytes(&mut self, payload: Vec<u8>, as_text: bool) {
        self.introduce().await;
        let kind = if as_text { "text" } else { "binary" };
        let shown = format!("({kind} frame of the bytes {})", hex::encode(&payload));
        let whole = Some(whole(&payload, as_text));
        self.transcript
            .add_whole(&self.name, Direction::Sent, shown, whole);
        let opcode = if as_text { Data::Text } else { Data::Binary };
        let frame = WireFrame::message(payload, OpCode::Data(opcode), true);
        self.send(Message::Frame(frame)).await;
    }

    async fn send(&mut self, message: Message) {
        self.send_within(self.reading_time, message).await;
    }

    async fn send_within(&mut self, time_max: Duration, message: Message) {
        if self.unread.is_some() {
            return;
        }
        if timeout(time_max, self.sink.send(message)).await.is_err() {
            let note = describe_unread(time_max);
            self.transcript.add(&self.name, Direction::Note, note);
            self.unread = Some(time_max);
        }
    }

    /// Takes out the first kept or coming frame that `wanted` wants.
    ///
    /// # Errors
    ///
    /// Why it did not come.
    pub async fn take<T>(
        &mut self,
        deadline: Instant,
        mut wanted: impl FnMut(&Frame) -> Option<T>,
    ) -> Result<(Frame, T), Stop> {
        self.introduce().await;
        let mut looked_at = 0;
        loop {
            while let Some(frame) = self.kept.get(looked_at) {
                if let Some(found) = wanted(frame) {
                    return Ok((self.kept.remove(looked_at), found));
                }
                looked_at += 1;
            }
            self.receive(deadline).await?;
        }
    }

    /// The frames that nothing has taken.
    #[must_use]
    pub fn kept(&self) -> &[Frame] {
        &self.kept
    }

    /// Takes all frames that nothing has taken.
    pub(crate) fn take_kept(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.kept)
    }

    /// Waits until something has arrived. It can be given up at any time, and nothing is lost.
    ///
    /// # Errors
    ///
    /// Why nothing came.
    pub(crate) async fn more(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.receive(deadline).await
    }

    /// Whether the connection has ended as those of an engine do that ends: without a Close frame,
    /// or with one that says so.
    pub(crate) fn was_lost(&self) -> bool {
        matches!(
            self.ended,
            Some(Stop::Ended(
                None | Some(1001 | CLOSE_WITHOUT_A_CODE | 1011 | 1012)
            ))
        )
    }

    /// Waits until the engine has closed the session; the code, if it gave one.
    ///
    /// # Errors
    ///
    /// [`Stop::Patience`] if it has not.
    pub async fn ended(&mut self, deadline: Instant) -> Result<Option<u16>, Stop> {
        loop {
            match self.receive(deadline).await {
                Ok(()) => {}
                Err(Stop::Ended(code)) => return Ok(code),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// Sends a ping and waits for its pong: what the engine had to say before has then arrived.
    /// `in_protocol` asks with a `ping` frame, which engines answer in order with all else.
    ///
    /// # Errors
    ///
    /// Why it was not answered.
    pub async fn fence(&mut self, in_protocol: bool, deadline: Instant) -> Result<(), Stop> {
        if in_protocol {
            self.send_text(r#"{"type":"ping"}"#).await;
            let pong = |frame: &Frame| (frame.kind() == "pong").then_some(());
            return self.take(deadline, pong).await.map(|_| ());
        }
        self.introduce().await;
        self.pings += 1;
        let payload = Bytes::from(format!("fence {}", self.pings));
        self.transcript.add(
            &self.name,
            Direction::Sent,
            format!("(WebSocket ping `fence {}`)", self.pings),
        );
        self.send(Message::Ping(payload.clone())).await;
        loop {
            match self.next(deadline).await? {
                Incoming::Pong(answer) if answer == payload => return Ok(()),
                other => self.keep(other)?,
            }
        }
    }

    /// Keeps what arrives for a while.
    pub async fn linger(&mut self, window: Duration) {
        let deadline = Instant::now() + window;
        while self.receive(deadline).await.is_ok() {}
    }

    /// Sends a Close frame and waits for the end of the connection; the code of the engine's own
    /// Close frame, if it sent one.
    ///
    /// # Errors
    ///
    /// [`Stop::Patience`] if the engine does not answer it, [`Stop::Unread`] if it has not read it.
    pub async fn close(&mut self, code: u16, deadline: Instant) -> Result<Option<u16>, Stop> {
        if let Some(stop) = self.ended {
            return match stop {
                Stop::Ended(code) => Ok(code),
                Stop::Unread(_) => Err(stop),
                Stop::Patience | Stop::Flooded => Ok(None),
            };
        }
        self.transcript
            .add(&self.name, Direction::Sent, format!("(Close {code})"));
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let time_max = left.min(self.reading_time);
        self.send_within(time_max, Message::Close(Some(frame)))
            .await;
        self.ended(deadline).await
    }

    async fn receive(&mut self, deadline: Instant) -> Result<(), Stop> {
        let incoming = self.next(deadline).await?;
        self.keep(incoming)
    }

    fn keep(&mut self, incoming: Incoming) -> Result<(), Stop> {
        match incoming {
            Incoming::Frame(frame) => self.kept.push(self.names.restore(frame)),
            Incoming::Pong(_) => {}
            Incoming::Ended(code) => {
                return Err(self.end(Stop::Ended(code)));
            }
            Incoming::Flooded => return Err(self.end(Stop::Flooded)),
        }
        Ok(())
    }

    fn end(&mut self, stop: Stop) -> Stop {
        self.ended = Some(stop);
        stop
    }

    async fn next(&mut self, deadline: Instant) -> Result<Incoming, Stop> {
        if let Some(stop) = self.ended {
            return Err(stop);
        }
        if let Some(unread) = self.unread {
            // What has come before that says more.
            let incoming = self.incoming.try_recv();
            return incoming.map_err(|_| self.end(Stop::Unread(unread)));
        }
        // What is already there is looked at, but not for longer than the time given.
        if Instant::now() > deadline + PAST_DEADLINE {
            return Err(Stop::Patience);
        }
        match timeout_at(deadline, self.incoming.recv()).await {
            Ok(Some(incoming)) => Ok(incoming),
            Ok(None) => Ok(Incoming::Ended(None)),
            Err(_) => Err(Stop::Patience),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What is said of an engine that has not read for so long.
pub(crate) fn describe_unread(time: Duration) -> String {
    let s = time.as_secs_f64();
    format!("the engine has not read what it was sent for {s} s")
}

fn whole(payload: &[u8], as_text: bool) -> Whole {
    Whole::Frame(RawFrame {
        opcode: match as_text {
            true => RawOpcode::Text,
            false => RawOpcode::Binary,
        },
        hex: hex::encode(payload),
    })
}
