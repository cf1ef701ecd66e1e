//! Other names for trigger types and the keys of their configs, for engines that do not take the
//! documents'. What is reached through them says nothing of whether the engine does what the
//! documents demand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::frame::Frame;

/// What stands among the keys of a type for its own name; no config of the documents has it.
pub(crate) const TYPE: &str = "type";

/// By trigger type, then by the document's key; what `type` stands for is the type's own name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ConfigKeys(BTreeMap<String, Keys>);

/// The names of one trigger type.
pub(crate) type Keys = BTreeMap<String, Key>;

/// What a key is called there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Key {
    /// Its name.
    Name(String),
    /// Its name, and what is put before a value that is a string.
    Prefixed {
        /// The name.
        key: String,
        /// For instance `0 `, which makes six fields of a schedule's five.
        prefix: String,
    },
}

impl ConfigKeys {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// The names of a trigger type, as they stand in a target file.
    pub(crate) fn insert(&mut self, kind: &str, keys: Keys) {
        self.0.insert(kind.to_owned(), keys);
    }

    /// What is in it that no config of the documents has, or that cannot be mapped back.
    ///
    /// # Errors
    ///
    /// The trigger type or the key that is unknown, or the name that is not of one type alone.
    pub fn check(&self) -> Result<(), String> {
        for (kind, keys) in &self.0 {
            let Some(known) = document_keys(kind) else {
                return Err(format!(
                    "`config_keys`: the documents have no type `{kind}`"
                ));
            };
            let unknown = |key: &&String| *key != TYPE && !known.contains(&key.as_str());
            if let Some(key) = keys.keys().find(unknown) {
                let known = known.join(", ");
                return Err(format!(
                    "`config_keys.{kind}`: the documents have no key `{key}`, but {known}"
                ));
            }
            self.check_type(kind)?;
        }
        Ok(())
    }

    fn check_type(&self, kind: &str) -> Result<(), String> {
        let name = match self.0.get(kind).and_then(|keys| keys.get(TYPE)) {
            None => return Ok(()),
            Some(Key::Name(name)) if !name.is_empty() => name,
            Some(_) => return Err(format!("`config_keys.{kind}.type` must be a name")),
        };
        let of_another = |other: &&&str| **other != kind && self.name(other) == name;
        match TYPES.iter().find(of_another) {
            Some(other) => Err(format!(
                "`config_keys.{kind}.type`: `{name}` is the name of the type `{other}`"
            )),
            None => Ok(()),
        }
    }

    /// What a trigger type is called there.
    fn name<'k>(&'k self, kind: &'k str) -> &'k str {
        match self.0.get(kind).and_then(|keys| keys.get(TYPE)) {
            Some(Key::Name(name)) => name,
            _ => kind,
        }
    }

    /// A `registertrigger` or `unregistertrigger` frame with the other names, if it has anything
    /// that is called otherwise.
    #[must_use]
    pub fn apply(&self, frame: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut frame: Value = serde_json::from_str(frame).ok()?;
        let registers = match frame.get("type")?.as_str()? {
            "registertrigger" => true,
            "unregistertrigger" => false,
            _ => return None,
        };
        let kind = frame.get("trigger_type")?.as_str()?.to_owned();
        let keys = self.0.get(&kind)?;
        let mut renamed = false;
        if self.name(&kind) != kind {
            *frame.get_mut("trigger_type")? = Value::from(self.name(&kind));
            renamed = true;
        }
        if registers && let Some(config) = frame.get_mut("config").and_then(Value::as_object_mut) {
            renamed |= rename(config, keys);
        }
        renamed.then(|| frame.to_string())
    }

    /// A `triggerregistrationresult` that names a type as it is called there, with the documents'
    /// name; any other frame as it is.
    pub(crate) fn restore(&self, frame: Frame) -> Frame {
        if self.is_empty() || frame.kind() != "triggerregistrationresult" {
            return frame;
        }
        let named = frame.text_field("trigger_type").unwrap_or_default();
        let called = |kind: &&&str| **kind != named && self.name(kind) == named;
        match TYPES.iter().find(called) {
            Some(kind) => frame.with_text_field("trigger_type", kind),
            None => frame,
        }
    }
}

/// The documents' trigger types.
pub(crate) const TYPES: [&str; 3] = ["http", "cron", "queue"];

fn document_keys(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "http" => &["path", "method"],
        "cron" => &["schedule", "timezone"],
        "queue" => &["queue_name", "batch_size", "visibility_timeout"],
        _ => return None,
    })
}

/// Gives a config the other names; whether there was anything that is called otherwise.
pub(crate) fn rename(config: &mut Map<String, Value>, keys: &Keys) -> bool {
    let mut renamed = false;
    for (name, value) in std::mem::take(config) {
        let (name, value) = match keys.get(&name).filter(|_| name != TYPE) {
            None => (name, value),
            Some(key) => {
                renamed = true;
                key.apply(value)
            }
        };
        config.insert(name, value);
    }
    renamed
}

impl Key {
    fn apply(&self, value: Value) -> (String, Value) {
        match (self, value) {
            (Self::Name(key), value) => (key.clone(), value),
            (Self::Prefixed { key, prefix }, Value::String(text)) => {
                (key.clone(), Value::from(format!("{prefix}{text}")))
            }
            (Self::Prefixed { key, .. }, value) => (key.clone(), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_renamed_in_registrations_of_their_type() {
        let keys: ConfigKeys = serde_json::from_value(json!({
            "http": {"path": "api_path"},
            "cron": {"schedule": {"key": "expression", "prefix": "0 "}},
        }))
        .unwrap();
        let frame = |kind: &str, config: Value| json!({"type": "registertrigger", "id": "t", "trigger_type": kind, "config": config});
        let applied = |frame: Value| {
            let text = keys.apply(&frame.to_string())?;
            Some(serde_json::from_str::<Value>(&text).unwrap())
        };
        assert_eq!(
            applied(frame("http", json!({"path": "/a", "method": "GET"}))),
            Some(frame("http", json!({"api_path": "/a", "method": "GET"})))
        );
        assert_eq!(
            applied(frame("cron", json!({"schedule": "0 9 * * *"}))),
            Some(frame("cron", json!({"expression": "0 0 9 * * *"})))
        );
        assert_eq!(applied(frame("queue", json!({"path": "/a"}))), None);
        assert_eq!(applied(frame("http", json!({"other": 1}))), None);
        assert_eq!(applied(frame("http", json!([]))), None);
        assert_eq!(ConfigKeys::default().apply("not even JSON"), None);
    }

    #[test]
    fn a_type_that_is_called_otherwise_is_renamed_and_restored() {
        let keys: ConfigKeys = serde_json::from_value(json!({
            "queue": {"type": "durable:subscriber", "queue_name": "topic"},
        }))
        .unwrap();
        assert_eq!(keys.check(), Ok(()));
        let frame = |kind: &str, config: Value| json!({"type": "registertrigger", "id": "t", "trigger_type": kind, "config": config});
        let applied = |frame: Value| {
            let text = keys.apply(&frame.to_string())?;
            Some(serde_json::from_str::<Value>(&text).unwrap())
        };
        let named = "durable:subscriber";
        assert_eq!(
            applied(frame("queue", json!({"queue_name": "q", "type": 1}))),
            Some(frame(named, json!({"topic": "q", "type": 1})))
        );
        assert_eq!(
            applied(frame("queue", json!(7))),
            Some(frame(named, json!(7)))
        );
        assert_eq!(
            applied(json!({"type": "unregistertrigger", "id": "t", "trigger_type": "queue"})),
            Some(json!({"type": "unregistertrigger", "id": "t", "trigger_type": named}))
        );
        assert_eq!(applied(frame("cron", json!({"queue_name": "q"}))), None);
        let restored = |text: &str| keys.restore(Frame::read(text).unwrap()).text;
        assert_eq!(
            restored(
                r#"{"type":"triggerregistrationresult","trigger_type":"durable:subscriber", "x": 1.0}"#
            ),
            r#"{"type":"triggerregistrationresult","trigger_type":"queue","x":1.0}"#
        );
        for other in [
            r#"{"type":"triggerregistrationresult","trigger_type":"http"}"#,
            r#"{"type":"registertrigger","trigger_type":"durable:subscriber"}"#,
        ] {
            assert_eq!(restored(other), other);
        }
    }

    #[test]
    fn a_name_of_two_types_cannot_be_mapped_back() {
        let check = |keys: Value| {
            let keys: ConfigKeys = serde_json::from_value(keys).unwrap();
            keys.check().err().unwrap_or_default()
        };
        assert!(check(json!({"queue": {"type": "http"}})).contains("the type `http`"));
        let twice = json!({"queue": {"type": "x"}, "cron": {"type": "x"}});
        assert!(check(twice).contains("the name of the type"));
        for no_name in [json!(""), json!({"key": "x", "prefix": "y"})] {
            assert!(check(json!({"queue": {"type": no_name}})).contains("must be a name"));
        }
        let swapped = json!({"queue": {"type": "cron"}, "cron": {"type": "queue"}});
        assert_eq!(check(swapped), "");
    }
}
