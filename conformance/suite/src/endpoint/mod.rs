//! The HTTP endpoints that the suite serves, for functions with an `invocation`.
//!
//! One server for all that is proper HTTP, and a small TCP peer for what is not. Each endpoint
//! of a case has a path of its own, by which its requests find their way to the case.

mod http;
mod proof;
mod raw;
mod request;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, UnboundedReceiver, UnboundedSender},
    },
    time::{Instant, timeout_at},
};

pub(crate) use self::{http::Answer, proof::how_to_prove, request::Received};
use self::{http::HttpServer, raw::RawServer};
use crate::{
    case::RawPart,
    transcript::{self, Direction, Transcript, Whole},
};

/// More requests of one endpoint are answered, but not kept.
const REQUESTS_MAX: usize = 1_000;
const KEPT_BYTES_MAX: usize = 16 << 20;
/// A request with a larger body is not read to its end. No case lets an engine send one.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Requests that are being read at once; others wait.
const BODIES_MAX: usize = 128;
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long an engine may take to send its request.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to wait when the system has no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How the engine reaches the endpoints.
#[derive(Clone, Debug)]
pub struct Callback {
    /// Where to listen; for a port that is not 0, the next one is used as well.
    pub bind: SocketAddr,
    /// The name or address of this machine as the engine sees it; that of `bind` if there is
    /// none.
    pub host: Option<String>,
}

impl Default for Callback {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            host: None,
        }
    }
}

impl Callback {
    /// What stands in a URL.
    fn host(&self) -> String {
        match (&self.host, self.bind.ip()) {
            (Some(host), _) => host.clone(),
            (None, IpAddr::V4(address)) => address.to_string(),
            (None, IpAddr::V6(address)) => format!("[{address}]"),
        }
    }
}

/// Why there are no endpoints.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for the engine's requests at {address}: {source}")]
pub struct EndpointsError {
    address: SocketAddr,
    source: io::Error,
}

/// The servers behind all endpoints of a run.
pub struct Endpoints {
    registry: Arc<Registry>,
    http: HttpServer,
    raw: RawServer,
    host: String,
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Endpoints {
    /// Listens.
    ///
    /// # Errors
    ///
    /// When the system does not let it.
    pub async fn open(callback: &Callback) -> Result<Self, EndpointsError> {
        let registry = Arc::new(Registry::default());
        let next = SocketAddr::new(
            callback.bind.ip(),
            match callback.bind.port() {
                0 => 0,
                port => port.wrapping_add(1),
            },
        );
        let failed = |address| move |source| EndpointsError { address, source };
        let http = HttpServer::start(listen(callback.bind)?, &registry);
        let raw = RawServer::start(listen(next)?, &registry);
        Ok(Self {
            registry,
            http: http.map_err(failed(callback.bind))?,
            raw: raw.map_err(failed(next))?,
            host: callback.host(),
        })
    }

    /// Whether the engine has reached any of them.
    pub(crate) fn were_reached(&self) -> bool {
        self.registry.reached.load(Ordering::Relaxed)
    }

    /// Where an endpoint is that has this path segment.
    pub(crate) fn url(&self, segment: &str, behaviour: Kind) -> String {
        let port = match behaviour {
            Kind::Http => self.http.port(),
            Kind::Raw => self.raw.port(),
        };
        format!("http://{}:{port}/{segment}", self.host)
    }

    /// Serves an endpoint until it is dropped. The transcript keeps the values of these variables
    /// out of what it has whole.
    pub(crate) fn serve(
        &self,
        name: &str,
        segment: String,
        behaviour: Behaviour,
        variables: &BTreeMap<String, String>,
        transcript: &Transcript,
    ) -> Endpoint {
        let (sender, requests) = mpsc::unbounded_channel();
        let url = self.url(&segment, behaviour.kind());
        let shown = format!("served at {url}");
        let whole = Whole::Endpoint(behaviour.whole(url));
        transcript.add_whole(name, Direction::Note, shown, Some(whole));
        let served = Served {
            name: name.to_owned(),
            behaviour,
            asked: AtomicUsize::new(0),
            kept_bytes: AtomicUsize::new(0),
            requests: sender,
            variables: variables.clone(),
            transcript: transcript.clone(),
        };
        self.registry.add(segment.clone(), served);
        Endpoint {
            requests,
            registry: Arc::clone(&self.registry),
            segment,
        }
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, EndpointsError> {
    let failed = |source| EndpointsError { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Which of the servers an endpoint needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    Raw,
}

/// What an endpoint does with a request.
#[derive(Debug)]
pub(crate) enum Behaviour {
    /// An answer a request, in order; the last one for all that follow.
    Answers(Vec<Answer>),
    /// See [`crate::case::Endpoint::Raw`].
    Raw(Arc<[RawPart]>),
}

impl Behaviour {
    fn kind(&self) -> Kind {
        match self {
            Self::Answers(_) => Kind::Http,
            Self::Raw(_) => Kind::Raw,
        }
    }

    fn whole(&self, url: String) -> transcript::Served {
        let answered = |answers: &Vec<Answer>| answers.iter().map(Answer::whole).collect();
        let (answers, raw) = match self {
            Self::Answers(answers) => (Some(answered(answers)), None),
            Self::Raw(parts) => (None, Some(parts.to_vec())),
        };
        transcript::Served { url, answers, raw }
    }
}

/// An endpoint of a case.
#[derive(Debug)]
pub(crate) struct Endpoint {
    requests: UnboundedReceiver<Received>,
    registry: Arc<Registry>,
    segment: String,
}

impl Endpoint {
    /// Takes the oldest request that was not taken.
    pub(crate) async fn take(&mut self, deadline: Instant) -> Option<Received> {
        timeout_at(deadline, self.requests.recv())
            .await
            .ok()
            .flatten()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.registry.remove(&self.segment);
    }
}

#[derive(Debug)]
struct Registry {
    /// The endpoints that are served, by the first segments of their paths.
    served: Mutex<BTreeMap<String, Arc<Served>>>,
    /// Whether any request has come to one of them.
    reached: AtomicBool,
    /// Who may read a request now.
    bodies: Semaphore,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            served: Mutex::default(),
            reached: AtomicBool::default(),
            bodies: Semaphore::new(BODIES_MAX),
        }
    }
}

impl Registry {
    fn add(&self, segment: String, served: Served) {
        self.served().insert(segment, Arc::new(served));
    }

    fn remove(&self, segment: &str) {
        self.served().remove(segment);
    }

    fn served(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Served>>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The endpoint of a path, and what of the path is below it.
    fn find<'p>(&self, target: &'p str) -> Option<(Arc<Served>, &'p str)> {
        let path = target.strip_prefix('/')?;
        let end = path.find(['/', '?']).unwrap_or(path.len());
        let (segment, below) = path.split_at(end);
        let served = Arc::clone(self.served().get(segment)?);
        self.reached.store(true, Ordering::Relaxed);
        Some((served, below))
    }
}

/// An endpoint, as the servers see it.
#[derive(Debug)]
struct Served {
    name: String,
    behaviour: Behaviour,
    asked: AtomicUsize,
    /// How much of what was received is kept.
    kept_bytes: AtomicUsize,
    requests: UnboundedSender<Received>,
    variables: BTreeMap<String, String>,
    transcript: Transcript,
}

impl Served {
    /// Notes a request; how many there were before it.
    fn receive(&self, request: Received) -> usize {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let bytes = request.bytes();
        let kept_bytes = self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if before < REQUESTS_MAX && kept_bytes <= KEPT_BYTES_MAX {
            let whole = request.whole(&self.variables).map(Whole::Received);
            let (name, shown) = (&self.name, request.describe());
            self.transcript
                .add_whole(name, Direction::Received, shown, whole);
            // A case that has ended takes no more.
            let _ = self.requests.send(request);
        }
        before
    }

    fn note(&self, direction: Direction, text: impl Into<String>) {
        self.transcript.add(&self.name, direction, text);
    }
}
