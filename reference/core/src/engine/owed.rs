//! The answers that providers owe for triggers that nobody has any more (D-18).

use std::{collections::BTreeMap, sync::Arc};

use super::trigger_types::Asked;
use crate::timers::TimerId;

/// How many of one session's are remembered.
const OWED_MAX: usize = 1_000;

/// Those of one session, of whatever type: a provider that never answers must not make the engine
/// remember for ever.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// By type, then by the id under which the provider knows the trigger.
    by_type: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Owing>>,
    /// Type and id, oldest first.
    order: BTreeMap<u64, (Arc<str>, Arc<str>)>,
    last: u64,
}

#[derive(Debug)]
struct Owing {
    number: u64,
    asked: Option<(Asked, TimerId)>,
}

impl Owed {
    /// With what it still counts for, and how long. Gives the id of the oldest, which is forgotten
    /// for it if there are too many.
    pub(super) fn remember(
        &mut self,
        trigger_type: Arc<str>,
        provider_id: Arc<str>,
        asked: Option<(Asked, TimerId)>,
    ) -> Option<Arc<str>> {
        self.last += 1;
        let number = self.last;
        let names = (Arc::clone(&trigger_type), Arc::clone(&provider_id));
        self.order.insert(number, names);
        let of_type = self.by_type.entry(trigger_type).or_default();
        of_type.insert(provider_id, Owing { number, asked });
        if self.order.len() <= OWED_MAX {
            return None;
        }
        let (_, (trigger_type, provider_id)) = self.order.pop_first()?;
        self.forget(&trigger_type, &provider_id);
        Some(provider_id)
    }

    /// It has been given: what it may still count for, if it was remembered.
    pub(super) fn forget(
        &mut self,
        trigger_type: &str,
        provider_id: &str,
    ) -> Option<Option<(Asked, TimerId)>> {
        let of_type = self.by_type.get_mut(trigger_type)?;
        let owing = of_type.remove(provider_id)?;
        if of_type.is_empty() {
            self.by_type.remove(trigger_type);
        }
        self.order.remove(&owing.number);
        Some(owing.asked)
    }

    /// Whether the provider has still to answer for this id.
    pub(super) fn contains(&self, trigger_type: &str, provider_id: &str) -> bool {
        let of_type = self.by_type.get(trigger_type);
        of_type.is_some_and(|ids| ids.contains_key(provider_id))
    }

    /// Of what still counts.
    pub(super) fn timers(&self) -> impl Iterator<Item = TimerId> {
        let owed = self.by_type.values().flat_map(BTreeMap::values);
        owed.filter_map(|it| Some(it.asked.as_ref()?.1))
    }
}
