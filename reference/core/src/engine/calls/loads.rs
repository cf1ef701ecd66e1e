//! How much the calls that workers have still to answer may be together (D-28).

use super::{Bar, Engine};
use crate::{Failure, SessionId, wire::InvokeFunction};

/// What a call costs beside what its caller has written: the rest of its frame, and the tables.
const CALL_BYTES_BESIDE_TEXT: usize = 512;

impl Engine {
    /// Counts a call with the worker that has to answer it, so that what waits for one that is
    /// busy has an end before its session does, with the session that makes it, and with all.
    /// A single call always finds room.
    pub(super) fn load(
        &mut self,
        worker: SessionId,
        caller: SessionId,
        frame: &InvokeFunction<'_>,
    ) -> Result<usize, (Failure, Bar)> {
        let bytes = text_bytes(frame).saturating_add(CALL_BYTES_BESIDE_TEXT);
        let held = |session| self.sessions.get(session);
        for (taken, max, bar, whose) in [
            (
                held(worker).map_or(0, |it| it.call_bytes),
                self.settings.call_bytes_per_worker_max,
                Bar::Everybody,
                "the calls that its worker has still to answer",
            ),
            (
                held(caller).map_or(0, |it| it.asked_bytes),
                self.settings.call_bytes_per_caller_max,
                Bar::Caller,
                "the calls of this session that workers have still to answer",
            ),
            (
                self.calls.bytes,
                self.settings.call_bytes_max,
                Bar::Everybody,
                "all calls that workers have still to answer",
            ),
        ] {
            if taken > 0 && taken.saturating_add(bytes) > max {
                let message = format!("With this one, {whose} would be larger than {max} bytes");
                return Err((Failure::too_many_requests(message), bar));
            }
        }
        if let Some(worker) = self.sessions.get_mut(worker) {
            worker.call_bytes += bytes;
        }
        if let Some(caller) = self.sessions.get_mut(caller) {
            caller.asked_bytes += bytes;
        }
        self.calls.bytes += bytes;
        Ok(bytes)
    }

    /// A call has ended.
    pub(super) fn unload(&mut self, worker: SessionId, caller: SessionId, bytes: usize) {
        if let Some(worker) = self.sessions.get_mut(worker) {
            worker.call_bytes -= bytes;
        }
        if let Some(caller) = self.sessions.get_mut(caller) {
            caller.asked_bytes -= bytes;
        }
        self.calls.bytes -= bytes;
    }
}

/// How much of a call its caller has written: all that is kept for it, or passed on.
fn text_bytes(frame: &InvokeFunction<'_>) -> usize {
    let texts = [&frame.invocation_id, &frame.traceparent, &frame.baggage];
    let texts = texts.into_iter().flatten().map(|it| it.len());
    let metadata = frame.metadata.map_or(0, |it| it.get().len());
    let own = frame.function_id.len() + frame.data.get().len() + metadata;
    texts.fold(own, usize::saturating_add)
}
