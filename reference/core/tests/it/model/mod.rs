//! What the specification lets an engine send, as a model that is told every input and shown
//! every frame. Where the documents leave freedom it holds a set: who serves a call, which of
//! two faults is reported, under which new id a provider is sent a trigger.

mod triggers;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reference_core::SessionId;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::seconds;

const CALL_TIMEOUT: Duration = seconds(30);

/// A trigger's name in the whole engine.
type Key = (SessionId, String);

/// A frame that must be sent now.
#[derive(Debug)]
enum Expected {
    /// One of these; `"*"` stands for any string.
    Frame(SessionId, Vec<Value>),
    /// A call, to any one of these.
    Call(BTreeSet<SessionId>, Call),
    /// A trigger, to the provider of its type.
    Announcement(SessionId, Key),
}

/// A call that was sent to a worker.
#[derive(Clone, Debug)]
pub struct Call {
    pub function: String,
    pub caller: SessionId,
    /// The caller's id, if it wants an answer.
    pub wants: Option<String>,
    pub worker: SessionId,
    /// As the worker was sent it.
    pub id: String,
    ends: Duration,
    open: bool,
    /// Until when it counts with its worker, which has not answered it in time (D-28).
    late: Option<Duration>,
}

/// A trigger that was sent to a provider.
#[derive(Clone, Debug)]
pub struct Announcement {
    pub provider: SessionId,
    pub id: String,
    pub trigger_type: String,
    pub function: String,
}

#[derive(Debug)]
struct Trigger {
    trigger_type: String,
    function: String,
    config: Value,
    /// Its id at the provider, if there is one.
    provider_id: Option<String>,
    awaited: Option<Awaited>,
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    until: Duration,
    /// Not when the type has come back.
    registrar_waits: bool,
}

#[derive(Debug)]
struct Provided {
    provider: SessionId,
    /// Ids in use there; those given up stay in use, without a trigger, until they are answered.
    taken: BTreeMap<String, Option<Key>>,
}

#[derive(Debug, Default)]
pub struct Model {
    pub now: Duration,
    live: BTreeSet<SessionId>,
    functions: BTreeSet<(SessionId, String)>,
    triggers: BTreeMap<Key, Trigger>,
    types: BTreeMap<String, Provided>,
    /// Ids that a session has still to answer for, by the type that it gave up meanwhile.
    owed: BTreeMap<(SessionId, String), BTreeSet<String>>,
    /// Those that were given up before their time, which may still wait for the provider (D-28):
    /// by provider, type and id, until when.
    in_vain: BTreeMap<(SessionId, String, String), Duration>,
    pub calls: Vec<Call>,
    pub announcements: Vec<Announcement>,
    expected: Vec<Expected>,
}

impl Model {
    pub fn connected(&mut self, session: SessionId) {
        self.live.insert(session);
        let greeting = json!({"type": "workerregistered", "worker_id": "*", "reattach_token": "*"});
        self.expect(session, [greeting]);
    }

    pub fn ended(&mut self, session: SessionId) {
        self.live.remove(&session);
        self.functions.retain(|(owner, _)| *owner != session);
        let own: Vec<Key> = self.triggers.keys().cloned().collect();
        for key in own.iter().filter(|(owner, _)| *owner == session) {
            self.take_trigger(key);
        }
        let types = self.types.iter();
        let types: Vec<String> = types
            .filter(|(_, provided)| provided.provider == session)
            .map(|(id, _)| id.clone())
            .collect();
        for id in types {
            self.withdraw_type(&id);
        }
        self.fail_calls("invocation_stopped", |call| call.worker == session);
        for call in self.calls.iter_mut().filter(|it| it.worker == session) {
            call.late = None;
        }
        self.in_vain
            .retain(|(provider, ..), _| *provider != session);
    }

    pub fn ticked(&mut self, now: Duration) {
        self.now = now;
        for call in &mut self.calls {
            if call.open && call.ends <= now {
                call.late = Some(now + CALL_TIMEOUT);
            }
            call.late = call.late.filter(|until| *until > now);
        }
        self.in_vain.retain(|_, until| *until > now);
        self.fail_calls("timeout", |call| call.ends <= now);
        let due = |trigger: &Trigger| trigger.awaited.is_some_and(|it| it.until <= now);
        let due: Vec<Key> = self
            .triggers
            .iter()
            .filter(|(_, trigger)| due(trigger))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.end_awaited(&key, "trigger_registration_timeout");
        }
    }

    /// When the next thing happens without anybody's doing.
    pub fn next_deadline(&self) -> Option<Duration> {
        let calls = self.calls.iter().filter(|call| call.open);
        let awaited = self.triggers.values().filter_map(|it| it.awaited);
        calls
            .map(|call| call.ends)
            .chain(awaited.map(|it| it.until))
            .chain(self.calls.iter().filter_map(|call| call.late))
            .chain(self.in_vain.values().copied())
            .min()
    }

    pub fn ping(&mut self, session: SessionId) {
        self.expect(session, [json!({"type": "pong"})]);
    }

    pub fn bad_frame(&mut self, session: SessionId) {
        let error = json!({"code": "invalid_message", "message": "*"});
        self.expect(session, [json!({"type": "error", "error": error})]);
    }

    /// RF-01, RF-08, RF-09, D-01: of two faults, either may be told.
    pub fn register_function(&mut self, session: SessionId, id: &str, variable_is_missing: bool) {
        let mut faults = Vec::new();
        if self.functions.contains(&(session, id.to_owned())) {
            let message = format!("A function with ID '{id}' is already registered");
            faults.push(json!({"code": "duplicate_function_id", "message": message}));
        }
        if variable_is_missing {
            faults.push(json!({"code": "missing_env_var", "message": "*"}));
        }
        if faults.is_empty() {
            self.functions.insert((session, id.to_owned()));
        } else {
            let answer =
                |error| json!({"type": "functionregistrationresult", "id": id, "error": error});
            self.expect(session, faults.into_iter().map(answer));
        }
    }

    pub fn unregister_function(&mut self, session: SessionId, id: &str) {
        self.functions.remove(&(session, id.to_owned()));
    }

    /// CO-09, CO-10, CO-12, D-03.
    pub fn invoke(&mut self, caller: SessionId, function: &str, wants: Option<&str>) {
        let call = Call {
            function: function.to_owned(),
            caller,
            wants: wants.map(str::to_owned),
            worker: caller,
            id: String::new(),
            ends: self.now + CALL_TIMEOUT,
            open: true,
            late: None,
        };
        let workers = self.workers_of(function);
        if workers.is_empty() {
            self.fail_call(&call, "function_not_found");
        } else {
            self.expected.push(Expected::Call(workers, call));
        }
    }

    /// CO-11, D-15: only the first answer of the session that was sent the call counts.
    pub fn answer_call(&mut self, session: SessionId, id: &str, outcome: &Value) {
        let mut calls = self.calls.iter_mut();
        let call = calls.find(|call| call.id == id && call.worker == session);
        let Some(call) = call else { return };
        call.late = None;
        if !call.open {
            return;
        }
        call.open = false;
        let call = call.clone();
        if let Some(wants) = &call.wants {
            let mut result = json!({
                "type": "invocationresult", "invocation_id": wants, "function_id": call.function,
            });
            let fields = outcome.as_object().unwrap();
            if fields.is_empty() {
                result["result"] = Value::Null;
            }
            result.as_object_mut().unwrap().extend(fields.clone());
            self.expect(call.caller, [result]);
        }
    }

    fn workers_of(&self, function: &str) -> BTreeSet<SessionId> {
        let serving = self.functions.iter().filter(|(_, id)| id == function);
        serving.map(|(session, _)| *session).collect()
    }

    fn fail_calls(&mut self, code: &str, which: impl Fn(&Call) -> bool) {
        let mut failed = Vec::new();
        for call in self
            .calls
            .iter_mut()
            .filter(|call| call.open && which(call))
        {
            call.open = false;
            failed.push(call.clone());
        }
        for call in failed {
            self.fail_call(&call, code);
        }
    }

    fn fail_call(&mut self, call: &Call, code: &str) {
        if let Some(wants) = &call.wants {
            let result = json!({
                "type": "invocationresult", "invocation_id": wants, "function_id": call.function,
                "error": {"code": code, "message": "*"},
            });
            self.expect(call.caller, [result]);
        }
    }

    fn expect(&mut self, session: SessionId, any_of: impl IntoIterator<Item = Value>) {
        if self.live.contains(&session) {
            let any_of = any_of.into_iter().collect();
            self.expected.push(Expected::Frame(session, any_of));
        }
    }

    /// Compares what was sent with what had to be sent: nothing more, nothing less, nobody else.
    pub fn observe(&mut self, sent: &[(SessionId, Value)]) {
        for (session, frame) in sent {
            let mut expected = self.expected.iter();
            let place = expected.position(|it| self.fits(it, *session, frame));
            let place = place.unwrap_or_else(|| {
                panic!(
                    "sent to {session:?}: {frame}\nof what may be sent: {:#?}",
                    self.expected
                )
            });
            let met = self.expected.remove(place);
            self.bind(met, *session, frame);
        }
        assert!(self.expected.is_empty(), "not sent: {:#?}", self.expected);
    }

    fn fits(&self, expected: &Expected, session: SessionId, frame: &Value) -> bool {
        match expected {
            Expected::Frame(to, any_of) => {
                *to == session && any_of.iter().any(|pattern| matches(pattern, frame))
            }
            Expected::Call(workers, call) => {
                let pattern = json!({
                    "type": "invokefunction", "invocation_id": "*",
                    "function_id": call.function, "data": {},
                });
                workers.contains(&session) && matches(&pattern, frame) && {
                    let id = frame["invocation_id"].as_str().unwrap();
                    Uuid::try_parse(id).is_ok() && self.calls.iter().all(|call| call.id != id)
                }
            }
            Expected::Announcement(provider, key) => {
                let trigger = &self.triggers[key];
                let pattern = json!({
                    "type": "registertrigger", "id": "*", "trigger_type": trigger.trigger_type,
                    "function_id": trigger.function, "config": trigger.config,
                });
                *provider == session && matches(&pattern, frame) && {
                    let id = frame["id"].as_str().unwrap();
                    let taken = &self.types[&trigger.trigger_type].taken;
                    let alias = id.strip_prefix(&format!("{}@", key.1));
                    let is_alias = alias.is_some_and(|uuid| Uuid::try_parse(uuid).is_ok());
                    match taken.contains_key(&key.1) {
                        true => is_alias && !taken.contains_key(id),
                        false => id == key.1,
                    }
                }
            }
        }
    }

    /// Notes what the engine was free to choose.
    fn bind(&mut self, met: Expected, session: SessionId, frame: &Value) {
        let text = |field: &str| frame[field].as_str().unwrap().to_owned();
        match met {
            Expected::Frame(..) => {}
            Expected::Call(_, call) => self.calls.push(Call {
                worker: session,
                id: text("invocation_id"),
                ..call
            }),
            Expected::Announcement(provider, key) => {
                let trigger = self.triggers.get_mut(&key).unwrap();
                trigger.provider_id = Some(text("id"));
                let provided = self.types.get_mut(&trigger.trigger_type).unwrap();
                provided.taken.insert(text("id"), Some(key));
                self.announcements.push(Announcement {
                    provider,
                    id: text("id"),
                    trigger_type: text("trigger_type"),
                    function: text("function_id"),
                });
            }
        }
    }

    /// What is under way: empty after a long enough time.
    pub fn unfinished(&self) -> usize {
        let calls = self.calls.iter().filter(|call| call.open).count();
        calls
            + self
                .triggers
                .values()
                .filter(|it| it.awaited.is_some())
                .count()
    }

    /// The ids of a session's functions and triggers, for a look at the engine's own lists.
    pub fn functions_of(&self, session: SessionId) -> Vec<&str> {
        let own = self.functions.iter().filter(|(owner, _)| *owner == session);
        own.map(|(_, id)| &**id).collect()
    }

    pub fn trigger_ids(&self) -> Vec<(SessionId, &str)> {
        let keys = self.triggers.keys();
        keys.map(|(session, id)| (*session, &**id)).collect()
    }

    pub fn type_ids(&self) -> Vec<&str> {
        self.types.keys().map(|id| &**id).collect()
    }
}

/// Equality, where the pattern's `"*"` is any string that is not empty.
fn matches(pattern: &Value, frame: &Value) -> bool {
    match (pattern, frame) {
        (Value::String(any), Value::String(text)) if any == "*" => !text.is_empty(),
        (Value::Object(pattern), Value::Object(frame)) => {
            pattern.len() == frame.len()
                && pattern.iter().all(|(key, pattern)| {
                    frame.get(key).is_some_and(|value| matches(pattern, value))
                })
        }
        _ => pattern == frame,
    }
}
