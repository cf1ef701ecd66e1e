//! Which strings of a recording are ids, and what stands for them in its case.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::kinds::{
    escaped, faithful, is_time, is_uuid, names_something, of_type, strings_in, unused,
};
use crate::frame::Frame;

/// Shorter ids are not looked for inside other texts.
pub(super) const EMBEDDED_BYTES_MIN: usize = 4;
/// From here on a whole number is taken for a time, in milliseconds since 1970: September 2001.
const TIME_MS_MIN: u64 = 1_000_000_000_000;
/// Trigger types of the engine's own.
const BUILT_IN: [&str; 3] = ["http", "cron", "queue"];

/// Where a client names a queue, which outlives its sessions.
const QUEUE_FIELDS: [&str; 3] = ["queue_name", "topic", "queue"];

/// What is known of the ids of a recording.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Ids of the client's own making, and the labels that stand for them.
    own: BTreeMap<String, String>,
    /// Strings of the engine's that the client repeated, and their names once captured.
    given: BTreeMap<String, String>,
    captured: BTreeSet<String>,
    /// Calls of the engine's own functions that are not answered yet: their results tell of more
    /// than the recording.
    lookups: BTreeSet<String>,
    /// The endpoints of the suite, by their URLs.
    pub(super) endpoints: BTreeMap<String, String>,
    /// Hosts and ports, of the suite's endpoints and of the engine's http triggers.
    pub(super) places: BTreeSet<String>,
    /// Paths of http triggers that call the engine's own functions.
    pub(super) lookup_paths: BTreeSet<String>,
}

impl Ids {
    /// Learns from all frames, in order; `true` stands for those of the client.
    pub(super) fn of<'f>(frames: impl Iterator<Item = (bool, &'f Frame)>) -> Self {
        let mut ids = Self::default();
        let mut bytes = String::new();
        let mut engines = BTreeSet::new();
        for (of_client, frame) in frames {
            let mut strings = Vec::new();
            strings_in(&frame.value, None, &mut strings);
            if of_client {
                ids.own_of(frame);
                bytes.extend(unfaithful(frame));
                for (_, queue) in strings.iter().filter(|(it, _)| QUEUE_FIELDS.contains(it)) {
                    ids.own(queue, "queue");
                }
                for (field, text) in strings {
                    if engines.contains(text) && !ids.own.contains_key(text) {
                        ids.give(field, text);
                    }
                }
            } else {
                let names = strings
                    .into_iter()
                    .filter(|(field, _)| names_something(field));
                engines.extend(names.map(|(_, text)| text.to_owned()));
            }
        }
        ids.keep(&bytes);
        ids
    }

    /// The ids in a text that is sent byte for byte are what they are.
    pub(super) fn keep(&mut self, bytes: &str) {
        let inside = |id: &String| id.len() >= EMBEDDED_BYTES_MIN && bytes.contains(id);
        self.own.retain(|id, _| !inside(id));
    }

    fn own_of(&mut self, frame: &Frame) {
        let calls_engine = frame.text_field("function_id");
        if calls_engine.is_some_and(|it| it.starts_with("engine::")) {
            let mut strings = Vec::new();
            let config = frame.value.get("config").unwrap_or_default();
            strings_in(config, None, &mut strings);
            // Which of them is the path is the engine's to say.
            let paths = strings.iter().map(|(_, it)| it.trim_matches('/'));
            let paths = paths.filter(|it| !it.is_empty()).map(str::to_owned);
            self.lookup_paths.extend(paths);
        }
        let (field, label) = match (frame.kind(), frame.kind().strip_prefix("register")) {
            ("invokefunction", _) => ("invocation_id", "call"),
            (_, Some("triggertype")) => ("id", "trigger-type"),
            (_, Some(kind)) => ("id", kind),
            _ => return,
        };
        if let Some(id) = frame.text_field(field) {
            self.own(id, label);
        }
    }

    fn own(&mut self, id: &str, label: &str) {
        let literal = id.is_empty() || id.contains("::") || BUILT_IN.contains(&id);
        if !literal && !self.own.contains_key(id) && !self.given.contains_key(id) {
            let label = unused(label, self.own.values().chain(self.given.values()));
            self.own.insert(id.to_owned(), label);
        }
    }

    fn give(&mut self, field: &str, text: &str) {
        if !self.given.contains_key(text) {
            let name = match field {
                "invocation_id" => "invocation".to_owned(),
                field => field.replace('_', "-"),
            };
            let name = unused(&name, self.given.values().chain(self.own.values()));
            self.given.insert(text.to_owned(), name);
        }
    }

    /// The template that sends a frame of the client's.
    pub(super) fn sending(&mut self, frame: &Frame) -> Value {
        if let (Some(call), Some(function)) = (
            frame.text_field("invocation_id"),
            frame.text_field("function_id"),
        ) && function.starts_with("engine::")
        {
            self.lookups.insert(call.to_owned());
        }
        let fields = frame.value.as_object().into_iter().flatten();
        let filled: Map<String, Value> = fields
            .map(|(name, value)| {
                let raw = frame.raw(name).unwrap_or_default();
                let template = match faithful(raw, value) {
                    true => self.sent(value),
                    false => json!({ "$raw": raw }),
                };
                (name.clone(), template)
            })
            .collect();
        escaped(Value::Object(filled))
    }

    /// The template that a frame of the engine's is compared with.
    pub(super) fn expecting(&mut self, frame: &Frame) -> Value {
        let call = frame.text_field("invocation_id").unwrap_or_default();
        let looks_up = frame.kind() == "invocationresult" && self.lookups.remove(call);
        let fields = frame.value.as_object().into_iter().flatten();
        let filled: Map<String, Value> = fields
            .map(|(name, value)| {
                let template = match name.as_str() {
                    "result" if looks_up => of_type(value),
                    _ => self.compared(name, value),
                };
                (name.clone(), template)
            })
            .collect();
        escaped(Value::Object(filled))
    }

    /// The template that sends a value.
    pub(super) fn sent(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match self.known(text).or_else(|| self.located(text)) {
                Some(token) => token,
                None => match self.embedding(text) {
                    Some(Some(text)) => json!({ "$text": text }),
                    _ => value.clone(),
                },
            },
            Value::Array(items) => items.iter().map(|it| self.sent(it)).collect(),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, it)| (name.clone(), self.sent(it)));
                escaped(Value::Object(fields.collect()))
            }
            _ => value.clone(),
        }
    }

    /// The template that a value is compared with.
    pub(super) fn compared(&mut self, field: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => self.compared_text(field, text),
            Value::Number(number) if number.as_u64().is_some_and(|it| it >= TIME_MS_MIN) => {
                of_type(value)
            }
            Value::Array(items) => items.iter().map(|it| self.compared(field, it)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, it)| (name.clone(), self.compared(name, it)));
                escaped(Value::Object(fields.collect()))
            }
            _ => value.clone(),
        }
    }

    fn compared_text(&mut self, field: &str, text: &str) -> Value {
        if let Some(name) = self.given.get(text)
            && self.captured.insert(text.to_owned())
        {
            return match is_uuid(text) {
                true => json!({"$capture": {"name": name, "is": {"$uuid": true}}}),
                false => json!({"$capture": {"name": name, "is": {"$type": "string"}}}),
            };
        }
        if let Some(token) = self.known(text).or_else(|| self.located(text)) {
            return token;
        }
        if self.places.iter().any(|it| text.contains(it)) {
            return json!({"$type": "string"});
        }
        if is_uuid(text) {
            return json!({"$uuid": true});
        }
        if field.ends_with("token") || is_time(text) {
            return json!({"$type": "string"});
        }
        match self.embedding(text) {
            Some(Some(text)) => json!({ "$text": text }),
            Some(None) => json!({"$type": "string"}),
            None => text.into(),
        }
    }

    fn known(&self, text: &str) -> Option<Value> {
        if let Some(label) = self.own.get(text) {
            return Some(match is_uuid(text) {
                true => json!({ "$unique_uuid": label }),
                false => json!({ "$unique": label }),
            });
        }
        let name = self.given.get(text)?;
        self.captured
            .contains(text)
            .then(|| json!({ "$ref": name }))
    }

    /// A text with ids in it, as `$text` has them; nothing inside if `$text` cannot say it.
    fn embedding(&self, text: &str) -> Option<Option<String>> {
        let mut ids: Vec<(&str, Option<&str>)> = Vec::new();
        for (id, label) in &self.own {
            ids.push((id, (!is_uuid(id)).then_some(label)));
        }
        for (id, name) in &self.given {
            ids.push((id, self.captured.contains(id).then_some(name)));
        }
        ids.retain(|(id, _)| id.len() >= EMBEDDED_BYTES_MIN);
        // The longest first: it may hold a shorter one.
        ids.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
        let mut template = String::new();
        let (mut rest, mut found) = (text, false);
        while let Some(next) = rest.chars().next() {
            match ids.iter().find(|(id, _)| rest.starts_with(id)) {
                Some((_, None)) => return Some(None),
                Some((id, Some(label))) => {
                    found = true;
                    template += &format!("{{{label}}}");
                    rest = rest.get(id.len()..).unwrap_or_default();
                }
                None => {
                    template.extend(std::iter::repeat_n(
                        next,
                        1 + usize::from("{}".contains(next)),
                    ));
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
        }
        found.then_some(Some(template))
    }
}

/// The fields of a frame that are sent byte for byte.
fn unfaithful(frame: &Frame) -> impl Iterator<Item = &str> {
    let fields = frame.value.as_object().into_iter().flatten();
    fields.filter_map(|(name, value)| {
        let raw = frame.raw(name).unwrap_or_default();
        (!faithful(raw, value)).then_some(raw)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(value: Value) -> Frame {
        Frame::read(&value.to_string()).unwrap()
    }

    /// The templates of frames; `true` stands for those of the client.
    fn templates(frames: &[(bool, Value)]) -> Vec<Value> {
        let frames: Vec<(bool, Frame)> = frames
            .iter()
            .map(|(of_client, value)| (*of_client, frame(value.clone())))
            .collect();
        let mut ids = Ids::of(frames.iter().map(|(of_client, it)| (*of_client, it)));
        let template = |(of_client, frame): &(bool, Frame)| match of_client {
            true => ids.sending(frame),
            false => ids.expecting(frame),
        };
        frames.iter().map(template).collect()
    }

    #[test]
    fn ids_of_either_side_become_tokens() {
        let (own, given) = (
            "0b9f3a52-6c1d-4e7f-8a90-b1c2d3e4f506",
            "6f1c3c0e-8f0e-4d7e-9c59-0f5b6a1d2e3f",
        );
        let found = templates(&[
            (true, json!({"type": "registerfunction", "id": "orders"})),
            (
                true,
                json!({"type": "invokefunction", "invocation_id": own, "function_id": "orders"}),
            ),
            (
                false,
                json!({"type": "invokefunction", "invocation_id": given, "note": given}),
            ),
            (
                true,
                json!({"type": "invocationresult", "invocation_id": given, "result": "of orders"}),
            ),
            (
                false,
                json!({"type": "x", "a": ["{orders}"], "b": format!("call {own}"), "c": given}),
            ),
        ]);
        let expected = [
            json!({"type": "registerfunction", "id": {"$unique": "function"}}),
            json!({"type": "invokefunction", "invocation_id": {"$unique_uuid": "call"}, "function_id": {"$unique": "function"}}),
            json!({"type": "invokefunction", "invocation_id": {"$capture": {"name": "invocation", "is": {"$uuid": true}}}, "note": {"$ref": "invocation"}}),
            json!({"type": "invocationresult", "invocation_id": {"$ref": "invocation"}, "result": {"$text": "of {function}"}}),
            json!({"type": "x", "a": [{"$text": "{{{function}}}"}], "b": {"$type": "string"}, "c": {"$ref": "invocation"}}),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_differs_each_time_is_compared_by_its_kind() {
        let found = templates(&[(
            false,
            json!({
                "type": "workerregistered", "worker_id": "6f1c3c0e-8f0e-4d7e-9c59-0f5b6a1d2e3f",
                "reattach_token": "secret", "at": 1_700_000_000_000_u64, "n": 3,
                "time": "2026-01-01T00:00:00Z", "odd": {"$ref": 1},
            }),
        )]);
        let expected = json!({
            "type": "workerregistered", "worker_id": {"$uuid": true},
            "reattach_token": {"$type": "string"}, "at": {"$type": "number"}, "n": 3,
            "time": {"$type": "string"}, "odd": {"$literal": {"$ref": 1}},
        });
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_the_engine_knows_besides_is_no_part_of_a_recording() {
        let found = templates(&[
            (
                true,
                json!({"type": "invokefunction", "invocation_id": "c", "function_id": "engine::workers::list"}),
            ),
            (
                false,
                json!({"type": "invocationresult", "invocation_id": "c", "result": {"workers": [1]}}),
            ),
        ]);
        assert_eq!(found[1]["result"], json!({"$type": "object"}));
    }

    #[test]
    fn what_no_value_holds_is_sent_byte_for_byte() {
        let sent = |text: &str| Ids::default().sending(&Frame::read(text).unwrap());
        for raw in [
            "1e2",
            "12345678901234567890123",
            r#"{"a":1,"a":1}"#,
            "1e400",
        ] {
            let template = sent(&format!(r#"{{"type":"x","data":{raw}}}"#));
            assert_eq!(template["data"], json!({ "$raw": raw }), "{raw}");
        }
        let plain = sent(r#"{"type":"x", "data":{ "b c" : 1.5, "a":[ "\\" ] }}"#);
        assert_eq!(plain["data"], json!({"b c": 1.5, "a": ["\\"]}));
    }
}
