//! The listener, and the life of everything behind it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use reference_core::{Engine, Environment, Machine, OutboundPolicy, Settings};
use tokio::{
    net::{TcpListener, ToSocketAddrs},
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};

use crate::{
    Clock, Limits, ProcessEnvironment, Resolver, SystemClock, SystemResolver,
    connection::{self, Shared},
    hub::Hub,
    outbound::Outbound,
};

/// How long to wait when the system has no descriptor for a new connection.
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
    /// What peers are held to.
    pub limits: Limits,
    /// The `Origin`s of web pages that may connect (D-22).
    pub allowed_origins: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            machine: Box::new(Engine::new(Settings::default())),
            environment: Box::new(ProcessEnvironment),
            outbound: OutboundPolicy::default(),
            resolver: Box::new(SystemResolver),
            clock: Box::new(SystemClock::default()),
            limits: Limits::default(),
            allowed_origins: Vec::new(),
        }
    }
}

/// A server that is listening. It serves until [`Server::shutdown`], or until it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    keeping_time: JoinHandle<()>,
}

impl Server {
    /// Listens on `address` (port 0: any that is free) and serves in the background.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot listen there.
    pub async fn bind(address: impl ToSocketAddrs, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let limits = options.limits;
        let shared = Arc::new(Shared {
            hub: Hub::new(
                options.machine,
                options.environment,
                options.clock,
                Outbound::new(options.outbound, options.resolver, &limits),
                limits.outbox_bytes_max,
            ),
            limits,
            allowed_origins: options.allowed_origins,
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        let timed = Arc::clone(&shared);
        let keeping_time = tokio::spawn(async move { timed.hub.keep_time().await });
        Ok(Self {
            address,
            shared,
            stop,
            accepting,
            keeping_time,
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
        format!("ws://{}", self.address)
    }

    /// Answers every call in flight, closes every session 1001 and waits until they are closed:
    /// at most twice [`Limits::close_time_max`], once for what was still to be sent and once for
    /// the peers' answers (D-23).
    pub async fn shutdown(mut self) {
        let _ = self.stop.send(true);
        self.shared.hub.stop();
        let bound = self.shared.limits.close_time_max * 2;
        let _ = timeout(bound, &mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.keeping_time.abort();
    }
}

/// Owns the connections: when it ends, or is aborted, so do they.
async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => {
                    connections.spawn(connection::serve(
                        tcp,
                        peer,
                        Arc::clone(&shared),
                        stopped.clone(),
                    ));
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}
