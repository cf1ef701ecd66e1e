//! What can be wrong with triggers of any of the engine's own types.

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::Value;

use crate::{
    Alter, Heard, Sent,
    frames::{alter, fired, is_refusal, is_success, is_trigger, set, text},
    with::sending,
};

/// Calls no function for triggers of a type.
pub(super) fn never_firing(trigger_type: &'static str) -> impl Alter {
    calling(trigger_type, 0)
}

/// Calls the functions of triggers of a type twice each time.
pub(super) fn firing_twice(trigger_type: &'static str) -> impl Alter {
    calling(trigger_type, 2)
}

fn calling(trigger_type: &'static str, times: usize) -> impl Alter {
    sending(move |sent| {
        if fired(&sent.frame) == Some(trigger_type) {
            sent.copies = times;
        }
    })
}

/// Calls a function for the first time that a trigger of a type fires, and then no more.
pub(super) fn firing_once(trigger_type: &'static str) -> impl Alter {
    let mut called: BTreeSet<(SessionId, String)> = BTreeSet::new();
    sending(move |sent| {
        if fired(&sent.frame) == Some(trigger_type) {
            let function = text(&sent.frame, "/function_id").unwrap_or_default();
            let first = called.insert((sent.to, function.to_owned()));
            sent.copies = usize::from(first);
        }
    })
}

/// Calls no function for triggers of a type any more once a registration has been refused.
pub(super) fn silent_after_a_refusal(trigger_type: &'static str) -> impl Alter {
    let mut refused: BTreeSet<SessionId> = BTreeSet::new();
    sending(move |sent| {
        if is_refusal(&sent.frame) {
            refused.insert(sent.to);
        } else if fired(&sent.frame) == Some(trigger_type) && refused.contains(&sent.to) {
            sent.copies = 0;
        }
    })
}

/// Which of a session's functions all its triggers of a type call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    First,
    Newest,
}

/// Calls one function of a session for all its triggers of a type.
pub(super) fn calling_one_function(trigger_type: &'static str, kept: Kept) -> impl Alter {
    OneFunction {
        trigger_type,
        kept,
        functions: BTreeMap::new(),
    }
}

struct OneFunction {
    trigger_type: &'static str,
    kept: Kept,
    functions: BTreeMap<SessionId, Value>,
}

impl Alter for OneFunction {
    fn hears(&mut self, heard: &mut Heard) {
        if let Some(function) = heard.frame.get("function_id")
            && is_trigger(&heard.frame, self.trigger_type)
            && (self.kept == Kept::Newest || !self.functions.contains_key(&heard.from))
        {
            self.functions.insert(heard.from, function.clone());
        }
    }

    fn sends(&mut self, sent: &mut Sent) {
        if fired(&sent.frame) == Some(self.trigger_type)
            && let Some(function) = self.functions.get(&sent.to)
        {
            set(&mut sent.frame, "", "function_id", function.clone());
        }
    }
}

/// Has triggers of a type fire that are refused as duplicates.
pub(super) fn arming_duplicates(trigger_type: &'static str) -> impl Alter {
    Duplicates {
        trigger_type,
        known: BTreeSet::new(),
    }
}

struct Duplicates {
    trigger_type: &'static str,
    known: BTreeSet<(SessionId, String)>,
}

/// What stands behind the id of a duplicate that is registered beside the first.
const BESIDE: &str = "\u{1}";

impl Alter for Duplicates {
    fn hears(&mut self, heard: &mut Heard) {
        let id = text(&heard.frame, "/id").unwrap_or_default();
        if is_trigger(&heard.frame, self.trigger_type)
            && self.known.contains(&(heard.from, id.to_owned()))
        {
            let mut beside = heard.frame.clone();
            alter(&mut beside, "/id", |id| format!("{id}{BESIDE}"));
            heard.before.push(beside);
        }
    }

    fn sends(&mut self, sent: &mut Sent) {
        let id = text(&sent.frame, "/id").unwrap_or_default();
        if id.ends_with(BESIDE) {
            sent.copies = 0;
        } else if is_success(&sent.frame) {
            self.known.insert((sent.to, id.to_owned()));
        }
    }
}
