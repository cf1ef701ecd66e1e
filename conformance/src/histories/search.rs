//! The thread on which histories are searched. It drives sessions on the runtime, so it has to have
//! ended before the runtime does.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

/// What the searches of a run and those who end them share.
#[derive(Debug, Default)]
pub(crate) struct Searches {
    stopped: watch::Sender<bool>,
    /// Read by each search while it goes on.
    under_way: Arc<RwLock<()>>,
}

impl Searches {
    /// Goes along with a search.
    pub(super) async fn begin(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.under_way).read_owned().await
    }

    pub(super) fn are_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Drives a history, unless the search is stopped; none if it was.
    pub(super) async fn unless_stopped<T>(&self, driven: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            // The sender lives as long as `self`.
            _ = stopped.wait_for(|it| *it) => None,
            done = driven => Some(done),
        }
    }

    /// Stops all searches, and returns when they have ended.
    pub(crate) async fn stop(&self) {
        self.stopped.send_replace(true);
        drop(self.under_way.write().await);
    }
}
