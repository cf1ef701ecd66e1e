//! Recording what clients and an engine say to each other, as a case.

mod ids;
mod proxy;
mod transcript;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::{Arc, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
};

pub use self::transcript::{TranscriptError, Transcripts};
use self::{
    ids::Ids,
    proxy::{Event, Noted, Notes, Upstream},
    wire::Said,
};
use crate::{case::Level, frame::Frame, template::InReadingOrder};

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is no URL of an engine's.
    #[error("{0}")]
    Url(String),
    /// Nobody listens there.
    #[error("cannot connect to {0}: {1}")]
    Unreachable(String, io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
}

/// A recording that is under way, until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    notes: Notes,
    ended: UnboundedReceiver<()>,
    server: JoinHandle<()>,
}

impl Recorder {
    /// Listens for clients of the engine at `url`.
    ///
    /// # Errors
    ///
    /// If the URL is none, the engine is not there, or the address cannot be listened on.
    pub async fn start(url: &str, listen: SocketAddr) -> Result<Self, RecordError> {
        let upstream = Upstream::new(url).map_err(RecordError::Url)?;
        let reached = upstream.connect().await;
        drop(reached.map_err(|error| RecordError::Unreachable(url.to_owned(), error))?);
        let listening = async {
            let listener = TcpListener::bind(listen).await?;
            Ok((listener.local_addr()?, listener))
        };
        let listening: io::Result<_> = listening.await;
        let (address, listener) = listening.map_err(|error| RecordError::Listen(listen, error))?;
        let notes = Notes::default();
        let (sender, ended) = mpsc::unbounded_channel();
        let server = tokio::spawn(proxy::serve(listener, upstream, Arc::clone(&notes), sender));
        Ok(Self {
            address,
            notes,
            ended,
            server,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until so many sessions at least have been opened, and all of them are over.
    pub async fn over(&mut self, sessions: usize) {
        let mut ended = 0;
        while self.ended.recv().await.is_some() {
            ended += 1;
            let connected = |it: &&Noted| it.event == Event::Connected;
            if ended >= sessions && self.noted().iter().filter(connected).count() == ended {
                return;
            }
        }
    }

    /// What was said so far, as a case; nothing if nothing was.
    #[must_use]
    pub fn recording(&self, id: &str, clause: &str) -> Option<Recording> {
        Recording::of(&self.noted(), id, clause)
    }

    fn noted(&self) -> Vec<Noted> {
        let notes = self.notes.lock();
        notes.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A recorded case; it serializes as a case file.
#[derive(Clone, Debug, Serialize)]
pub struct Recording {
    id: String,
    title: String,
    clauses: [String; 1],
    level: Level,
    isolates: &'static str,
    sessions: [String; 1],
    /// What happened, in order.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    on: String,
    #[serde(flatten)]
    verb: BTreeMap<&'static str, InReadingOrder>,
}

impl Recording {
    /// The name of its case.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How many steps it has.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    fn of(notes: &[Noted], id: &str, clause: &str) -> Option<Self> {
        let frames = notes.iter().filter_map(|noted| match &noted.event {
            Event::FromClient(said) => Some((true, frame(said)?)),
            Event::FromEngine(said) => Some((false, frame(said)?)),
            Event::Connected | Event::ClientGone => None,
        });
        let frames: Vec<(bool, Frame)> = frames.collect();
        let mut script = Script {
            ids: Ids::of(frames.iter().map(|(of_client, it)| (*of_client, it))),
            steps: Vec::new(),
            unfenced: BTreeSet::new(),
            over: BTreeSet::new(),
        };
        for noted in notes {
            script.add(noted);
        }
        if script.steps.is_empty() {
            return None;
        }
        let said = |client: bool| frames.iter().filter(|(it, _)| *it == client).count();
        Some(Self {
            id: id.to_owned(),
            title: format!(
                "Recorded: a client sends {} frames and gets {}",
                said(true),
                said(false)
            ),
            clauses: [clause.to_owned()],
            level: Level::Observe,
            isolates: "Nothing yet, since it was recorded: whatever the engine does otherwise \
                       makes it fail.",
            sessions: [name(0)],
            steps: script.steps,
        })
    }
}

/// The steps while they are written.
struct Script {
    ids: Ids,
    steps: Vec<Step>,
    /// Sessions that have sent what nobody has yet waited for.
    unfenced: BTreeSet<usize>,
    /// Sessions that are closed, or about to be: nothing more is expected on them.
    over: BTreeSet<usize>,
}

impl Script {
    fn add(&mut self, noted: &Noted) {
        let session = noted.session;
        if self.over.contains(&session) {
            return;
        }
        match &noted.event {
            Event::Connected if session > 0 => self.step(session, "connect", true.into()),
            Event::Connected => {}
            Event::FromClient(Said::Message { text, payload }) => {
                self.sent(session, *text, payload);
            }
            Event::FromClient(Said::Close(code)) => {
                self.fence_others(session);
                self.step(
                    session,
                    "close",
                    code.filter(is_code).unwrap_or(1000).into(),
                );
                self.end(session);
            }
            Event::FromClient(Said::Unreadable) | Event::ClientGone => {
                self.fence_others(session);
                self.step(session, "drop", true.into());
                self.end(session);
            }
            Event::FromEngine(said @ Said::Message { .. }) => {
                if let Some(frame) = frame(said).filter(|it| !is_ping(it)) {
                    let template = self.ids.expecting(&frame);
                    self.step(session, "expect", template);
                }
            }
            Event::FromEngine(Said::Close(code)) => {
                if let Some(code) = code.filter(is_code) {
                    self.step(session, "expect_close", json!([code]));
                }
                self.end(session);
            }
            Event::FromEngine(Said::Unreadable) => self.end(session),
        }
    }

    fn sent(&mut self, session: usize, text: bool, payload: &[u8]) {
        let as_text = std::str::from_utf8(payload).ok().filter(|_| text);
        let (verb, value) = match as_text.map(|it| (it, Frame::read(it))) {
            Some((_, Ok(frame))) if is_ping(&frame) => return,
            Some((_, Ok(frame))) => ("send", self.ids.sending(&frame)),
            Some((text, Err(_))) => ("send_text", text.into()),
            None => {
                let opcode = if text { "text" } else { "binary" };
                let raw = json!({"opcode": opcode, "hex": hex::encode(payload)});
                ("send_raw", raw)
            }
        };
        self.fence_others(session);
        self.step(session, verb, value);
        self.unfenced.insert(session);
    }

    /// Between two sessions nothing is known of the order, and a case is played faster than
    /// people and programs act: what the others have sent is waited for.
    fn fence_others(&mut self, session: usize) {
        let others = self.unfenced.iter().copied().filter(|it| *it != session);
        let others: Vec<usize> = others.collect();
        for other in others {
            self.step(other, "alive", true.into());
            self.unfenced.remove(&other);
        }
    }

    fn step(&mut self, session: usize, verb: &'static str, value: Value) {
        self.steps.push(Step {
            on: name(session),
            verb: BTreeMap::from([(verb, InReadingOrder(value))]),
        });
    }

    fn end(&mut self, session: usize) {
        self.over.insert(session);
        self.unfenced.remove(&session);
    }
}

/// Sessions are called after the order of their connection.
fn name(session: usize) -> String {
    format!("session-{}", session + 1)
}

fn frame(said: &Said) -> Option<Frame> {
    match said {
        Said::Message {
            text: true,
            payload,
        } => Frame::read(std::str::from_utf8(payload).ok()?).ok(),
        _ => None,
    }
}

/// Pings and pongs keep a connection alive, whenever it pleases either side.
fn is_ping(frame: &Frame) -> bool {
    matches!(frame.kind(), "ping" | "pong")
}

/// Whether a case can have this code.
fn is_code(code: &u16) -> bool {
    (1000..=4999).contains(code)
}
