//! The world around one engine: who is there, what goes in, and what is owed to whom.

mod checks;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use benches::Counter;
use reference_core::{
    Effect, Environment, ExchangeId, HttpTriggerRequest, Input, Machine, Now, SessionId, Variable,
};
use serde_json::Value;
use uuid::Uuid;

use super::Counts;
use crate::peer::invoke;

/// The wall clock starts here, far from the monotonic one.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);
/// How much is remembered that a worker could still answer.
const REMEMBERED: usize = 64;
/// How many ticks the engine may ask for while nothing but time happens.
const TICKS_MAX: usize = 200_000;

/// A session that is there.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) worker_id: String,
    pub(super) token: String,
    pub(super) functions: BTreeSet<&'static str>,
    /// Those of the engine's own types: what others come to depends on their providers.
    triggers: BTreeSet<String>,
}

/// A trigger that its provider was told of.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) provider: SessionId,
    pub(super) id: String,
    pub(super) trigger_type: String,
    pub(super) function: String,
}

pub(super) struct World<M> {
    machine: M,
    pub(super) monotonic: Duration,
    /// How far the wall clock was set forwards.
    pub(super) set: Duration,
    ids: Counter,
    effects: Vec<Effect>,
    pub(super) live: Vec<(SessionId, Live)>,
    /// Sessions that have ended, with what they could prove themselves with.
    pub(super) gone: VecDeque<(SessionId, Live)>,
    sessions: u64,
    pub(super) calls: u64,
    exchanges: u64,
    /// Since when.
    owed_answers: HashMap<(SessionId, u64), Duration>,
    /// How often, and since when.
    owed_registrations: HashMap<(SessionId, String), (u32, Duration)>,
    /// Since when.
    owed_responses: Vec<(ExchangeId, Duration)>,
    stopping: bool,
    /// Calls that workers were handed, by the engine's ids.
    pub(super) handed: Vec<(SessionId, String)>,
    pub(super) announced: Vec<Announced>,
    /// Trigger types, with their providers.
    types: BTreeMap<&'static str, SessionId>,
    /// Requests that are under way to endpoints, and since when.
    pub(super) requests: Vec<(Uuid, Duration)>,
    /// Requests that have been given up.
    pub(super) given_up: Vec<Uuid>,
    /// The function that is just being registered.
    registering: Option<(SessionId, &'static str)>,
    /// What a list of the engine's own was answered with.
    listed: Option<Value>,
    page: Option<String>,
    pub(super) inputs: u64,
    pub(super) counts: Counts,
    hasher: DefaultHasher,
    pub(super) violation: Option<String>,
}

/// An environment with one variable.
struct Variables;

impl Environment for Variables {
    fn variable(&self, name: &str) -> Variable {
        match name {
            "TOKEN" => Variable::Value("t".to_owned()),
            _ => Variable::Missing,
        }
    }
}

impl<M: Machine> World<M> {
    pub(super) fn new(machine: M, digest: u64) -> Self {
        let mut hasher = DefaultHasher::new();
        digest.hash(&mut hasher);
        Self {
            machine,
            monotonic: Duration::ZERO,
            set: Duration::ZERO,
            ids: Counter::default(),
            effects: Vec::new(),
            live: Vec::new(),
            gone: VecDeque::new(),
            sessions: 0,
            calls: 0,
            exchanges: 0,
            owed_answers: HashMap::new(),
            owed_registrations: HashMap::new(),
            owed_responses: Vec::new(),
            stopping: false,
            handed: Vec::new(),
            announced: Vec::new(),
            types: BTreeMap::new(),
            requests: Vec::new(),
            given_up: Vec::new(),
            registering: None,
            listed: None,
            page: None,
            inputs: 0,
            counts: Counts::default(),
            hasher,
            violation: None,
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// Gives an input, and sees to it that what comes out may.
    pub(super) fn input(&mut self, input: Input<'_>) {
        self.inputs += 1;
        let now = Now {
            monotonic: self.monotonic,
            wall: EPOCH + self.monotonic + self.set,
        };
        let mut world = reference_core::World {
            now,
            ids: &mut self.ids,
            environment: &Variables,
        };
        let mut effects = std::mem::take(&mut self.effects);
        self.machine.handle(input, &mut world, &mut effects);
        for effect in effects.drain(..) {
            self.see(effect);
        }
        self.effects = effects;
    }

    /// Notes that something does not hold; only the first time is told.
    pub(super) fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub(super) fn connect(&mut self) -> SessionId {
        self.sessions += 1;
        self.counts.sessions += 1;
        let session = SessionId(self.sessions);
        self.live.push((session, Live::default()));
        self.input(Input::Connected { session });
        session
    }

    pub(super) fn disconnect(&mut self, session: SessionId) {
        self.forget(session);
        self.input(Input::Disconnected { session });
    }

    pub(super) fn send(&mut self, session: SessionId, frame: &str) {
        self.input(Input::Text { session, frame });
    }

    /// Calls, and wants an answer.
    pub(super) fn call(&mut self, session: SessionId, function: &str, data: &str) {
        let frame = invoke(&self.owe_answer(session), function, data);
        self.send(session, &frame);
    }

    /// An id for a call, to which there has to be one answer.
    pub(super) fn owe_answer(&mut self, session: SessionId) -> String {
        self.calls += 1;
        self.counts.calls += 1;
        self.owed_answers
            .insert((session, self.calls), self.monotonic);
        format!("c{}", self.calls)
    }

    /// A registration of a trigger is going to be answered.
    pub(super) fn owe_registration(&mut self, session: SessionId, id: &str) {
        let key = (session, id.to_owned());
        let since = self.monotonic;
        let owed = self.owed_registrations.entry(key).or_insert((0, since));
        owed.0 += 1;
    }

    pub(super) fn register_function(&mut self, by: SessionId, id: &'static str, frame: &str) {
        self.registering = Some((by, id));
        self.send(by, frame);
        // It is answered if it is refused.
        if self.registering.take().is_some()
            && let Some(session) = self.live_mut(by)
        {
            session.functions.insert(id);
        }
    }

    pub(super) fn unregister_function(&mut self, by: SessionId, id: &'static str) {
        if let Some(session) = self.live_mut(by) {
            session.functions.remove(id);
        }
        self.send(
            by,
            &format!(r#"{{"type":"unregisterfunction","id":"{id}"}}"#),
        );
    }

    pub(super) fn unregister_trigger(&mut self, by: SessionId, id: &str) {
        if let Some(session) = self.live_mut(by) {
            session.triggers.remove(id);
        }
        self.send(
            by,
            &format!(r#"{{"type":"unregistertrigger","id":"{id}"}}"#),
        );
    }

    pub(super) fn register_type(&mut self, by: SessionId, id: &'static str) {
        self.types.entry(id).or_insert(by);
        let frame = format!(r#"{{"type":"registertriggertype","id":"{id}"}}"#);
        self.send(by, &frame);
    }

    pub(super) fn unregister_type(&mut self, by: SessionId, id: &'static str) {
        if self.types.get(id) == Some(&by) {
            self.types.remove(id);
        }
        let frame = format!(r#"{{"type":"unregistertriggertype","id":"{id}"}}"#);
        self.send(by, &frame);
    }

    pub(super) fn request(&mut self, method: &str, target: &str, body: &[u8]) {
        self.exchanges += 1;
        self.counts.requests_in += 1;
        let exchange = ExchangeId(self.exchanges);
        self.owed_responses.push((exchange, self.monotonic));
        let request = HttpTriggerRequest {
            method,
            target,
            headers: &[
                ("host", b"localhost"),
                ("content-type", b"application/json"),
            ],
            body,
        };
        self.input(Input::HttpRequest { exchange, request });
    }

    /// Nobody waits any more for the newest request: an older one may be one that is lost.
    pub(super) fn abandon_newest(&mut self) -> Option<ExchangeId> {
        let newest = self.owed_responses.iter().map(|(id, _)| *id).max()?;
        self.owed_responses.retain(|(id, _)| *id != newest);
        Some(newest)
    }

    /// Lets time pass, from one deadline to the next.
    pub(super) fn wait(&mut self, duration: Duration) {
        let until = self.monotonic + duration;
        for _ in 0..TICKS_MAX {
            let next = self.machine.next_deadline().map(|it| it.at);
            match next.filter(|at| *at <= until) {
                Some(at) => {
                    self.monotonic = self.monotonic.max(at);
                    self.tick();
                }
                None => {
                    self.monotonic = until;
                    return self.tick();
                }
            }
            if self.violation.is_some() {
                return;
            }
        }
        self.violated("the engine asks for ticks without end".to_owned());
    }

    /// Ticks the engine if it wants to be.
    pub(super) fn tick_if_due(&mut self) {
        let deadline = self.machine.next_deadline();
        if deadline.is_some_and(|it| it.at <= self.monotonic) {
            self.tick();
        }
    }

    pub(super) fn tick(&mut self) {
        self.input(Input::Tick);
        let next = self.machine.next_deadline();
        if let Some(next) = next.filter(|it| it.at <= self.monotonic) {
            self.violated(format!("after a tick, {:?} is still due", next.reason));
        }
    }

    pub(super) fn unregister_triggers(&mut self) {
        for session in self.session_ids() {
            for id in super::steps::TRIGGERS {
                self.unregister_trigger(session, id);
            }
        }
    }

    pub(super) fn disconnect_all(&mut self) {
        for session in self.session_ids() {
            self.disconnect(session);
        }
    }

    pub(super) fn shut_down(&mut self) {
        self.stopping = true;
        self.input(Input::Shutdown);
        let left = self.live.len();
        if left > 0 {
            self.violated(format!("{left} sessions are not closed by a stop"));
        }
    }

    pub(super) fn session_ids(&self) -> Vec<SessionId> {
        self.live.iter().map(|(id, _)| *id).collect()
    }

    fn is_live(&self, session: SessionId) -> bool {
        self.live.iter().any(|(id, _)| *id == session)
    }

    fn live_mut(&mut self, session: SessionId) -> Option<&mut Live> {
        let mut live = self.live.iter_mut();
        live.find(|(id, _)| *id == session).map(|(_, it)| it)
    }

    /// A session has ended: nobody waits there any more.
    fn forget(&mut self, session: SessionId) {
        self.nothing_is_overdue();
        let Some(at) = self.live.iter().position(|(id, _)| *id == session) else {
            return;
        };
        let gone = self.live.remove(at);
        self.gone.push_back(gone);
        if self.gone.len() > REMEMBERED {
            self.gone.pop_front();
        }
        self.types.retain(|_, provider| *provider != session);
        self.owed_answers.retain(|(owner, _), _| *owner != session);
        self.owed_registrations
            .retain(|(owner, _), _| *owner != session);
    }
}
