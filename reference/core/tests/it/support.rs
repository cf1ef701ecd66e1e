//! A laboratory: an engine with a simulated clock, countable ids and a settable environment.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Display,
    fs,
    path::PathBuf,
    time::Duration,
};

use reference_core::{
    CloseCode, Effect, Engine, Environment, EventKind, ExchangeId, HttpAnswer, HttpOutcome,
    HttpRequest, HttpTriggerRequest, IdSource, Input, Machine, Now, Overflow, SessionId, Settings,
    Unreadable, Variable, World,
};
use serde_json::{Value, json};
use uuid::Uuid;

/// The wall clock starts here, far from the monotonic one, so that a mix-up shows.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// An input that owns what it holds, to be given again to another engine.
#[derive(Clone, Debug)]
pub enum Step {
    Connected(SessionId),
    Text(SessionId, String),
    Binary(SessionId, Vec<u8>),
    Unreadable(SessionId, Unreadable<'static>),
    Overflowed(SessionId),
    Disconnected(SessionId),
    RequestEnded(Uuid, Ended),
    HttpRequest(ExchangeId, Asked),
    HttpAbandoned(ExchangeId),
    Tick,
    Shutdown,
}

/// A request for an http trigger.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub method: &'static str,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub enum Ended {
    Answer(u16, String),
    TooLarge(usize),
    Failed(String),
}

/// One entry of a lab's history: when, what went in, what came out.
#[derive(Clone, Debug)]
pub struct Record {
    pub at: Duration,
    pub step: Step,
    pub effects: Vec<Effect>,
}

#[derive(Default)]
pub struct Lab {
    pub engine: Engine,
    pub clock: Duration,
    /// How far the wall clock was set, in seconds.
    pub wall_set_s: i64,
    pub history: Vec<Record>,
    ids: Ids,
    environment: Variables,
    sessions: u64,
    sent: BTreeMap<SessionId, VecDeque<String>>,
    closed: Vec<(SessionId, CloseCode)>,
    /// Requests that are under way.
    pub requests: Vec<HttpRequest>,
    events: Vec<EventKind>,
    answers: BTreeMap<ExchangeId, HttpAnswer>,
    exchanges: u64,
}

#[derive(Default)]
struct Ids(u128);

impl IdSource for Ids {
    fn next_id(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

#[derive(Default)]
struct Variables(BTreeMap<String, Variable>);

impl Environment for Variables {
    fn variable(&self, name: &str) -> Variable {
        self.0.get(name).cloned().unwrap_or(Variable::Missing)
    }
}

impl Lab {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(settings: Settings) -> Self {
        Self {
            engine: Engine::new(settings),
            ..Self::default()
        }
    }

    pub fn set_variable(&mut self, name: &str, value: impl Into<Setting>) {
        self.environment.0.insert(name.to_owned(), value.into().0);
    }

    /// Gives one input and sorts its effects.
    pub fn input(&mut self, step: Step) {
        let mut world = World {
            now: Now {
                monotonic: self.clock,
                wall: self.wall(),
            },
            ids: &mut self.ids,
            environment: &self.environment,
        };
        let mut effects = Vec::new();
        step.give(|input| self.engine.handle(input, &mut world, &mut effects));
        for effect in effects.clone() {
            match effect {
                Effect::Send { session, frame } => {
                    self.sent.entry(session).or_default().push_back(frame);
                }
                Effect::Close { session, code, .. } => self.closed.push((session, code)),
                Effect::Request(request) => self.requests.push(*request),
                Effect::CancelRequest { call } => {
                    let under_way = self.requests.len();
                    self.requests.retain(|request| request.call != call);
                    assert_eq!(self.requests.len() + 1, under_way, "cancelled once");
                }
                Effect::Respond { exchange, answer } => {
                    let before = self.answers.insert(exchange, *answer);
                    assert_eq!(before, None, "answered once");
                }
                Effect::Report(event) => self.events.push(event.kind),
            }
        }
        let at = self.clock;
        self.history.push(Record { at, step, effects });
    }

    /// The time on the wall clock.
    pub fn wall(&self) -> Duration {
        let wall = EPOCH + self.clock;
        let set = Duration::from_secs(self.wall_set_s.unsigned_abs());
        if self.wall_set_s < 0 {
            wall.saturating_sub(set)
        } else {
            wall + set
        }
    }

    /// Makes a request for an http trigger; its answer comes out of [`Self::answer_to`].
    pub fn request(&mut self, asked: Asked) -> ExchangeId {
        self.exchanges += 1;
        let exchange = ExchangeId(self.exchanges);
        self.input(Step::HttpRequest(exchange, asked));
        exchange
    }

    /// The answer to a request, if it has one.
    pub fn answer_to(&self, exchange: ExchangeId) -> Option<&HttpAnswer> {
        self.answers.get(&exchange)
    }

    /// Ends the oldest request that is under way.
    pub fn end_request(&mut self, ended: Ended) {
        let request = self.requests.remove(0);
        self.input(Step::RequestEnded(request.call, ended));
    }

    /// An id that no session has had.
    pub fn next_session(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(self.sessions)
    }

    /// A new session, its greeting read.
    pub fn connect(&mut self) -> SessionId {
        self.connect_greeted().0
    }

    /// A new session with its greeting.
    pub fn connect_greeted(&mut self) -> (SessionId, Value) {
        let session = self.next_session();
        self.input(Step::Connected(session));
        let greeting = self.only_frame(session);
        assert_eq!(greeting["type"], "workerregistered");
        (session, greeting)
    }

    pub fn disconnect(&mut self, session: SessionId) {
        self.input(Step::Disconnected(session));
    }

    /// Sends a frame: JSON, or a text as it is.
    pub fn send(&mut self, session: SessionId, frame: impl Display) {
        self.input(Step::Text(session, frame.to_string()));
    }

    /// Sends a frame and takes its one answer.
    pub fn ask(&mut self, session: SessionId, frame: impl Display) -> Value {
        assert_eq!(self.texts(session), [""; 0], "unread before {frame}");
        self.send(session, frame);
        self.only_frame(session)
    }

    /// The texts sent to a session since it was last asked.
    pub fn texts(&mut self, session: SessionId) -> Vec<String> {
        self.sent.remove(&session).unwrap_or_default().into()
    }

    /// The frames sent to a session since it was last asked.
    pub fn frames(&mut self, session: SessionId) -> Vec<Value> {
        let texts = self.texts(session);
        texts.iter().map(|text| parse(text)).collect()
    }

    pub fn only_text(&mut self, session: SessionId) -> String {
        let mut texts = self.texts(session);
        assert_eq!(texts.len(), 1, "one frame expected: {texts:?}");
        texts.remove(0)
    }

    pub fn only_frame(&mut self, session: SessionId) -> Value {
        parse(&self.only_text(session))
    }

    /// The frames of one type that were sent to a session; others stay to be read.
    pub fn frames_of_type(&mut self, session: SessionId, kind: &str) -> Vec<Value> {
        let texts = self.texts(session).into_iter();
        let (wanted, others): (Vec<String>, Vec<String>) =
            texts.partition(|text| parse(text)["type"] == kind);
        self.sent.insert(session, others.into());
        wanted.iter().map(|text| parse(text)).collect()
    }

    /// Nothing was sent to this session.
    #[track_caller]
    pub fn assert_silent(&mut self, session: SessionId) {
        assert_eq!(self.texts(session), [""; 0]);
    }

    pub fn closes(&mut self) -> Vec<(SessionId, CloseCode)> {
        std::mem::take(&mut self.closed)
    }

    pub fn events(&mut self) -> Vec<EventKind> {
        std::mem::take(&mut self.events)
    }

    pub fn next_deadline(&self) -> Option<Duration> {
        self.engine.next_deadline().map(|deadline| deadline.at)
    }

    /// Sets the clock and tells the engine.
    pub fn tick_at(&mut self, at: Duration) {
        self.portion_at(at);
        let next = self.next_deadline();
        assert!(next.is_none_or(|next| next > at), "{next:?} is past {at:?}");
    }

    /// The same, where there may be more to do than one tick does.
    pub fn portion_at(&mut self, at: Duration) {
        self.clock = at;
        self.input(Step::Tick);
    }

    /// Lets time pass, from one deadline to the next.
    pub fn advance(&mut self, duration: Duration) {
        let until = self.clock + duration;
        for _ in 0..10_000 {
            match self.next_deadline().filter(|at| *at <= until) {
                Some(at) => self.tick_at(at),
                None => return self.tick_at(until),
            }
        }
        panic!("the engine asks for ticks without end");
    }

    /// Sends a frame that has no answer.
    pub fn quietly(&mut self, session: SessionId, frame: impl Display) {
        self.send(session, &frame);
        assert_eq!(self.texts(session), [""; 0], "answered: {frame}");
    }

    /// Registers a function that its worker serves.
    pub fn function(&mut self, session: SessionId, id: &str) {
        self.quietly(session, register_function(id));
    }

    /// Makes a session the provider of a trigger type.
    pub fn trigger_type(&mut self, session: SessionId, id: &str) {
        self.quietly(
            session,
            json!({"type": "registertriggertype", "id": id, "description": "of a test"}),
        );
    }

    /// Whether a function can be called at present. The callee, if any, is sent the call.
    pub fn serves(&mut self, function_id: &str) -> bool {
        let caller = self.connect();
        self.send(caller, invoke("probe", function_id));
        let refused = self.frames(caller);
        self.disconnect(caller);
        match refused.as_slice() {
            [] => true,
            [frame] => {
                assert_eq!(frame["error"]["code"], "function_not_found");
                false
            }
            more => panic!("{more:?}"),
        }
    }
}

impl Step {
    pub fn give(&self, handle: impl FnOnce(Input<'_>)) {
        let input = match *self {
            Self::Connected(session) => Input::Connected { session },
            Self::Text(session, ref frame) => Input::Text { session, frame },
            Self::Binary(session, ref frame) => Input::Binary { session, frame },
            Self::Unreadable(session, reason) => Input::Unreadable { session, reason },
            Self::Overflowed(session) => Input::Overflowed {
                session,
                with: Overflow::Unread,
            },
            Self::Disconnected(session) => Input::Disconnected { session },
            Self::RequestEnded(call, ref ended) => Input::RequestEnded {
                call,
                outcome: ended.as_outcome(),
            },
            Self::HttpRequest(exchange, ref asked) => {
                let headers = asked.headers.iter();
                let headers: Vec<(&str, &[u8])> = headers
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
                    .collect();
                let request = HttpTriggerRequest {
                    method: asked.method,
                    target: &asked.target,
                    headers: &headers,
                    body: &asked.body,
                };
                return handle(Input::HttpRequest { exchange, request });
            }
            Self::HttpAbandoned(exchange) => Input::HttpAbandoned { exchange },
            Self::Tick => Input::Tick,
            Self::Shutdown => Input::Shutdown,
        };
        handle(input);
    }
}

impl Ended {
    fn as_outcome(&self) -> HttpOutcome<'_> {
        match self {
            Self::Answer(status, body) => HttpOutcome::Answer {
                status: *status,
                body: body.as_bytes(),
            },
            Self::TooLarge(bytes_max) => HttpOutcome::TooLarge {
                bytes_max: *bytes_max,
            },
            Self::Failed(problem) => HttpOutcome::Failed { problem },
        }
    }
}

/// What an environment variable is set to.
pub struct Setting(Variable);

impl From<&str> for Setting {
    fn from(value: &str) -> Self {
        Self(Variable::Value(value.to_owned()))
    }
}

impl From<Variable> for Setting {
    fn from(value: Variable) -> Self {
        Self(value)
    }
}

pub const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A file below `fixtures`.
pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(path)
}

pub fn read_fixture(path: &str) -> String {
    let path = fixture(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn register_function(id: &str) -> Value {
    json!({"type": "registerfunction", "id": id})
}

pub fn register_trigger(id: &str, trigger_type: &str, function_id: &str, config: Value) -> Value {
    json!({
        "type": "registertrigger", "id": id,
        "trigger_type": trigger_type, "function_id": function_id, "config": config,
    })
}

/// The answer to a [`register_trigger`], a success.
pub fn registered(id: &str, trigger_type: &str, function_id: &str) -> Value {
    json!({
        "type": "triggerregistrationresult", "id": id,
        "trigger_type": trigger_type, "function_id": function_id,
    })
}

/// The answer to a [`register_trigger`], a failure.
pub fn refused(id: &str, trigger_type: &str, function_id: &str, error: Value) -> Value {
    let mut result = registered(id, trigger_type, function_id);
    result["error"] = error;
    result
}

pub fn unregister(what: &str, id: &str) -> Value {
    json!({"type": format!("unregister{what}"), "id": id})
}

pub fn invoke(invocation_id: &str, function_id: &str) -> Value {
    json!({
        "type": "invokefunction", "invocation_id": invocation_id,
        "function_id": function_id, "data": {},
    })
}

/// A worker's answer to a call that it was sent.
pub fn answer(call: &Value, result: Value) -> Value {
    json!({
        "type": "invocationresult", "invocation_id": call["invocation_id"],
        "function_id": call["function_id"], "result": result,
    })
}
