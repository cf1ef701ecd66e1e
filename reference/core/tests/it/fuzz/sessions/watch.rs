//! What is seen of an engine, and what must follow from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reference_core::{
    Effect, ExchangeId, HttpOutcome, HttpTriggerRequest, Input, Machine, SessionId, Settings,
    wire::{Action, Message},
};
use uuid::Uuid;

use super::super::lab::Lab;

const PLACES: usize = 4;
/// A wait ends after so many ticks, since a schedule may ask for one each second.
const TICKS_MAX: usize = 10;

/// Tables of an engine that nobody is connected to, as it prints them.
const EMPTY: [&str; 8] = [
    "Sessions { live: {}, by_worker: {} }",
    "Functions { by_id: {} }",
    "TriggerTypes { provided: {}, triggers: {} }",
    "in_flight: {}, exchanges: {}",
    "root: Node { literals: {}, parameter: None, route: None }, waiting: {}, places: {}",
    "entries: {}, due: {}",
    "under_way: {}",
    "Timers { due: {}",
];
const EMPTY_WITHOUT_MESSAGES: [&str; 3] = ["by_name: {}", "subscriptions: {}", "subscribers: {}"];

/// Who was asked, and under which id.
type Asked = BTreeMap<(SessionId, String), usize>;

/// An engine under observation.
pub(super) struct Watch {
    lab: Lab,
    settings: Settings,
    places: [Option<SessionId>; PLACES],
    open: BTreeSet<SessionId>,
    sessions: u64,
    /// Of each session, what its greeting gave it.
    greetings: BTreeMap<SessionId, (String, String)>,
    /// Calls that have still to be answered.
    calls: Asked,
    /// Triggers whose registration has still to be answered.
    registrations: Asked,
    /// Each call that a worker was sent.
    sent_calls: Vec<(SessionId, String)>,
    call_ids: BTreeSet<String>,
    /// Each trigger that a provider was asked for: who, id, type and function.
    sent_triggers: Vec<(SessionId, [String; 3])>,
    requests: Vec<Uuid>,
    exchanges: Vec<ExchangeId>,
    last_exchange: u64,
}

impl Watch {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            lab: Lab::new(settings),
            settings,
            places: [None; PLACES],
            open: BTreeSet::new(),
            sessions: 0,
            greetings: BTreeMap::new(),
            calls: Asked::new(),
            registrations: Asked::new(),
            sent_calls: Vec::new(),
            call_ids: BTreeSet::new(),
            sent_triggers: Vec::new(),
            requests: Vec::new(),
            exchanges: Vec::new(),
            last_exchange: 0,
        }
    }

    /// Who is at a place.
    pub(super) fn session(&self, place: usize) -> Option<SessionId> {
        self.places[place % PLACES].filter(|session| self.open.contains(session))
    }

    /// Gives an input, and looks at all that comes of it.
    pub(super) fn input(&mut self, input: Input<'_>) {
        for effect in self.lab.input(input) {
            self.see(effect);
        }
    }

    fn see(&mut self, effect: Effect) {
        match effect {
            Effect::Send { session, frame } => {
                assert!(
                    self.open.contains(&session),
                    "is not there: {session:?}: {frame}"
                );
                let message = Message::decode(&frame);
                self.sent(session, message.unwrap_or_else(|e| panic!("{e}: {frame}")));
            }
            Effect::Close {
                session, reason, ..
            } => {
                assert!(self.open.contains(&session), "is not there: {session:?}");
                assert!(reason.len() <= 123);
                self.ended(session);
            }
            Effect::Request(request) => {
                assert!(self.call_ids.insert(request.call.to_string()));
                self.requests.push(request.call);
                assert!(self.requests.len() <= self.settings.requests_max);
            }
            Effect::CancelRequest { call } => {
                let place = self.requests.iter().position(|it| *it == call);
                self.requests
                    .remove(place.expect("a request that is under way"));
            }
            Effect::Respond { exchange, .. } => {
                let place = self.exchanges.iter().position(|it| *it == exchange);
                self.exchanges
                    .remove(place.expect("a request that waits for its answer"));
            }
            Effect::Report(event) => assert!(!event.kind.to_string().contains('\n')),
        }
    }

    fn sent(&mut self, session: SessionId, message: Message<'_>) {
        match message {
            Message::WorkerRegistered(frame) => {
                let token = frame.reattach_token.unwrap_or_default();
                let greeting = (frame.worker_id.into_owned(), token.into_owned());
                self.greetings.insert(session, greeting);
            }
            Message::InvokeFunction(frame) => {
                let id = frame
                    .invocation_id
                    .expect("a worker is told an id")
                    .into_owned();
                assert!(self.call_ids.insert(id.clone()), "twice: {id}");
                self.sent_calls.push((session, id));
            }
            Message::InvocationResult(frame) => {
                answered(&mut self.calls, session, &frame.invocation_id);
            }
            Message::TriggerRegistrationResult(frame) => {
                answered(&mut self.registrations, session, &frame.id);
            }
            Message::RegisterTrigger(frame) => {
                let trigger = [frame.id, frame.trigger_type, frame.function_id];
                let trigger = trigger.map(|it| it.into_owned());
                self.sent_triggers.push((session, trigger));
            }
            Message::UnregisterTrigger(_)
            | Message::FunctionRegistrationResult(_)
            | Message::TriggerTypeRegistrationResult(_)
            | Message::Error(_)
            | Message::Pong(_) => {}
            other => panic!("nobody is sent {other:?}"),
        }
    }

    /// Nobody is owed anything who has left.
    fn ended(&mut self, session: SessionId) {
        self.open.remove(&session);
        self.calls.retain(|(by, _), _| *by != session);
        self.registrations.retain(|(by, _), _| *by != session);
    }

    pub(super) fn connect(&mut self, place: usize) {
        if self.session(place).is_none() {
            self.sessions += 1;
            let session = SessionId(self.sessions);
            self.places[place % PLACES] = Some(session);
            self.open.insert(session);
            self.input(Input::Connected { session });
        }
    }

    pub(super) fn disconnect(&mut self, place: usize) {
        if let Some(session) = self.session(place) {
            self.ended(session);
            self.input(Input::Disconnected { session });
        }
    }

    pub(super) fn reattach(&mut self, newer: usize, older: usize, right: bool) {
        let older = self.places[older % PLACES].and_then(|it| self.greetings.get(&it));
        if let (Some(session), Some((worker, token))) = (self.session(newer), older) {
            let token = if right { token } else { worker };
            let frame = format!(
                r#"{{"type":"reattach","previous_worker_id":"{worker}","reattach_token":"{token}"}}"#
            );
            self.send(session, &frame);
        }
    }

    pub(super) fn send(&mut self, session: SessionId, frame: &str) {
        match Message::decode(frame) {
            Ok(Message::InvokeFunction(call)) => {
                let silent = matches!(call.action, Some(Action::Void));
                if let Some(id) = call.invocation_id.filter(|_| !silent) {
                    *self.calls.entry((session, id.into_owned())).or_default() += 1;
                }
            }
            Ok(Message::RegisterTrigger(trigger)) => {
                let id = (session, trigger.id.into_owned());
                *self.registrations.entry(id).or_default() += 1;
            }
            _ => {}
        }
        self.input(Input::Text { session, frame });
    }

    pub(super) fn answer_call(&mut self, nth_last: usize, by: Option<usize>, outcome: &str) {
        let Some((worker, id)) = nth_last_of(&self.sent_calls, nth_last).cloned() else {
            return;
        };
        let by = by.map_or(Some(worker), |place| self.session(place));
        if let Some(by) = by.filter(|by| self.open.contains(by)) {
            let frame = format!(r#"{{"type":"invocationresult","invocation_id":"{id}"{outcome}"#);
            self.send(by, &frame);
        }
    }

    pub(super) fn answer_trigger(&mut self, nth_last: usize, accept: bool) {
        let Some((provider, of)) = nth_last_of(&self.sent_triggers, nth_last).cloned() else {
            return;
        };
        if self.open.contains(&provider) {
            let [id, trigger_type, function_id] = of;
            let mut frame = serde_json::json!({
                "type": "triggerregistrationresult", "id": id,
                "trigger_type": trigger_type, "function_id": function_id,
            });
            if !accept {
                frame["error"] = serde_json::json!({"code": "no"});
            }
            self.send(provider, &frame.to_string());
        }
    }

    pub(super) fn end_request(&mut self, nth_last: usize, outcome: HttpOutcome<'_>) {
        if let Some(call) = nth_last_of(&self.requests, nth_last).copied() {
            self.requests.retain(|it| *it != call);
            self.input(Input::RequestEnded { call, outcome });
        }
    }

    pub(super) fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) {
        self.last_exchange += 1;
        let exchange = ExchangeId(self.last_exchange);
        self.exchanges.push(exchange);
        let request = HttpTriggerRequest {
            method,
            target,
            headers,
            body,
        };
        self.input(Input::HttpRequest { exchange, request });
    }

    pub(super) fn abandon(&mut self, nth_last: usize) {
        if let Some(exchange) = nth_last_of(&self.exchanges, nth_last).copied() {
            self.exchanges.retain(|it| *it != exchange);
            self.input(Input::HttpAbandoned { exchange });
        }
    }

    /// Time passes, from one deadline to the next.
    pub(super) fn wait(&mut self, time: Duration) {
        let until = self.lab.clock + time;
        for _ in 0..TICKS_MAX {
            let next = self.lab.engine.next_deadline().map_or(until, |it| it.at);
            self.tick(next.clamp(self.lab.clock, until));
            if self.lab.clock == until {
                return;
            }
        }
        self.tick(until);
    }

    fn tick(&mut self, at: Duration) {
        self.lab.clock = at;
        self.input(Input::Tick);
        let next = self.lab.engine.next_deadline();
        assert!(
            next.is_none_or(|next| next.at > at),
            "{next:?} is past {at:?}"
        );
    }

    pub(super) fn set_wall_clock(&mut self, seconds: u64) {
        self.lab.epoch = Duration::from_secs(1_600_000_000 + seconds);
        self.input(Input::Tick);
    }

    /// The engine is stopped: whoever waits is answered, and everybody is told to go.
    pub(super) fn stop(mut self) {
        let calls: Vec<_> = self.calls.keys().cloned().collect();
        let registrations: Vec<_> = self.registrations.keys().cloned().collect();
        // A session's end forgets what it is owed, so the answers are looked for before it.
        let effects = self.lab.input(Input::Shutdown);
        for effect in effects {
            if let Effect::Close { session, .. } = effect {
                let owed = |(by, _): &&(SessionId, String)| *by == session;
                for id in calls.iter().filter(owed) {
                    assert!(!self.calls.contains_key(id), "is not answered: {id:?}");
                }
                for id in registrations.iter().filter(owed) {
                    assert!(
                        !self.registrations.contains_key(id),
                        "is not answered: {id:?}"
                    );
                }
            }
            self.see(effect);
        }
        assert!(self.open.is_empty(), "are not closed: {:?}", self.open);
        self.check_nothing_is_left();
        assert_eq!(self.lab.engine.next_deadline(), None);
    }

    /// Everybody leaves, and endpoints answer what is under way.
    pub(super) fn leave(mut self) {
        for place in 0..PLACES {
            self.disconnect(place);
        }
        while !self.requests.is_empty() {
            let problem = "reset";
            self.end_request(0, HttpOutcome::Failed { problem });
        }
        assert!(self.open.is_empty());
        // By then a queue has looked for somebody once more.
        self.wait(Duration::from_secs(2));
        self.check_nothing_is_left();
    }

    /// Of all that sessions have brought.
    fn check_nothing_is_left(&self) {
        assert!(self.requests.is_empty(), "{:?}", self.requests);
        assert_eq!(self.exchanges, []);
        let engine = format!("{:?}", self.lab.engine);
        for empty in EMPTY {
            assert!(engine.contains(empty), "`{empty}` is not in {engine}");
        }
        // Only messages may wait for somebody who is to come.
        if engine.contains("MemoryStore { messages: {} }") {
            for empty in EMPTY_WITHOUT_MESSAGES {
                assert!(engine.contains(empty), "`{empty}` is not in {engine}");
            }
        }
    }
}

fn answered(asked: &mut Asked, session: SessionId, id: &str) {
    let key = (session, id.to_owned());
    let left = asked.get_mut(&key).map(|left| {
        *left -= 1;
        *left
    });
    match left {
        Some(0) => drop(asked.remove(&key)),
        Some(_) => {}
        None => panic!("is answered and has not asked: {key:?}"),
    }
}

fn nth_last_of<T>(all: &[T], nth_last: usize) -> Option<&T> {
    all.iter().rev().nth(nth_last)
}
