//! Sessions: how they begin and end, and what is theirs.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use uuid::Uuid;

use super::{
    Engine, Output, builtin::About, calls::LateCalls, owed::Owed, trigger_types::Told,
    triggers::Trigger,
};
use crate::{
    CloseCode, Effect, EventKind, Failure, SessionId,
    wire::{Reattach, WorkerRegistered},
};

/// A live session, and all that ends with it (D-07).
#[derive(Debug)]
pub(super) struct Session {
    pub(super) worker_id: Uuid,
    reattach_token: Token,
    /// On the wall clock.
    pub(super) connected_at: Duration,
    pub(super) about: About,
    /// Whether it has sent a text frame: a client may send its telemetry on a socket of its own,
    /// which is no worker (CO-18).
    pub(super) is_worker: bool,
    /// With how many bytes each has been counted (D-28).
    pub(super) functions: BTreeMap<Arc<str>, usize>,
    pub(super) triggers: BTreeMap<Arc<str>, Trigger>,
    /// Likewise.
    pub(super) trigger_types: BTreeMap<Arc<str>, usize>,
    /// For triggers that it was asked for as a provider.
    pub(super) owed: Owed,
    pub(super) told: Told,
    /// Requests that are made for it, in the order in which they were asked for.
    pub(super) requests: BTreeMap<u64, Uuid>,
    /// Calls that it has still to answer, in the order in which they were sent.
    pub(super) calls: BTreeMap<u64, Uuid>,
    /// Calls that have ended without its answer.
    pub(super) late_calls: LateCalls,
    /// How large both are together, in bytes.
    pub(super) call_bytes: usize,
    /// How large its own calls are that workers have still to answer.
    pub(super) asked_bytes: usize,
}

/// Whoever has it can end the session, so it is not printed.
struct Token(Uuid);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    live: BTreeMap<SessionId, Session>,
    by_worker: HashMap<Uuid, SessionId>,
}

impl Sessions {
    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn is_live(&self, id: SessionId) -> bool {
        self.live.contains_key(&id)
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.live.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.live.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.live.iter().map(|(id, session)| (*id, session))
    }

    fn add(&mut self, id: SessionId, session: Session) {
        self.by_worker.insert(session.worker_id, id);
        self.live.insert(id, session);
    }

    fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.live.remove(&id)?;
        self.by_worker.remove(&session.worker_id);
        Some(session)
    }
}

impl Engine {
    pub(super) fn connected(&mut self, id: SessionId, out: &mut Output<'_, '_>) {
        let worker_id = out.next_id();
        let reattach_token = out.next_id();
        let session = Session {
            worker_id,
            reattach_token: Token(reattach_token),
            connected_at: out.now().wall,
            about: About::default(),
            is_worker: false,
            functions: BTreeMap::new(),
            triggers: BTreeMap::new(),
            trigger_types: BTreeMap::new(),
            owed: Owed::default(),
            told: Told::default(),
            requests: BTreeMap::new(),
            calls: BTreeMap::new(),
            late_calls: LateCalls::default(),
            call_bytes: 0,
            asked_bytes: 0,
        };
        self.sessions.add(id, session);
        let greeting = WorkerRegistered {
            worker_id: worker_id.to_string().into(),
            reattach_token: Some(reattach_token.to_string().into()),
        };
        self.send(id, &greeting, out);
        self.report(id, EventKind::Connected, out);
    }

    /// Removes all that is the session's, and nothing else (D-07).
    pub(super) fn end_session(
        &mut self,
        id: SessionId,
        reason: &'static str,
        out: &mut Output<'_, '_>,
    ) {
        let Some(session) = self.sessions.remove(id) else {
            return;
        };
        let ended = EventKind::Ended {
            reason,
            functions: session.functions.len(),
            triggers: session.triggers.len(),
            trigger_types: session.trigger_types.len(),
        };
        out.report(session.worker_id, ended);
        self.give_room_back(id, usize::MAX);
        for function in session.functions.keys() {
            self.remove_function(function, id);
        }
        self.functions.give_room_back(session.functions.len());
        for (trigger_id, trigger) in session.triggers {
            self.release_trigger(&(id, trigger_id), &trigger, out);
        }
        for trigger_type in session.trigger_types.keys() {
            self.withdraw_trigger_type(trigger_type, out);
        }
        self.forget_told(&session.told, &session.owed);
        for call in session.calls.into_values() {
            self.stop_call(call, Failure::worker_gone, out);
        }
        self.forget_late_calls(session.late_calls);
        for request in session.requests.into_values() {
            self.cancel_request(request, out);
        }
    }

    pub(super) fn close(
        &mut self,
        session: SessionId,
        code: CloseCode,
        reason: &'static str,
        out: &mut Output<'_, '_>,
    ) {
        out.push(Effect::Close {
            session,
            code,
            reason,
        });
        self.end_session(session, reason, out);
    }

    /// Retires the session that the sender had before, with all that was its (CO-15).
    pub(super) fn reattach(
        &mut self,
        session: SessionId,
        frame: &Reattach<'_>,
        out: &mut Output<'_, '_>,
    ) {
        match self.session_to_retire(session, frame) {
            Some(older) => {
                self.close(older, CloseCode::Normal, "the worker has reconnected", out);
            }
            None => self.report(session, EventKind::ReattachIgnored, out),
        }
    }

    fn session_to_retire(&self, session: SessionId, frame: &Reattach<'_>) -> Option<SessionId> {
        let worker_id = Uuid::try_parse(&frame.previous_worker_id).ok()?;
        let token = Uuid::try_parse(&frame.reattach_token).ok()?;
        let older = *self.sessions.by_worker.get(&worker_id)?;
        let held = &self.sessions.get(older)?.reattach_token;
        (older != session && held.0 == token).then_some(older)
    }

    /// Answers everything that is waited for, then closes every session (D-23).
    pub(super) fn shut_down(&mut self, out: &mut Output<'_, '_>) {
        for call in self.calls.ids_in_order() {
            self.stop_call(call, Failure::engine_stopping, out);
        }
        self.stop_registrations(out);
        let sessions: Vec<SessionId> = self.sessions.iter().map(|(id, _)| id).collect();
        for session in &sessions {
            out.push(Effect::Close {
                session: *session,
                code: CloseCode::ServiceRestart,
                reason: "the engine is stopping",
            });
        }
        *self = Self::new(self.settings);
    }
}
