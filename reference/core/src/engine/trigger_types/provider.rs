//! What passes between the providers of types and those who register triggers of them.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::{Asked, Due, Engine, Known, Output, Trigger, TriggerKey, WaitingFor, armed};
use crate::{
    Builtin, EventKind, Failure, SessionId, Subject,
    engine::{room::bytes_of_owed, sessions::Session},
    timers::TimerId,
    wire::{RegisterTrigger, TriggerRegistrationResult},
};

impl Engine {
    /// Sends a trigger to the provider of its type and awaits its answer (CO-05).
    pub(in crate::engine) fn announce(
        &mut self,
        key: &TriggerKey,
        registrar_waits: bool,
        out: &mut Output<'_, '_>,
    ) {
        let (session, id) = key;
        let own = self.sessions.get(*session);
        let Some(trigger) = own.and_then(|own| own.triggers.get(id)) else {
            return;
        };
        let trigger_type = Arc::clone(&trigger.trigger_type);
        let Some(provided) = self.trigger_types.provided.get_mut(&trigger_type) else {
            return;
        };
        let provider = provided.provider;
        let bytes = trigger.bytes;
        let owes = |it: &Session| it.owed.contains(&trigger_type, id);
        let is_taken =
            provided.known.contains_key(id) || self.sessions.get(provider).is_some_and(owes);
        let provider_id: Arc<str> = if is_taken {
            format!("{id}@{}", out.next_id()).into()
        } else {
            Arc::clone(id)
        };
        let waiting = WaitingFor {
            trigger_type: Arc::clone(&trigger_type),
            provider_id: Arc::clone(&provider_id),
        };
        let timer = self.timers.set(
            out.now()
                .monotonic
                .saturating_add(self.settings.trigger_registration_timeout),
            Due::TriggerRegistration(waiting),
        );
        let awaited = Known::Awaited {
            trigger: key.clone(),
            registrar_waits,
            bytes,
            timer,
        };
        provided.known.insert(Arc::clone(&provider_id), awaited);
        let frame = RegisterTrigger {
            id: Cow::Borrowed(&provider_id),
            trigger_type: Cow::Borrowed(&trigger_type),
            function_id: Cow::Borrowed(&trigger.function_id),
            // Strict providers decode a `config` that is always there.
            config: Some(trigger.config.as_deref().unwrap_or(RawValue::NULL)),
        };
        self.send(provider, &frame, out);
        self.asked(provider, Asked::of(bytes, registrar_waits));
        self.trigger_types
            .triggers
            .entry(trigger_type)
            .or_default()
            .insert(key.clone());
        self.set_provider_id(key, Some(provider_id));
    }

    /// A provider's answer, which goes to the registrar; its error passes unchanged.
    pub(in crate::engine) fn provider_answer(
        &mut self,
        session: SessionId,
        frame: TriggerRegistrationResult<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let provided = self.trigger_types.provided.get_mut(&*frame.trigger_type);
        if let Some(provided) = provided.filter(|provided| provided.provider == session)
            && let Some(known) = provided.known.get_mut(&*frame.id)
            && let Known::Awaited {
                trigger,
                registrar_waits,
                bytes,
                timer,
            } = known
        {
            let (trigger, registrar_waits) = (trigger.clone(), *registrar_waits);
            let asked = Asked::of(*bytes, registrar_waits);
            self.timers.cancel(*timer);
            if frame.error.is_none() {
                let trigger = trigger.clone();
                *known = Known::Accepted { trigger };
            } else {
                provided.known.remove(&*frame.id);
            }
            self.asked_no_more(session, asked);
            self.registration_answered(&trigger, registrar_waits, frame.error, out);
        } else {
            self.provider_answered_late(session, &frame, out);
        }
        self.announce_more(session, out);
    }

    fn provider_answered_late(
        &mut self,
        session: SessionId,
        frame: &TriggerRegistrationResult<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let own = self.sessions.get_mut(session);
        let owed = own.and_then(|own| own.owed.forget(&frame.trigger_type, &frame.id));
        if let Some(asked) = owed {
            self.give_room_back(session, bytes_of_owed(&frame.id));
            // Beyond its time it counts no more.
            if let Some((asked, timer)) = asked
                && self.timers.cancel(timer)
            {
                self.asked_no_more(session, asked);
            }
        }
        self.report_dropped(session, &frame.id, out);
    }

    fn registration_answered(
        &mut self,
        key: &TriggerKey,
        registrar_waits: bool,
        error: Option<Cow<'_, RawValue>>,
        out: &mut Output<'_, '_>,
    ) {
        let Some(error) = error else {
            let own = self.sessions.get(key.0);
            if let Some(trigger) = own.and_then(|own| own.triggers.get(&key.1)) {
                if registrar_waits {
                    self.answer_registrar(key, trigger, None, out);
                }
                let (id, kind, function) = (&key.1, &trigger.trigger_type, &trigger.function_id);
                self.report_trigger(key.0, id, kind, function, out);
            }
            return;
        };
        if let Some(trigger) = self.remove_trigger(key) {
            let refused = EventKind::RefusedByProvider {
                id: key.1.to_string(),
                error: error.get().to_owned(),
            };
            if registrar_waits {
                self.answer_registrar(key, &trigger, Some(error), out);
            }
            self.report(key.0, refused, out);
        }
    }

    pub(in crate::engine) fn provider_timed_out(
        &mut self,
        waiting: &WaitingFor,
        out: &mut Output<'_, '_>,
    ) {
        let provided = self.trigger_types.provided.get_mut(&waiting.trigger_type);
        let Some(provided) = provided else { return };
        let Some(Known::Awaited {
            trigger,
            registrar_waits,
            bytes,
            ..
        }) = provided.known.remove(&waiting.provider_id)
        else {
            return;
        };
        let provider = provided.provider;
        self.asked_no_more(provider, Asked::of(bytes, registrar_waits));
        self.give_up(provider, waiting, None, out);
        let waited = self.settings.trigger_registration_timeout.as_millis();
        let failure = Failure::registration_timeout(&waiting.trigger_type, waited);
        if registrar_waits {
            self.refuse_trigger(&trigger, &failure, out);
        } else if self.remove_trigger(&trigger).is_some() {
            self.report_refusal(trigger.0, Subject::Trigger, &trigger.1, &failure, out);
        }
        self.announce_more(provider, out);
    }

    /// A registration has ended that its provider has still to answer, and may still count for.
    fn give_up(
        &mut self,
        provider: SessionId,
        waiting: &WaitingFor,
        asked: Option<(Asked, TimerId)>,
        out: &mut Output<'_, '_>,
    ) {
        let WaitingFor {
            trigger_type,
            provider_id,
        } = waiting;
        let names = (Arc::clone(trigger_type), Arc::clone(provider_id));
        self.owe(provider, names, asked);
        self.withdraw_from_provider(trigger_type, provider_id, out);
    }

    /// A provider has still to answer for a trigger that nobody has any more.
    pub(super) fn owe(
        &mut self,
        provider: SessionId,
        (trigger_type, provider_id): (Arc<str>, Arc<str>),
        asked: Option<(Asked, TimerId)>,
    ) {
        let Some(own) = self.sessions.get_mut(provider) else {
            return;
        };
        // Where there is no room for it, it is as if newer ones had taken its place.
        let bytes = bytes_of_owed(&provider_id);
        if self.registered.take(provider, bytes).is_err() {
            return;
        }
        if let Some(forgotten) = own.owed.remember(trigger_type, provider_id, asked) {
            self.give_room_back(provider, bytes_of_owed(&forgotten));
        }
    }

    /// What is left to do for a trigger that its session no longer has.
    pub(in crate::engine) fn release_trigger(
        &mut self,
        key: &TriggerKey,
        trigger: &Trigger,
        out: &mut Output<'_, '_>,
    ) {
        if let Some(builtin) = Builtin::named(&trigger.trigger_type) {
            return self.disarm(armed(key, &trigger.function_id), builtin);
        }
        self.trigger_types
            .forget_trigger(&trigger.trigger_type, key);
        let Some(provider_id) = &trigger.provider_id else {
            return;
        };
        let provided = self.trigger_types.provided.get_mut(&trigger.trigger_type);
        let Some(provided) = provided else { return };
        let provider = provided.provider;
        let Some(Known::Awaited {
            registrar_waits,
            bytes,
            timer,
            ..
        }) = provided.known.remove(provider_id)
        else {
            return self.withdraw_from_provider(&trigger.trigger_type, provider_id, out);
        };
        if registrar_waits {
            let failure = Failure::registration_cancelled(&key.1);
            self.answer_registrar(key, trigger, Some(failure.to_raw()), out);
            self.report_refusal(key.0, Subject::Trigger, &key.1, &failure, out);
        }
        self.timers.cancel(timer);
        // Until then it may wait for the provider, whatever its registrar wants.
        let counted = self.sessions.is_live(provider).then(|| {
            let asked = Asked::of(bytes, registrar_waits);
            let due = Due::AskedInVain(provider, asked);
            (asked, self.timers.set(timer.at(), due))
        });
        let waiting = WaitingFor {
            trigger_type: Arc::clone(&trigger.trigger_type),
            provider_id: Arc::clone(provider_id),
        };
        self.give_up(provider, &waiting, counted, out);
    }

    pub(super) fn set_provider_id(&mut self, key: &TriggerKey, provider_id: Option<Arc<str>>) {
        let own = self.sessions.get_mut(key.0);
        if let Some(trigger) = own.and_then(|own| own.triggers.get_mut(&key.1)) {
            trigger.provider_id = provider_id;
        }
    }

    fn report_dropped(&self, session: SessionId, id: &str, out: &mut Output<'_, '_>) {
        let dropped = EventKind::AnswerDropped {
            frame: "triggerregistrationresult",
            id: id.to_owned(),
        };
        self.report(session, dropped, out);
    }
}
