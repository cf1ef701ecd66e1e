//! Messages whose function cannot be called just now: who waits, and for how long (D-13, D-14).

use std::{ops::Bound, sync::Arc, time::Duration};

use super::{Armed, Engine, Output};
use crate::{
    SessionId,
    engine::{Due, calls::Bar},
    queue::Subscriber,
};

/// How long messages wait.
const RETRY_TIME: Duration = Duration::from_secs(1);

impl Engine {
    /// Lets messages wait that could not be handed out: for all whom the same would stop, so that
    /// it is tried once a second, and not once for each, and for nobody else.
    pub(in crate::engine) fn pause(
        &mut self,
        subscriber: &Subscriber,
        bar: Bar,
        out: &Output<'_, '_>,
    ) {
        let function_id = Arc::clone(subscriber.function_id());
        let due = match (bar, subscriber) {
            (Bar::Everybody, _) => {
                if !self.firing.paused.insert(Arc::clone(&function_id)) {
                    return;
                }
                self.ready_subscribers(&function_id, false);
                Due::Resume(function_id)
            }
            (Bar::Caller, Subscriber::Trigger(trigger)) => {
                // Another pause of it may have ended before this one does.
                self.firing.queues.set_paused(subscriber, true);
                let session = trigger.session;
                let caller = (session, Arc::clone(&function_id));
                if !self.firing.paused_callers.insert(caller) {
                    return;
                }
                self.pause_caller(session, &function_id, true);
                Due::ResumeCaller(session, function_id)
            }
            // Others would be refused the same messages at once.
            (Bar::Data, _) | (Bar::Caller, Subscriber::Function { .. }) => {
                let Some(queue) = self.firing.queues.pause_alike(subscriber) else {
                    return;
                };
                let names = (Arc::clone(&queue), Arc::clone(&function_id));
                if !self.firing.paused_queues.insert(names) {
                    return;
                }
                Due::ResumeQueue(queue, function_id)
            }
        };
        self.timers
            .set(out.now().monotonic.saturating_add(RETRY_TIME), due);
    }

    pub(in crate::engine) fn resume(&mut self, function_id: &Arc<str>) {
        self.firing.paused.remove(function_id);
        let ready = self.functions.contains(function_id);
        self.ready_subscribers(function_id, ready);
    }

    pub(in crate::engine) fn resume_caller(&mut self, session: SessionId, function_id: Arc<str>) {
        self.pause_caller(session, &function_id, false);
        self.firing.paused_callers.remove(&(session, function_id));
    }

    pub(in crate::engine) fn resume_queue(&mut self, queue: Arc<str>, function_id: Arc<str>) {
        self.firing.queues.resume_alike(&queue, &function_id);
        self.firing.paused_queues.remove(&(queue, function_id));
    }

    /// Whether one who is new has to wait as the others do.
    pub(super) fn is_paused(&self, subscriber: &Subscriber, queue: &str) -> bool {
        let function_id = || Arc::clone(subscriber.function_id());
        let caller = match subscriber {
            Subscriber::Trigger(it) => Some(it.session),
            Subscriber::Function { .. } => None,
        };
        let paused = &self.firing.paused_callers;
        caller.is_some_and(|it| paused.contains(&(it, function_id())))
            || self
                .firing
                .paused_queues
                .contains(&(queue.into(), function_id()))
    }

    /// The triggers of one session for one function.
    fn pause_caller(&mut self, session: SessionId, function_id: &Arc<str>, paused: bool) {
        let none: Arc<str> = "".into();
        let first = Subscriber::Trigger(Armed {
            session,
            id: Arc::clone(&none),
            function_id: none,
        });
        let subscribers = self.firing.subscribers.get(function_id);
        let from = (Bound::Included(first), Bound::Unbounded);
        let own = subscribers
            .into_iter()
            .flat_map(|it| it.range(from.clone()));
        let is_own =
            |it: &&Subscriber| matches!(it, Subscriber::Trigger(it) if it.session == session);
        for subscriber in own.take_while(is_own) {
            self.firing.queues.set_paused(subscriber, paused);
        }
    }
}
