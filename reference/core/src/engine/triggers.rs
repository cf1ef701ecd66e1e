//! Registering and unregistering triggers (RT-01, RT-02, RT-07 to RT-16).

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::{
    Engine, Output, builtin::EngineFunction, firing::Armed, registration::REGISTRATION_BYTES_MAX,
    room::bytes_of_trigger,
};
use crate::{
    BoundTo, Builtin, EventKind, Failure, SessionId, Subject, TriggerConfig,
    wire::{RegisterTrigger, TriggerRegistrationResult},
};

/// A trigger's name in the whole engine: its id is unique only within its session (RT-11).
pub(super) type TriggerKey = (SessionId, Arc<str>);

/// A trigger of a live session.
#[derive(Debug)]
pub(super) struct Trigger {
    pub(super) trigger_type: Arc<str>,
    pub(super) function_id: Arc<str>,
    pub(super) config: Option<Box<RawValue>>,
    /// What its provider knows it by (D-18); absent for a built-in type, and while there is no
    /// provider (D-17).
    pub(super) provider_id: Option<Arc<str>>,
    /// With how many it has been counted (D-28).
    pub(super) bytes: usize,
}

impl Engine {
    pub(super) fn register_trigger(
        &mut self,
        session: SessionId,
        frame: &RegisterTrigger<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let key: TriggerKey = (session, (&*frame.id).into());
        let function_id: Arc<str> = (&*frame.function_id).into();
        let added = self.check_trigger(session, frame).and_then(|config| {
            let bytes = bytes_of_trigger(frame, config.as_ref());
            if config.is_none() {
                self.check_provider(&frame.trigger_type, bytes)?;
            }
            self.take_room(session, bytes)?;
            let Some(config) = config else {
                return Ok((false, bytes));
            };
            let armed = self.arm(armed(&key, &function_id), config, out);
            armed.inspect_err(|_| self.give_room_back(session, bytes))?;
            Ok((true, bytes))
        });
        let (is_builtin, bytes) = match added {
            Ok(added) => added,
            Err(failure) => {
                self.send(session, &result_of(frame, Some(failure.to_raw())), out);
                return self.report_refusal(session, Subject::Trigger, &frame.id, &failure, out);
            }
        };
        let known_type = match is_builtin {
            true => None,
            false => self.trigger_types.shared(&frame.trigger_type),
        };
        let trigger = Trigger {
            trigger_type: known_type.unwrap_or_else(|| (&*frame.trigger_type).into()),
            function_id,
            config: frame.config.map(RawValue::to_owned),
            provider_id: None,
            bytes,
        };
        if let Some(session) = self.sessions.get_mut(session) {
            session.triggers.insert(Arc::clone(&key.1), trigger);
        }
        if is_builtin {
            self.send(session, &result_of(frame, None), out);
            self.report_trigger(
                session,
                &frame.id,
                &frame.trigger_type,
                &frame.function_id,
                out,
            );
        } else {
            self.announce(&key, true, out);
        }
    }

    /// The faults in the order in which the document gives them (D-04); the config, if the type
    /// is one of the engine's own.
    fn check_trigger(
        &self,
        session: SessionId,
        frame: &RegisterTrigger<'_>,
    ) -> Result<Option<TriggerConfig>, Failure> {
        let builtin = Builtin::named(&frame.trigger_type);
        if builtin.is_none() && !self.trigger_types.contains(&frame.trigger_type) {
            return Err(Failure::trigger_type_not_found(&frame.trigger_type));
        }
        let function_is_own = EngineFunction::named(&frame.function_id).is_some();
        if !function_is_own && !self.functions.contains(&frame.function_id) {
            return Err(Failure::function_not_found(&frame.function_id));
        }
        if frame
            .config
            .is_some_and(|it| it.get().len() > REGISTRATION_BYTES_MAX)
        {
            let problem =
                format!("`config` must not be larger than {REGISTRATION_BYTES_MAX} bytes");
            return Err(Failure::invalid_config(problem));
        }
        let config = builtin.map(|it| it.read(frame.config)).transpose()?;
        if let Some(config) = &config {
            self.check_room(config, function_is_own)?;
        }
        let own = self.sessions.get(session).map(|it| &it.triggers);
        if own.is_some_and(|own| own.contains_key(&*frame.id)) {
            return Err(Failure::duplicate_trigger(&frame.id));
        }
        Ok(config)
    }

    /// Touches only what is the session's own (D-03, D-16).
    pub(super) fn unregister_trigger(
        &mut self,
        session: SessionId,
        id: &str,
        out: &mut Output<'_, '_>,
    ) {
        let own = self.sessions.get_mut(session);
        let removed = own.and_then(|own| own.triggers.remove_entry(id));
        let had = removed.is_some();
        if let Some((id, trigger)) = removed {
            self.give_room_back(session, trigger.bytes);
            self.release_trigger(&(session, id), &trigger, out);
        }
        self.report_unregistered(session, Subject::Trigger, id, had, out);
    }

    /// Tells the registrar how a provider's registration has ended.
    pub(super) fn answer_registrar(
        &self,
        key: &TriggerKey,
        trigger: &Trigger,
        error: Option<Cow<'_, RawValue>>,
        out: &mut Output<'_, '_>,
    ) {
        let (session, id) = key;
        let result = TriggerRegistrationResult {
            id: Cow::Borrowed(id),
            trigger_type: Cow::Borrowed(&trigger.trigger_type),
            function_id: Cow::Borrowed(&trigger.function_id),
            error,
        };
        self.send(*session, &result, out);
    }

    pub(super) fn report_trigger(
        &self,
        session: SessionId,
        id: &str,
        trigger_type: &str,
        function_id: &str,
        out: &mut Output<'_, '_>,
    ) {
        let registered = EventKind::Registered {
            subject: Subject::Trigger,
            id: id.to_owned(),
            bound_to: BoundTo::Function {
                trigger_type: trigger_type.to_owned(),
                function_id: function_id.to_owned(),
            },
        };
        self.report(session, registered, out);
    }
}

/// A trigger as it is known to what fires it.
pub(super) fn armed(key: &TriggerKey, function_id: &Arc<str>) -> Armed {
    let (session, id) = key;
    Armed {
        session: *session,
        id: Arc::clone(id),
        function_id: Arc::clone(function_id),
    }
}

fn result_of<'a>(
    frame: &'a RegisterTrigger<'_>,
    error: Option<Cow<'a, RawValue>>,
) -> TriggerRegistrationResult<'a> {
    TriggerRegistrationResult {
        id: Cow::Borrowed(&frame.id),
        trigger_type: Cow::Borrowed(&frame.trigger_type),
        function_id: Cow::Borrowed(&frame.function_id),
        error,
    }
}
