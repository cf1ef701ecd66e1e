//! Finding out what has to be said of an engine in a target file, by talking to it.
//!
//! Nothing is judged here. What could not be found out is left out, and said.

mod attempt;
mod endpoints;
mod peer;
mod sessions;
mod spellings;
mod triggers;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper::Uri;
use serde::Serialize;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use uuid::Uuid;

use crate::{
    environment::Environment,
    mapping::{ConfigKeys, TYPES},
    session::ConnectError,
};

/// Where http triggers are served if nobody says otherwise.
const HTTP_PORT_USUAL: u16 = 3111;
/// How long what hardly ever takes long may take: connecting to a port, closing a session.
const SOON: Duration = Duration::from_millis(500);

/// Which engine, and how it is looked at.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Where workers connect.
    pub url: String,
    /// Where http triggers are served, without a slash at its end, if that is known.
    pub http_url: Option<String>,
    /// How long each thing that may come is waited for.
    pub patience: Duration,
}

/// The target file that was made of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Found {
    /// Where workers connect.
    pub url: String,
    /// Where http triggers are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_url: Option<String>,
    /// Where the suite has to listen for the engine to reach it, if not where it does anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_bind: Option<SocketAddr>,
    /// Whether the engine has what `conformance env` prints.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub env: bool,
    /// Those of the variables that it has, if it does not have all.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Whether sessions have to introduce themselves, or must not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hello: Option<bool>,
    /// What it calls otherwise.
    #[serde(skip_serializing_if = "ConfigKeys::is_empty")]
    pub config_keys: ConfigKeys,
    /// How much more time than usual it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<f64>,
}

/// Who is told what is found, line by line.
pub type Say<'s> = dyn FnMut(String) + Send + 's;

/// The engine, as those who find something out see it.
pub(crate) struct Engine {
    url: String,
    /// Its name or address, as it stands in a URL.
    host: String,
    port: u16,
    /// Whether sessions introduce themselves.
    hello: bool,
    /// Distinguishes the ids of this run.
    run: String,
    patience: Duration,
}

impl Engine {
    fn new(asked: &Asked) -> Self {
        let uri: Uri = asked.url.parse().unwrap_or_default();
        let run = Uuid::new_v4().simple().to_string();
        Self {
            url: asked.url.clone(),
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(80),
            hello: true,
            run: run.chars().take(6).collect(),
            patience: asked.patience,
        }
    }

    /// An id of this run's.
    fn id(&self, name: &str) -> String {
        format!("conformance-init-{}-{name}", self.run)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.patience
    }

    fn soon(&self) -> Instant {
        Instant::now() + self.patience.min(SOON)
    }

    /// The address of this machine from which the engine is reached.
    async fn own_address(&self) -> Option<IpAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let connected = timeout(SOON, TcpStream::connect((host, self.port))).await;
        Some(connected.ok()?.ok()?.local_addr().ok()?.ip())
    }
}

/// Looks at an engine.
///
/// # Errors
///
/// When no session can be opened. What is not found otherwise is no error, and is said.
pub async fn discover(
    asked: &Asked,
    environment: &Environment,
    say: &mut Say<'_>,
) -> Result<Found, ConnectError> {
    let mut engine = Engine::new(asked);
    let mut found = Found {
        url: asked.url.clone(),
        http_url: asked.http_url.clone(),
        ..Found::default()
    };
    let round_trip = sessions::reach(&engine, say).await?;
    found.time_scale = round_trip.and_then(sessions::time_scale);
    if let Some(scale) = found.time_scale {
        say(format!("time: it is slow; time_scale {scale}"));
    }
    found.hello = sessions::hello(&engine, say).await;
    engine.hello = found.hello.unwrap_or(true);

    let bases = http_bases(&engine, asked, say).await;
    let [http, cron, queue] = TYPES;
    let (http, cron, queue, seen) = tokio::join!(
        triggers::look(&engine, http, &bases),
        triggers::look(&engine, cron, &[]),
        triggers::look(&engine, queue, &[]),
        endpoints::look(&engine, environment),
    );
    for look in [http, cron, queue] {
        look.lines(&bases).into_iter().for_each(&mut *say);
        if let Some(keys) = look.keys {
            found.config_keys.insert(look.kind, keys);
        }
        found.http_url = found.http_url.or(look.base);
    }
    seen.lines.into_iter().for_each(&mut *say);
    found.callback_bind = seen.callback_bind;
    found.env = seen.env;
    found.variables = seen.variables;
    Ok(found)
}

/// Where http triggers may be served.
async fn http_bases(engine: &Engine, asked: &Asked, say: &mut Say<'_>) -> Vec<String> {
    if let Some(url) = &asked.http_url {
        return vec![url.clone()];
    }
    let host = engine.host.trim_start_matches('[').trim_end_matches(']');
    let usual = TcpStream::connect((host, HTTP_PORT_USUAL));
    let listens = timeout(SOON, usual).await.is_ok_and(|it| it.is_ok());
    let at = |port: u16| format!("http://{}:{port}", engine.host);
    if !listens {
        say(format!("http: nothing listens at {}", at(HTTP_PORT_USUAL)));
        return vec![at(engine.port)];
    }
    vec![at(HTTP_PORT_USUAL), at(engine.port)]
}
