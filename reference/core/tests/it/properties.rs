//! Random histories of several sessions, each compared with the model, step by step.

use std::collections::{BTreeMap, BTreeSet};

use proptest::test_runner::Config;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use reference_core::{Effect, SessionId};
use serde_json::{Value, json};

use crate::{
    history::{Outcome, SLOTS, Slot, Slots, Transition, Wish},
    model::Model,
    support::{
        Lab, Record, Step, invoke, parse, register_trigger, registered, seconds, unregister,
    },
};

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
            let call = invoke("list", &format!("engine::{what}::list"));
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
