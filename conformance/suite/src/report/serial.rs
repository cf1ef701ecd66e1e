//! How the parts of a document are written that are not written as they are kept.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat};
use serde::{Serializer, ser::SerializeMap};

use crate::{expectation::Stale, verdict::CaseVerdict};

/// A verdict's name as a key.
pub(super) fn key(name: &str) -> String {
    name.replace(' ', "_")
}

/// A point in time as RFC 3339, in UTC, to the millisecond.
pub(super) fn timestamp(at: SystemTime) -> String {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let at = DateTime::from_timestamp(seconds, since.subsec_nanos()).unwrap_or_default();
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn rfc3339<S: Serializer>(at: &SystemTime, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&timestamp(*at))
}

/// To the microsecond, since most answers come within one millisecond.
pub(super) fn milliseconds<S: Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
    let micros = duration.as_micros().min(u128::from(u32::MAX) * 1_000_000);
    let milliseconds = micros as f64 / 1_000.0;
    out.serialize_f64(milliseconds)
}

pub(super) fn snake_case<S: Serializer>(name: &&'static str, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&key(name))
}

pub(super) fn verdict_name<S: Serializer>(
    verdict: &CaseVerdict,
    out: S,
) -> Result<S::Ok, S::Error> {
    out.serialize_str(&key(verdict.name()))
}

pub(super) fn described<S: Serializer>(stale: &[Stale], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(stale.iter().map(Stale::describe))
}

pub(super) fn counts<S: Serializer>(
    counts: &[(&'static str, usize)],
    out: S,
) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(counts.len()))?;
    for (name, count) in counts {
        map.serialize_entry(&key(name), count)?;
    }
    map.end()
}
