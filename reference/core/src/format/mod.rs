//! Formats that are enforced: payloads and results against the JSON Schema that a function was
//! registered with (D-14).
//!
//! Whoever registers a format chooses what every later check of it costs, so a format is held to
//! bounds when it is compiled, and each check is estimated before it is made (D-28).

mod bounds;
mod graph;

use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::{Value, value::RawValue};

use self::bounds::Bounds;
use crate::{Code, Failure, wire::RegisterFunction};

/// The largest format that is enforced, in bytes.
const FORMAT_BYTES_MAX: usize = 64 << 10;
/// The largest payload that is checked, in bytes.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;
/// How large the program of one pattern may be, in bytes.
const PATTERN_BYTES_MAX: usize = 32 << 10;
const SHOWN_BYTES_MAX: usize = 300;

/// What the calls of a function are held to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Formats {
    request: Option<Arc<Format>>,
    response: Option<Arc<Format>>,
}

impl Formats {
    /// Compiles the formats of a registration.
    ///
    /// # Errors
    ///
    /// `invalid_request`, naming the field and the place in it, for a format that is not JSON
    /// Schema, that refers to anything outside itself, or that would cost too much to check.
    pub(crate) fn compile(frame: &RegisterFunction<'_>) -> Result<Self, Failure> {
        let compile = |field: &str, format: Option<&RawValue>| {
            let compiled = format.map(Format::compile).transpose();
            compiled
                .map(|it| it.map(Arc::new))
                .map_err(|problem| Failure::invalid_request(format!("`{field}`: {problem}")))
        };
        Ok(Self {
            request: compile("request_format", frame.request_format)?,
            response: compile("response_format", frame.response_format)?,
        })
    }

    /// # Errors
    ///
    /// `invalid_request` for data that is not what the function takes.
    pub(crate) fn check_data(&self, function_id: &str, data: &RawValue) -> Result<(), Failure> {
        check(self.request.as_deref(), data).map_err(|problem| {
            Failure::invalid_request(format!(
                "`data` is not what the `request_format` of function '{function_id}' takes: \
                 {problem}"
            ))
        })
    }

    /// # Errors
    ///
    /// `invalid_response` for a result that is not what the function promised.
    pub(crate) fn check_result(&self, function_id: &str, result: &RawValue) -> Result<(), Failure> {
        check(self.response.as_deref(), result).map_err(|problem| {
            let message = format!(
                "Function '{function_id}' gave a result that its `response_format` does not \
                 take: {problem}"
            );
            Failure::new(Code::InvalidResponse, message)
        })
    }
}

fn check(format: Option<&Format>, payload: &RawValue) -> Result<(), String> {
    format.map_or(Ok(()), |format| format.check(payload))
}

/// A JSON Schema, ready to be checked against.
#[derive(Debug)]
struct Format {
    validator: Validator,
    bounds: Bounds,
}

impl Format {
    fn compile(raw: &RawValue) -> Result<Self, String> {
        if raw.get().len() > FORMAT_BYTES_MAX {
            return Err(format!(
                "must not be larger than {FORMAT_BYTES_MAX} bytes to be enforced"
            ));
        }
        let schema: Value = serde_json::from_str(raw.get()).map_err(|it| it.to_string())?;
        // The bounds are taken first: compiling costs what they allow.
        let bounds = Bounds::of(&schema)?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(8 * PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .should_validate_formats(false)
            .build(&schema)
            .map_err(|error| described(&error))?;
        Ok(Self { validator, bounds })
    }

    fn check(&self, raw: &RawValue) -> Result<(), String> {
        if raw.get().len() > PAYLOAD_BYTES_MAX {
            return Err(format!(
                "it is larger than {PAYLOAD_BYTES_MAX} bytes, and cannot be checked"
            ));
        }
        let payload: Value = serde_json::from_str(raw.get()).map_err(|it| it.to_string())?;
        self.bounds.allow(&payload)?;
        // The first look finds no words, and is far cheaper where all is well.
        if self.validator.is_valid(&payload) {
            return Ok(());
        }
        let refused = self.validator.validate(&payload);
        refused.map_err(|error| described(&error))
    }
}

/// Where, as a JSON pointer, and what: with the rule's values, and without the payload's.
fn described(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().as_str();
    let problem = match error.kind() {
        ValidationErrorKind::FalseSchema => "nothing is allowed there".to_owned(),
        ValidationErrorKind::Format { format } if format == "regex" => {
            "it is no regular expression, too large a one, or one with what cannot be matched in \
             linear time"
                .to_owned()
        }
        _ => clipped(&error.masked_with("it").to_string()),
    };
    match pointer {
        "" => problem,
        pointer => format!("at '{}': {problem}", clipped(pointer)),
    }
}

fn clipped(text: &str) -> String {
    match text.get(..text.floor_char_boundary(SHOWN_BYTES_MAX)) {
        Some(start) if start.len() < text.len() => format!("{start}…"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
