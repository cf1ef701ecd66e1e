//! The machine behind a short lock: inputs in, effects out to the sessions' outboxes.
//!
//! The lock is held while what has come at one time is handled and its frames are queued, which
//! keeps the order of frames across sessions; never across I/O: they are written when it is free
//! again.

mod exchange;
mod log;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use reference_core::{
    Effect, Environment, ExchangeId, HttpAnswer, HttpRequest, Input, Machine, Now, SessionId, World,
};
use tokio::{
    sync::{Notify, oneshot},
    task::{AbortHandle, JoinSet, yield_now},
};
use tracing::Span;
use uuid::Uuid;

pub(crate) use self::exchange::Exchange;
use self::log::{Line, Log};
use crate::{
    outbound::{Outbound, Outcome},
    outbox::{Outbox, Room, Rooms, Unwritten},
    world::{Clock, RandomIds},
};

/// How soon it is noticed that the wall clock was set, or that the machine was asleep: timers
/// stand still meanwhile.
const WALL_CLOCK_WATCH: Duration = Duration::from_secs(1);
/// How many effects of an input there is always room for.
const EFFECTS_ROOM: usize = 1_024;

pub(crate) struct Hub {
    /// Itself, for the requests that come back to it.
    own: Weak<Self>,
    outbound: Arc<Outbound>,
    state: Mutex<State>,
    clock: Box<dyn Clock>,
    /// Rung when a deadline comes earlier than the one that is waited for.
    earlier: Notify,
    /// What sessions share.
    rooms: Arc<Rooms>,
}

struct State {
    machine: Box<dyn Machine + Send>,
    environment: Box<dyn Environment + Send>,
    outboxes: HashMap<SessionId, Arc<Outbox>>,
    sessions_begun: u64,
    effects: Vec<Effect>,
    exchanges_begun: u64,
    /// Where the answers to HTTP requests go.
    exchanges: HashMap<ExchangeId, oneshot::Sender<HttpAnswer>>,
    /// When the next tick is to come.
    armed: Option<Duration>,
    stopped: bool,
    /// The requests that are under way.
    requests: HashMap<Uuid, AbortHandle>,
    log: Log,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

impl Hub {
    pub(crate) fn new(
        machine: Box<dyn Machine + Send>,
        environment: Box<dyn Environment + Send>,
        clock: Box<dyn Clock>,
        outbound: Outbound,
        rooms: Rooms,
    ) -> Arc<Self> {
        Arc::new_cyclic(|own| Self {
            own: Weak::clone(own),
            outbound: Arc::new(outbound),
            state: Mutex::new(State {
                machine,
                environment,
                outboxes: HashMap::new(),
                sessions_begun: 0,
                effects: Vec::new(),
                exchanges_begun: 0,
                exchanges: HashMap::new(),
                armed: None,
                stopped: false,
                requests: HashMap::new(),
                log: Log::default(),
            }),
            clock,
            earlier: Notify::new(),
            rooms: Arc::new(rooms),
        })
    }

    /// What sessions share.
    pub(crate) fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// Gives up the sessions of whose messages the most has come, while too much has of messages
    /// that are not whole (D-28).
    pub(crate) fn make_room_for_messages(&self) {
        let room = &self.rooms.unfinished;
        if room.is_exceeded() {
            let size = Outbox::unfinished_bytes;
            self.lock()
                .make_room(room, size, Outbox::give_up_unfinished);
        }
    }

    /// Begins a session, unless the engine is stopping; what the machine sends it goes to the
    /// outbox. What is logged about the session belongs in its span.
    pub(crate) fn open(&self, outbox: Arc<Outbox>) -> Option<(SessionId, Span)> {
        let mut state = self.lock();
        let session = state.seat(outbox)?;
        let connected = Input::Connected { session };
        let span = self.queue_up(state, [connected], &mut Unwritten::default());
        Some((session, span.unwrap_or_else(Span::none)))
    }

    /// Begins a session that the machine is not told of: what comes is heard by nobody, and only
    /// takes room (CO-18).
    pub(crate) fn open_unheard(&self, outbox: Arc<Outbox>) -> Option<SessionId> {
        self.lock().seat(outbox)
    }

    /// Ends a session for good.
    pub(crate) fn close(&self, session: SessionId) {
        let mut state = self.lock();
        if let Some(outbox) = state.outboxes.remove(&session) {
            outbox.leave();
        }
        self.carry_out(state, Input::Disconnected { session });
    }

    /// Asks a session whether it is still there (D-30).
    pub(crate) fn ping(&self, session: SessionId) {
        // The lock is free again before anything is written.
        let outbox = self.lock().outboxes.get(&session).map(Arc::clone);
        if let Some(outbox) = outbox {
            outbox.ping();
            outbox.write();
        }
    }

    /// Answers every call in flight, closes every session, and opens no more (D-23).
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        self.carry_out(state, Input::Shutdown);
    }

    pub(crate) fn handle(&self, input: Input<'_>) {
        self.carry_out(self.lock(), input);
    }

    /// Likewise for some that have come together, but for what is to be written, which waits for
    /// more of its kind.
    pub(crate) fn take_in<'i>(
        &self,
        inputs: impl IntoIterator<Item = Input<'i>>,
        unwritten: &mut Unwritten,
    ) {
        self.queue_up(self.lock(), inputs, unwritten);
    }

    /// Makes a request beside everything else; what comes of it comes back as an input.
    fn start(&self, request: HttpRequest) -> AbortHandle {
        let (hub, outbound) = (Weak::clone(&self.own), Arc::clone(&self.outbound));
        let call = request.call;
        let task = tokio::spawn(async move {
            // In a task of its own, so that even a fault of a library's is an outcome; it goes
            // when this one is aborted.
            let mut attempt = JoinSet::new();
            attempt.spawn(async move { outbound.perform(request).await });
            let outcome = match attempt.join_next().await {
                Some(Ok(outcome)) => outcome,
                Some(Err(_)) | None => Outcome::Failed {
                    problem: "a fault of the engine's own".to_owned(),
                },
            };
            if let Some(hub) = hub.upgrade() {
                let mut state = hub.lock();
                state.requests.remove(&call);
                let outcome = outcome.as_input();
                hub.carry_out(state, Input::RequestEnded { call, outcome });
            }
        });
        task.abort_handle()
    }

    fn carry_out(&self, state: MutexGuard<'_, State>, input: Input<'_>) {
        // It is written when this is dropped.
        self.queue_up(state, [input], &mut Unwritten::default());
    }

    /// Handles inputs that have come at one time. Gives the span of the session that has begun,
    /// if one has.
    fn queue_up<'i>(
        &self,
        mut state: MutexGuard<'_, State>,
        inputs: impl IntoIterator<Item = Input<'i>>,
        unwritten: &mut Unwritten,
    ) -> Option<Span> {
        let now = self.clock.now();
        let mut lines = Vec::new();
        for input in inputs {
            state.carry_out(input, now, self, unwritten, &mut lines);
            let room = &self.rooms.unread;
            if room.is_exceeded() {
                state.make_room(room, Outbox::unread_bytes, Outbox::give_up_unread);
            }
        }
        let next = state.next_tick(now);
        let earlier = next.is_some_and(|at| state.armed.is_none_or(|armed| at < armed));
        if earlier {
            state.armed = next;
        }
        drop(state);
        if earlier {
            self.earlier.notify_one();
        }
        let begun = lines.iter().find_map(Line::begins).cloned();
        for line in lines {
            line.write();
        }
        begun
    }

    /// Ticks the machine at its deadlines, for ever.
    pub(crate) async fn keep_time(&self) {
        loop {
            let now = self.clock.now();
            let next = {
                let mut state = self.lock();
                state.armed = state.next_tick(now);
                state.armed
            };
            let Some(at) = next else {
                self.earlier.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep(at.saturating_sub(now.monotonic)) => {
                    self.handle(Input::Tick);
                    // There may be more that is due; others have their turn before it.
                    yield_now().await;
                }
                () = self.earlier.notified() => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A session of that outbox, unless the engine is stopping.
    fn seat(&mut self, outbox: Arc<Outbox>) -> Option<SessionId> {
        if self.stopped {
            return None;
        }
        self.sessions_begun += 1;
        let session = SessionId(self.sessions_begun);
        self.outboxes.insert(session, outbox);
        Some(session)
    }

    /// Handles one input and carries out its effects, but for the lines of the log.
    fn carry_out(
        &mut self,
        input: Input<'_>,
        now: Now,
        hub: &Hub,
        unwritten: &mut Unwritten,
        lines: &mut Vec<Line>,
    ) {
        let mut world = World {
            now,
            ids: &mut RandomIds,
            environment: &*self.environment,
        };
        self.machine.handle(input, &mut world, &mut self.effects);
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Send { session, frame } => {
                    if let Some(outbox) = self.outboxes.get(&session) {
                        outbox.push(frame);
                        unwritten.add(outbox);
                    }
                }
                Effect::Close {
                    session,
                    code,
                    reason,
                } => {
                    if let Some(outbox) = self.outboxes.remove(&session) {
                        outbox.close(code, reason);
                    }
                }
                Effect::Request(request) => {
                    self.requests.insert(request.call, hub.start(*request));
                }
                Effect::CancelRequest { call } => {
                    if let Some(request) = self.requests.remove(&call) {
                        request.abort();
                    }
                }
                Effect::Respond { exchange, answer } => {
                    if let Some(promise) = self.exchanges.remove(&exchange) {
                        // Fails only if whoever asked has just left.
                        let _ = promise.send(*answer);
                    }
                }
                Effect::Report(event) => lines.extend(self.log.line(event)),
            }
        }
        // The end of a session may have had many, and leaves no room behind.
        self.effects.shrink_to(EFFECTS_ROOM);
    }

    /// Gives up the sessions for which the most is held, until no more is than may be (D-28).
    fn make_room(&self, room: &Room, size: fn(&Outbox) -> usize, give_up: fn(&Outbox)) {
        while room.is_exceeded() {
            let sizes = self.outboxes.values().map(|it| (size(it), it));
            match sizes.max_by_key(|(bytes, _)| *bytes) {
                Some((1.., outbox)) => give_up(outbox),
                _ => return,
            }
        }
    }

    /// On the monotonic clock.
    fn next_tick(&self, now: Now) -> Option<Duration> {
        let deadline = self.machine.next_deadline()?;
        let look = now.monotonic.saturating_add(WALL_CLOCK_WATCH);
        Some(match deadline.watches_wall_clock {
            true => deadline.at.min(look),
            false => deadline.at,
        })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for request in self.requests.values() {
            request.abort();
        }
    }
}
