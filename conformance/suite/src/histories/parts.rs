//! The parts that sessions of a history play: how they answer what they are sent.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    awaited::{Awaited, Held},
    drive::Drive,
    judge::{REFUSED, WORKERS_CODE, Wrong},
    sending::add,
    step::{Answer, NUMBERS, SESSIONS, Step},
};
use crate::frame::Frame;

/// What a session does about a frame.
pub(super) enum Part {
    Say(usize, Value),
    /// Sees to it that what the session has sent is handled.
    Fence(usize),
    Leave(usize, bool),
}

impl Drive<'_> {
    /// What a session does about a frame that it has received.
    pub(super) fn received(&mut self, index: usize, frame: &Frame) -> Result<Vec<Part>, Wrong> {
        match frame.kind() {
            "invokefunction" => self.called(index, frame),
            "registertrigger" => self.asked_for_trigger(index, frame),
            "unregistertrigger" => self.told_of_trigger(index, frame).map(|()| Vec::new()),
            "invocationresult" => self.call_ended(index, frame).map(|()| Vec::new()),
            "triggerregistrationresult" => self.trigger_result(index, frame).map(|()| Vec::new()),
            "functionregistrationresult" | "triggertyperegistrationresult" => {
                self.refused(index, frame).map(|()| Vec::new())
            }
            "error" => self.complained(index, frame).map(|()| Vec::new()),
            _ => Ok(Vec::new()),
        }
    }

    fn called(&mut self, index: usize, frame: &Frame) -> Result<Vec<Part>, Wrong> {
        let function_id = frame.text_field("function_id").unwrap_or_default();
        let by_data = |it: &Awaited| it.is_call() && frame.value.get("data") == Some(&it.data);
        let position = self.awaited.iter().position(by_data).or_else(|| {
            let of_function = |it: &Awaited| {
                it.is_call()
                    && it.seen.asked.is_empty()
                    && it.function().map(|it| self.name("function", it)).as_deref()
                        == Some(function_id)
            };
            self.awaited.iter().position(of_function)
        });
        let Some(awaited) = position.and_then(|it| self.awaited.get_mut(it)) else {
            let expected = format!("no call at session {index} but those that are made");
            return Err(Wrong::stray("RF-02", expected, index, frame));
        };
        awaited.seen.asked.push(index);
        if awaited.seen.asked.len() > 1 {
            return Ok(Vec::new());
        }
        let Step::Call {
            session: caller,
            function,
            answer,
        } = awaited.step
        else {
            return Ok(Vec::new());
        };
        let ended = |field: &str, value: Value| {
            json!({
                "type": "invocationresult",
                "invocation_id": frame.value.get("invocation_id"),
                "function_id": function_id,
                field: value,
            })
        };
        let own = ended(
            "result",
            frame.value.get("data").cloned().unwrap_or_default(),
        );
        let held = Held {
            caller: Some(caller),
            worker: index,
            function,
            invocation_id: awaited.id.clone(),
            data: awaited.data.clone(),
            answer: own.clone(),
            loose: false,
            since: Instant::now(),
        };
        Ok(match answer {
            Answer::Result => vec![Part::Say(index, own)],
            Answer::Error => {
                let error = json!({"code": WORKERS_CODE, "message": "there is none left"});
                vec![Part::Say(index, ended("error", error))]
            }
            Answer::Twice => vec![Part::Say(index, own.clone()), Part::Say(index, own)],
            Answer::BehindAStranger => {
                let stranger = (0..SESSIONS).find(|it| *it != index && *it != caller);
                let stranger = stranger.unwrap_or(caller);
                let theirs = ended("result", STRANGERS.into());
                vec![
                    Part::Say(stranger, theirs),
                    Part::Fence(stranger),
                    Part::Say(index, own),
                ]
            }
            Answer::Held => {
                self.held.push(held);
                Vec::new()
            }
            Answer::Leaves { abruptly } => {
                self.held.push(held);
                vec![Part::Leave(index, abruptly)]
            }
        })
    }

    /// The provider of a type accepts and refuses as the step says that registers the trigger,
    /// and accepts what a type that comes back brings (D-17).
    fn asked_for_trigger(&mut self, index: usize, frame: &Frame) -> Result<Vec<Part>, Wrong> {
        let number = frame.value.pointer("/config/registration");
        let registration = |it: &&mut Awaited| {
            matches!(it.step, Step::RegisterTrigger(_)) && number == Some(&it.data)
        };
        let mut accepts = true;
        if let Some(awaited) = self.awaited.iter_mut().find(registration) {
            awaited.seen.asked.push(index);
            if let Step::RegisterTrigger(step) = awaited.step {
                accepts = step.acceptable;
            }
        } else if !self.returned(index, frame) && self.manner.strict {
            let expected = format!("session {index} is asked for triggers that are registered");
            return Err(Wrong::stray("CO-05", expected, index, frame));
        }
        let mut answer = json!({
            "type": "triggerregistrationresult",
            "id": frame.value.get("id"),
            "trigger_type": frame.value.get("trigger_type"),
            "function_id": frame.value.get("function_id"),
        });
        if !accepts {
            let error = json!({"code": REFUSED, "message": "not this one"});
            add(&mut answer, "error", error);
        }
        Ok(vec![Part::Say(index, answer)])
    }

    /// Whether a type that the session has registered anew may have brought a trigger.
    fn returned(&mut self, index: usize, frame: &Frame) -> bool {
        let text = |field: &str| frame.text_field(field).unwrap_or_default().to_owned();
        let (id, function_id, trigger_type) =
            (text("id"), text("function_id"), text("trigger_type"));
        let what = (
            self.numbered("trigger", &id),
            self.numbered("function", &function_id),
        );
        let (Some(trigger), Some(function)) = what else {
            return false;
        };
        let of_type = |it: &&mut Awaited| {
            it.session == index && it.seen.returned.is_some() && it.id == trigger_type
        };
        let awaited = self.awaited.iter_mut().find(of_type);
        let returned = awaited.and_then(|it| it.seen.returned.as_mut());
        let is_known = returned.is_some();
        if let Some(returned) = returned {
            returned.push((trigger, function));
        }
        is_known
    }

    /// The number of an id of this history's, as a provider may be given it.
    fn numbered(&self, kind: &str, id: &str) -> Option<usize> {
        (0..NUMBERS).find(|number| {
            let own = self.name(kind, *number);
            // A provider may be given another id, which begins with it (D-18).
            id.strip_prefix(&own)
                .is_some_and(|it| it.is_empty() || it.starts_with('@'))
        })
    }

    /// A session is told that a trigger of its type is unregistered (CO-08).
    fn told_of_trigger(&mut self, index: usize, frame: &Frame) -> Result<(), Wrong> {
        let id = frame.text_field("id").unwrap_or_default();
        let Some(trigger) = self.numbered("trigger", id).filter(|_| self.manner.strict) else {
            return Ok(());
        };
        if frame.text_field("trigger_type").is_none() {
            let expected = "an engine never leaves the `trigger_type` out";
            return Err(Wrong::new("CO-08", expected, format!("got {}", frame.text)));
        }
        let unregisters = |it: &&mut Awaited| matches!(it.step, Step::UnregisterTrigger { trigger: it, .. } if it == trigger);
        let awaited = self.awaited.iter_mut().filter(unregisters);
        match awaited.min_by_key(|it| it.seen.withdrawn.len()) {
            Some(awaited) => awaited.seen.withdrawn.push(index),
            None => self.withdrawn.push((trigger, index)),
        }
        Ok(())
    }
}

/// The result of sessions that answer what they were not asked.
pub(super) const STRANGERS: &str = "the answer of another session";

impl Awaited {
    pub(super) fn is_call(&self) -> bool {
        matches!(
            self.step,
            Step::Call { .. } | Step::Tell { .. } | Step::AnswerHeld { .. }
        )
    }

    fn function(&self) -> Option<usize> {
        match self.step {
            Step::Call { function, .. } | Step::Tell { function, .. } => Some(function),
            _ => None,
        }
    }
}
