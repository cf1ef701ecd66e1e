//! The first step of reading: one pass that borrows every known top-level field raw.
//!
//! Nothing is interpreted here, so that the second step can name the field that is
//! wrong, and so that payloads are never parsed at all.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Number, value::RawValue};
use uuid::fmt::Hyphenated;

use super::DecodeError;

/// Every top-level field that any frame may have, still in the sender's own bytes.
///
/// Unknown fields are skipped (CO-01); a known one that occurs twice is an error (D-20);
/// an explicit `null` is the same as absence (CO-19).
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) description: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) parent_service_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) request_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) response_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) trigger_request_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) call_request_format: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) invocation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) trigger_type: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) config: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) invocation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) action: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) traceparent: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) baggage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) worker_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reattach_token: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) previous_worker_id: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, DecodeError> {
        // A derived struct would also accept an array of its fields in order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(match serde_json::from_str::<&RawValue>(text) {
                Ok(value) => DecodeError::NotAnObject {
                    got: kind_of(value),
                },
                Err(error) => DecodeError::malformed(&error),
            });
        }
        serde_json::from_str(text).map_err(|error| DecodeError::malformed(&error))
    }
}

/// The longest id that a frame may hold, in bytes (D-28).
const ID_BYTES_MAX: usize = 1_024;
/// How much longer an alias is than the id that it stands for: an `@` and a UUID (D-18).
const ALIAS_BYTES: usize = 1 + Hyphenated::LENGTH;

/// Interprets fields one at a time and knows where it is, for the error message.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    frame: &'static str,
    /// Where the fields stand: empty at the top, else `invocation.` and the like.
    prefix: &'static str,
}

impl Fields {
    pub(super) fn of(frame: &'static str) -> Self {
        Self { frame, prefix: "" }
    }

    pub(super) fn inside(self, prefix: &'static str) -> Self {
        Self { prefix, ..self }
    }

    pub(super) fn missing(self, field: &str) -> DecodeError {
        self.fault(field, "is missing".to_owned())
    }

    fn wrong(self, field: &str, expected: &str, got: &RawValue) -> DecodeError {
        self.fault(field, format!("must be {expected}, got {}", kind_of(got)))
    }

    /// JSON's syntax lets a string hold half a surrogate pair, which is no character.
    fn not_text(self, field: &str, raw: &RawValue) -> DecodeError {
        if raw.get().starts_with('"') {
            self.fault(field, "must not hold half a surrogate pair".to_owned())
        } else {
            self.wrong(field, "a string", raw)
        }
    }

    fn fault(self, field: &str, problem: String) -> DecodeError {
        DecodeError::Field {
            frame: self.frame,
            field: format!("{}{field}", self.prefix),
            problem,
        }
    }

    pub(super) fn text<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<Cow<'a, str>>, DecodeError> {
        raw.map(|raw| string(raw).ok_or_else(|| self.not_text(field, raw)))
            .transpose()
    }

    pub(super) fn required_text<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Cow<'a, str>, DecodeError> {
        self.text(field, raw)?.ok_or_else(|| self.missing(field))
    }

    /// An id: a string that is there and not empty (D-08).
    pub(super) fn id<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Cow<'a, str>, DecodeError> {
        self.optional_id(field, raw)?
            .ok_or_else(|| self.missing(field))
    }

    pub(super) fn optional_id<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<Cow<'a, str>>, DecodeError> {
        self.id_within(field, raw, ID_BYTES_MAX)
    }

    /// The id of a trigger as its provider knows it, which may be an alias (D-18).
    pub(super) fn provider_id<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Cow<'a, str>, DecodeError> {
        self.id_within(field, raw, ID_BYTES_MAX + ALIAS_BYTES)?
            .ok_or_else(|| self.missing(field))
    }

    fn id_within<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
        bytes_max: usize,
    ) -> Result<Option<Cow<'a, str>>, DecodeError> {
        match self.text(field, raw)? {
            Some(id) if id.is_empty() => Err(self.fault(field, "must not be empty".to_owned())),
            Some(id) if id.len() > bytes_max => {
                let problem = format!("must not be longer than {bytes_max} bytes");
                Err(self.fault(field, problem))
            }
            id => Ok(id),
        }
    }

    /// A number of any size: which ones will do is a matter of value (D-26).
    pub(super) fn number<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<&'a RawValue>, DecodeError> {
        match raw {
            Some(raw) if kind_of(raw) != "a number" => Err(self.wrong(field, "a number", raw)),
            raw => Ok(raw),
        }
    }

    /// An error body: an object, whatever is in it.
    pub(super) fn error_body<'a>(
        self,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<Cow<'a, RawValue>>, DecodeError> {
        match raw {
            Some(raw) if !raw.get().starts_with('{') => Err(self.wrong("error", "an object", raw)),
            raw => Ok(raw.map(Cow::Borrowed)),
        }
    }

    /// A JSON Schema: an object or a boolean.
    pub(super) fn format<'a>(
        self,
        field: &str,
        raw: Option<&'a RawValue>,
    ) -> Result<Option<&'a RawValue>, DecodeError> {
        match raw {
            Some(raw) if !raw.get().starts_with(['{', 't', 'f']) => {
                Err(self.wrong(field, "a JSON Schema (an object)", raw))
            }
            raw => Ok(raw),
        }
    }

    pub(super) fn object<'a, T: Deserialize<'a>>(
        self,
        field: &str,
        raw: &'a RawValue,
    ) -> Result<T, DecodeError> {
        if !raw.get().starts_with('{') {
            return Err(self.wrong(field, "an object", raw));
        }
        serde_json::from_str(raw.get()).map_err(|error| self.fault(field, error.to_string()))
    }
}

fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
    // Raw values are JSON already: without an escape it is what stands between the quotes.
    let inside = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str::<Borrowed<'_>>(raw.get())
        .ok()
        .map(|Borrowed(text)| text)
}

/// A number without a fraction, however it is written: `30`, `30.0` and `3e1` are the same.
pub(crate) fn whole_number(raw: &RawValue) -> Option<u64> {
    let number: Number = serde_json::from_str(raw.get()).ok()?;
    number.as_u64().or_else(|| {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let value = number.as_f64()?;
        let whole = value.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&value);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, not negative, and small enough to be exact"
        )]
        whole.then_some(value as u64)
    })
}

/// The JSON kind of a value, with its article, for messages.
pub(crate) fn kind_of(raw: &RawValue) -> &'static str {
    match raw.get().bytes().next() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}
