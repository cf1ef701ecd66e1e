//! How much sessions may leave with the engine by registering (D-28).

use serde_json::value::RawValue;

use super::Engine;
use crate::{
    Failure, SessionId,
    shares::Exhausted,
    wire::{RegisterFunction, RegisterTrigger, RegisterTriggerType},
};

/// What a registration takes beside the texts in it, in bytes: more or less.
const BYTES_BESIDE_TEXTS: usize = 512;

impl Engine {
    /// Counts a registration of so many bytes with its session.
    pub(super) fn take_room(&mut self, session: SessionId, bytes: usize) -> Result<(), Failure> {
        self.registered.take(session, bytes).map_err(|exhausted| {
            Failure::too_many_registrations(match exhausted {
                Exhausted::Session { max } => format!(
                    "With this one, the registrations of the session would be larger than {max} \
                     bytes"
                ),
                Exhausted::All { max } => {
                    format!("With this one, all registrations would be larger than {max} bytes")
                }
            })
        })
    }

    /// One of so many bytes has gone.
    pub(super) fn give_room_back(&mut self, session: SessionId, bytes: usize) {
        self.registered.give_back(session, bytes);
    }
}

pub(super) fn bytes_of_function(frame: &RegisterFunction<'_>) -> usize {
    let headers = frame.invocation.iter().flat_map(|it| &it.headers).flatten();
    BYTES_BESIDE_TEXTS
        + frame.id.len()
        + frame.description.as_ref().map_or(0, |it| it.len())
        + raw_bytes(frame.request_format)
        + raw_bytes(frame.response_format)
        + raw_bytes(frame.metadata)
        + frame.invocation.as_ref().map_or(0, |it| it.url.len())
        + headers
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
}

pub(super) fn bytes_of_trigger(frame: &RegisterTrigger<'_>) -> usize {
    BYTES_BESIDE_TEXTS
        + frame.id.len()
        + frame.trigger_type.len()
        + frame.function_id.len()
        + raw_bytes(frame.config)
}

pub(super) fn bytes_of_trigger_type(frame: &RegisterTriggerType<'_>) -> usize {
    BYTES_BESIDE_TEXTS
        + frame.id.len()
        + frame.description.as_ref().map_or(0, |it| it.len())
        + raw_bytes(frame.trigger_request_format)
        + raw_bytes(frame.call_request_format)
}

fn raw_bytes(value: Option<&RawValue>) -> usize {
    value.map_or(0, |it| it.get().len())
}
