//! Recording what clients and an engine say to each other, as a case.

mod http;
mod ids;
mod kinds;
mod notes;
mod proxy;
mod scenes;
mod script;
mod together;
mod transcript;
mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    sync::Arc,
};

use serde::Serialize;
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver},
    task::JoinHandle,
};

pub use self::transcript::{TranscriptError, Transcripts};
use self::{
    notes::Notes,
    proxy::Upstream,
    script::{Scene, Script, Step, is_ping},
};
use crate::{case::Level, template::InReadingOrder};

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
    notes: Arc<Notes>,
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
        let notes = Arc::new(Notes::default());
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
            if ended >= sessions && self.notes.connected() == ended {
                return;
            }
        }
    }

    /// Waits until so much was said that what follows is passed on, and not recorded; for people.
    pub fn full(&self) -> impl Future<Output = String> + use<> {
        let notes = Arc::clone(&self.notes);
        async move {
            notes.filled().await;
            let mib = notes::BYTES_MAX >> 20;
            format!(
                "more was said than a case can be made of ({mib} MiB, as it lies in memory): what \
                 follows is passed on, and not recorded"
            )
        }
    }

    /// What was said so far, as a case; nothing if nothing was.
    #[must_use]
    pub fn recording(&self, id: &str, clause: &str) -> Option<Recording> {
        let noted = self.notes.noted().into_iter();
        let scenes = noted.map(Scene::Session).filter(|it| {
            // Pings keep a connection alive, whenever it pleases either side.
            !it.frame().is_some_and(|(_, frame)| is_ping(&frame))
        });
        Recording::of(&scenes.collect::<Vec<_>>(), id, clause, 0)
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
    #[serde(skip_serializing_if = "Environment::is_empty")]
    environment: Environment,
    #[serde(skip_serializing_if = "is_zero")]
    clock_s: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    endpoints: BTreeMap<String, InReadingOrder>,
    sessions: [String; 1],
    /// What happened, in order.
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Environment {
    set: BTreeSet<String>,
}

impl Environment {
    fn is_empty(&self) -> bool {
        self.set.is_empty()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
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

    /// What happened as a case that may take so many seconds; nothing if nothing happened.
    fn of(scenes: &[Scene], id: &str, clause: &str, clock_s: u32) -> Option<Self> {
        let script = Script::of(scenes);
        if script.steps.is_empty() {
            return None;
        }
        let frames: Vec<bool> = scenes
            .iter()
            .filter_map(Scene::frame)
            .map(|it| it.0)
            .collect();
        let said = |client: bool| frames.iter().filter(|it| **it == client).count();
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
            environment: Environment {
                set: script.variables,
            },
            clock_s,
            endpoints: script.endpoints,
            sessions: [script::name(0)],
            steps: script.steps,
        })
    }
}
