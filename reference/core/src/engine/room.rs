//! How much sessions may leave with the engine by registering (D-28).

use serde_json::value::RawValue;

use super::Engine;
use crate::{
    Failure, SessionId, TriggerConfig,
    shares::Exhausted,
    wire::{RegisterFunction, RegisterTrigger, RegisterTriggerType},
};

/// What a registration takes beside the texts in it, in bytes: more or less, as what follows.
const BYTES_BESIDE_TEXTS: usize = 512;
/// What an http trigger takes for each segment of its path, where no other trigger shares it.
const BYTES_OF_SEGMENT: usize = 700;
/// What a schedule takes.
const BYTES_OF_SCHEDULE: usize = 1_400;
/// What a subscription to a queue takes.
const BYTES_OF_SUBSCRIPTION: usize = 300;
/// How much larger than its text a schema is that payloads are held to.
const BYTES_OF_SCHEMA_TIMES: usize = 20;

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

pub(super) fn bytes_of_function(frame: &RegisterFunction<'_>, enforce_formats: bool) -> usize {
    let formats = raw_bytes(frame.request_format) + raw_bytes(frame.response_format);
    let schemas = match enforce_formats {
        true => formats * BYTES_OF_SCHEMA_TIMES,
        false => 0,
    };
    let headers = frame.invocation.iter().flat_map(|it| &it.headers).flatten();
    BYTES_BESIDE_TEXTS
        + frame.id.len()
        + frame.description.as_ref().map_or(0, |it| it.len())
        + formats
        + schemas
        + raw_bytes(frame.metadata)
        + frame.invocation.as_ref().map_or(0, |it| it.url.len())
        + headers
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
}

/// The config is there if the type is one of the engine's own.
pub(super) fn bytes_of_trigger(
    frame: &RegisterTrigger<'_>,
    config: Option<&TriggerConfig>,
) -> usize {
    let armed = match config {
        Some(TriggerConfig::Http(http)) => {
            BYTES_OF_SEGMENT * http.path.bytes().filter(|it| *it == b'/').count()
        }
        Some(TriggerConfig::Cron(_)) => BYTES_OF_SCHEDULE,
        Some(TriggerConfig::Queue(_)) => BYTES_OF_SUBSCRIPTION,
        None => 0,
    };
    BYTES_BESIDE_TEXTS
        + armed
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

/// What is kept of an answer that a provider owes (D-18).
pub(super) fn bytes_of_owed(provider_id: &str) -> usize {
    BYTES_BESIDE_TEXTS + provider_id.len()
}

fn raw_bytes(value: Option<&RawValue>) -> usize {
    value.map_or(0, |it| it.get().len())
}
