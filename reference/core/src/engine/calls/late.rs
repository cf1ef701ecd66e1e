//! Calls that have ended while their workers had still to answer them (D-28).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Call, ServedBy};
use crate::{
    SessionId,
    engine::{Due, Engine, Output},
    timers::TimerId,
};

/// Those of one worker: it may still be busy, and their frames may wait for it.
#[derive(Debug, Default)]
pub(in crate::engine) struct LateCalls(BTreeMap<Uuid, Late>);

#[derive(Debug)]
struct Late {
    bytes: usize,
    timer: TimerId,
}

impl Engine {
    /// Counts a call that has ended with its worker, and nobody else, until the worker answers or
    /// could have.
    pub(super) fn await_late_answer(&mut self, call: &Call, out: &Output<'_, '_>) {
        let ServedBy::Worker { session, bytes, .. } = call.served_by else {
            return;
        };
        let Some(worker) = self.sessions.get_mut(session) else {
            return;
        };
        worker.call_bytes += bytes;
        let at = out.now().monotonic;
        let at = at.saturating_add(self.settings.call_timeout);
        let timer = self.timers.set(at, Due::LateAnswer(session, call.id));
        worker.late_calls.0.insert(call.id, Late { bytes, timer });
    }

    /// The answer has come, or comes no more.
    pub(in crate::engine) fn forget_late_call(&mut self, worker: SessionId, id: Uuid) {
        let Some(worker) = self.sessions.get_mut(worker) else {
            return;
        };
        if let Some(late) = worker.late_calls.0.remove(&id) {
            worker.call_bytes -= late.bytes;
            self.timers.cancel(late.timer);
        }
    }

    /// Their worker is gone.
    pub(in crate::engine) fn forget_late_calls(&mut self, calls: LateCalls) {
        for late in calls.0.into_values() {
            self.timers.cancel(late.timer);
        }
    }
}
