//! What makes requests to endpoints, and keeps connections for the next ones: so many to each of
//! the endpoints that were called last (D-28).

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{Client, dns::Resolve, redirect};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::sync::OnceCell;
use url::{Position, Url};

use crate::fault;

const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
const IDLE_CONNECTIONS_MAX: usize = 32;
/// To how many endpoints connections are kept.
const ENDPOINTS_MAX: usize = 32;

/// One for each endpoint, and connections end with it: the library bounds how many it keeps to a
/// host, and not to how many hosts.
pub(crate) struct Clients<R> {
    resolver: R,
    connect_time_max: Duration,
    /// Made for the first request: reading the system's certificates takes a while.
    tls: OnceCell<ClientConfig>,
    /// By scheme, host and port; the one that was used last is the last.
    made: Mutex<VecDeque<(Box<str>, Client)>>,
}

impl<R: Resolve + Clone + 'static> Clients<R> {
    pub(crate) fn new(resolver: R, connect_time_max: Duration) -> Self {
        Self {
            resolver,
            connect_time_max,
            tls: OnceCell::new(),
            made: Mutex::default(),
        }
    }

    /// The client of an endpoint.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub(crate) async fn of(&self, endpoint: &Url) -> Result<Client, String> {
        let tls = self.tls.get_or_try_init(read_tls).await?;
        let origin = &endpoint[..Position::BeforePath];
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.iter().position(|(it, _)| **it == *origin);
        let used = match known.and_then(|index| made.remove(index)) {
            Some(used) => used,
            None => (origin.into(), self.make(tls.clone())?),
        };
        let client = used.1.clone();
        let forgotten = match made.len() < ENDPOINTS_MAX {
            true => None,
            false => made.pop_front(),
        };
        made.push_back(used);
        drop(made);
        // Requests that are under way have it still.
        drop(forgotten);
        Ok(client)
    }

    fn make(&self, tls: ClientConfig) -> Result<Client, String> {
        Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(self.resolver.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            // Whatever other crates make of the library: an answer is as large as it comes.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .referer(false)
            .user_agent(concat!("reference/", env!("CARGO_PKG_VERSION")))
            // Also of a connection that nobody waits for any more, since another came free first.
            .connect_timeout(self.connect_time_max)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build()
            .map_err(|error| fault::in_words(&error, self.connect_time_max))
    }
}

/// Reading the system's certificates must not hold up the sessions.
async fn read_tls() -> Result<ClientConfig, String> {
    let reading = tokio::task::spawn_blocking(tls);
    reading.await.map_err(|error| error.to_string())?
}

/// The system's certificates and the bundled ones: a machine without any still reaches the
/// public internet, and one with its own trusts those as well.
fn tls() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
