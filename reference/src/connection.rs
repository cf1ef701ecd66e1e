//! One connection: the handshake, frames in, frames out, and an end in good order.

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use reference_core::{Input, SessionId, Unreadable};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error, Message,
        handshake::server::{Callback, ErrorResponse, Request, Response},
        http::{StatusCode, header::ORIGIN},
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use crate::{
    Limits,
    hub::Hub,
    outbox::{Outgoing, Outlet},
};

const BUFFER_BYTES: usize = 8 << 10;
const BATCH_FRAMES: usize = 64;
/// Where clients send their telemetry; such a connection is no worker (CO-18).
const TELEMETRY_PATH: &str = "/otel";
/// RFC 6455's registry: "try again later".
const CLOSE_OVERLOAD: u16 = 1013;

/// What every connection of a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) limits: Limits,
    pub(crate) allowed_origins: Vec<String>,
}

pub(crate) async fn serve(
    tcp: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let welcomed = tokio::select! {
        welcomed = welcome(tcp, &shared) => welcomed,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    match welcomed {
        Ok(Some(socket)) => {
            if let Some(connection) = Connection::open(socket, &shared) {
                connection.run().await;
            }
        }
        Ok(None) => {}
        Err(problem) => tracing::warn!("connection from {peer}: {problem}"),
    }
}

/// Upgrades a connection. A telemetry one is read to its end, and nothing comes of it.
async fn welcome(
    tcp: TcpStream,
    shared: &Shared,
) -> Result<Option<WebSocketStream<TcpStream>>, String> {
    // Frames are small and a caller waits for each: they must not wait for one another.
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut handshake = Handshake {
        allowed_origins: &shared.allowed_origins,
        path: String::new(),
    };
    let upgrade = accept_hdr_async_with_config(tcp, &mut handshake, Some(config(&shared.limits)));
    let mut socket = timeout(shared.limits.handshake_time_max, upgrade)
        .await
        .map_err(|_| "the handshake took too long".to_owned())?
        .map_err(|error| format!("no WebSocket handshake: {error}"))?;
    if handshake.path != TELEMETRY_PATH {
        return Ok(Some(socket));
    }
    while let Some(Ok(_)) = socket.next().await {}
    Ok(None)
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(BUFFER_BYTES + limits.outbox_bytes_max)
        .max_message_size(Some(limits.frame_bytes_max))
        .max_frame_size(Some(limits.frame_bytes_max))
}

struct Handshake<'a> {
    allowed_origins: &'a [String],
    path: String,
}

impl Callback for &mut Handshake<'_> {
    /// Only browsers send an `Origin`, and a page must not be able to act as a worker (D-22).
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        let origin = request
            .headers()
            .get(ORIGIN)
            .map(|value| String::from_utf8_lossy(value.as_bytes()));
        match origin {
            Some(origin) if !self.allowed_origins.iter().any(|it| *it == origin) => {
                Err(refusal(&origin))
            }
            _ => {
                request.uri().path().clone_into(&mut self.path);
                Ok(response)
            }
        }
    }
}

fn refusal(origin: &str) -> ErrorResponse {
    tracing::warn!(
        "refused a connection from a web page of `{}`",
        origin.escape_debug()
    );
    let body = "web pages may not connect to this engine; see --allow-origin\n";
    let mut response = ErrorResponse::new(Some(body.to_owned()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

struct Connection<'a> {
    socket: WebSocketStream<TcpStream>,
    outlet: Outlet,
    session: SessionId,
    shared: &'a Shared,
}

/// How a connection stopped being one.
enum End {
    /// The peer has sent its Close frame, or is gone.
    Peer,
    /// The engine closes it.
    Engine(CloseFrame),
    /// It does not take what it is sent.
    Overflow,
}

impl<'a> Connection<'a> {
    /// None are opened once the engine stops.
    fn open(socket: WebSocketStream<TcpStream>, shared: &'a Shared) -> Option<Self> {
        let (session, outlet) = shared.hub.open()?;
        Some(Self {
            socket,
            outlet,
            session,
            shared,
        })
    }

    async fn run(mut self) {
        let overflow = self.outlet.overflow_signal();
        let end = tokio::select! {
            end = self.exchange() => end,
            () = Outlet::overflowed(overflow) => End::Overflow,
        };
        // The session ends here, before the connection does (D-07).
        self.shared.hub.close(self.session);
        let time_max = self.shared.limits.close_time_max;
        let closing = async {
            match end {
                // Lets the reply to the peer's Close frame out.
                End::Peer => while let Some(Ok(_)) = self.socket.next().await {},
                End::Engine(frame) => self.close(frame).await,
                End::Overflow => {
                    tracing::warn!("session {}: reads too slowly", self.session.0);
                    self.close(close_frame(CLOSE_OVERLOAD, "reads too slowly"))
                        .await;
                }
            }
        };
        // A peer that does not answer is left to the operating system.
        let _ = timeout(time_max, closing).await;
    }

    async fn exchange(&mut self) -> End {
        let mut batch = Vec::with_capacity(BATCH_FRAMES);
        let mut readable = true;
        loop {
            tokio::select! {
                message = self.socket.next(), if readable => match self.take_in(message) {
                    ControlFlow::Continue(still_readable) => readable = still_readable,
                    ControlFlow::Break(end) => return end,
                },
                count = self.outlet.take(&mut batch, BATCH_FRAMES) => {
                    if count == 0 {
                        return End::Peer;
                    }
                    if let ControlFlow::Break(end) = self.write(&mut batch).await {
                        return end;
                    }
                }
            }
        }
    }

    /// Hands a message to the machine; continues with whether more can be read.
    fn take_in(&self, message: Option<Result<Message, Error>>) -> ControlFlow<End, bool> {
        let session = self.session;
        let input = match &message {
            Some(Ok(Message::Text(frame))) => Input::Text { session, frame },
            Some(Ok(Message::Binary(frame))) => Input::Binary { session, frame },
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                return ControlFlow::Continue(true);
            }
            Some(Ok(Message::Close(_))) | None => return ControlFlow::Break(End::Peer),
            Some(Err(error)) => match self.unreadable(error) {
                Some(reason) => Input::Unreadable { session, reason },
                None => {
                    tracing::debug!("session {}: {error}", session.0);
                    return ControlFlow::Break(End::Peer);
                }
            },
        };
        let readable = !matches!(input, Input::Unreadable { .. });
        self.shared.hub.handle(input);
        ControlFlow::Continue(readable)
    }

    fn unreadable(&self, error: &Error) -> Option<Unreadable> {
        match error {
            Error::Utf8(_) => Some(Unreadable::NotUtf8),
            Error::Capacity(_) => Some(Unreadable::TooLarge {
                bytes_max: self.shared.limits.frame_bytes_max,
            }),
            _ => None,
        }
    }

    async fn write(&mut self, batch: &mut Vec<Outgoing>) -> ControlFlow<End> {
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Frame(frame) => {
                    let bytes = frame.len();
                    if self.socket.feed(Message::text(frame)).await.is_err() {
                        return ControlFlow::Break(End::Peer);
                    }
                    self.outlet.written(bytes);
                }
                Outgoing::Close { code, reason } => {
                    let frame = close_frame(code.number(), reason);
                    return ControlFlow::Break(End::Engine(frame));
                }
            }
        }
        match self.socket.flush().await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(End::Peer),
        }
    }

    /// Sends a Close frame and reads on until the peer has closed as well: a connection that is
    /// dropped with unread bytes is reset, and the peer may never see the frame.
    async fn close(&mut self, frame: CloseFrame) {
        if self.socket.close(Some(frame)).await.is_err() {
            return;
        }
        while let Some(Ok(message)) = self.socket.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
        let tcp = self.socket.get_mut();
        if tcp.shutdown().await.is_ok() {
            let mut scrap = vec![0; BUFFER_BYTES];
            while tcp.read(&mut scrap).await.is_ok_and(|bytes| bytes > 0) {}
        }
    }
}

fn close_frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }
}
