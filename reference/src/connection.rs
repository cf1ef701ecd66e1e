//! One connection: the handshake, frames in, frames out, and an end in good order.

use std::{net::SocketAddr, ops::ControlFlow, sync::Arc};

use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use reference_core::{Input, SessionId, Unreadable};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async_with_config,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
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

/// What every connection of a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
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
    let upgrade = timeout(shared.limits.handshake_time_max, upgrade)
        .await
        .map_err(|_| "the handshake took too long".to_owned())?;
    let mut socket = match upgrade {
        Ok(socket) => socket,
        // A refusal that has been logged already.
        Err(Error::Http(_)) => return Ok(None),
        Err(error) => return Err(format!("no WebSocket handshake: {error}")),
    };
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
        // The outbox is what is bounded; here waits the one frame that is being written.
        .max_write_buffer_size(usize::MAX)
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

type Socket = WebSocketStream<TcpStream>;

/// A session's connection. Its session ends with it, however it ends.
struct Connection<'a> {
    socket: Option<Socket>,
    outlet: Outlet,
    session: SessionId,
    shared: &'a Shared,
}

/// How the exchange of frames came to its end.
enum End {
    /// The peer has sent its Close frame, or is gone.
    Peer,
    /// The engine closes the session.
    Engine(CloseFrame),
    /// The engine closes it, and the peer does not even take what comes before.
    Stuck,
}

impl<'a> Connection<'a> {
    /// None are opened once the engine stops.
    fn open(socket: Socket, shared: &'a Shared) -> Option<Self> {
        let (session, outlet) = shared.hub.open()?;
        Some(Self {
            socket: Some(socket),
            outlet,
            session,
            shared,
        })
    }

    async fn run(mut self) {
        let Some(socket) = self.socket.take() else {
            return;
        };
        let (mut sink, mut stream) = socket.split();
        let end = self.exchange(&mut sink, &mut stream).await;
        // The session ends here, before the connection does (D-07).
        self.shared.hub.close(self.session);
        let Ok(mut socket) = sink.reunite(stream) else {
            return;
        };
        let closing = async {
            match end {
                // Lets the reply to the peer's Close frame out.
                End::Peer => while let Some(Ok(_)) = socket.next().await {},
                End::Engine(frame) => close(&mut socket, frame).await,
                End::Stuck => {}
            }
        };
        // A peer that does not answer is left to the operating system.
        let _ = timeout(self.shared.limits.close_time_max, closing).await;
    }

    /// Reads and writes at once, so that neither waits for the other: a peer may be unable to
    /// read before what it writes has been taken.
    async fn exchange(
        &mut self,
        sink: &mut SplitSink<Socket, Message>,
        stream: &mut SplitStream<Socket>,
    ) -> End {
        let (shared, session) = (self.shared, self.session);
        let load = self.outlet.load();
        let writing = write(sink, &mut self.outlet);
        let last_moment = sleep(shared.limits.close_time_max);
        tokio::pin!(writing, last_moment);
        let (mut readable, mut closing) = (true, false);
        loop {
            tokio::select! {
                // What has been answered is written before more is read, a Close frame above all.
                biased;
                end = &mut writing => return end,
                () = load.closing(), if !closing => {
                    closing = true;
                    let at = tokio::time::Instant::now() + shared.limits.close_time_max;
                    last_moment.as_mut().reset(at);
                }
                () = &mut last_moment, if closing => return End::Stuck,
                () = load.overflowed(), if !closing => {
                    shared.hub.handle(Input::Overflowed { session });
                }
                message = stream.next(), if readable => match take_in(shared, session, message) {
                    ControlFlow::Continue(still_readable) => readable = still_readable,
                    ControlFlow::Break(()) => return End::Peer,
                },
            }
        }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.hub.close(self.session);
    }
}

/// Hands a message to the machine; continues with whether more can be read.
fn take_in(
    shared: &Shared,
    session: SessionId,
    message: Option<Result<Message, Error>>,
) -> ControlFlow<(), bool> {
    let problem;
    let input = match &message {
        Some(Ok(Message::Text(frame))) => Input::Text { session, frame },
        Some(Ok(Message::Binary(frame))) => Input::Binary { session, frame },
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
            return ControlFlow::Continue(true);
        }
        Some(Ok(Message::Close(_))) | None => return ControlFlow::Break(()),
        Some(Err(error)) => {
            let reason = match error {
                Error::Utf8(_) => Unreadable::NotUtf8,
                Error::Capacity(_) => Unreadable::TooLarge {
                    bytes_max: shared.limits.frame_bytes_max,
                },
                Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                    return ControlFlow::Break(());
                }
                Error::Protocol(error) => {
                    problem = error.to_string();
                    Unreadable::BadFraming { problem: &problem }
                }
                _ => return ControlFlow::Break(()),
            };
            Input::Unreadable { session, reason }
        }
    };
    let readable = !matches!(input, Input::Unreadable { .. });
    shared.hub.handle(input);
    ControlFlow::Continue(readable)
}

/// Writes what the outlet gives, until the engine closes the session or the peer is gone.
async fn write(sink: &mut SplitSink<Socket, Message>, outlet: &mut Outlet) -> End {
    let mut batch = Vec::with_capacity(BATCH_FRAMES);
    loop {
        if outlet.take(&mut batch, BATCH_FRAMES).await == 0 {
            return End::Peer;
        }
        for outgoing in batch.drain(..) {
            match outgoing {
                Outgoing::Frame(frame) => {
                    let bytes = frame.len();
                    if sink.feed(Message::text(frame)).await.is_err() {
                        return End::Peer;
                    }
                    outlet.written(bytes);
                }
                Outgoing::Close { code, reason } => {
                    if sink.flush().await.is_err() {
                        return End::Peer;
                    }
                    return End::Engine(CloseFrame {
                        code: code.number().into(),
                        reason: reason.into(),
                    });
                }
            }
        }
        if sink.flush().await.is_err() {
            return End::Peer;
        }
    }
}

/// Sends a Close frame and reads on until the peer has closed as well.
async fn close(socket: &mut Socket, frame: CloseFrame) {
    if socket.close(Some(frame)).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Close(_)) {
            return;
        }
    }
    linger(socket.get_mut()).await;
}

/// Ends what is written, and reads on until the peer has ended as well: a connection that is
/// dropped with unread bytes is reset, and the peer may never see what was written last.
pub(crate) async fn linger(tcp: &mut TcpStream) {
    if tcp.shutdown().await.is_ok() {
        let mut scrap = vec![0; BUFFER_BYTES];
        while tcp.read(&mut scrap).await.is_ok_and(|bytes| bytes > 0) {}
    }
}
