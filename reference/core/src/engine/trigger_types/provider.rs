//! What passes between the providers of types and those who register triggers of them.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::{Due, Engine, Known, Output, Trigger, TriggerKey, WaitingFor, armed};
use crate::{
    Builtin, EventKind, Failure, SessionId, Subject,
    wire::{RegisterTrigger, TriggerRegistrationResult, UnregisterTrigger},
};

impl Engine {
    /// A provider has still to answer for a trigger that nobody has any more.
    pub(super) fn owe(&mut self, provider: SessionId, answer: WaitingFor) {
        let own = self.sessions.get_mut(provider);
        let Some(forgotten) = own.and_then(|own| own.owed.remember(answer)) else {
            return;
        };
        let provided = self.trigger_types.provided.get_mut(&forgotten.trigger_type);
        if let Some(provided) = provided
            && provided.provider == provider
            && let Some(Known::Abandoned) = provided.known.get(&forgotten.provider_id)
        {
            provided.known.remove(&forgotten.provider_id);
        }
    }

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
        let provider_id: Arc<str> = if provided.known.contains_key(id) {
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
            timer,
        };
        provided.known.insert(Arc::clone(&provider_id), awaited);
        let provider = provided.provider;
        let frame = RegisterTrigger {
            id: Cow::Borrowed(&provider_id),
            trigger_type: Cow::Borrowed(&trigger_type),
            function_id: Cow::Borrowed(&trigger.function_id),
            // Strict providers decode a `config` that is always there.
            config: Some(trigger.config.as_deref().unwrap_or(RawValue::NULL)),
        };
        self.send(provider, &frame, out);
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
        let known = provided
            .filter(|provided| provided.provider == session)
            .and_then(|provided| Some((provided.known.remove_entry(&*frame.id)?, provided)));
        match known {
            Some((
                (
                    id,
                    Known::Awaited {
                        trigger,
                        registrar_waits,
                        timer,
                    },
                ),
                provided,
            )) => {
                self.timers.cancel(timer);
                if frame.error.is_none() {
                    let accepted = Known::Accepted {
                        trigger: trigger.clone(),
                    };
                    provided.known.insert(id, accepted);
                }
                self.registration_answered(&trigger, registrar_waits, frame.error, out);
            }
            Some(((id, accepted @ Known::Accepted { .. }), provided)) => {
                provided.known.insert(id, accepted);
                self.report_dropped(session, &frame.id, out);
            }
            Some(((_, Known::Abandoned), _)) | None => {
                if let Some(own) = self.sessions.get_mut(session) {
                    own.owed.forget(&frame.trigger_type, &frame.id);
                }
                self.report_dropped(session, &frame.id, out);
            }
        }
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
            ..
        }) = provided.known.remove(&waiting.provider_id)
        else {
            return;
        };
        let id = Arc::clone(&waiting.provider_id);
        provided.known.insert(id, Known::Abandoned);
        let provider = provided.provider;
        self.owe(provider, waiting.clone());
        self.withdraw_from_provider(provider, waiting, out);
        let waited = self.settings.trigger_registration_timeout.as_millis();
        let failure = Failure::registration_timeout(&waiting.trigger_type, waited);
        if registrar_waits {
            self.refuse_trigger(&trigger, &failure, out);
        } else if self.remove_trigger(&trigger).is_some() {
            self.report_refusal(trigger.0, Subject::Trigger, &trigger.1, &failure, out);
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
        let waiting = WaitingFor {
            trigger_type: Arc::clone(&trigger.trigger_type),
            provider_id: Arc::clone(provider_id),
        };
        let provider = provided.provider;
        if let Some(Known::Awaited {
            registrar_waits,
            timer,
            ..
        }) = provided.known.remove(provider_id)
        {
            self.timers.cancel(timer);
            let id = Arc::clone(provider_id);
            provided.known.insert(id, Known::Abandoned);
            self.owe(provider, waiting.clone());
            if registrar_waits {
                let failure = Failure::registration_cancelled(&key.1);
                self.answer_registrar(key, trigger, Some(failure.to_raw()), out);
                self.report_refusal(key.0, Subject::Trigger, &key.1, &failure, out);
            }
        }
        self.withdraw_from_provider(provider, &waiting, out);
    }

    fn withdraw_from_provider(
        &self,
        provider: SessionId,
        waiting: &WaitingFor,
        out: &mut Output<'_, '_>,
    ) {
        let frame = UnregisterTrigger {
            id: Cow::Borrowed(&waiting.provider_id),
            trigger_type: Some(Cow::Borrowed(&waiting.trigger_type)),
        };
        self.send(provider, &frame, out);
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
