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
    time::{sleep, timeout},
};

use super::{
    ACCEPT_PAUSE, BODY_BYTES_MAX, Behaviour, HEAD_BYTES_MAX, REQUEST_TIME_MAX, Received, Registry,
    Served,
};
use crate::transcript::{Answered, Direction};

/// Connections beyond these wait.
const CONNECTIONS_MAX: usize = 512;
/// Requests that a connection may have open at once in HTTP/2.
const STREAMS_MAX: u32 = 16;

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
            sleep(ACCEPT_PAUSE).await;
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
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().max_buf_size(HEAD_BYTES_MAX);
    let of_head = u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX);
    server
        .http2()
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(of_head);
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
    let reading = timeout(REQUEST_TIME_MAX, read(body, &registry));
    let read = reading.await.map_err(io::Error::other).flatten();
    let body = match read {
        Ok(body) => body,
        Err(error) => {
            let note = format!(
                "a request was not read to its end ({error}; up to {} MiB are, for {} s), and \
                 its connection ended",
                BODY_BYTES_MAX >> 20,
                REQUEST_TIME_MAX.as_secs()
            );
            served.note(Direction::Note, note);
            return Err(error);
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

/// A body, once there is room for one.
async fn read(body: Incoming, registry: &Registry) -> io::Result<Vec<u8>> {
    let _room = registry.bodies.acquire().await.map_err(io::Error::other)?;
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    Ok(body.map_err(io::Error::other)?.to_bytes().to_vec())
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
