//! The listeners, and the life of everything behind them.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reference_core::{Engine, Environment, Machine, OutboundPolicy, Settings};
use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{Notify, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    Access, Clock, Limits, ProcessEnvironment, Resolver, SystemClock, SystemResolver, Tls,
    access::Gate,
    connection::{self, Shared},
    http::{self, Front},
    hub::Hub,
    outbound::Outbound,
    outbox::Rooms,
    places::{Place, Places},
    spare,
    turn::Crowd,
};

/// How long to wait when the system has no descriptor for a new connection (D-28).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server is made of.
pub struct Options {
    /// The engine, or a machine that wraps it.
    pub machine: Box<dyn Machine + Send>,
    /// Where credentials come from (RF-15).
    pub environment: Box<dyn Environment + Send>,
    /// Where calls over HTTP may go (D-28).
    pub outbound: OutboundPolicy,
    /// How the names of endpoints become addresses.
    pub resolver: Box<dyn Resolver>,
    /// What tells the time.
    pub clock: Box<dyn Clock>,
    /// Where requests for http triggers are served (RT-04); port 0 takes any that is free. By
    /// default that of this machine alone.
    ///
    /// Web pages may send them, whatever their `Origin`, unless a token is asked for: functions
    /// behind http triggers must not take a request from this machine for one of its owner's.
    pub http: Option<SocketAddr>,
    /// What peers are held to.
    pub limits: Limits,
    /// Who may speak to it (D-22, D-31).
    pub access: Access,
    /// With what both ports speak TLS, if they do (D-31).
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            machine: Box::new(Engine::new(Settings::default())),
            environment: Box::new(ProcessEnvironment),
            outbound: OutboundPolicy::default(),
            resolver: Box::new(SystemResolver),
            clock: Box::new(SystemClock::default()),
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            limits: Limits::default(),
            access: Access::default(),
            tls: None,
        }
    }
}

/// Why requests for http triggers cannot be served; it is inside the error of [`Server::bind`].
#[derive(Debug, thiserror::Error)]
#[error("cannot serve http triggers on {address}: {source}")]
pub struct HttpBindError {
    /// Where they were to be served.
    pub address: SocketAddr,
    source: io::Error,
}

/// A server that is listening. It serves until [`Server::shutdown`], or until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    http_address: Option<SocketAddr>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    accepting_http: Option<JoinHandle<()>>,
    keeping_time: JoinHandle<()>,
    giving_back: JoinHandle<()>,
}

impl Server {
    /// Listens on `address` (port 0: any that is free) and serves in the background.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot listen there; an [`HttpBindError`] is inside if it is
    /// the address of [`Options::http`].
    pub async fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let http_listener = match options.http {
            Some(address) => Some(bind_http(address).await?),
            None => None,
        };
        let http_address = http_listener.as_ref().map(TcpListener::local_addr);
        let limits = options.limits;
        let hub = Hub::new(
            options.machine,
            options.environment,
            options.clock,
            Outbound::new(options.outbound, options.resolver, &limits),
            Rooms::new(&limits),
        );
        let (stop, stopped) = watch::channel(false);
        let accepting_http = http_listener.map(|listener| {
            let own = options.http.unwrap_or(address);
            let gate = Gate::new(options.access.clone(), own.ip());
            let front = Arc::new(Front::new(
                Arc::clone(&hub),
                gate,
                options.tls.clone(),
                &limits,
            ));
            let places = Places::new(limits.http.connections_max);
            let stop = stopped.clone();
            tokio::spawn(accept(
                listener,
                places,
                stopped.clone(),
                move |tcp, peer| http::serve(tcp, peer, Arc::clone(&front), stop.clone()),
            ))
        });
        let sessions_max = limits.sessions_max.min(Semaphore::MAX_PERMITS);
        let handshakes = Places::new(limits.handshakes_max);
        let shared = Arc::new(Shared {
            hub,
            limits,
            gate: Gate::new(options.access, address.ip()),
            tls: options.tls,
            seats: Arc::new(Semaphore::new(sessions_max)),
            crowd: Crowd::new(),
            ended: Notify::new(),
        });
        let (serving, stop_serving) = (Arc::clone(&shared), stopped.clone());
        let accepting = accept(listener, handshakes, stopped, move |tcp, peer| {
            connection::serve(tcp, peer, Arc::clone(&serving), stop_serving.clone())
        });
        let (timed, left) = (Arc::clone(&shared), Arc::clone(&shared));
        Ok(Self {
            address,
            http_address: http_address.transpose()?,
            shared,
            stop,
            accepting: tokio::spawn(accepting),
            accepting_http,
            keeping_time: tokio::spawn(async move { timed.hub.keep_time().await }),
            giving_back: tokio::spawn(async move { spare::give_back(&left.ended).await }),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What workers connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws{}://{}", self.s(), self.address)
    }

    /// Where it serves requests for http triggers, if it does.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// What the paths of http triggers are below; it has no slash at its end.
    #[must_use]
    pub fn http_url(&self) -> Option<String> {
        self.http_address
            .map(|address| format!("http{}://{address}", self.s()))
    }

    /// How many bytes wait for workers that have not taken them yet.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.shared.hub.rooms().unread.bytes()
    }

    /// What the scheme ends in.
    fn s(&self) -> &'static str {
        if self.shared.tls.is_some() { "s" } else { "" }
    }

    /// Answers every call in flight, closes every session 1012 and waits until they are closed:
    /// at most twice [`Limits::close_time_max`], once for what was still to be sent and once for
    /// the peers' answers (D-23). Connections of http triggers are given as long.
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        self.shared.hub.stop();
        let bound = self.shared.limits.close_time_max * 2;
        let ended = async {
            let _ = (&mut self.accepting).await;
            if let Some(accepting) = &mut self.accepting_http {
                let _ = accepting.await;
            }
        };
        let _ = timeout(bound, ended).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        if let Some(accepting) = &self.accepting_http {
            accepting.abort();
        }
        self.keeping_time.abort();
        self.giving_back.abort();
    }
}

async fn bind_http(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|source| {
        let kind = source.kind();
        io::Error::new(kind, HttpBindError { address, source })
    })
}

/// Owns the connections: when it ends, or is aborted, so do they. Each is served in a place of its
/// own; the next one waits here for it, and others in the system's backlog.
async fn accept<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    places: Places,
    mut stopped: watch::Receiver<bool>,
    serve: impl Fn(TcpStream, (SocketAddr, Place)) -> F,
) {
    let mut connections = JoinSet::new();
    let (mut next, mut has_failed) = (None, false);
    loop {
        tokio::select! {
            accepted = listener.accept(), if next.is_none() => match accepted {
                Ok(accepted) => (next, has_failed) = (Some(accepted), false),
                Err(error) => {
                    if !std::mem::replace(&mut has_failed, true) {
                        tracing::warn!("cannot accept a connection, and goes on trying: {error}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            place = places.take(), if next.is_some() => {
                if let Some((tcp, peer)) = next.take() {
                    connections.spawn(serve(tcp, (peer, place)));
                }
            }
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop((listener, next));
    while connections.join_next().await.is_some() {}
}
