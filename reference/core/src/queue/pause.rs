//! Subscriptions that are not served for a while.

use std::sync::Arc;

use super::{Queues, Store, Subscriber};

impl<S: Store> Queues<S> {
    /// Says whether a trigger's function can be called. Until it can, messages wait, and no
    /// attempt is counted.
    pub(crate) fn set_ready(&mut self, key: &Subscriber, ready: bool) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        subscription.ready = ready;
        let name = Arc::clone(&subscription.queue);
        self.seat(key);
        self.refresh(&name);
    }

    /// Has one wait, until it is said that it need not.
    pub(crate) fn set_paused(&mut self, key: &Subscriber, paused: bool) {
        let Some(subscription) = self.subscriptions.get_mut(key) else {
            return;
        };
        subscription.paused = paused;
        let name = Arc::clone(&subscription.queue);
        if let Some(queue) = self.by_name.get_mut(&name) {
            match paused {
                true => queue.paused.insert(key.clone()),
                false => queue.paused.remove(key),
            };
        }
        self.seat(key);
        self.refresh(&name);
    }

    /// Has all wait, of those who take from the same queue as this one, that would take the same
    /// messages to the same function at once. Tells which queue it is.
    pub(crate) fn pause_alike(&mut self, key: &Subscriber) -> Option<Arc<str>> {
        let name = Arc::clone(&self.subscriptions.get(key)?.queue);
        let idle = self.by_name.get(&name)?.idle.values();
        let alike = idle.filter(|it| it.function_id() == key.function_id());
        let others: Vec<Subscriber> = alike.cloned().collect();
        for key in others.iter().chain([key]) {
            self.set_paused(key, true);
        }
        Some(name)
    }

    /// Those who wait for messages of a queue on behalf of a function need not any more.
    pub(crate) fn resume_alike(&mut self, name: &str, function_id: &str) {
        let paused = self.by_name.get(name).into_iter().flat_map(|it| &it.paused);
        let alike = paused.filter(|it| **it.function_id() == *function_id);
        for key in alike.cloned().collect::<Vec<_>>() {
            self.set_paused(&key, false);
        }
    }
}
