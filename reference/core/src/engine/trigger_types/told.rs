//! What a provider is told of triggers, at the pace that it keeps up with (D-28).

use std::{borrow::Cow, collections::BTreeSet, ops::Bound, sync::Arc, time::Duration};

use super::{Due, Engine, Known, Output, TriggerKey};
use crate::{Failure, SessionId, engine::owed::Owed, timers::TimerId, wire::UnregisterTrigger};

/// How large the registrations are that one provider has still to answer for, in bytes, as they
/// count as registrations. One that is larger is sent alone.
const ASKED_BYTES_MAX: usize = 8 << 20;
/// How many of those triggers are sent at once that a type had before its provider came.
const ANNOUNCED_MAX: usize = 64;
/// How many bytes of withdrawals, which are not answered, are sent in one period.
const WITHDRAWN_BYTES_MAX: usize = 64 << 10;
const WITHDRAWAL_PERIOD: Duration = Duration::from_millis(100);
/// What a withdrawal takes beside its ids.
const WITHDRAWAL_BYTES_BESIDE_IDS: usize = 64;

/// What one session is told as a provider, whatever types it provides.
#[derive(Debug, Default)]
pub(in crate::engine) struct Told {
    asked: Asked,
    /// Its types with triggers that are still to be announced.
    announcing: BTreeSet<Arc<str>>,
    /// Those with triggers that are still to be withdrawn.
    withdrawing: BTreeSet<Arc<str>>,
    /// When the period began, and how many bytes of withdrawals were sent in it.
    period: (Duration, usize),
    timer: Option<TimerId>,
}

/// Registrations that a provider has still to answer for; those that were given up count until
/// their time is over.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Asked {
    bytes: usize,
    /// How many of them are for no registrar that waits.
    announced: usize,
}

impl Asked {
    pub(super) fn of(bytes: usize, registrar_waits: bool) -> Self {
        Self {
            bytes,
            announced: usize::from(!registrar_waits),
        }
    }
}

impl Told {
    fn has_room(&self, bytes: usize) -> bool {
        self.asked.bytes == 0 || self.asked.bytes.saturating_add(bytes) <= ASKED_BYTES_MAX
    }

    /// Whether a withdrawal may be sent now; then it counts.
    fn takes_withdrawal(&mut self, bytes: usize, now: Duration) -> bool {
        if !self.withdrawing.is_empty() {
            return false;
        }
        if now >= self.period.0.saturating_add(WITHDRAWAL_PERIOD) {
            self.period = (now, 0);
        }
        let sent = self.period.1.saturating_add(bytes);
        let fits = sent <= WITHDRAWN_BYTES_MAX;
        if fits {
            self.period.1 = sent;
        }
        fits
    }
}

impl Engine {
    /// Whether the provider of a type may be asked for a trigger of so many bytes.
    pub(in crate::engine) fn check_provider(
        &self,
        trigger_type: &str,
        bytes: usize,
    ) -> Result<(), Failure> {
        let provided = self.trigger_types.provided.get(trigger_type);
        let provider = provided.and_then(|it| self.sessions.get(it.provider));
        if provider.is_none_or(|it| it.told.has_room(bytes)) {
            return Ok(());
        }
        Err(Failure::too_many_registrations(format!(
            "With this one, the triggers that the provider of '{trigger_type}' has still to answer \
             for would be larger than {ASKED_BYTES_MAX} bytes"
        )))
    }

    pub(super) fn asked(&mut self, provider: SessionId, asked: Asked) {
        if let Some(provider) = self.sessions.get_mut(provider) {
            provider.told.asked.bytes += asked.bytes;
            provider.told.asked.announced += asked.announced;
        }
    }

    /// The provider has answered, or its time is over.
    pub(super) fn asked_no_more(&mut self, provider: SessionId, asked: Asked) {
        if let Some(provider) = self.sessions.get_mut(provider) {
            provider.told.asked.bytes -= asked.bytes;
            provider.told.asked.announced -= asked.announced;
        }
    }

    /// The time of a registration is over that was given up before.
    pub(in crate::engine) fn asked_in_vain(
        &mut self,
        provider: SessionId,
        asked: Asked,
        out: &mut Output<'_, '_>,
    ) {
        self.asked_no_more(provider, asked);
        self.announce_more(provider, out);
    }

    /// Sends a new provider the triggers that its type has, in portions: the next with each
    /// answer (D-17).
    pub(super) fn announce_all(
        &mut self,
        provider: SessionId,
        trigger_type: &Arc<str>,
        out: &mut Output<'_, '_>,
    ) {
        if !self.trigger_types.triggers.contains_key(trigger_type) {
            return;
        }
        if let Some(provider) = self.sessions.get_mut(provider) {
            provider.told.announcing.insert(Arc::clone(trigger_type));
        }
        self.announce_more(provider, out);
    }

    pub(super) fn announce_more(&mut self, provider: SessionId, out: &mut Output<'_, '_>) {
        loop {
            let Some(told) = self.sessions.get(provider).map(|it| &it.told) else {
                return;
            };
            if told.asked.announced >= ANNOUNCED_MAX {
                return;
            }
            let Some(trigger_type) = told.announcing.first().cloned() else {
                return;
            };
            let Some((key, bytes)) = self.next_to_announce(&trigger_type) else {
                if let Some(provider) = self.sessions.get_mut(provider) {
                    provider.told.announcing.remove(&trigger_type);
                }
                continue;
            };
            if bytes.is_some_and(|bytes| !told.has_room(bytes)) {
                return;
            }
            if let Some(provided) = self.trigger_types.provided.get_mut(&trigger_type) {
                provided.announced_to = Some(key.clone());
            }
            if bytes.is_some() {
                self.announce(&key, false, out);
            }
        }
    }

    /// The type's next trigger, and how much it counts unless its provider has been sent it
    /// meanwhile.
    fn next_to_announce(&self, trigger_type: &str) -> Option<(TriggerKey, Option<usize>)> {
        let last = &self.trigger_types.provided.get(trigger_type)?.announced_to;
        let from = last.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let triggers = self.trigger_types.triggers.get(trigger_type)?;
        let key = triggers.range((from, Bound::Unbounded)).next()?;
        let own = self.sessions.get(key.0).map(|it| &it.triggers);
        let trigger = own.and_then(|own| own.get(&key.1));
        let unsent = trigger.filter(|it| it.provider_id.is_none());
        Some((key.clone(), unsent.map(|it| it.bytes)))
    }

    /// Tells a provider that it has a trigger no more: at once, or when its turn comes. Until
    /// then the id stays taken.
    pub(super) fn withdraw_from_provider(
        &mut self,
        trigger_type: &Arc<str>,
        provider_id: &Arc<str>,
        out: &mut Output<'_, '_>,
    ) {
        let Some(provided) = self.trigger_types.provided.get_mut(trigger_type) else {
            return;
        };
        let session = provided.provider;
        let Some(provider) = self.sessions.get_mut(session) else {
            return;
        };
        let told = &mut provider.told;
        let now = out.now().monotonic;
        if told.takes_withdrawal(bytes_of_withdrawal(trigger_type, provider_id), now) {
            return self.send_withdrawal(session, trigger_type, provider_id, out);
        }
        let id = Arc::clone(provider_id);
        provided.known.insert(Arc::clone(&id), Known::Leaving);
        provided.leaving.push_back(id);
        told.withdrawing.insert(Arc::clone(trigger_type));
        if told.timer.is_none() {
            let at = told.period.0.saturating_add(WITHDRAWAL_PERIOD);
            told.timer = Some(self.timers.set(at, Due::Withdrawals(session)));
        }
    }

    /// A new period begins.
    pub(in crate::engine) fn withdraw_more(
        &mut self,
        session: SessionId,
        out: &mut Output<'_, '_>,
    ) {
        let now = out.now().monotonic;
        let mut sent = 0;
        while sent < WITHDRAWN_BYTES_MAX {
            let told = self.sessions.get(session).map(|it| &it.told);
            let Some(trigger_type) = told.and_then(|it| it.withdrawing.first().cloned()) else {
                break;
            };
            let provided = self.trigger_types.provided.get_mut(&trigger_type);
            let next = provided.and_then(|it| {
                let id = it.leaving.pop_front()?;
                it.known.remove(&id);
                Some(id)
            });
            match next {
                Some(id) => {
                    sent += bytes_of_withdrawal(&trigger_type, &id);
                    self.send_withdrawal(session, &trigger_type, &id, out);
                }
                None => {
                    if let Some(provider) = self.sessions.get_mut(session) {
                        provider.told.withdrawing.remove(&trigger_type);
                    }
                }
            }
        }
        let Some(provider) = self.sessions.get_mut(session) else {
            return;
        };
        let told = &mut provider.told;
        told.period = (now, sent);
        told.timer = (!told.withdrawing.is_empty()).then(|| {
            let at = now.saturating_add(WITHDRAWAL_PERIOD);
            self.timers.set(at, Due::Withdrawals(session))
        });
    }

    /// A type is its provider's no more.
    pub(super) fn stop_telling(&mut self, provider: SessionId, trigger_type: &str) {
        if let Some(provider) = self.sessions.get_mut(provider) {
            provider.told.announcing.remove(trigger_type);
            provider.told.withdrawing.remove(trigger_type);
        }
    }

    /// The provider is gone.
    pub(in crate::engine) fn forget_told(&mut self, told: &Told, owed: &Owed) {
        for timer in told.timer.into_iter().chain(owed.timers()) {
            self.timers.cancel(timer);
        }
    }

    fn send_withdrawal(
        &self,
        provider: SessionId,
        trigger_type: &str,
        provider_id: &str,
        out: &mut Output<'_, '_>,
    ) {
        let frame = UnregisterTrigger {
            id: Cow::Borrowed(provider_id),
            trigger_type: Some(Cow::Borrowed(trigger_type)),
        };
        self.send(provider, &frame, out);
    }
}

fn bytes_of_withdrawal(trigger_type: &str, provider_id: &str) -> usize {
    WITHDRAWAL_BYTES_BESIDE_IDS + trigger_type.len() + provider_id.len()
}
