//! Outboxes that have something to write.

use std::sync::Arc;

use super::Outbox;

/// It is written at the latest when they are dropped.
#[derive(Debug, Default)]
pub(crate) struct Unwritten(Vec<Arc<Outbox>>);

impl Unwritten {
    pub(crate) fn add(&mut self, outbox: &Arc<Outbox>) {
        if !self.0.last().is_some_and(|last| Arc::ptr_eq(last, outbox)) {
            self.0.push(Arc::clone(outbox));
        }
    }

    pub(crate) fn write(&mut self) {
        for outbox in self.0.drain(..) {
            outbox.write();
        }
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.write();
    }
}
