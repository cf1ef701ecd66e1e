//! A history as a case file: what is sent, the parts that workers and providers play, and what the
//! last turn is to be answered with, all of it as the model has it.
//!
//! A case has no conditions. Where what comes depends on the order in which an engine takes what
//! several sessions send at once, or on which of several workers is next, the case is written
//! for the order of the steps and for workers that take turns (D-03).

mod calls;
mod lists;
mod triggers;
mod turns;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::turns::Turns;
use super::{
    lists::List,
    model::{Model, Presence},
    sending::{add, invocation},
    step::{History, Nonsense, SESSIONS, Served, Step, Type},
};

/// The case of a history, with a witness that need not take part, which ends with these lists.
pub(super) fn case(
    history: &History,
    strict: bool,
    witness: Option<usize>,
    lists: &[List],
) -> Value {
    let mut script = Script {
        strict,
        certain: Model::new(SESSIONS, true),
        held_to: Model::new(SESSIONS, strict),
        steps: Vec::new(),
        used: witness.into_iter().collect(),
        held: Vec::new(),
        numbered: 0,
        turns: Turns::default(),
    };
    let last = history.len().saturating_sub(1);
    for (index, turn) in history.iter().enumerate() {
        script.turn(turn, index == last);
    }
    script.finish();
    for list in lists {
        script.list(*list);
    }
    let sessions: Vec<String> = script.used.iter().map(|it| name(*it)).collect();
    json!({
        "title": format!("Explored: what {} steps of {} sessions come to", history.iter().map(Vec::len).sum::<usize>(), sessions.len()),
        "isolates": "It is a random history, made as short as it could be: nothing that was left out mattered.",
        "sessions": sessions,
        "steps": script.steps,
    })
}

struct Script {
    /// Whether decisions are held to.
    strict: bool,
    /// What the reference does.
    certain: Model,
    /// What the engine is held to.
    held_to: Model,
    steps: Vec<Value>,
    used: BTreeSet<usize>,
    /// Calls that are not answered yet.
    held: Vec<Held>,
    numbered: usize,
    turns: Turns,
}

#[derive(Clone)]
struct Held {
    caller: Option<usize>,
    worker: usize,
    function: usize,
    call: String,
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
        let session = step.session().unwrap_or_default();
        match step {
            Step::RegisterFunction {
                function, served, ..
            } => self.register_function(session, *function, *served),
            Step::UnregisterFunction { function, .. } => {
                self.send(
                    session,
                    json!({"type": "unregisterfunction", "id": unique("function", *function)}),
                );
                self.line(session, "alive", true.into());
                self.turns.unregister(*function, session);
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
                let told = certain.told_of_unregistered(session, *trigger);
                self.withdrawn(told.into_iter().flatten());
                self.both(|it| it.unregister_trigger(session, *trigger));
            }
            Step::RegisterType { trigger_type, .. } => self.provided_type(session, *trigger_type),
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
            } => self.call(session, *function, *answer),
            Step::Tell {
                function, with_id, ..
            } => self.void_call(session, *function, *with_id),
            Step::AnswerHeld { twice } => self.answer_held(*twice),
            Step::Leave { abruptly, .. } => {
                self.leave(session, *abruptly);
                return usize::MAX;
            }
            Step::Nonsense { kind, .. } => {
                self.nonsense(session, *kind);
                if self.strict {
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
    fn refusal(&mut self, on: usize, kind: &str, id: Value, refused: Presence, code: &str) {
        match refused {
            Presence::Present if self.strict => {
                self.expect(on, json!({"type": kind, "id": id, "error": {"code": code}}));
            }
            Presence::Absent if self.strict => {
                self.line(on, "quiet", json!({"type": kind, "id": id}));
            }
            _ => self.line(on, "alive", true.into()),
        }
    }

    fn register_function(&mut self, session: usize, function: usize, served: Served) {
        let id = unique("function", function);
        let variable = format!("CONFORMANCE_UNSET_{{variable-{function}}}");
        let mut frame = json!({"type": "registerfunction", "id": id});
        let invocation = invocation(served, json!({"$text": variable}));
        if let Some(invocation) = invocation {
            add(&mut frame, "invocation", invocation);
        }
        self.send(session, frame);
        let has = self.certain.has_function(session, function);
        let (refused, code) = match (served, has) {
            (Served::WithoutVariable, Presence::Absent) => (Presence::Present, "missing_env_var"),
            // With two faults at once, which one is told is open.
            (Served::WithoutVariable, _) => (Presence::Either, "missing_env_var"),
            (Served::ByWorker | Served::OverHttp, has) => (has, "duplicate_function_id"),
        };
        self.refusal(session, "functionregistrationresult", id, refused, code);
        if served != Served::WithoutVariable {
            self.turns.register(function, session);
            self.both(|it| it.register_function(session, function, served));
        }
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
        let decided = self.strict.then_some("unregistertrigger");
        for session in self.used.clone() {
            let kinds = [
                "invokefunction",
                "invocationresult",
                "registertrigger",
                "triggerregistrationresult",
            ];
            for kind in kinds.into_iter().chain(decided) {
                self.line(session, "quiet", json!({"type": kind}));
            }
        }
    }

    fn both(&mut self, change: impl Fn(&mut Model)) {
        change(&mut self.certain);
        change(&mut self.held_to);
    }

    fn send(&mut self, on: usize, frame: Value) {
        self.line(on, "send", frame);
    }

    fn expect(&mut self, on: usize, template: Value) {
        self.line(on, "expect", template);
    }

    fn line(&mut self, on: usize, verb: &str, value: Value) {
        self.used.insert(on);
        self.steps.push(json!({"on": name(on), verb: value}));
    }
}

fn name(session: usize) -> String {
    format!("session-{session}")
}

fn unique(kind: &str, index: usize) -> Value {
    json!({"$unique": format!("{kind}-{index}")})
}

fn unique_uuid(label: &str) -> Value {
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
