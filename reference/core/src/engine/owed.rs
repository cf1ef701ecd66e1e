//! The answers that providers owe for triggers that nobody has any more (D-18).

use std::{collections::VecDeque, sync::Arc};

use super::trigger_types::WaitingFor;

/// How many of one session's are remembered.
const OWED_MAX: usize = 1_000;

/// Those of one session, of whatever type, oldest first: a provider that never answers must not
/// make the engine remember for ever.
#[derive(Debug, Default)]
pub(super) struct Owed(VecDeque<WaitingFor>);

impl Owed {
    /// Gives the one that is forgotten for it, if there are too many.
    pub(super) fn remember(&mut self, answer: WaitingFor) -> Option<WaitingFor> {
        self.0.push_back(answer);
        match self.0.len() {
            ..=OWED_MAX => None,
            _ => self.0.pop_front(),
        }
    }

    /// It has been given.
    pub(super) fn forget(&mut self, trigger_type: &str, provider_id: &str) {
        self.0
            .retain(|it| *it.trigger_type != *trigger_type || *it.provider_id != *provider_id);
    }

    /// The ids under which the provider knows those of a type.
    pub(super) fn of_type(&self, trigger_type: &str) -> impl Iterator<Item = &Arc<str>> {
        let owed = self.0.iter();
        owed.filter(move |it| *it.trigger_type == *trigger_type)
            .map(|it| &it.provider_id)
    }
}
