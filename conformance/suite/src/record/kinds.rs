//! What is told from a value alone: whether it names something, and whether it differs each time.

use serde_json::{Value, json};
use uuid::Uuid;

/// Words such as `message` or `code` are repeated without naming anything.
pub(super) fn names_something(field: &str) -> bool {
    ["id", "token", "Id"].iter().any(|it| field.ends_with(it))
}

pub(super) fn strings_in<'v>(
    value: &'v Value,
    field: Option<&'v str>,
    found: &mut Vec<(&'v str, &'v str)>,
) {
    match value {
        Value::String(text) => found.push((field.unwrap_or_default(), text)),
        Value::Array(items) => items.iter().for_each(|it| strings_in(it, field, found)),
        Value::Object(fields) => {
            for (name, it) in fields {
                strings_in(it, Some(name), found);
            }
        }
        _ => {}
    }
}

pub(super) fn unused<'n>(name: &str, taken: impl Iterator<Item = &'n String> + Clone) -> String {
    let mut candidate = name.to_owned();
    let mut number = 2;
    while taken.clone().any(|it| *it == candidate) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Whether a text begins as RFC 3339 has it.
pub(super) fn is_time(text: &str) -> bool {
    let shape = |(byte, wanted): (u8, u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    text.len() >= 19 && text.bytes().zip(*b"0000-00-00T00:00:00").all(shape)
}

pub(super) fn of_type(value: &Value) -> Value {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    json!({ "$type": kind })
}

/// An object that would be read as a token.
pub(super) fn escaped(template: Value) -> Value {
    match crate::template::token(&template) {
        Some(_) => json!({ "$literal": template }),
        None => template,
    }
}

/// Whether a value, written anew, is what the client has sent, but for white space and order.
pub(super) fn faithful(raw: &str, value: &Value) -> bool {
    let mut compact = 0;
    let (mut inside, mut escape) = (false, false);
    for byte in raw.bytes() {
        match (inside, byte) {
            (true, _) if escape => escape = false,
            (true, b'\\') => escape = true,
            (_, b'"') => inside = !inside,
            (false, b' ' | b'\t' | b'\r' | b'\n') => continue,
            _ => {}
        }
        compact += 1;
    }
    value.to_string().len() == compact
}
