//! Other names for the keys of trigger configs, for engines that do not take the documents'.
//! What is reached through them says nothing of whether the engine does what they demand.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// By trigger type, then by the document's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ConfigKeys(BTreeMap<String, BTreeMap<String, Key>>);

/// What a key is called there.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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

    /// What is in it that no config of the documents has.
    ///
    /// # Errors
    ///
    /// The trigger type or the key that is unknown.
    pub fn check(&self) -> Result<(), String> {
        for (kind, keys) in &self.0 {
            let known: &[&str] = match kind.as_str() {
                "http" => &["path", "method"],
                "cron" => &["schedule", "timezone"],
                "queue" => &["queue_name", "batch_size", "visibility_timeout"],
                _ => {
                    return Err(format!(
                        "`config_keys`: the documents have no type `{kind}`"
                    ));
                }
            };
            if let Some(key) = keys.keys().find(|key| !known.contains(&key.as_str())) {
                let known = known.join(", ");
                return Err(format!(
                    "`config_keys.{kind}`: the documents have no key `{key}`, but {known}"
                ));
            }
        }
        Ok(())
    }

    /// A `registertrigger` frame with the other names, if it has any key that is called otherwise.
    #[must_use]
    pub fn apply(&self, frame: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut frame: Value = serde_json::from_str(frame).ok()?;
        if frame.get("type")? != "registertrigger" {
            return None;
        }
        let keys = self.0.get(frame.get("trigger_type")?.as_str()?)?;
        let config = frame.get_mut("config")?.as_object_mut()?;
        let before = std::mem::replace(config, Map::new());
        let mut renamed = false;
        for (name, value) in before {
            let (name, value) = match keys.get(&name) {
                None => (name, value),
                Some(key) => {
                    renamed = true;
                    key.apply(value)
                }
            };
            config.insert(name, value);
        }
        renamed.then(|| frame.to_string())
    }
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
}
