//! The ends of sessions, and what comes of the calls that they leave.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    awaited::Held,
    drive::Drive,
    judge::{Told, Wrong, not_told},
    model::Model,
    step::NUMBERS,
};
use crate::frame::Frame;

impl Drive<'_> {
    /// A session ends, and another one takes its place. Callers that wait for it are told.
    pub(super) async fn leave(&mut self, index: usize, abruptly: bool) -> Result<(), Wrong> {
        let deadline = self.deadline();
        if abruptly {
            self.note_loss(index);
        } else {
            let closed = match self.sessions.get_mut(index) {
                Some(session) => session.close(1000, deadline).await.map(|_| ()),
                None => Ok(()),
            };
            closed.map_err(|stop| self.stopped("RT-16", "the end of the connection", stop))?;
        }
        self.serve_last_words(index)?;
        let fresh = self.connect(index).await?;
        if let Some(session) = self.sessions.get_mut(index) {
            *session = fresh;
        }
        let mut noticed = !abruptly;
        for held in self.release(index) {
            // That a caller is told is a sign that the end was noticed.
            if let Some(caller) = held.caller.filter(|_| self.manner.strict) {
                self.stopped_call(caller, &held.invocation_id).await?;
                noticed = true;
            }
            // Nobody is told twice, if the worker answers when it is back.
            self.send(index, &held.answer).await;
        }
        self.ended.push((index, noticed));
        Ok(())
    }

    /// The providers of a session's triggers are told of its end, if the engine is known to know
    /// it, and nobody is told of anything else (CO-08).
    pub(super) fn judge_withdrawn(&mut self) -> Result<(), Wrong> {
        let told = std::mem::take(&mut self.withdrawn);
        if !self.manner.strict || self.ended.iter().any(|(_, noticed)| !noticed) {
            return Ok(());
        }
        let mut wrong = None;
        let mut fits = |model: &Model| match wrongly_told(model, &self.ended, &told) {
            None => true,
            found => {
                wrong = found;
                false
            }
        };
        let fitting = self.models.iter().filter(|it| fits(it)).cloned();
        let fitting: BTreeSet<Model> = fitting.collect();
        match wrong.filter(|_| fitting.is_empty()) {
            Some(wrong) => Err(wrong),
            None => {
                self.models = fitting;
                Ok(())
            }
        }
    }

    /// What ended sessions had registered goes, after what was seen has been explained.
    pub(super) fn end_sessions(&mut self) {
        let models = std::mem::take(&mut self.models).into_iter();
        let after = |mut model: Model| {
            for (index, noticed) in &self.ended {
                model.end_session(*index, *noticed);
            }
            model
        };
        self.models = models.map(after).collect();
        self.ended.clear();
    }

    /// Waits until a caller is told that its worker has left.
    async fn stopped_call(&mut self, caller: usize, id: &str) -> Result<(), Wrong> {
        let deadline = self.deadline();
        let expected = "the error `invocation_stopped`, since the worker of the call has left";
        let taken = match self.sessions.get_mut(caller) {
            Some(session) => {
                let result = |frame: &Frame| {
                    (frame.kind() == "invocationresult"
                        && frame.text_field("invocation_id") == Some(id))
                    .then_some(())
                };
                session.take(deadline, result).await
            }
            None => return Ok(()),
        };
        let (frame, ()) = taken.map_err(|stop| self.stopped("D-07", expected, stop))?;
        let code = frame.value.pointer("/error/code").and_then(Value::as_str);
        if let Some(awaited) = self.awaited.iter_mut().find(|it| it.id == id) {
            awaited.seen.told = Told::Error(code.map(str::to_owned));
            awaited.seen.text.clone_from(&frame.text);
        }
        match code {
            Some("invocation_stopped") => Ok(()),
            _ => Err(Wrong::new("D-07", expected, format!("got {}", frame.text))),
        }
    }

    /// A session has ended: the calls that waited for it, with those who made them. The calls
    /// that it had made are nobody's from now on.
    fn release(&mut self, ended: usize) -> Vec<Held> {
        let mut left = Vec::new();
        let mut kept = Vec::new();
        for mut held in std::mem::take(&mut self.held) {
            held.caller = held.caller.filter(|it| *it != ended);
            if held.worker != ended {
                kept.push(held);
                continue;
            }
            if !self.manner.strict {
                self.forgiven.insert(held.invocation_id.clone());
            }
            left.push(held);
        }
        self.held = kept;
        left
    }
}

/// What the providers of ended sessions' triggers were told beside what they have to be told.
fn wrongly_told(model: &Model, ended: &[(usize, bool)], told: &[(usize, usize)]) -> Option<Wrong> {
    let due: Vec<_> = ended
        .iter()
        .flat_map(|(session, _)| model.told_of_ended(*session))
        .collect();
    for trigger in 0..NUMBERS {
        let of_trigger = || due.iter().filter(|(it, _)| *it == trigger);
        if model.is_uncertain_trigger(trigger) || of_trigger().any(|(_, whom)| whom.is_none()) {
            continue;
        }
        let mut expected: Vec<usize> = of_trigger()
            .flat_map(|(_, it)| it.iter().flatten().copied())
            .collect();
        let mut got: Vec<usize> = told
            .iter()
            .filter(|(it, _)| *it == trigger)
            .map(|(_, it)| *it)
            .collect();
        expected.sort_unstable();
        got.sort_unstable();
        if got != expected {
            return Some(not_told(trigger, &expected, &got));
        }
    }
    None
}
