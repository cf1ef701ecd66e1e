//! The functions: who serves them, and whose turn it is.

use std::{collections::HashMap, sync::Arc};

use serde_json::value::RawValue;

use crate::{Endpoint, SessionId, format::Formats};

/// What a session registered a function with.
#[derive(Clone, Debug)]
pub(super) struct Registration {
    pub(super) session: SessionId,
    pub(super) description: Option<String>,
    pub(super) request_format: Option<Box<RawValue>>,
    pub(super) response_format: Option<Box<RawValue>>,
    pub(super) metadata: Option<Box<RawValue>>,
    /// Present if it is called over HTTP instead of through its session.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    /// Empty unless formats are enforced (D-14).
    pub(super) formats: Formats,
}

/// One id with everyone who serves it (D-03). Never empty.
#[derive(Debug, Default)]
struct Function {
    registrations: Vec<Registration>,
    /// Whose turn the next call is.
    next: usize,
}

#[derive(Debug, Default)]
pub(super) struct Functions {
    by_id: HashMap<Arc<str>, Function>,
}

impl Functions {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// Whether nobody served it before.
    pub(super) fn add(&mut self, id: Arc<str>, registration: Registration) -> bool {
        let function = self.by_id.entry(id).or_default();
        if function.registrations.is_empty() {
            // Most are served by one session, and a vector would make room for four.
            function.registrations.reserve_exact(1);
        }
        function.registrations.push(registration);
        function.registrations.len() == 1
    }

    /// Takes one session's registration away; others keep theirs (D-03). Whether nobody serves it
    /// any more.
    pub(super) fn remove(&mut self, id: &str, session: SessionId) -> bool {
        let Some(function) = self.by_id.get_mut(id) else {
            return false;
        };
        if let Some(index) = function.index_of(session) {
            function.registrations.remove(index);
            if index < function.next {
                function.next -= 1;
            }
        }
        let gone = function.registrations.is_empty();
        if gone {
            self.by_id.remove(id);
        }
        gone
    }

    /// Gives back the room of so many as have gone, if those were the most: all of it is paid for
    /// by what has gone.
    pub(super) fn give_room_back(&mut self, gone: usize) {
        if gone > self.by_id.len() {
            self.by_id.shrink_to_fit();
        }
    }

    /// Who is to serve the next call of a function: round-robin (D-03).
    pub(super) fn take_turn(&mut self, id: &str) -> Option<(Arc<str>, &Registration)> {
        let id = Arc::clone(self.by_id.get_key_value(id)?.0);
        let function = self.by_id.get_mut(&id)?;
        let turn = if function.next < function.registrations.len() {
            function.next
        } else {
            0
        };
        function.next = turn + 1;
        Some((id, function.registrations.get(turn)?))
    }

    /// Each id with its first registration, in order of the ids.
    pub(super) fn list(&self) -> Vec<(&str, &Registration)> {
        let mut list: Vec<(&str, &Registration)> = self
            .by_id
            .iter()
            .filter_map(|(id, function)| Some((&**id, function.registrations.first()?)))
            .collect();
        list.sort_unstable_by_key(|(id, _)| *id);
        list
    }
}

impl Function {
    fn index_of(&self, session: SessionId) -> Option<usize> {
        self.registrations
            .iter()
            .position(|registration| registration.session == session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served_by(sessions: &[u64]) -> Functions {
        let mut functions = Functions::default();
        for session in sessions {
            functions.add(
                "f".into(),
                Registration {
                    session: SessionId(*session),
                    description: None,
                    request_format: None,
                    response_format: None,
                    metadata: None,
                    endpoint: None,
                    formats: Formats::default(),
                },
            );
        }
        functions
    }

    fn turns(functions: &mut Functions, count: usize) -> Vec<u64> {
        (0..count)
            .filter_map(|_| Some(functions.take_turn("f")?.1.session.0))
            .collect()
    }

    #[test]
    fn calls_go_round() {
        assert_eq!(turns(&mut served_by(&[1, 2, 3]), 7), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn who_leaves_does_not_cost_anybody_a_turn() {
        let mut functions = served_by(&[1, 2, 3]);
        assert_eq!(turns(&mut functions, 2), [1, 2]);
        functions.remove("f", SessionId(1));
        assert_eq!(turns(&mut functions, 3), [3, 2, 3]);
        functions.remove("f", SessionId(3));
        functions.remove("f", SessionId(2));
        assert!(!functions.contains("f"));
    }
}
