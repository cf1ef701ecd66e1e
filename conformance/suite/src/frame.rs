//! A frame as it arrived: its text, its value, and its fields raw.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::held::{OWN_BYTES_MAX, in_memory};

/// A text frame that is a JSON object in which every field occurs once.
#[derive(Clone, Debug)]
pub struct Frame {
    /// As it arrived.
    pub text: String,
    /// What it says.
    pub value: Value,
    fields: Vec<(String, Box<RawValue>)>,
}

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn read(text: &str) -> Result<Self, String> {
        Self::read_within(OWN_BYTES_MAX, text)
    }

    /// Reads one that takes no more memory than so many bytes.
    pub(crate) fn read_within(bytes_max: usize, text: &str) -> Result<Self, String> {
        if in_memory(text) > bytes_max {
            let mib = bytes_max >> 20;
            return Err(format!("not read, as it would take more than {mib} MiB"));
        }
        let Fields(fields) =
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = fields.iter().find(|(name, _)| !names.insert(name)) {
            return Err(format!("the field `{twice}` occurs twice"));
        }
        let value = fields
            .iter()
            .map(|(name, raw)| (name.clone(), value_of(raw)))
            .collect();
        Ok(Self {
            text: text.to_owned(),
            value: Value::Object(value),
            fields,
        })
    }

    /// A top-level field in the sender's own bytes.
    #[must_use]
    pub fn raw(&self, field: &str) -> Option<&str> {
        let (_, raw) = self.fields.iter().find(|(name, _)| name == field)?;
        Some(raw.get())
    }

    /// The frame with another text in a top-level field that it has.
    pub(crate) fn with_text_field(self, field: &str, text: &str) -> Self {
        let raw = |(name, raw): &(String, Box<RawValue>)| {
            let own = if name == field {
                Value::from(text).to_string()
            } else {
                raw.get().to_owned()
            };
            format!("{}:{own}", Value::from(name.as_str()))
        };
        let fields: Vec<String> = self.fields.iter().map(raw).collect();
        Self::read(&format!("{{{}}}", fields.join(","))).unwrap_or(self)
    }

    /// The `type`, or nothing.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.text_field("type").unwrap_or_default()
    }

    /// A top-level field that is a string.
    #[must_use]
    pub fn text_field(&self, field: &str) -> Option<&str> {
        self.value.get(field)?.as_str()
    }
}

/// JSON allows what no `Value` can hold, such as `1e400`: that stands as its own text.
fn value_of(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::from(raw.get()))
}

struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::Frame;

    #[test]
    fn raw_fields_are_the_senders_bytes() {
        let frame = Frame::read(r#"{"type":"x", "result":{ "b":1.0,"a":1e2 }}"#).unwrap();
        assert_eq!(frame.kind(), "x");
        assert_eq!(frame.raw("result"), Some(r#"{ "b":1.0,"a":1e2 }"#));
        assert_eq!(frame.raw("error"), None);
    }

    #[test]
    fn a_frame_may_hold_what_a_value_cannot() {
        let frame = Frame::read(r#"{"type":"x","result":[1e400],"data":"\ud800"}"#).unwrap();
        assert_eq!(frame.kind(), "x");
        assert_eq!(frame.raw("result"), Some("[1e400]"));
        assert_eq!(frame.raw("data"), Some(r#""\ud800""#));
    }

    #[test]
    fn what_is_no_frame() {
        for (text, problem) in [
            ("[]", "not a JSON object"),
            ("{", "not a JSON object"),
            (r#"{"id":1,"id":1}"#, "`id` occurs twice"),
            (&"{".repeat(1 << 20), "would take more than 128 MiB"),
        ] {
            let error = Frame::read(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
