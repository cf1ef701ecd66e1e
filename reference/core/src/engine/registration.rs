//! Registering and unregistering functions and services.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    Engine, Output, builtin::EngineFunction, functions::Registration, room::bytes_of_function,
};
use crate::{
    BoundTo, Endpoint, EventKind, Failure, SessionId, Subject,
    format::Formats,
    wire::{FunctionRegistrationResult, RegisterFunction, RegisterService},
};

/// The largest format, metadata or config that a registration may leave with the engine, in
/// bytes: it is kept, listed, and sent to providers (D-28).
pub(super) const REGISTRATION_BYTES_MAX: usize = 1 << 20;

impl Engine {
    /// Success is silent, a refusal is told (D-01).
    pub(super) fn register_function(
        &mut self,
        session: SessionId,
        frame: &RegisterFunction<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let bytes = bytes_of_function(frame, self.settings.enforce_formats);
        let checked = self
            .check_function(session, frame, out)
            .and_then(|registration| {
                self.take_room(session, bytes)?;
                Ok(registration)
            });
        match checked {
            Ok(registration) => {
                self.add_function(session, &frame.id, registration, bytes, out);
            }
            Err(failure) => {
                let result = FunctionRegistrationResult {
                    id: frame.id.clone(),
                    error: Some(failure.to_raw()),
                };
                self.send(session, &result, out);
                self.report_refusal(session, Subject::Function, &frame.id, &failure, out);
            }
        }
    }

    fn check_function(
        &self,
        session: SessionId,
        frame: &RegisterFunction<'_>,
        out: &Output<'_, '_>,
    ) -> Result<Registration, Failure> {
        let own = self.sessions.get(session).map(|it| &it.functions);
        if own.is_some_and(|own| own.contains_key(&*frame.id))
            || EngineFunction::named(&frame.id).is_some()
        {
            return Err(Failure::duplicate_function(&frame.id));
        }
        if frame.id.starts_with("engine::") {
            let problem = format!(
                "`id`: '{}' is kept for the engine's own functions",
                frame.id
            );
            return Err(Failure::invalid_request(problem));
        }
        for (field, value) in [
            ("request_format", frame.request_format),
            ("response_format", frame.response_format),
            ("metadata", frame.metadata),
        ] {
            if value.is_some_and(|it| it.get().len() > REGISTRATION_BYTES_MAX) {
                let problem =
                    format!("`{field}` must not be larger than {REGISTRATION_BYTES_MAX} bytes");
                return Err(Failure::invalid_request(problem));
            }
        }
        let formats = match self.settings.enforce_formats {
            true => Formats::compile(frame)?,
            false => Formats::default(),
        };
        let endpoint = frame
            .invocation
            .as_ref()
            .map(|invocation| Endpoint::register(invocation, out.environment()))
            .transpose()?;
        Ok(Registration {
            session,
            description: frame.description.as_deref().map(str::to_owned),
            request_format: frame.request_format.map(RawValue::to_owned),
            response_format: frame.response_format.map(RawValue::to_owned),
            metadata: frame.metadata.map(RawValue::to_owned),
            endpoint: endpoint.map(Arc::new),
            formats,
        })
    }

    fn add_function(
        &mut self,
        session: SessionId,
        id: &str,
        registration: Registration,
        bytes: usize,
        out: &mut Output<'_, '_>,
    ) {
        let bound_to = match &registration.endpoint {
            Some(endpoint) => BoundTo::Endpoint {
                origin: endpoint.url.origin(),
            },
            None => BoundTo::Worker,
        };
        let key: Arc<str> = id.into();
        if let Some(session) = self.sessions.get_mut(session) {
            session.functions.insert(Arc::clone(&key), bytes);
        }
        if self.functions.add(key, registration) {
            self.function_changed(id, true);
        }
        let registered = EventKind::Registered {
            subject: Subject::Function,
            id: id.to_owned(),
            bound_to,
        };
        self.report(session, registered, out);
    }

    pub(super) fn unregister_function(
        &mut self,
        session: SessionId,
        id: &str,
        out: &mut Output<'_, '_>,
    ) {
        let own = self.sessions.get_mut(session);
        let bytes = own.and_then(|own| own.functions.remove(id));
        if let Some(bytes) = bytes {
            self.give_room_back(session, bytes);
            self.remove_function(id, session);
        }
        self.report_unregistered(session, Subject::Function, id, bytes.is_some(), out);
    }

    /// Takes one session's registration of a function away.
    pub(super) fn remove_function(&mut self, id: &str, session: SessionId) {
        if self.functions.remove(id, session) {
            self.function_changed(id, false);
        }
    }

    /// For display only: nothing is kept but a line of the log (CO-14).
    pub(super) fn register_service(
        &mut self,
        session: SessionId,
        frame: &RegisterService<'_>,
        out: &mut Output<'_, '_>,
    ) {
        let registered = EventKind::Registered {
            subject: Subject::Service,
            id: frame.id.to_string(),
            bound_to: BoundTo::Worker,
        };
        self.report(session, registered, out);
    }

    pub(super) fn report_unregistered(
        &self,
        session: SessionId,
        subject: Subject,
        id: &str,
        had: bool,
        out: &mut Output<'_, '_>,
    ) {
        let id = id.to_owned();
        let kind = if had {
            EventKind::Unregistered { subject, id }
        } else {
            EventKind::NotItsOwn { subject, id }
        };
        self.report(session, kind, out);
    }
}
