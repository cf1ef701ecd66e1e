//! Whose turn the next call of a function is.

use std::collections::BTreeMap;

/// Who serves the next call of each function, as D-03 says.
#[derive(Debug, Default)]
pub(super) struct Turns {
    of: BTreeMap<usize, Turn>,
}

#[derive(Debug, Default)]
struct Turn {
    /// In the order of their registrations.
    sessions: Vec<usize>,
    next: usize,
}

impl Turns {
    pub(super) fn register(&mut self, function: usize, session: usize) {
        let turn = self.of.entry(function).or_default();
        if !turn.sessions.contains(&session) {
            turn.sessions.push(session);
        }
    }

    pub(super) fn unregister(&mut self, function: usize, session: usize) {
        if let Some(turn) = self.of.get_mut(&function) {
            turn.remove(session);
        }
    }

    pub(super) fn end(&mut self, session: usize) {
        for turn in self.of.values_mut() {
            turn.remove(session);
        }
    }

    pub(super) fn take(&mut self, function: usize) -> Option<usize> {
        let turn = self.of.get_mut(&function)?;
        let next = if turn.next < turn.sessions.len() {
            turn.next
        } else {
            0
        };
        turn.next = next + 1;
        turn.sessions.get(next).copied()
    }
}

impl Turn {
    /// Who leaves does not cost anybody a turn.
    fn remove(&mut self, session: usize) {
        if let Some(at) = self.sessions.iter().position(|it| *it == session) {
            self.sessions.remove(at);
            if at < self.next {
                self.next -= 1;
            }
        }
    }
}
