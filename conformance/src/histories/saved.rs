//! A history as a case file: what is sent, the parts that workers and providers play, and what the
//! last turn is to be answered with, all of it as the model has it.
//!
//! A case has no conditions. Where what comes depends on the order in which an engine takes what
//! several sessions send at once, or on which of several workers is next, the case is written
//! for the order of the steps and for the first worker.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    judge::REFUSED,
    model::{Allowed, Model, Presence},
    step::{History, Nonsense, SESSIONS, Step, TriggerStep, Type},
};

pub(super) fn case(history: &History, strict: bool) -> Value {
    let mut script = Script {
        strict,
        certain: Model::new(SESSIONS, true),
        held_to: Model::new(SESSIONS, strict),
        steps: Vec::new(),
        used: BTreeSet::new(),
        held: Vec::new(),
        numbered: 0,
    };
    let last = history.len().saturating_sub(1);
    for (index, turn) in history.iter().enumerate() {
        script.turn(turn, index == last);
    }
    script.finish();
    let sessions: Vec<String> = script.used.iter().map(|it| name(*it)).collect();
    json!({
        "title": format!("Explored: what {} steps of {} sessions come to", history.iter().map(Vec::len).sum::<usize>(), sessions.len()),
        "isolates": "It is a random history, made as short as it could be: nothing that was left out mattered.",
        "sessions": sessions,
        "steps": script.steps,
    })
}

pub(super) struct Script {
    /// Whether decisions are held to.
    pub(super) strict: bool,
    /// What the reference does.
    pub(super) certain: Model,
    /// What the engine is held to.
    pub(super) held_to: Model,
    pub(super) steps: Vec<Value>,
    pub(super) used: BTreeSet<usize>,
    /// Calls that are not answered yet.
    pub(super) held: Vec<Held>,
    pub(super) numbered: usize,
}

#[derive(Clone)]
pub(super) struct Held {
    pub(super) caller: Option<usize>,
    pub(super) worker: usize,
    pub(super) function: usize,
    pub(super) call: String,
}

impl Script {
    /// What is sent at once stands before all that it leads to.
    fn turn(&mut self, turn: &[Step], decides: bool) {
        let mut later = Vec::new();
        for step in turn {
            let begun = self.steps.len();
            let sent = self.step(step, decides);
            later.extend(
                self.steps
                    .split_off(begun.saturating_add(sent).min(self.steps.len())),
            );
        }
        self.steps.extend(later);
    }

    /// Writes a step, with what it leads to; how many of its lines only send.
    fn step(&mut self, step: &Step, decides: bool) -> usize {
        let before = self.held_to.clone();
        let certain = self.certain.clone();
        let strictly = decides && self.strict;
        let session = step.session().unwrap_or_default();
        match step {
            Step::RegisterFunction { function, .. } => {
                self.send(
                    session,
                    json!({"type": "registerfunction", "id": unique("function", *function)}),
                );
                let has = certain.has_function(session, *function);
                self.refusal(
                    session,
                    FUNCTION_RESULT,
                    unique("function", *function),
                    has,
                    "duplicate_function_id",
                    strictly,
                );
                self.both(|it| it.register_function(session, *function));
            }
            Step::RegisterWithoutVariable { function, .. } => {
                let variable = format!("CONFORMANCE_UNSET_{{variable-{function}}}");
                self.send(
                    session,
                    json!({
                        "type": "registerfunction",
                        "id": unique("function", *function),
                        "invocation": {
                            "url": "https://example.com/lambda",
                            "auth": {"type": "bearer", "token_key": {"$text": variable}},
                        },
                    }),
                );
                // With two faults at once, which one is told is open.
                let refused = match certain.has_function(session, *function) {
                    Presence::Absent => Presence::Present,
                    _ => Presence::Either,
                };
                self.refusal(
                    session,
                    FUNCTION_RESULT,
                    unique("function", *function),
                    refused,
                    "missing_env_var",
                    strictly,
                );
            }
            Step::UnregisterFunction { function, .. } => {
                self.send(
                    session,
                    json!({"type": "unregisterfunction", "id": unique("function", *function)}),
                );
                self.line(session, "alive", true.into());
                self.both(|it| it.unregister_function(session, *function));
            }
            Step::RegisterTrigger(step) => {
                self.trigger(step, &certain.trigger(step), &before.trigger(step), decides)
            }
            Step::UnregisterTrigger { trigger, .. } => {
                self.send(
                    session,
                    json!({"type": "unregistertrigger", "id": unique("trigger", *trigger)}),
                );
                self.line(session, "alive", true.into());
                self.both(|it| it.unregister_trigger(session, *trigger));
            }
            Step::RegisterType { trigger_type, .. } => {
                self.provided_type(session, *trigger_type, strictly)
            }
            Step::UnregisterType { trigger_type, .. } => {
                self.send(
                    session,
                    json!({"type": "unregistertriggertype", "id": unique("type", *trigger_type)}),
                );
                self.line(session, "alive", true.into());
                self.both(|it| it.unregister_type(session, *trigger_type));
            }
            Step::Call {
                function, answer, ..
            } => self.call(session, *function, *answer, decides),
            Step::Tell {
                function, with_id, ..
            } => self.void_call(session, *function, *with_id, strictly),
            Step::AnswerHeld { twice } => self.answer_held(*twice),
            Step::Leave { abruptly, .. } => {
                self.leave(session, *abruptly, strictly);
                return usize::MAX;
            }
            Step::Nonsense { kind, .. } => {
                self.nonsense(session, *kind);
                if strictly {
                    self.expect(
                        session,
                        json!({"type": "error", "error": {"code": "invalid_message"}}),
                    );
                }
                self.line(session, "alive", true.into());
            }
        }
        1
    }

    /// What the reference says of a registration that has no result of its own.
    fn refusal(
        &mut self,
        on: usize,
        kind: &str,
        id: Value,
        refused: Presence,
        code: &str,
        strictly: bool,
    ) {
        match refused {
            Presence::Present if strictly => {
                self.expect(on, json!({"type": kind, "id": id, "error": {"code": code}}));
            }
            Presence::Absent if strictly => {
                self.line(on, "quiet", json!({"type": kind, "id": id}));
            }
            _ => self.line(on, "alive", true.into()),
        }
    }

    fn trigger(&mut self, step: &TriggerStep, certain: &Allowed, held_to: &Allowed, decides: bool) {
        self.numbered += 1;
        let id = unique("trigger", step.trigger);
        let function = unique("function", step.function);
        let trigger_type = type_name(step.trigger_type);
        self.send(
            step.session,
            json!({
                "type": "registertrigger",
                "id": id,
                "trigger_type": trigger_type,
                "function_id": function,
                "config": self.config(step),
            }),
        );
        let provider = match step.trigger_type {
            Type::OfWorker(of_type) => self.certain.provider(of_type),
            Type::Http | Type::Cron | Type::Queue => None,
        };
        let asked = certain.acceptance && certain.codes.is_empty();
        if let Some(provider) = provider.filter(|_| asked) {
            self.provide(provider, &trigger_type, &function, step.acceptable);
        }
        let refused = provider.is_some() && asked && !step.acceptable;
        let mut allowed: Vec<Value> = Vec::new();
        if held_to.acceptance && !refused {
            allowed.push(json!({"$absent": true}));
        }
        let codes = held_to.codes.iter().copied();
        let codes = codes.chain(refused.then_some(REFUSED));
        allowed.extend(codes.map(|code| json!({"code": code})));
        let mut result = json!({
            "type": "triggerregistrationresult",
            "id": id,
            "trigger_type": trigger_type,
            "function_id": function,
        });
        // Before the last turn it only has to be over.
        if let (true, Some(result)) = (decides, result.as_object_mut()) {
            let error = match allowed.as_slice() {
                [only] => only.clone(),
                several => json!({"$one_of": several}),
            };
            result.insert("error".to_owned(), error);
        }
        self.expect(step.session, result);
        if asked && !refused {
            self.both(|it| it.trigger_registered(step));
        }
    }

    /// A provider is asked for a trigger, and answers.
    fn provide(&mut self, provider: usize, trigger_type: &Value, function: &Value, accepts: bool) {
        self.numbered += 1;
        let asked = format!("asked-{}", self.numbered);
        self.expect(
            provider,
            json!({
                "type": "registertrigger",
                "id": {"$capture": asked},
                "trigger_type": trigger_type,
                "function_id": function,
            }),
        );
        let mut answer = json!({
            "type": "triggerregistrationresult",
            "id": {"$ref": asked},
            "trigger_type": trigger_type,
            "function_id": function,
        });
        if let (false, Some(answer)) = (accepts, answer.as_object_mut()) {
            let error = json!({"code": REFUSED, "message": "not this one"});
            answer.insert("error".to_owned(), error);
        }
        self.send(provider, answer);
    }

    fn provided_type(&mut self, session: usize, trigger_type: usize, strictly: bool) {
        let id = unique("type", trigger_type);
        self.send(
            session,
            json!({"type": "registertriggertype", "id": id, "description": ""}),
        );
        let has = self.certain.of_worker(trigger_type);
        let standing = self
            .certain
            .standing(trigger_type)
            .filter(|_| has == Presence::Absent);
        for (_, function) in standing.into_iter().flatten() {
            self.provide(session, &id, &unique("function", function), true);
        }
        self.refusal(
            session,
            "triggertyperegistrationresult",
            id,
            has,
            "duplicate_trigger_type_id",
            strictly,
        );
        self.both(|it| it.register_type(session, trigger_type));
    }

    fn nonsense(&mut self, session: usize, kind: Nonsense) {
        // Braces of a text are doubled in a token; a plain string stands for itself.
        self.line(session, "send_text", kind.text().into());
    }

    /// What is left is answered, and nothing else is there.
    fn finish(&mut self) {
        while !self.held.is_empty() {
            self.answer_held(false);
        }
        for session in self.used.clone() {
            for kind in [
                "invokefunction",
                "invocationresult",
                "registertrigger",
                "triggerregistrationresult",
            ] {
                self.line(session, "quiet", json!({"type": kind}));
            }
        }
    }

    fn config(&self, step: &TriggerStep) -> Value {
        let number = self.numbered;
        match (step.trigger_type, step.acceptable) {
            (Type::Http, true) => {
                json!({"path": {"$text": format!("/{{route-{number}}}")}, "method": "POST"})
            }
            (Type::Cron, true) => json!({"schedule": "0 9 * * *", "timezone": "America/New_York"}),
            (Type::Queue, true) => json!({"queue_name": "email_queue", "batch_size": 10}),
            (Type::OfWorker(_), _) => json!({"registration": number}),
            (_, false) => json!({"schedule": "invalid cron expression"}),
        }
    }

    pub(super) fn both(&mut self, change: impl Fn(&mut Model)) {
        change(&mut self.certain);
        change(&mut self.held_to);
    }

    pub(super) fn send(&mut self, on: usize, frame: Value) {
        self.line(on, "send", frame);
    }

    pub(super) fn expect(&mut self, on: usize, template: Value) {
        self.line(on, "expect", template);
    }

    pub(super) fn line(&mut self, on: usize, verb: &str, value: Value) {
        self.used.insert(on);
        self.steps.push(json!({"on": name(on), verb: value}));
    }
}

const FUNCTION_RESULT: &str = "functionregistrationresult";

fn name(session: usize) -> String {
    format!("session-{session}")
}

pub(super) fn unique(kind: &str, index: usize) -> Value {
    json!({"$unique": format!("{kind}-{index}")})
}

pub(super) fn unique_uuid(label: &str) -> Value {
    json!({"$unique_uuid": label})
}

fn type_name(trigger_type: Type) -> Value {
    match trigger_type {
        Type::Http => "http".into(),
        Type::Cron => "cron".into(),
        Type::Queue => "queue".into(),
        Type::OfWorker(index) => unique("type", index),
    }
}
