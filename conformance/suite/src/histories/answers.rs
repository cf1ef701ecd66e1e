//! The answers of an engine, and which steps they belong to.

use serde_json::Value;

use super::{
    awaited::{Awaited, Held},
    drive::Drive,
    judge::{Told, Wrong},
    parts::STRANGERS,
    step::Step,
};
use crate::frame::Frame;

impl Drive<'_> {
    pub(super) fn call_ended(&mut self, index: usize, frame: &Frame) -> Result<(), Wrong> {
        let Some(id) = frame.text_field("invocation_id") else {
            return Ok(());
        };
        let of_call = |it: &&mut Awaited| it.is_call() && it.session == index && it.id == id;
        let twice = |expected: &str| {
            let expected = format!("{expected} for session {index}");
            Err(Wrong::stray("RF-02", expected, index, frame))
        };
        if let Some(awaited) = self.awaited.iter_mut().find(of_call) {
            if awaited.seen.told != Told::Nothing {
                return twice("no second answer to a call");
            }
            awaited.seen.told = match (frame.value.get("error"), frame.value.get("result")) {
                (Some(error), _) => Told::Error(code_of(error)),
                (None, Some(result)) if *result == awaited.data => Told::Success,
                (None, Some(result)) if *result == STRANGERS => Told::Strangers,
                (None, _) => Told::Other,
            };
            awaited.seen.text.clone_from(&frame.text);
            return Ok(());
        }
        if self.forgiven.remove(id) {
            return Ok(());
        }
        let of_held = |it: &Held| it.caller == Some(index) && it.invocation_id == id;
        if let Some(position) = self.held.iter().position(of_held) {
            let held = self.held.remove(position);
            return match held.may_end() {
                true => Ok(()),
                false => twice("no answer to a call before its worker's"),
            };
        }
        twice("no answer but those to its calls")
    }

    pub(super) fn trigger_result(&mut self, index: usize, frame: &Frame) -> Result<(), Wrong> {
        let id = frame.text_field("id").unwrap_or_default();
        let names: Vec<(String, String)> =
            self.awaited.iter().map(|it| self.names_of(it)).collect();
        let text = |field: &str| frame.text_field(field).unwrap_or_default();
        let (trigger_type, function_id) = (text("trigger_type"), text("function_id"));
        let is_own = self.is_own(id);
        let awaited = self.awaited.iter_mut().zip(&names).filter(|(it, _)| {
            matches!(it.step, Step::RegisterTrigger(_))
                && it.session == index
                && it.id == id
                && it.seen.told == Told::Nothing
        });
        let mut awaited: Vec<_> = awaited.collect();
        let same = |(_, (own_type, function)): &(&mut Awaited, &(String, String))| {
            own_type == trigger_type && function == function_id
        };
        let Some(position) = awaited.iter().position(same) else {
            let expected = match awaited.first() {
                Some((_, (own_type, function))) => {
                    format!("the result of `{id}` names its type `{own_type}` and `{function}`")
                }
                None if is_own => format!("nothing more for session {index}"),
                None => return Ok(()),
            };
            return Err(Wrong::stray("RT-02", expected, index, frame));
        };
        if let Some((awaited, _)) = awaited.get_mut(position) {
            awaited.seen.told = match frame.value.get("error") {
                Some(error) => Told::Error(code_of(error)),
                None => Told::Success,
            };
            awaited.seen.text.clone_from(&frame.text);
        }
        Ok(())
    }

    /// The names of a trigger's type and function.
    fn names_of(&self, awaited: &Awaited) -> (String, String) {
        match &awaited.step {
            Step::RegisterTrigger(step) => (
                self.type_name(step.trigger_type),
                self.name("function", step.function),
            ),
            _ => (String::new(), String::new()),
        }
    }

    pub(super) fn refused(&mut self, index: usize, frame: &Frame) -> Result<(), Wrong> {
        let id = frame.text_field("id").unwrap_or_default();
        let of_function = frame.kind() == "functionregistrationresult";
        let registration = |it: &&mut Awaited| {
            let kind = match it.step {
                Step::RegisterFunction { .. } => of_function,
                Step::RegisterType { .. } => !of_function,
                _ => false,
            };
            kind && it.session == index && it.id == id && it.seen.told == Told::Nothing
        };
        if let Some(awaited) = self.awaited.iter_mut().find(registration) {
            awaited.seen.told = match frame.value.get("error") {
                Some(error) => Told::Error(code_of(error)),
                None => Told::Success,
            };
            awaited.seen.text.clone_from(&frame.text);
            return Ok(());
        }
        if !self.manner.strict || !self.is_own(id) {
            return Ok(());
        }
        let clause = if of_function { "D-01" } else { "D-17" };
        let expected = format!("nothing more for session {index}");
        Err(Wrong::stray(clause, expected, index, frame))
    }

    pub(super) fn complained(&mut self, index: usize, frame: &Frame) -> Result<(), Wrong> {
        let nonsense = |it: &&mut Awaited| {
            matches!(it.step, Step::Nonsense { .. })
                && it.session == index
                && it.seen.told == Told::Nothing
        };
        if let Some(awaited) = self.awaited.iter_mut().find(nonsense) {
            let error = frame.value.get("error").unwrap_or(&Value::Null);
            awaited.seen.told = Told::Error(code_of(error));
            awaited.seen.text.clone_from(&frame.text);
            return Ok(());
        }
        match self.manner.strict {
            false => Ok(()),
            true => Err(Wrong::stray(
                "D-08",
                format!("no `error` frame for session {index}, which has sent nothing wrong"),
                index,
                frame,
            )),
        }
    }
}

fn code_of(error: &Value) -> Option<String> {
    error.get("code").and_then(Value::as_str).map(str::to_owned)
}
