//! What the specification says of a history, written from `spec/` and from nothing else.
//!
//! Where the documents leave something open, the model allows every answer; with `strict` it
//! holds an engine to `spec/decisions.md` as well.

mod shown;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use self::shown::Listed;
use super::step::{Served, TriggerStep, Type};

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
    /// All that is wrong for certain, whether it may be told or not.
    pub(super) faults: Vec<&'static str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    functions: BTreeMap<usize, Served>,
    /// Each trigger's type and function.
    triggers: BTreeMap<usize, (Type, usize)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Model {
    strict: bool,
    sessions: Vec<Session>,
    /// Each type's provider.
    providers: BTreeMap<usize, usize>,
    /// What two sessions have had a hand in: whose it is then, and whether it is still there,
    /// the documents leave open, for the rest of the history.
    contested: Contested,
    /// What nobody can know, for the rest of the history: when an engine notices that a
    /// connection is lost, and in which order it took what depends on other sessions.
    uncertain: Contested,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Contested {
    functions: BTreeSet<usize>,
    types: BTreeSet<usize>,
    triggers: BTreeSet<usize>,
}

impl Model {
    pub(super) fn new(sessions: usize, strict: bool) -> Self {
        Self {
            strict,
            sessions: (0..sessions).map(|_| Session::default()).collect(),
            providers: BTreeMap::new(),
            contested: Contested::default(),
            uncertain: Contested::default(),
        }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    fn session(&mut self, index: usize) -> Option<&mut Session> {
        self.sessions.get_mut(index)
    }

    /// The sessions that have registered a function (D-03: they take turns).
    pub(super) fn servers(&self, function: usize) -> Vec<usize> {
        let sessions = self.sessions.iter().enumerate();
        sessions
            .filter(|(_, session)| session.functions.contains_key(&function))
            .map(|(index, _)| index)
            .collect()
    }

    /// Those of them that are called themselves.
    pub(super) fn workers(&self, function: usize) -> Vec<usize> {
        let mut workers = self.servers(function);
        workers.retain(|it| self.served(*it, function) == Some(Served::ByWorker));
        workers
    }

    /// Whether a call may become an HTTP request.
    pub(super) fn is_served_over_http(&self, function: usize) -> bool {
        self.servers(function).len() > self.workers(function).len()
    }

    fn served(&self, session: usize, function: usize) -> Option<Served> {
        let session = self.sessions.get(session)?;
        session.functions.get(&function).copied()
    }

    pub(super) fn function(&self, function: usize) -> Presence {
        let open = |of: &Contested| of.functions.contains(&function);
        let open = open(&self.uncertain) || (open(&self.contested) && !self.strict);
        presence(!self.servers(function).is_empty(), open)
    }

    pub(super) fn has_function(&self, session: usize, function: usize) -> Presence {
        let own = self.served(session, function).is_some();
        let open = |of: &Contested| of.functions.contains(&function);
        // An end that was not noticed is that of an older session, and none of this one's business.
        presence(own, open(&self.contested) && !self.strict)
    }

    /// The provider of a type, if it is certain who that is.
    pub(super) fn provider(&self, trigger_type: usize) -> Option<usize> {
        let certain = self.of_worker(trigger_type) == Presence::Present;
        self.providers
            .get(&trigger_type)
            .copied()
            .filter(|_| certain)
    }

    /// A type of a worker's.
    pub(super) fn of_worker(&self, id: usize) -> Presence {
        let open = |of: &Contested| of.types.contains(&id);
        let open = open(&self.uncertain) || (open(&self.contested) && !self.strict);
        presence(self.providers.contains_key(&id), open)
    }

    fn trigger_type(&self, trigger_type: Type) -> Presence {
        match trigger_type {
            Type::Http | Type::Cron | Type::Queue => Presence::Present,
            Type::OfWorker(id) => self.of_worker(id),
        }
    }

    /// The first registration of a session stays (RF-09).
    pub(super) fn register_function(&mut self, session: usize, function: usize, served: Served) {
        if self.servers(function).iter().any(|it| *it != session) {
            self.contested.functions.insert(function);
        }
        if let Some(session) = self.session(session) {
            session.functions.entry(function).or_insert(served);
        }
    }

    pub(super) fn unregister_function(&mut self, session: usize, function: usize) {
        if let Some(own) = self.session(session) {
            own.functions.remove(&function);
        }
        if !self.servers(function).is_empty() {
            self.contested.functions.insert(function);
        }
    }

    /// A second provider of a type is refused (D-17).
    pub(super) fn register_type(&mut self, session: usize, trigger_type: usize) {
        let provider = *self.providers.entry(trigger_type).or_insert(session);
        if provider != session {
            self.contested.types.insert(trigger_type);
        }
    }

    pub(super) fn unregister_type(&mut self, session: usize, trigger_type: usize) {
        match self.providers.get(&trigger_type) {
            Some(provider) if *provider == session => {
                self.providers.remove(&trigger_type);
                self.contest_triggers_of(trigger_type);
            }
            Some(_) => {
                self.contested.types.insert(trigger_type);
            }
            None => {}
        }
    }

    /// Whether a trigger whose type has gone is still there, the documents do not say.
    fn contest_triggers_of(&mut self, trigger_type: usize) {
        for session in &self.sessions {
            let triggers = session.triggers.iter();
            let of_type = triggers.filter(|(_, (it, _))| *it == Type::OfWorker(trigger_type));
            self.contested.triggers.extend(of_type.map(|(id, _)| *id));
        }
    }

    /// The triggers that stand while their type has no provider, by id and function; none if it
    /// is not certain which ones those are.
    pub(super) fn standing(&self, trigger_type: usize) -> Option<Vec<(usize, usize)>> {
        if !self.uncertain.triggers.is_empty() || !self.strict {
            return None;
        }
        let all = self.sessions.iter().flat_map(|it| &it.triggers);
        let of_type = all.filter(|(_, (it, _))| *it == Type::OfWorker(trigger_type));
        Some(
            of_type
                .map(|(id, (_, function))| (*id, *function))
                .collect(),
        )
    }

    /// The codes in the document's order; all of them may be reported, the first one is what
    /// the reference decides (D-04).
    pub(super) fn trigger(&self, step: &TriggerStep) -> Allowed {
        let own = self.sessions.get(step.session).map(|it| &it.triggers);
        let taken = own.is_some_and(|it| it.contains_key(&step.trigger));
        let elsewhere = self.elsewhere(step.session, step.trigger);
        let contested = elsewhere || self.contested.triggers.contains(&step.trigger);
        let unknown = self.uncertain.triggers.contains(&step.trigger);
        let open = unknown || (contested && !self.strict);
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
        let mut codes = Vec::new();
        for (needed, code) in faults {
            if needed != Presence::Present {
                codes.push(code);
            }
            if needed == Presence::Absent && self.strict {
                break;
            }
        }
        let wrong = faults
            .iter()
            .filter(|(needed, _)| *needed == Presence::Absent);
        Allowed {
            acceptance: !certain,
            codes,
            faults: wrong.map(|(_, code)| *code).collect(),
        }
    }

    /// Whether another session has a trigger of this id.
    fn elsewhere(&self, session: usize, trigger: usize) -> bool {
        let others = self.sessions.iter().enumerate();
        others
            .filter(|(index, _)| *index != session)
            .any(|(_, it)| it.triggers.contains_key(&trigger))
    }

    pub(super) fn trigger_registered(&mut self, step: &TriggerStep) {
        if self.elsewhere(step.session, step.trigger) {
            self.contested.triggers.insert(step.trigger);
        }
        if let Some(session) = self.session(step.session) {
            let what = (step.trigger_type, step.function);
            session.triggers.insert(step.trigger, what);
        }
    }

    pub(super) fn unregister_trigger(&mut self, session: usize, trigger: usize) {
        if self.elsewhere(session, trigger) {
            self.contested.triggers.insert(trigger);
        }
        if let Some(own) = self.session(session) {
            own.triggers.remove(&trigger);
        }
    }

    /// Whether a trigger is there is not known from here on.
    pub(super) fn lose_track_of_trigger(&mut self, trigger: usize) {
        self.uncertain.triggers.insert(trigger);
    }

    /// A session's end removes all that is its own, at once (D-07). Where it is `noticed` only in
    /// time, nobody knows when.
    pub(super) fn end_session(&mut self, index: usize, noticed: bool) {
        let Some(session) = self.session(index) else {
            return;
        };
        let ended = std::mem::take(session);
        let providers = self.providers.iter();
        let provided: Vec<usize> = providers
            .filter(|(_, provider)| **provider == index)
            .map(|(id, _)| *id)
            .collect();
        for id in &provided {
            self.providers.remove(id);
            self.contest_triggers_of(*id);
        }
        let left = match noticed {
            true => &mut self.contested,
            false => &mut self.uncertain,
        };
        left.functions.extend(ended.functions.into_keys());
        left.triggers.extend(ended.triggers.into_keys());
        left.types.extend(provided);
    }
}

fn presence(present: bool, open: bool) -> Presence {
    match (present, open) {
        (_, true) => Presence::Either,
        (true, false) => Presence::Present,
        (false, false) => Presence::Absent,
    }
}
