//! One connection of a worker: frames in, frames out, and an end in good order.

use std::{
    cell::OnceCell,
    future::poll_fn,
    io,
    net::{Shutdown, SocketAddr},
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use futures_util::StreamExt;
use reference_core::{Input, SessionId};
use socket2::SockRef;
use tokio::{
    net::TcpStream,
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};
use tracing::{Instrument, Span};

use crate::{
    Limits, Tls,
    access::Gate,
    handshake::{Welcomed, welcome},
    hub::Hub,
    intake::{Intake, Next, count},
    outbox::{News, Outbox, Unwritten, Wire},
    places::Place,
    pulse::{Beat, Pulse},
    transport::Transport,
    turn::{Crowd, TURN_FRAMES_MAX, Turn},
};

pub(crate) const BUFFER_BYTES: usize = 8 << 10;
/// For how long a turn goes on, at most; a frame that takes longer is handled alone.
const TURN_TIME: Duration = Duration::from_millis(1);
/// Where clients send their telemetry; such a connection is no worker (CO-18).
const TELEMETRY_PATH: &str = "/otel";

/// What every connection of a server shares.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) tls: Option<Tls>,
    /// As many as workers may be connected.
    pub(crate) seats: Arc<Semaphore>,
    /// Those who have more to be read than their last turn took.
    pub(crate) crowd: Crowd,
    /// Told of each session that has ended.
    pub(crate) ended: Notify,
}

pub(crate) async fn serve(
    tcp: TcpStream,
    (peer, place): (SocketAddr, Place),
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let welcomed = tokio::select! {
        // What it takes is kept apart, so that a session is no larger.
        welcomed = Box::pin(welcome(tcp, place, &shared)) => welcomed,
        _ = stopped.wait_for(|stopped| *stopped) => return,
    };
    match welcomed {
        Ok(Some(Welcomed {
            transport,
            config,
            path,
            seat: _taken,
        })) if path == TELEMETRY_PATH => {
            if let Some((connection, wire)) = Connection::open_unheard(transport, &shared) {
                tokio::select! {
                    () = connection.swallow(wire, config) => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            }
        }
        Ok(Some(Welcomed {
            transport,
            config,
            seat: _taken,
            ..
        })) => {
            if let Some((connection, wire, span)) = Connection::open(transport, &shared) {
                connection.run(wire, config).instrument(span).await;
            }
        }
        Ok(None) => {}
        Err(problem) => tracing::warn!("connection from {peer}: {problem}"),
    }
}

pub(crate) type Socket = WebSocketStream<Wire>;

/// A session's connection. Its session ends with it, however it ends.
struct Connection<'a> {
    outbox: Arc<Outbox>,
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
    fn open(transport: Transport, shared: &'a Shared) -> Option<(Self, Wire, Span)> {
        let mut span = Span::none();
        let (connection, wire) = Self::with(transport, shared, |outbox| {
            let (session, own) = shared.hub.open(outbox)?;
            span = own;
            Some(session)
        })?;
        Some((connection, wire, span))
    }

    /// One of telemetry, which is no session of a worker's (CO-18).
    fn open_unheard(transport: Transport, shared: &'a Shared) -> Option<(Self, Wire)> {
        Self::with(transport, shared, |outbox| shared.hub.open_unheard(outbox))
    }

    fn with(
        transport: Transport,
        shared: &'a Shared,
        seat: impl FnOnce(Arc<Outbox>) -> Option<SessionId>,
    ) -> Option<(Self, Wire)> {
        let (tcp, tls) = transport.into_parts();
        let (reader, writer) = tcp.into_split();
        let outbox = Outbox::new(Some(writer), tls, &shared.limits, shared.hub.rooms());
        let session = seat(Arc::clone(&outbox))?;
        let wire = Wire::new(reader, Arc::clone(&outbox));
        let connection = Self {
            outbox,
            session,
            shared,
        };
        Some((connection, wire))
    }

    /// Reads what nobody wants, for as long as somebody is there. Nothing is lost with it, if it
    /// takes too much room.
    async fn swallow(self, wire: Wire, config: WebSocketConfig) {
        let limits = &self.shared.limits;
        let mut socket = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await;
        let mut pulse = Pulse::new(limits);
        loop {
            tokio::select! {
                biased;
                news = self.outbox.news() => match news {
                    News::Drained => {}
                    News::Broken | News::Overflowed(_) | News::Closing | News::ToClose(_) => return,
                },
                message = self.next(&mut socket) => match message {
                    Some(Ok(message)) => {
                        count(socket.get_mut(), &message);
                        pulse.heard();
                    }
                    Some(Err(_)) | None => {
                        let _ = timeout(limits.close_time_max, socket.get_ref().written()).await;
                        return socket.get_ref().end();
                    }
                },
                beat = pulse.beat() => match beat {
                    Beat::Alive => {}
                    Beat::Silent => self.shared.hub.ping(self.session),
                    Beat::Gone => return,
                },
            }
        }
    }

    /// The next message. While it is not whole, there has to be room for what has come of it.
    async fn next(&self, socket: &mut Socket) -> Option<Result<Message, Error>> {
        poll_fn(|cx| {
            let next = socket.poll_next_unpin(cx);
            if next.is_pending() {
                self.shared.hub.make_room_for_messages();
            }
            next
        })
        .await
    }

    async fn run(self, wire: Wire, config: WebSocketConfig) {
        let mut socket = WebSocketStream::from_raw_socket(wire, Role::Server, Some(config)).await;
        let end = self.exchange(&mut socket).await;
        // The session ends here, before the connection does (D-07).
        self.shared.hub.close(self.session);
        let closing = async {
            match end {
                End::Peer => answer_close(&mut socket).await,
                End::Engine(frame) => close(&mut socket, frame).await,
                End::Stuck | End::Silent => {}
            }
        };
        // A peer that does not answer is left to the operating system.
        let _ = timeout(self.shared.limits.close_time_max, closing).await;
        socket.get_ref().end();
    }

    /// Reads, and writes on where the peer had no room, so that neither waits for the other: a
    /// peer may be unable to read before what it writes has been taken. Only one that leaves too
    /// much unread of what it has asked for itself is not read from (D-28).
    async fn exchange(&self, socket: &mut Socket) -> End {
        let close_time_max = self.shared.limits.close_time_max;
        let last_moment = sleep(close_time_max);
        tokio::pin!(last_moment);
        let (mut readable, mut closing) = (true, false);
        let mut pulse = Pulse::new(&self.shared.limits);
        let (mut intake, mut unwritten) = (Intake::default(), Unwritten::default());
        let mut turn = Turn::new(&self.shared.crowd);
        loop {
            let paused = !self.outbox.reads_on();
            if paused {
                turn.end(false);
            }
            if paused || turn.is_waiting() {
                // Nothing that it says is heard meanwhile; what bounds this is the time for taking
                // nothing, or the turns of others.
                pulse.heard();
            }
            tokio::select! {
                // What has been answered is written before more is read, a Close frame above all.
                biased;
                news = self.outbox.news() => match news {
                    News::Broken => return End::Peer,
                    News::ToClose(frame) => return End::Engine(frame),
                    News::Closing => {
                        closing = true;
                        last_moment.as_mut().reset(Instant::now() + close_time_max);
                    }
                    News::Overflowed(with) => {
                        let session = self.session;
                        self.shared.hub.handle(Input::Overflowed { session, with });
                    }
                    News::Drained => {}
                },
                () = &mut last_moment, if closing => return End::Stuck,
                next = self.read(socket, &mut intake, &mut unwritten, &mut turn), if readable && !paused => {
                    pulse.heard();
                    match next {
                        Next::Rest | Next::More => {}
                        Next::Unreadable => readable = false,
                        Next::End => return End::Peer,
                    }
                }
                beat = pulse.beat(), if !closing => match beat {
                    Beat::Alive => {}
                    Beat::Silent => self.shared.hub.ping(self.session),
                    Beat::Gone => {
                        tracing::warn!("a worker has been silent for too long, and is given up");
                        return End::Silent;
                    }
                },
            }
        }
    }

    /// Hands to the machine what has come, at least one message, and then writes what that has
    /// caused, to whomever. Gives what there is to be read afterwards.
    async fn read(
        &self,
        socket: &mut Socket,
        intake: &mut Intake,
        unwritten: &mut Unwritten,
        turn: &mut Turn<'_>,
    ) -> Next {
        poll_fn(|cx| {
            if !self.outbox.reads_on() {
                return Poll::Ready(Next::Rest);
            }
            ready!(turn.poll_begin(cx));
            let may_have_more = intake.fill(socket, cx, TURN_FRAMES_MAX);
            if intake.is_empty() {
                self.shared.hub.make_room_for_messages();
                turn.end(false);
                return Poll::Pending;
            }
            let next = match self.take_in(intake, unwritten) {
                Next::More if intake.is_empty() && !may_have_more => Next::Rest,
                next => next,
            };
            turn.end(next == Next::More);
            unwritten.write();
            Poll::Ready(next)
        })
        .await
    }

    fn take_in(&self, intake: &mut Intake, unwritten: &mut Unwritten) -> Next {
        let Shared { hub, limits, .. } = self.shared;
        // Under the hub's lock: to wait for it is nobody's turn.
        let began: OnceCell<Instant> = OnceCell::new();
        let has_time = || began.get().is_none_or(|at| at.elapsed() <= TURN_TIME);
        // Once the engine has closed the session, its Close frame comes before all else.
        let goes_on = || !self.outbox.has_enough() && has_time();
        intake.handle(self.session, limits.frame_bytes_max, goes_on, |inputs| {
            let begins = |_: &Input<'_>| _ = began.get_or_init(Instant::now);
            hub.take_in(inputs.inspect(begins), unwritten);
        })
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.shared.hub.close(self.session);
        self.shared.ended.notify_one();
    }
}

/// Lets the reply to the peer's Close frame out.
async fn answer_close(socket: &mut Socket) {
    while let Some(Ok(_)) = socket.next().await {}
    let _ = socket.get_ref().written().await;
}

/// Sends a Close frame and reads on until the peer has closed as well.
async fn close(socket: &mut Socket, frame: CloseFrame) {
    if socket.close(Some(frame)).await.is_err() {
        // The peer's own has been read, and not been handled yet.
        return answer_close(socket).await;
    }
    while let Some(Ok(message)) = socket.next().await {
        if matches!(message, Message::Close(_)) {
            return;
        }
    }
    socket.get_ref().end();
    linger(socket.get_ref().tcp()).await;
}

/// Ends what is written, and reads on until the peer has ended as well: a connection that is
/// dropped with unread bytes is reset, and the peer may never see what was written last.
pub(crate) async fn linger(tcp: &TcpStream) {
    if SockRef::from(tcp).shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut scrap = vec![0; BUFFER_BYTES];
    while tcp.readable().await.is_ok() {
        match tcp.try_read(&mut scrap) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
