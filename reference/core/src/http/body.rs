//! What the body of a request becomes in the payload, by its content type.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use serde_json::value::RawValue;

use super::clipped;
use crate::error::{Code, Failure};

/// `body` of the payload.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
    /// Null: there is none.
    Empty,
    /// JSON, byte for byte (D-09).
    Json(&'a RawValue),
    Text(&'a str),
    /// In base64, with its alphabet of `+` and `/`, padded.
    Bytes(String),
}

impl<'a> Body<'a> {
    /// Headers by their names in lower case.
    ///
    /// # Errors
    ///
    /// `bad_request`, saying where: it is not the JSON that its content type says it is.
    pub(super) fn read(
        body: &'a [u8],
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        if body.is_empty() {
            return Ok(Self::Empty);
        }
        // What is compressed is no text yet, whatever its content type.
        let encoded = headers
            .get("content-encoding")
            .is_some_and(|coding| !coding.trim().eq_ignore_ascii_case("identity"));
        let content_type = headers.get("content-type").map(String::as_str);
        let kind = content_type.map_or(Kind::Text, Kind::of);
        match (kind, std::str::from_utf8(body)) {
            (Kind::Json, _) if !encoded => {
                let json = serde_json::from_slice(body);
                json.map(Self::Json).map_err(|error| {
                    let content_type = clipped(content_type.unwrap_or_default());
                    let message = format!(
                        "The body is not JSON, as its content type '{content_type}' says: {error}"
                    );
                    Failure::new(Code::BadRequest, message)
                })
            }
            (Kind::Text, Ok(text)) if !encoded => Ok(Self::Text(text)),
            _ => Ok(Self::Bytes(BASE64_STANDARD.encode(body))),
        }
    }

    /// `body_encoding` of the payload.
    pub(super) fn encoding(&self) -> Option<&'static str> {
        matches!(self, Self::Bytes(_)).then_some("base64")
    }
}

enum Kind {
    Json,
    Text,
    Bytes,
}

impl Kind {
    fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().split_once('/') {
            Some((_, subtype)) if subtype.ends_with("+json") => Self::Json,
            Some(("application", "json")) => Self::Json,
            Some(("application", "x-www-form-urlencoded")) => Self::Text,
            // Two content types, joined, say nothing.
            Some(("text", subtype)) if !subtype.contains(',') => Self::Text,
            _ => Self::Bytes,
        }
    }
}
