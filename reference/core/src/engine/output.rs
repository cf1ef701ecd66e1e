//! Where effects go, with the world that they are made in.

use serde::Serialize;
use uuid::Uuid;

use super::Engine;
use crate::{
    Effect, Event, EventKind, Failure, Now, SessionId, Subject, World, input::Environment,
    wire::encode,
};

pub(super) struct Output<'o, 'w> {
    world: &'o mut World<'w>,
    effects: &'o mut Vec<Effect>,
}

impl<'o, 'w> Output<'o, 'w> {
    pub(super) fn new(world: &'o mut World<'w>, effects: &'o mut Vec<Effect>) -> Self {
        Self { world, effects }
    }

    pub(super) fn now(&self) -> Now {
        self.world.now
    }

    pub(super) fn next_id(&mut self) -> Uuid {
        self.world.ids.next_id()
    }

    pub(super) fn environment(&self) -> &dyn Environment {
        self.world.environment
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn report(&mut self, worker: Uuid, kind: EventKind) {
        self.effects.push(Effect::Report(Event { worker, kind }));
    }
}

impl Engine {
    /// Sends a frame, unless the session has ended meanwhile.
    pub(super) fn send<T: Serialize>(
        &self,
        session: SessionId,
        frame: &T,
        out: &mut Output<'_, '_>,
    ) {
        if self.sessions.is_live(session) {
            let frame = encode(frame);
            out.push(Effect::Send { session, frame });
        }
    }

    pub(super) fn report(&self, session: SessionId, kind: EventKind, out: &mut Output<'_, '_>) {
        if let Some(session) = self.sessions.get(session) {
            out.report(session.worker_id, kind);
        }
    }

    pub(super) fn report_refusal(
        &self,
        session: SessionId,
        subject: Subject,
        id: &str,
        failure: &Failure,
        out: &mut Output<'_, '_>,
    ) {
        let kind = EventKind::Refused {
            subject,
            id: id.to_owned(),
            failure: failure.clone(),
        };
        self.report(session, kind, out);
    }
}
