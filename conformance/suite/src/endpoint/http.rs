//! Endpoints that speak HTTP.

use std::{io, net::TcpListener, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    http,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    task::{JoinHandle, JoinSet},
    time::sleep,
};

use super::{BODY_BYTES_MAX, Behaviour, Received, Registry, Served};
use crate::transcript::{Answered, Direction};

/// Connections beyond these wait: each may bring a body.
const CONNECTIONS_MAX: usize = 512;

/// An answer, filled in.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// With its media type.
    pub(crate) body: Option<(String, &'static str)>,
    pub(crate) delay: Duration,
}

/// One server for all of them; there until it is dropped.
pub(super) struct HttpServer {
    port: u16,
    accepting: JoinHandle<()>,
}

impl HttpServer {
    pub(super) fn start(listener: TcpListener, registry: &Arc<Registry>) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(registry)));
        Ok(Self { port, accepting })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: tokio::net::TcpListener, registry: Arc<Registry>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        // Whatever is wrong with one connection is not wrong with the next.
        let Ok((tcp, _)) = listener.accept().await else {
            continue;
        };
        let registry = Arc::clone(&registry);
        connections.spawn(async move {
            converse(tcp, registry).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers all requests of a connection, in whichever version of HTTP it begins with.
async fn converse(tcp: TcpStream, registry: Arc<Registry>) {
    let _ = tcp.set_nodelay(true);
    let service = service_fn(move |request| answer(request, Arc::clone(&registry)));
    let server = auto::Builder::new(TokioExecutor::new());
    // An engine may leave at any time.
    let _ = server.serve_connection(TokioIo::new(tcp), service).await;
}

/// The answer to a request, once it is due. A request that does not come whole, or is larger than
/// any that a case lets an engine make, ends its connection.
async fn answer(
    request: Request<Incoming>,
    registry: Arc<Registry>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |it| it.as_str());
    let Some((served, below)) = registry.find(target) else {
        return Ok(nothing());
    };
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) => {
            let note = format!(
                "a request was not read to its end ({error}; up to {} MiB are), and its \
                 connection ended",
                BODY_BYTES_MAX >> 20
            );
            served.note(Direction::Note, note);
            return Err(io::Error::other(error));
        }
    };
    let headers = head.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
    let received = Received::new(head.method.as_str(), below, headers, body);
    match served.next_answer(received) {
        Some(answer) => {
            sleep(answer.delay).await;
            answer.response().map_err(|error| {
                let note = format!("the answer of the case is none: {error}");
                served.note(Direction::Note, note);
                io::Error::other(error)
            })
        }
        None => Ok(nothing()),
    }
}

fn nothing() -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl Served {
    /// Notes a request, and the answer that it gets.
    fn next_answer(&self, request: Received) -> Option<&Answer> {
        let before = self.receive(request);
        let Behaviour::Answers(answers) = &self.behaviour else {
            return None;
        };
        let answer = answers.get(before).or(answers.last())?;
        self.note(Direction::Sent, answer.describe());
        Some(answer)
    }
}

impl Answer {
    /// # Errors
    ///
    /// If a case says what cannot be said in HTTP.
    fn response(&self) -> Result<Response<Full<Bytes>>, http::Error> {
        let mut response = Response::builder().status(self.status);
        let named = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
        let body = self.body.as_ref();
        if let Some((_, media_type)) = body.filter(|_| !self.headers.iter().any(named)) {
            response = response.header(CONTENT_TYPE, *media_type);
        }
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        let text = body.map_or_else(String::new, |(text, _)| text.clone());
        response.body(Full::from(text))
    }

    pub(super) fn whole(&self) -> Answered {
        let body = self.body.as_ref();
        Answered {
            status: self.status,
            headers: self.headers.iter().cloned().collect(),
            body: body.map(|(text, _)| text.clone()),
            json: body.is_some_and(|(_, media_type)| *media_type == "application/json"),
            delay_ms: u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn describe(&self) -> String {
        let mut text = self.status.to_string();
        for (name, value) in &self.headers {
            text += &format!(" | {name}: {value}");
        }
        if let Some((body, _)) = &self.body {
            text += &format!(" | {body}");
        }
        if !self.delay.is_zero() {
            text += &format!(" (after {} ms)", self.delay.as_millis());
        }
        text
    }
}
