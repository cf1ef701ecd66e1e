//! Endpoints that speak HTTP/2: agreed upon in the TLS handshake, one connection for all calls.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, Version,
    body::{Bytes, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Duration, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    client::Client,
    process::{finish, signal, start_as},
    tls::Authority,
};

const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "s3cret-value";

/// A request as the endpoint saw it.
#[derive(Debug)]
struct Seen {
    version: Version,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// What became of a request that arrived.
#[derive(Debug)]
enum News {
    Seen(Seen),
    /// The stream was reset before its answer.
    Reset,
}

/// An endpoint over TLS. It answers with the number of the request, once it is told to.
struct Endpoint {
    port: u16,
    connections: Arc<AtomicUsize>,
    news: mpsc::UnboundedReceiver<News>,
    hold: watch::Sender<bool>,
}

/// What its connections share.
#[derive(Clone)]
struct Shared {
    requests: Arc<AtomicUsize>,
    news: mpsc::UnboundedSender<News>,
    held: watch::Receiver<bool>,
}

impl Endpoint {
    async fn start(acceptor: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let (sender, news) = mpsc::unbounded_channel();
        let (hold, held) = watch::channel(false);
        let shared = Shared {
            requests: Arc::default(),
            news: sender,
            held,
        };
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(tcp, acceptor.clone(), shared.clone()));
            }
        });
        Self {
            port,
            connections,
            news,
            hold,
        }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/hook?q=1", self.port)
    }

    async fn news(&mut self) -> News {
        timeout(PATIENCE, self.news.recv()).await.unwrap().unwrap()
    }

    async fn seen(&mut self) -> Seen {
        match self.news().await {
            News::Seen(seen) => seen,
            News::Reset => panic!("the stream was reset"),
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(tcp: TcpStream, acceptor: TlsAcceptor, shared: Shared) {
    let tls: TlsStream<TcpStream> = acceptor.accept(tcp).await.unwrap();
    let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(tls);
    let service = service_fn(move |request| answer(request, shared.clone()));
    let _ = if http2 {
        let builder = http2::Builder::new(TokioExecutor::new());
        builder.serve_connection(io, service).await
    } else {
        http1::Builder::new().serve_connection(io, service).await
    };
}

async fn answer(
    request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let seen = Seen {
        version: parts.version,
        method: parts.method,
        target: parts.uri.to_string(),
        headers: parts.headers,
        body: body.collect().await?.to_bytes(),
    };
    let number = shared.requests.fetch_add(1, Ordering::SeqCst);
    let _ = shared.news.send(News::Seen(seen));
    let mut unanswered = Unanswered(Some(shared.news));
    let mut held = shared.held;
    let _ = held.wait_for(|held| !held).await;
    unanswered.0 = None;
    Ok(Response::new(Full::from(number.to_string())))
}

struct Unanswered(Option<mpsc::UnboundedSender<News>>);

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some(news) = self.0.take() {
            let _ = news.send(News::Reset);
        }
    }
}

fn register(id: &str, invocation: &Value) -> String {
    json!({"type": "registerfunction", "id": id, "invocation": invocation}).to_string()
}

fn invoke(id: &str, function_id: &str) -> String {
    format!(
        r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"{function_id}","data":{{ "b":1.0 }}}}"#
    )
}

#[tokio::test]
async fn the_request_is_the_same_over_http2() {
    let authority = Authority::new();
    let mut endpoint = Endpoint::start(authority.acceptor(&["h2", "http/1.1"])).await;
    let mut command = authority.trusting();
    command.env("KEY", SECRET);
    let (_engine, url) = start_as(command).await;
    let mut client = Client::connect(&url).await;
    for (number, (auth, name, value)) in [
        (
            json!({"type": "bearer", "token_key": "KEY"}),
            "authorization",
            "Bearer s3cret-value",
        ),
        (
            json!({"type": "api_key", "header": "X-API-Key", "value_key": "KEY"}),
            "x-api-key",
            SECRET,
        ),
        (
            json!({"type": "hmac", "secret_key": "KEY"}),
            "x-iii-signature",
            "sha256=",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("f-{number}");
        let invocation = json!({"url": endpoint.url(), "method": "PUT", "auth": auth,
            "headers": {"X-Custom": "value"}});
        client.send(&register(&id, &invocation)).await;
        client.send(&invoke("i", &id)).await;
        assert_eq!(client.frame().await["result"], number);
        let seen = endpoint.seen().await;
        assert_eq!(seen.version, Version::HTTP_2);
        assert_eq!(seen.method, Method::PUT);
        assert_eq!(seen.target, endpoint.url());
        assert_eq!(seen.body, r#"{ "b":1.0 }"#, "byte for byte");
        let header = |name: &str| seen.headers.get(name).map_or("", |it| it.to_str().unwrap());
        assert!(header(name).starts_with(value), "{seen:?}");
        assert_eq!(header("content-type"), "application/json");
        assert_eq!(header("content-length"), "11");
        assert_eq!(header("x-custom"), "value");
        assert_eq!(header("x-iii-function-path"), id);
        assert_eq!(header("x-iii-invocation-id").len(), 36);
        assert!(header("x-iii-timestamp").parse::<u64>().unwrap() > 1_700_000_000);
        assert_eq!(header("connection"), "");
    }
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn calls_at_once_share_one_connection_and_end_each_for_itself() {
    const CALLS: usize = 20;
    let authority = Authority::new();
    let mut endpoint = Endpoint::start(authority.acceptor(&["h2", "http/1.1"])).await;
    let (_engine, url) = start_as(authority.trusting()).await;
    let mut client = Client::connect(&url).await;
    client
        .send(&register("f", &json!({"url": endpoint.url()})))
        .await;
    client.send(&invoke("first", "f")).await;
    assert_eq!(client.frame().await["result"], 0);
    endpoint.seen().await;

    endpoint.hold.send_replace(true);
    let mut leaving = Client::connect(&url).await;
    leaving.send(&invoke("given up", "f")).await;
    endpoint.seen().await;
    for call in 0..CALLS {
        client.send(&invoke(&call.to_string(), "f")).await;
    }
    for _ in 0..CALLS {
        assert_eq!(endpoint.seen().await.version, Version::HTTP_2);
    }
    // All of them are under way. One is given up, and the others are answered all the same.
    drop(leaving);
    assert!(matches!(endpoint.news().await, News::Reset));
    endpoint.hold.send_replace(false);
    let mut results = Vec::new();
    for _ in 0..CALLS {
        results.push(client.frame().await["result"].as_u64().unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, Vec::from_iter(2..2 + CALLS as u64));
    assert_eq!(endpoint.connections(), 1);
}

#[tokio::test]
async fn a_large_body_arrives_whole_over_either_protocol() {
    for (protocol, version) in [("h2", Version::HTTP_2), ("http/1.1", Version::HTTP_11)] {
        let authority = Authority::new();
        let mut endpoint = Endpoint::start(authority.acceptor(&[protocol])).await;
        let (_engine, url) = start_as(authority.trusting()).await;
        let mut client = Client::connect(&url).await;
        client
            .send(&register("f", &json!({"url": endpoint.url()})))
            .await;
        let numbers: Vec<u32> = (0..300_000).collect();
        let data = serde_json::to_string(&numbers).unwrap();
        let call = format!(
            r#"{{"type":"invokefunction","invocation_id":"i","function_id":"f","data":{data}}}"#
        );
        client.send(&call).await;
        assert_eq!(client.frame().await["result"], 0);
        let seen = endpoint.seen().await;
        assert_eq!(seen.version, version);
        assert_eq!(seen.headers["content-length"], data.len().to_string());
        assert!(seen.body == data, "{protocol}");
    }
}

#[tokio::test]
async fn an_endpoint_without_http2_gets_http_1_1() {
    for protocols in [&["http/1.1"][..], &[]] {
        let authority = Authority::new();
        let mut endpoint = Endpoint::start(authority.acceptor(protocols)).await;
        let (_engine, url) = start_as(authority.trusting()).await;
        let mut client = Client::connect(&url).await;
        client
            .send(&register("f", &json!({"url": endpoint.url()})))
            .await;
        client.send(&invoke("i", "f")).await;
        assert_eq!(client.frame().await["result"], 0);
        let seen = endpoint.seen().await;
        assert_eq!(seen.version, Version::HTTP_11);
        assert_eq!(seen.target, "/hook?q=1");
        assert_eq!(seen.body, r#"{ "b":1.0 }"#);
    }
}

/// An HTTP/2 frame, RFC 9113, section 4.1.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, 0, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn what_an_endpoint_says_as_it_breaks_off_is_not_repeated() {
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    const ENHANCE_YOUR_CALM: [u8; 4] = [0, 0, 0, 11];
    let authority = Authority::new();
    let acceptor = authority.acceptor(&["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = acceptor.accept(tcp).await.unwrap();
        let last_stream = [0; 4];
        let goodbye = [&last_stream, &ENHANCE_YOUR_CALM, SECRET.as_bytes()].concat();
        let frames = [frame(SETTINGS, &[]), frame(GOAWAY, &goodbye)].concat();
        tls.write_all(&frames).await.unwrap();
        let mut scrap = [0; 4_096];
        while let Ok(1..) = tls.read(&mut scrap).await {}
    });
    let (engine, url) = start_as(authority.trusting()).await;
    let mut client = Client::connect(&url).await;
    let invocation = json!({"url": format!("https://localhost:{port}/")});
    client.send(&register("f", &invocation)).await;
    client.send(&invoke("i", "f")).await;
    let failed = client.text().await;
    assert!(failed.contains("http_request_failed"), "{failed}");
    signal(&engine, "TERM").await;
    client.close_code().await;
    let (_, log) = finish(engine).await;
    assert!(log.contains("request of function `f` failed"), "{log}");
    for shown in [failed, log] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
