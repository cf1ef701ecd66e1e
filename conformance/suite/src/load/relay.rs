//! The floor: what the same load costs with nothing but sockets in between.

use std::{convert::Infallible, io, thread};

use futures_util::{SinkExt, StreamExt};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        oneshot,
    },
    task::JoinSet,
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Bytes, Message, protocol::WebSocketConfig},
};

const BUFFER_BYTES: usize = 8 << 10;
const BATCH_FRAMES: usize = 64;

/// A WebSocket server that passes on the text frames of each connection, unread, to the one that
/// came just before or after it. It has threads of its own, as an engine has that is a process.
#[derive(Debug)]
pub struct Relay(Apart);

/// An HTTP server that answers every request at once.
#[derive(Debug)]
pub struct HttpFloor(Apart);

impl Relay {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot.
    pub fn start() -> io::Result<Self> {
        Apart::start(relay).map(Self)
    }

    /// What workers connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.0.port)
    }
}

impl HttpFloor {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot.
    pub fn start() -> io::Result<Self> {
        Apart::start(answer).map(Self)
    }

    /// Where it answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port)
    }
}

/// A server on threads of its own, which ends when it is dropped.
#[derive(Debug)]
struct Apart {
    port: u16,
    _stop: oneshot::Sender<Infallible>,
}

impl Apart {
    fn start<S>(serve: impl FnOnce(TcpListener) -> S + Send + 'static) -> io::Result<Self>
    where
        S: Future<Output = ()>,
    {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        thread::Builder::new().spawn(move || {
            runtime.block_on(async {
                if let Ok(listener) = TcpListener::from_std(listener) {
                    tokio::select! {
                        () = serve(listener) => {}
                        _ = stopped => {}
                    }
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { port, _stop: stop })
    }
}

async fn relay(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (first_sends, second_receives) = mpsc::unbounded_channel();
        let (second_sends, first_receives) = mpsc::unbounded_channel();
        for (sends, receives) in [
            (first_sends, first_receives),
            (second_sends, second_receives),
        ] {
            let Ok((tcp, _)) = listener.accept().await else {
                return;
            };
            connections.spawn(pass_on(tcp, sends, receives));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn pass_on(
    tcp: TcpStream,
    sends: UnboundedSender<Message>,
    mut receives: UnboundedReceiver<Message>,
) -> Option<()> {
    tcp.set_nodelay(true).ok()?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    let socket = accept_async_with_config(tcp, Some(config)).await.ok()?;
    let (mut sink, mut stream) = socket.split();
    let writing = async move {
        let mut batch = Vec::with_capacity(BATCH_FRAMES);
        while receives.recv_many(&mut batch, BATCH_FRAMES).await > 0 {
            for message in batch.drain(..) {
                sink.feed(message).await.ok()?;
            }
            sink.flush().await.ok()?;
        }
        Some(())
    };
    let reading = async move {
        while let Some(Ok(message)) = stream.next().await {
            if message.is_text() {
                // Whoever is on the other side may have left.
                let _ = sends.send(message);
            }
        }
    };
    // Pongs go out with the reading half; the writing half ends when the partner has left.
    tokio::select! {
        () = reading => {}
        Some(()) = writing => {}
        else => {}
    }
    Some(())
}

async fn answer(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let _ = tcp.set_nodelay(true);
        let service = service_fn(async |_: Request<Incoming>| {
            let body = Full::new(Bytes::from_static(b"\"\""));
            Ok::<_, Infallible>(Response::new(body))
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
        while connections.try_join_next().is_some() {}
    }
}
