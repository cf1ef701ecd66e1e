//! Random histories of several sessions, each compared with the model, step by step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::select, strategy::Union, test_runner::Config};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use reference_core::{Effect, SessionId};
use serde_json::{Value, json};

use crate::{
    model::Model,
    support::{Lab, Record, Step, parse, register_trigger, registered, seconds, unregister},
};

const SLOTS: usize = 4;
const FUNCTIONS: [&str; 3] = ["f", "g", "h"];
const TRIGGERS: [&str; 3] = ["t", "u", "t@v"];
/// The first is the engine's own.
const TYPES: [&str; 4] = ["http", "blob", "file", "none"];

/// A place for a session: at most one at a time is in it.
type Slot = usize;

#[derive(Clone, Debug)]
enum Transition {
    Connect(Slot),
    Disconnect(Slot),
    Reattach {
        newer: Slot,
        older: Slot,
        right_token: bool,
    },
    RegisterFunction {
        by: Slot,
        id: &'static str,
        variable_is_missing: bool,
    },
    UnregisterFunction {
        by: Slot,
        id: &'static str,
    },
    RegisterTrigger {
        by: Slot,
        id: &'static str,
        trigger_type: &'static str,
        function: &'static str,
        config_is_good: bool,
    },
    UnregisterTrigger {
        by: Slot,
        id: &'static str,
    },
    RegisterType {
        by: Slot,
        id: &'static str,
    },
    UnregisterType {
        by: Slot,
        id: &'static str,
    },
    /// Answers the trigger announced so many before the last; without `by`, from its provider.
    AnswerTrigger {
        nth_last: usize,
        by: Option<Slot>,
        accept: bool,
    },
    Invoke {
        by: Slot,
        function: &'static str,
        wish: Wish,
    },
    /// Answers the call made so many before the last; without `by`, from its worker.
    AnswerCall {
        nth_last: usize,
        by: Option<Slot>,
        outcome: Outcome,
    },
    Ping(Slot),
    BadFrame(Slot, &'static str),
    /// So many seconds pass.
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum Wish {
    Answer(&'static str),
    NoId,
    Void,
}

#[derive(Clone, Copy, Debug)]
enum Outcome {
    Result,
    Error,
    Neither,
}

/// What the generator has to know: who is there.
#[derive(Clone, Debug, Default)]
struct Slots([bool; SLOTS]);

impl Slots {
    fn taken(&self, taken: bool) -> Vec<Slot> {
        (0..SLOTS).filter(|slot| self.0[*slot] == taken).collect()
    }
}

impl Transition {
    /// The sessions that must be there for it.
    fn needs(&self) -> Vec<Slot> {
        match *self {
            Self::Connect(_) | Self::Wait(_) => vec![],
            Self::Reattach { newer, .. } => vec![newer],
            Self::AnswerTrigger { by, .. } | Self::AnswerCall { by, .. } => {
                by.into_iter().collect()
            }
            Self::Disconnect(by)
            | Self::Ping(by)
            | Self::BadFrame(by, _)
            | Self::RegisterFunction { by, .. }
            | Self::UnregisterFunction { by, .. }
            | Self::RegisterTrigger { by, .. }
            | Self::UnregisterTrigger { by, .. }
            | Self::RegisterType { by, .. }
            | Self::UnregisterType { by, .. }
            | Self::Invoke { by, .. } => vec![by],
        }
    }
}

impl ReferenceStateMachine for Slots {
    type State = Self;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(state: &Self) -> BoxedStrategy<Transition> {
        use Transition as T;
        let mut weighted: Vec<(u32, BoxedStrategy<Transition>)> = Vec::new();
        let free = state.taken(false);
        if !free.is_empty() {
            weighted.push((4, select(free).prop_map(T::Connect).boxed()));
        }
        let live = state.taken(true);
        if !live.is_empty() {
            let by = || select(live.clone());
            let perhaps = || prop_oneof![3 => Just(None), 1 => by().prop_map(Some)];
            let function = || select(&FUNCTIONS[..]);
            let trigger = || select(&TRIGGERS[..]);
            let trigger_type = || select(&TYPES[..]);
            let wish = prop_oneof![
                4 => select(&["c", "d"][..]).prop_map(Wish::Answer),
                1 => Just(Wish::NoId),
                1 => Just(Wish::Void),
            ];
            let outcome = select(&[Outcome::Result, Outcome::Error, Outcome::Neither][..]);
            let bad_frame = select(&["", "[]", "{}", r#"{"type":"registertrigger","id":"t"}"#][..]);
            weighted.extend([
                (1, by().prop_map(T::Disconnect).boxed()),
                (
                    1,
                    (by(), 0..SLOTS, any::<bool>())
                        .prop_map(|(newer, older, right_token)| T::Reattach {
                            newer,
                            older,
                            right_token,
                        })
                        .boxed(),
                ),
                (
                    10,
                    (by(), function(), prop::bool::weighted(0.15))
                        .prop_map(|(by, id, variable_is_missing)| T::RegisterFunction {
                            by,
                            id,
                            variable_is_missing,
                        })
                        .boxed(),
                ),
                (
                    3,
                    (by(), function())
                        .prop_map(|(by, id)| T::UnregisterFunction { by, id })
                        .boxed(),
                ),
                (
                    14,
                    (
                        by(),
                        trigger(),
                        trigger_type(),
                        function(),
                        prop::bool::weighted(0.8),
                    )
                        .prop_map(|(by, id, trigger_type, function, config_is_good)| {
                            T::RegisterTrigger {
                                by,
                                id,
                                trigger_type,
                                function,
                                config_is_good,
                            }
                        })
                        .boxed(),
                ),
                (
                    6,
                    (by(), trigger())
                        .prop_map(|(by, id)| T::UnregisterTrigger { by, id })
                        .boxed(),
                ),
                (
                    7,
                    (by(), select(&TYPES[..3]))
                        .prop_map(|(by, id)| T::RegisterType { by, id })
                        .boxed(),
                ),
                (
                    2,
                    (by(), select(&TYPES[..3]))
                        .prop_map(|(by, id)| T::UnregisterType { by, id })
                        .boxed(),
                ),
                (
                    12,
                    (0..4_usize, perhaps(), prop::bool::weighted(0.7))
                        .prop_map(|(nth_last, by, accept)| T::AnswerTrigger {
                            nth_last,
                            by,
                            accept,
                        })
                        .boxed(),
                ),
                (
                    10,
                    (by(), function(), wish)
                        .prop_map(|(by, function, wish)| T::Invoke { by, function, wish })
                        .boxed(),
                ),
                (
                    10,
                    (0..5_usize, perhaps(), outcome)
                        .prop_map(|(nth_last, by, outcome)| T::AnswerCall {
                            nth_last,
                            by,
                            outcome,
                        })
                        .boxed(),
                ),
                (1, by().prop_map(T::Ping).boxed()),
                (
                    1,
                    (by(), bad_frame)
                        .prop_map(|(by, text)| T::BadFrame(by, text))
                        .boxed(),
                ),
                (4, select(&[1, 4, 10, 31][..]).prop_map(T::Wait).boxed()),
            ]);
        }
        Union::new_weighted(weighted).boxed()
    }

    fn preconditions(state: &Self, transition: &Transition) -> bool {
        match transition {
            Transition::Connect(slot) => !state.0[*slot],
            other => other.needs().into_iter().all(|slot| state.0[slot]),
        }
    }

    fn apply(mut state: Self, transition: &Transition) -> Self {
        match *transition {
            Transition::Connect(slot) => state.0[slot] = true,
            Transition::Disconnect(slot) => state.0[slot] = false,
            Transition::Reattach {
                newer,
                older,
                right_token: true,
            } if newer != older => {
                state.0[older] = false;
            }
            _ => {}
        }
        state
    }
}

/// The engine and the model, side by side.
#[derive(Default)]
struct Duel {
    lab: Lab,
    model: Model,
    slots: [Option<SessionId>; SLOTS],
    /// The last greeting in each slot, for `reattach`.
    greetings: [Value; SLOTS],
    /// What each session has asked for, less what it was answered.
    owed: BTreeMap<(SessionId, String), i32>,
    configs: u32,
}

impl Duel {
    fn session(&self, slot: Slot) -> SessionId {
        self.slots[slot].unwrap()
    }

    /// Shows the model what the last input has led to.
    fn observe(&mut self) {
        let effects = &self.lab.history.last().unwrap().effects;
        let sent: Vec<(SessionId, Value)> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Send { session, frame } => Some((*session, parse(frame))),
                _ => None,
            })
            .collect();
        self.model.observe(&sent);
        for (session, frame) in sent {
            let answered = match frame["type"].as_str().unwrap() {
                "triggerregistrationresult" => format!("trigger {}", frame["id"]),
                "invocationresult" => format!("call {}", frame["invocation_id"]),
                _ => continue,
            };
            *self.owed.get_mut(&(session, answered)).unwrap() -= 1;
        }
        assert_eq!(self.lab.next_deadline(), self.model.next_deadline());
    }

    fn owes(&mut self, session: SessionId, what: String) {
        *self.owed.entry((session, what)).or_default() += 1;
    }

    fn send(&mut self, session: SessionId, frame: impl std::fmt::Display) {
        self.lab.send(session, frame);
        self.observe();
    }

    fn connect(&mut self, slot: Slot) {
        let session = self.lab.next_session();
        self.model.connected(session);
        self.lab.input(Step::Connected(session));
        self.greetings[slot] = self.lab.only_frame(session);
        self.slots[slot] = Some(session);
        self.observe();
    }

    fn ended(&mut self, slot: Slot) {
        let session = self.slots[slot].take().unwrap();
        self.model.ended(session);
        self.owed.retain(|(owner, _), _| *owner != session);
    }

    fn wait(&mut self, duration: u64) {
        let until = self.lab.clock + seconds(duration);
        while self.lab.clock < until {
            let next = self.lab.next_deadline().unwrap_or(until).min(until);
            self.model.ticked(next);
            self.lab.tick_at(next);
            self.observe();
        }
    }

    fn reattach(&mut self, newer: Slot, older: Slot, right_token: bool) {
        let greeting = &self.greetings[older];
        let token = if right_token { older } else { newer };
        let token = &self.greetings[token]["reattach_token"];
        if greeting.is_null() || (!right_token && newer == older) {
            return;
        }
        let frame = json!({
            "type": "reattach", "previous_worker_id": greeting["worker_id"], "reattach_token": token,
        });
        let newer_session = self.session(newer);
        let retired = self.slots[older].filter(|_| right_token && newer != older);
        if retired.is_some() {
            self.ended(older);
        }
        self.send(newer_session, frame);
        let closed: Vec<SessionId> = self.lab.closes().iter().map(|(it, _)| *it).collect();
        assert_eq!(closed, Vec::from_iter(retired));
    }

    fn register_function(&mut self, by: SessionId, id: &str, variable_is_missing: bool) {
        self.model.register_function(by, id, variable_is_missing);
        let mut frame = json!({"type": "registerfunction", "id": id});
        if variable_is_missing {
            let auth = json!({"type": "hmac", "secret_key": "MISSING"});
            frame["invocation"] = json!({"url": "https://example.com/", "auth": auth});
        }
        self.send(by, frame);
    }

    fn register_trigger(&mut self, by: SessionId, names: (&str, &str, &str), config_is_good: bool) {
        let (id, trigger_type, function) = names;
        // No two are alike, so that a provider's announcement tells which trigger it is.
        self.configs += 1;
        let mut config = json!({"number": self.configs});
        if config_is_good {
            config["path"] = json!("/");
        }
        self.owes(by, format!("trigger {}", json!(id)));
        self.model
            .register_trigger(by, names, &config, config_is_good);
        self.send(by, register_trigger(id, trigger_type, function, config));
    }

    fn answer_trigger(&mut self, nth_last: usize, by: Option<Slot>, accept: bool) {
        let announcements = self.model.announcements.iter();
        let Some(to_answer) = announcements.rev().nth(nth_last).cloned() else {
            return;
        };
        let by = by.map_or(to_answer.provider, |slot| self.session(slot));
        if !self.slots.contains(&Some(by)) {
            return;
        }
        let (id, trigger_type) = (&*to_answer.id, &*to_answer.trigger_type);
        let mut answer = registered(id, trigger_type, &to_answer.function);
        let error = json!({"message": "no", "hint": [nth_last]});
        let error = (!accept).then_some(&error);
        if let Some(error) = error {
            answer["error"] = error.clone();
        }
        self.model.answer_trigger(by, (id, trigger_type), error);
        self.send(by, answer);
    }

    fn invoke(&mut self, by: SessionId, function: &str, wish: Wish) {
        let mut call = json!({"type": "invokefunction", "function_id": function, "data": {}});
        let mut wants = None;
        match wish {
            Wish::Answer(id) => {
                call["invocation_id"] = json!(id);
                wants = Some(id);
                self.owes(by, format!("call {}", json!(id)));
            }
            Wish::NoId => {}
            Wish::Void => {
                call["invocation_id"] = json!("v");
                call["action"] = json!({"type": "void"});
            }
        }
        self.model.invoke(by, function, wants);
        self.send(by, call);
    }

    fn answer_call(&mut self, nth_last: usize, by: Option<Slot>, outcome: Outcome) {
        let Some(call) = self.model.calls.iter().rev().nth(nth_last) else {
            return;
        };
        let by = by.map_or(call.worker, |slot| self.session(slot));
        if !self.slots.contains(&Some(by)) {
            return;
        }
        let id = call.id.clone();
        let outcome = match outcome {
            Outcome::Result => json!({"result": [nth_last]}),
            Outcome::Error => json!({"error": {"code": "mine", "message": "no"}}),
            Outcome::Neither => json!({}),
        };
        self.model.answer_call(by, &id, &outcome);
        let mut frame = json!({"type": "invocationresult", "invocation_id": id});
        let fields = outcome.as_object().unwrap().clone();
        frame.as_object_mut().unwrap().extend(fields);
        self.send(by, frame);
    }

    /// The engine's own lists hold what the model holds: all and only that.
    fn compare_lists(&mut self) {
        let mut ask = |what: &str| {
            let observer = self.lab.connect();
            let call = crate::support::invoke("list", &format!("engine::{what}::list"));
            let answer = self.lab.ask(observer, call)["result"].take();
            self.lab.disconnect(observer);
            answer
        };
        let functions = ask("functions");
        let types = ask("triggers");
        let triggers = ask("registered-triggers");
        let ids = |list: &Value, field: &str| -> BTreeSet<String> {
            let list = list.as_array().unwrap().iter();
            list.map(|it| it[field].as_str().unwrap().to_owned())
                .collect()
        };
        let live = self.slots.iter().flatten();
        let expected: BTreeSet<String> = live
            .flat_map(|session| self.model.functions_of(*session))
            .map(str::to_owned)
            .collect();
        assert_eq!(ids(&functions["functions"], "function_id"), expected);
        let mut expected = BTreeSet::from(["http", "cron", "queue"].map(str::to_owned));
        expected.extend(self.model.type_ids().into_iter().map(str::to_owned));
        assert_eq!(ids(&types["triggers"], "id"), expected);
        let mut expected: Vec<(String, String)> = Vec::new();
        for (session, id) in self.model.trigger_ids() {
            let slot = self.slots.iter().position(|it| *it == Some(session));
            let worker = self.greetings[slot.unwrap()]["worker_id"].as_str();
            expected.push((worker.unwrap().to_owned(), id.to_owned()));
        }
        let listed = triggers["registered_triggers"].as_array().unwrap().iter();
        let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
        let mut listed: Vec<(String, String)> = listed
            .map(|it| (text(it, "worker_id"), text(it, "id")))
            .collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }
}

/// The same inputs at the same times lead to the same effects, one by one.
fn assert_replays(history: &[Record]) {
    let mut lab = Lab::new();
    for record in history {
        lab.clock = record.at;
        lab.input(record.step.clone());
        assert_eq!(lab.history.last().unwrap().effects, record.effects);
    }
}

impl StateMachineTest for Duel {
    type SystemUnderTest = Self;
    type Reference = Slots;

    fn init_test(_: &Slots) -> Self {
        Self::default()
    }

    fn apply(mut duel: Self, _: &Slots, transition: Transition) -> Self {
        use Transition as T;
        let at = |slot| duel.session(slot);
        match transition {
            T::Connect(slot) => duel.connect(slot),
            T::Disconnect(slot) => {
                let session = at(slot);
                duel.ended(slot);
                duel.lab.disconnect(session);
                duel.observe();
            }
            T::Reattach {
                newer,
                older,
                right_token,
            } => duel.reattach(newer, older, right_token),
            T::RegisterFunction {
                by,
                id,
                variable_is_missing,
            } => {
                duel.register_function(at(by), id, variable_is_missing);
            }
            T::UnregisterFunction { by, id } => {
                let by = at(by);
                duel.model.unregister_function(by, id);
                duel.send(by, unregister("function", id));
            }
            T::RegisterTrigger {
                by,
                id,
                trigger_type,
                function,
                config_is_good,
            } => {
                duel.register_trigger(at(by), (id, trigger_type, function), config_is_good);
            }
            T::UnregisterTrigger { by, id } => {
                let by = at(by);
                duel.model.unregister_trigger(by, id);
                duel.send(by, unregister("trigger", id));
            }
            T::RegisterType { by, id } => {
                let by = at(by);
                duel.model.register_type(by, id);
                duel.send(by, json!({"type": "registertriggertype", "id": id}));
            }
            T::UnregisterType { by, id } => {
                let by = at(by);
                duel.model.unregister_type(by, id);
                duel.send(by, unregister("triggertype", id));
            }
            T::AnswerTrigger {
                nth_last,
                by,
                accept,
            } => duel.answer_trigger(nth_last, by, accept),
            T::Invoke { by, function, wish } => duel.invoke(at(by), function, wish),
            T::AnswerCall {
                nth_last,
                by,
                outcome,
            } => duel.answer_call(nth_last, by, outcome),
            T::Ping(by) => {
                let by = at(by);
                duel.model.ping(by);
                duel.send(by, r#"{"type":"ping"}"#);
            }
            T::BadFrame(by, text) => {
                let by = at(by);
                duel.model.bad_frame(by);
                duel.send(by, text);
            }
            T::Wait(duration) => duel.wait(duration),
        }
        duel
    }

    fn teardown(mut duel: Self, _: Slots) {
        duel.wait(60);
        assert_eq!(duel.model.unfinished(), 0);
        let owed: Vec<_> = duel.owed.iter().filter(|(_, owed)| **owed != 0).collect();
        assert!(owed.is_empty(), "asked for and not answered once: {owed:?}");
        assert_replays(&duel.lab.history);
        duel.compare_lists();
    }
}

prop_state_machine! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_history_is_one_that_the_specification_allows(sequential 200..300 => Duel);
}
