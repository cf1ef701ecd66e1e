//! Trigger types that workers provide, and the triggers that wait for their providers (CO-05, CO-06,
//! CO-08, D-10, D-17 to D-19).

mod provider;
mod told;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use serde_json::value::RawValue;

pub(super) use self::told::{Asked, Told};
use super::{
    Due, Engine, Output,
    room::bytes_of_trigger_type,
    triggers::{Trigger, TriggerKey, armed},
};
use crate::{
    BoundTo, Builtin, EventKind, Failure, SessionId, Subject,
    timers::TimerId,
    wire::{RegisterTriggerType, TriggerTypeRegistrationResult},
};

/// A type with its provider.
#[derive(Debug)]
pub(super) struct TriggerType {
    pub(super) provider: SessionId,
    pub(super) description: Option<String>,
    pub(super) trigger_request_format: Option<Box<RawValue>>,
    pub(super) call_request_format: Option<Box<RawValue>>,
    /// By the id under which the provider knows a trigger (D-18).
    known: BTreeMap<Arc<str>, Known>,
    /// Up to which one the triggers have been announced that the type had before.
    announced_to: Option<TriggerKey>,
    /// Those of [`Known::Leaving`], in order.
    leaving: VecDeque<Arc<str>>,
}

/// A trigger from its provider's side.
#[derive(Debug)]
enum Known {
    /// The provider has still to answer.
    Awaited {
        trigger: TriggerKey,
        /// Whether the registrar waits as well: not when a type has come back (D-17).
        registrar_waits: bool,
        /// How much it counts until then.
        bytes: usize,
        timer: TimerId,
    },
    /// The provider has accepted it.
    Accepted { trigger: TriggerKey },
    /// The provider has still to be told that it is gone.
    Leaving,
}

/// Names a registration that its provider has still to answer for.
#[derive(Clone, Debug)]
pub(super) struct WaitingFor {
    pub(super) trigger_type: Arc<str>,
    pub(super) provider_id: Arc<str>,
}

#[derive(Debug, Default)]
pub(super) struct TriggerTypes {
    provided: HashMap<Arc<str>, TriggerType>,
    /// The triggers of workers' types, also of those without a provider at present.
    triggers: HashMap<Arc<str>, BTreeSet<TriggerKey>>,
}

impl TriggerTypes {
    /// Of those that workers provide.
    pub(super) fn len(&self) -> usize {
        self.provided.len()
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.provided.contains_key(id)
    }

    /// The id of a type, as the type itself holds it.
    pub(super) fn shared(&self, id: &str) -> Option<Arc<str>> {
        let (id, _) = self.provided.get_key_value(id)?;
        Some(Arc::clone(id))
    }

    /// In order of the ids.
    pub(super) fn list(&self) -> Vec<(&str, &TriggerType)> {
        let types = self.provided.iter().map(|(id, it)| (&**id, it));
        let mut list: Vec<(&str, &TriggerType)> = types.collect();
        list.sort_unstable_by_key(|(id, _)| *id);
        list
    }

    fn forget_trigger(&mut self, trigger_type: &str, key: &TriggerKey) {
        if let Some(triggers) = self.triggers.get_mut(trigger_type) {
            triggers.remove(key);
            if triggers.is_empty() {
                self.triggers.remove(trigger_type);
            }
        }
    }
}

impl Engine {
    pub(super) fn register_trigger_type(
        &mut self,
        session: SessionId,
        frame: &RegisterTriggerType<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let bytes = bytes_of_trigger_type(frame);
        let taken = Builtin::named(&frame.id).is_some() || self.trigger_types.contains(&frame.id);
        let refused = match taken {
            true => Err(Failure::duplicate_trigger_type(&frame.id)),
            false => self.take_room(session, bytes),
        };
        if let Err(failure) = refused {
            let result = TriggerTypeRegistrationResult {
                id: frame.id.clone(),
                error: Some(failure.to_raw()),
            };
            self.send(session, &result, out);
            return self.report_refusal(session, Subject::TriggerType, &frame.id, &failure, out);
        }
        let id: Arc<str> = (&*frame.id).into();
        let trigger_type = TriggerType {
            provider: session,
            description: frame.description.as_deref().map(str::to_owned),
            trigger_request_format: frame.trigger_request_format.map(RawValue::to_owned),
            call_request_format: frame.call_request_format.map(RawValue::to_owned),
            known: BTreeMap::new(),
            announced_to: None,
            leaving: VecDeque::new(),
        };
        self.trigger_types
            .provided
            .insert(Arc::clone(&id), trigger_type);
        if let Some(session) = self.sessions.get_mut(session) {
            session.trigger_types.insert(Arc::clone(&id), bytes);
        }
        let registered = EventKind::Registered {
            subject: Subject::TriggerType,
            id: id.to_string(),
            bound_to: BoundTo::Worker,
        };
        self.report(session, registered, out);
        self.announce_all(session, &id, out);
    }

    pub(super) fn unregister_trigger_type(
        &mut self,
        session: SessionId,
        id: &str,
        out: &mut Output<'_, '_>,
    ) {
        let own = self.sessions.get_mut(session);
        let bytes = own.and_then(|own| own.trigger_types.remove(id));
        if let Some(bytes) = bytes {
            self.give_room_back(session, bytes);
            self.withdraw_trigger_type(id, out);
        }
        self.report_unregistered(session, Subject::TriggerType, id, bytes.is_some(), out);
    }

    /// Takes a type away from its provider. Accepted triggers stay (D-17), registrations that
    /// are still awaited end (D-19).
    pub(super) fn withdraw_trigger_type(&mut self, id: &str, out: &mut Output<'_, '_>) {
        let Some((id, withdrawn)) = self.trigger_types.provided.remove_entry(id) else {
            return;
        };
        let provider = withdrawn.provider;
        self.stop_telling(provider, &id);
        for (provider_id, known) in withdrawn.known {
            let (trigger, registrar_waits) = match known {
                Known::Awaited {
                    trigger,
                    registrar_waits,
                    bytes,
                    timer,
                } => {
                    self.timers.cancel(timer);
                    self.asked_no_more(provider, Asked::of(bytes, registrar_waits));
                    self.owe(provider, (Arc::clone(&id), provider_id), None);
                    (trigger, registrar_waits)
                }
                Known::Accepted { trigger } => (trigger, false),
                Known::Leaving => continue,
            };
            if registrar_waits {
                self.refuse_trigger(&trigger, &Failure::trigger_type_not_found(&id), out);
            } else {
                self.set_provider_id(&trigger, None);
            }
        }
        self.announce_more(provider, out);
    }

    /// Answers every registration that a registrar still waits for (D-19, D-23).
    pub(super) fn stop_registrations(&mut self, out: &mut Output<'_, '_>) {
        let mut waiting = BTreeSet::new();
        for provided in self.trigger_types.provided.values() {
            for known in provided.known.values() {
                if let Known::Awaited {
                    trigger,
                    registrar_waits: true,
                    ..
                } = known
                {
                    waiting.insert(trigger.clone());
                }
            }
        }
        for key in waiting {
            let failure = Failure::registration_stopped(&key.1);
            self.refuse_trigger(&key, &failure, out);
        }
    }

    fn refuse_trigger(&mut self, key: &TriggerKey, failure: &Failure, out: &mut Output<'_, '_>) {
        if let Some(trigger) = self.remove_trigger(key) {
            self.answer_registrar(key, &trigger, Some(failure.to_raw()), out);
            self.report_refusal(key.0, Subject::Trigger, &key.1, failure, out);
        }
    }

    fn remove_trigger(&mut self, key: &TriggerKey) -> Option<Trigger> {
        let trigger = self.sessions.get_mut(key.0)?.triggers.remove(&key.1)?;
        self.give_room_back(key.0, trigger.bytes);
        self.trigger_types
            .forget_trigger(&trigger.trigger_type, key);
        Some(trigger)
    }
}
