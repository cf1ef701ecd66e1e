//! What the specification says of a history, written from `spec/` and from nothing else.
//!
//! Where the documents leave something open, the model allows every answer; with `strict` it
//! holds an engine to `spec/decisions.md` as well.

use std::collections::{BTreeMap, BTreeSet};

use super::{TriggerStep, Type};

/// Whether something is known to an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Present,
    Absent,
    /// The documents do not say.
    Either,
}

/// What may become of a trigger's registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// It may go on: a built-in type accepts it, a worker's type is asked.
    pub(super) acceptance: bool,
    /// It may be refused with one of these codes.
    pub(super) codes: Vec<&'static str>,
}

#[derive(Debug, Default)]
struct Session {
    functions: BTreeSet<usize>,
    triggers: BTreeMap<usize, Type>,
}

#[derive(Debug)]
pub(super) struct Model {
    strict: bool,
    sessions: Vec<Session>,
    /// Each type's provider.
    providers: BTreeMap<usize, usize>,
    /// Functions and types whose last known holder went in a way that the documents leave open.
    open_functions: BTreeSet<usize>,
    open_types: BTreeSet<usize>,
    /// Triggers whose type went: whether their ids are still taken, the documents leave open.
    open_triggers: BTreeSet<(usize, usize)>,
    /// Trigger ids of sessions that have ended: likewise.
    ended_triggers: BTreeSet<usize>,
}

impl Model {
    pub(super) fn new(sessions: usize, strict: bool) -> Self {
        Self {
            strict,
            sessions: (0..sessions).map(|_| Session::default()).collect(),
            providers: BTreeMap::new(),
            open_functions: BTreeSet::new(),
            open_types: BTreeSet::new(),
            open_triggers: BTreeSet::new(),
            ended_triggers: BTreeSet::new(),
        }
    }

    fn session(&mut self, index: usize) -> Option<&mut Session> {
        self.sessions.get_mut(index)
    }

    /// The sessions that have registered a function (D-03: they take turns).
    pub(super) fn servers(&self, function: usize) -> Vec<usize> {
        let sessions = self.sessions.iter().enumerate();
        sessions
            .filter(|(_, session)| session.functions.contains(&function))
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn function(&self, function: usize) -> Presence {
        let open = self.open_functions.contains(&function) && !self.strict;
        presence(!self.servers(function).is_empty(), open)
    }

    pub(super) fn provider(&self, trigger_type: usize) -> Option<usize> {
        self.providers.get(&trigger_type).copied()
    }

    fn trigger_type(&self, trigger_type: Type) -> Presence {
        match trigger_type {
            Type::Http | Type::Cron | Type::Queue => Presence::Present,
            Type::OfWorker(id) => {
                let open = self.open_types.contains(&id) && !self.strict;
                presence(self.providers.contains_key(&id), open)
            }
        }
    }

    pub(super) fn register_function(&mut self, session: usize, function: usize) {
        if let Some(session) = self.session(session) {
            session.functions.insert(function);
        }
        self.open_functions.remove(&function);
    }

    pub(super) fn unregister_function(&mut self, session: usize, function: usize) {
        let own = self.session(session);
        let had = own.is_some_and(|own| own.functions.remove(&function));
        // Whose function remains when two sessions had it, the documents do not say.
        if had && !self.servers(function).is_empty() {
            self.open_functions.insert(function);
        }
    }

    /// A second provider of a type is refused (D-17).
    pub(super) fn register_type(&mut self, session: usize, trigger_type: usize) {
        self.providers.entry(trigger_type).or_insert(session);
        self.open_types.remove(&trigger_type);
    }

    pub(super) fn unregister_type(&mut self, session: usize, trigger_type: usize) {
        if self.provider(trigger_type) == Some(session) {
            self.providers.remove(&trigger_type);
            self.reopen_triggers(trigger_type);
        }
    }

    fn reopen_triggers(&mut self, trigger_type: usize) {
        let sessions = self.sessions.iter().enumerate();
        let of_type = sessions.flat_map(|(index, session)| {
            let triggers = session.triggers.iter();
            triggers
                .filter(|(_, it)| **it == Type::OfWorker(trigger_type))
                .map(move |(id, _)| (index, *id))
        });
        let of_type: Vec<_> = of_type.collect();
        self.open_triggers.extend(of_type);
    }

    /// The codes in the document's order; all of them may be reported, the first one is what
    /// the reference decides (D-04).
    pub(super) fn trigger(&self, step: &TriggerStep) -> Allowed {
        let own = self.sessions.get(step.session).map(|it| &it.triggers);
        let taken = own.is_some_and(|it| it.contains_key(&step.trigger));
        let open = !self.strict && self.is_open(step.session, step.trigger, taken);
        let built_in = !matches!(step.trigger_type, Type::OfWorker(_));
        let faults = [
            (
                self.trigger_type(step.trigger_type),
                "trigger_type_not_found",
            ),
            (self.function(step.function), "function_not_found"),
            (
                presence(step.acceptable || !built_in, false),
                "invalid_config",
            ),
            (presence(!taken, open), "duplicate_trigger_id"),
        ];
        let certain = faults.iter().any(|(needed, _)| *needed == Presence::Absent);
        let possible = faults
            .iter()
            .filter(|(needed, _)| *needed != Presence::Present)
            .map(|(_, code)| *code);
        let codes = possible.take(if self.strict { 1 } else { usize::MAX });
        Allowed {
            acceptance: !certain,
            codes: codes.collect(),
        }
    }

    /// Whether the documents leave open if a trigger's id is free: its type went, or another
    /// session has it, or had it. An id that the session certainly has is not free.
    fn is_open(&self, session: usize, trigger: usize, taken: bool) -> bool {
        let others = self.sessions.iter().enumerate();
        let elsewhere = others
            .filter(|(index, _)| *index != session)
            .any(|(_, it)| it.triggers.contains_key(&trigger));
        self.open_triggers.contains(&(session, trigger))
            || (!taken && (elsewhere || self.ended_triggers.contains(&trigger)))
    }

    pub(super) fn trigger_registered(&mut self, step: &TriggerStep) {
        if let Some(session) = self.session(step.session) {
            session.triggers.insert(step.trigger, step.trigger_type);
        }
        self.open_triggers.remove(&(step.session, step.trigger));
    }

    pub(super) fn unregister_trigger(&mut self, session: usize, trigger: usize) {
        if let Some(own) = self.session(session) {
            own.triggers.remove(&trigger);
        }
        self.open_triggers.remove(&(session, trigger));
    }

    /// A session's end removes all that is its own (D-07).
    pub(super) fn end_session(&mut self, index: usize) {
        let Some(session) = self.session(index) else {
            return;
        };
        let ended = std::mem::take(session);
        self.open_functions.extend(ended.functions);
        self.ended_triggers.extend(ended.triggers.into_keys());
        let provided: Vec<usize> = self
            .providers
            .iter()
            .filter(|(_, provider)| **provider == index)
            .map(|(id, _)| *id)
            .collect();
        for id in provided {
            self.providers.remove(&id);
            self.open_types.insert(id);
            self.reopen_triggers(id);
        }
        self.open_triggers.retain(|(session, _)| *session != index);
    }
}

fn presence(present: bool, open: bool) -> Presence {
    match (present, open) {
        (_, true) => Presence::Either,
        (true, false) => Presence::Present,
        (false, false) => Presence::Absent,
    }
}
