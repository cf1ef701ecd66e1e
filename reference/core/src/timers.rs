//! Deadlines, on the monotonic clock.

use std::{collections::BTreeMap, time::Duration};

/// A deadline that can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerId {
    at: Duration,
    sequence: u64,
}

impl TimerId {
    /// When it is due.
    pub(crate) fn at(self) -> Duration {
        self.at
    }
}

/// Deadlines in order, each with what it is for.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    due: BTreeMap<TimerId, T>,
    sequence: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            sequence: 0,
        }
    }
}

impl<T> Timers<T> {
    pub(crate) fn set(&mut self, at: Duration, what: T) -> TimerId {
        self.sequence += 1;
        let id = TimerId {
            at,
            sequence: self.sequence,
        };
        self.due.insert(id, what);
        id
    }

    /// Whether it was still to come.
    pub(crate) fn cancel(&mut self, id: TimerId) -> bool {
        self.due.remove(&id).is_some()
    }

    /// The earliest deadline.
    pub(crate) fn earliest(&self) -> Option<(Duration, &T)> {
        self.due.first_key_value().map(|(id, what)| (id.at, what))
    }

    /// Takes out the earliest deadline that has been reached, if any has.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<T> {
        let first = self.due.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn due_in_order_of_time_then_of_setting() {
        let mut timers = Timers::default();
        timers.set(seconds(2), "later");
        timers.set(seconds(1), "first");
        let gone = timers.set(seconds(1), "taken back");
        timers.set(seconds(1), "second");
        timers.cancel(gone);
        assert_eq!(timers.earliest(), Some((seconds(1), &"first")));
        assert_eq!(timers.pop_due(Duration::ZERO), None);
        let mut due = Vec::new();
        while let Some(what) = timers.pop_due(seconds(1)) {
            due.push(what);
        }
        assert_eq!(due, ["first", "second"]);
        assert_eq!(timers.earliest(), Some((seconds(2), &"later")));
    }
}
