//! One connection of a worker: frames in, frames out, and an end in good order.

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
    time::{Interval, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Bytes, Error, Message, error::ProtocolError, protocol::CloseFrame},
};

use crate::{
    Limits,
    access::Gate,
    handshake::{Welcomed, welcome},
    hub::Hub,
    outbox::{Outgoing, Outlet},
};

pub(crate) const BUFFER_BYTES: usize = 8 << 10;
const BATCH_FRAMES: usize = 64;
/// Where clients send their telemetry; such a connection is no worker (CO-18).
const TELEMETRY_PATH: &str = "/otel";

/// What every connection of a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
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
        Ok(Some(Welcomed { socket, path })) if path == TELEMETRY_PATH => {
            tokio::select! {
                () = swallow(socket, &shared.limits) => {}
                _ = stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        Ok(Some(Welcomed { socket, .. })) => {
            if let Some(connection) = Connection::open(socket, &shared) {
                connection.run().await;
            }
        }
        Ok(None) => {}
        Err(problem) => tracing::warn!("connection from {peer}: {problem}"),
    }
}

pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Reads what nobody wants, for as long as somebody is there.
async fn swallow(mut socket: Socket, limits: &Limits) {
    let mut pulse = Pulse::new(limits);
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(_)) => pulse.heard(),
                Some(Err(_)) | None => return,
            },
            beat = pulse.beat() => match beat {
                Beat::Alive => {}
                Beat::Silent if socket.send(Message::Ping(Bytes::new())).await.is_ok() => {}
                Beat::Silent | Beat::Gone => return,
            },
        }
    }
}

/// Whether a peer is still there (D-30). Nothing of it is paid for each message but a flag.
struct Pulse {
    beats: Interval,
    heard: bool,
    silent_beats: u32,
}

enum Beat {
    Alive,
    /// Nothing has come since the last beat: it is to be asked.
    Silent,
    Gone,
}

impl Pulse {
    fn new(limits: &Limits) -> Self {
        let mut beats = interval(limits.silence_time_max / 4);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            beats,
            heard: true,
            silent_beats: 0,
        }
    }

    fn heard(&mut self) {
        self.heard = true;
    }

    /// The next beat. Nothing is lost if it is not waited for.
    async fn beat(&mut self) -> Beat {
        self.beats.tick().await;
        self.silent_beats = match std::mem::take(&mut self.heard) {
            true => 0,
            false => self.silent_beats + 1,
        };
        match self.silent_beats {
            0 => Beat::Alive,
            1 | 2 => Beat::Silent,
            _ => Beat::Gone,
        }
    }
}

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
    /// The peer has said nothing for too long.
    Silent,
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
                End::Stuck | End::Silent => {}
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
        let mut pulse = Pulse::new(&shared.limits);
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
                message = stream.next(), if readable => {
                    pulse.heard();
                    match take_in(shared, session, message) {
                        ControlFlow::Continue(still_readable) => readable = still_readable,
                        ControlFlow::Break(()) => return End::Peer,
                    }
                }
                beat = pulse.beat(), if !closing => match beat {
                    Beat::Alive => {}
                    Beat::Silent => shared.hub.ping(session),
                    Beat::Gone => {
                        tracing::warn!("a worker has been silent for too long, and is given up");
                        return End::Silent;
                    }
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
                Outgoing::Ping => {
                    if sink.feed(Message::Ping(Bytes::new())).await.is_err() {
                        return End::Peer;
                    }
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
