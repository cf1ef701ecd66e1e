//! Frames and templates as people like to read them: the type first, then the ids.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::token;

/// What a reader looks for first.
const FIRST: [&str; 5] = ["type", "id", "invocation_id", "trigger_type", "function_id"];

/// A frame's JSON text, its naming fields first. The order means nothing on the wire.
#[must_use]
pub fn frame_in_reading_order(frame: &Value) -> String {
    match frame {
        Value::Object(fields) => object(fields, &Value::to_string),
        other => other.to_string(),
    }
}

/// A value that serializes with the naming fields of its objects first.
#[derive(Clone, Debug)]
pub(crate) struct InReadingOrder(pub(crate) Value);

impl Serialize for InReadingOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ordered = |value: &Value| Self(value.clone());
        match &self.0 {
            Value::Object(fields) => {
                let fields = in_reading_order(fields);
                serializer.collect_map(fields.map(|(name, value)| (name, ordered(value))))
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(ordered)),
            scalar => scalar.serialize(serializer),
        }
    }
}

/// A template, with its tokens abridged: an id of the run's own is `‹label›`.
#[must_use]
pub fn template_for_people(template: &Value) -> String {
    if let Some((name, argument)) = token(template) {
        let text = argument.as_str().unwrap_or_default();
        return match name {
            "$unique" | "$unique_uuid" | "$ref" | "$endpoint" => format!("‹{text}›"),
            "$variable" => format!("‹${text}›"),
            "$text" => format!("{}", Value::from(text.replace('{', "‹").replace('}', "›"))),
            "$document" => format!("(the document's block {text}, as it stands)"),
            "$any" => "(any value)".to_owned(),
            "$absent" => "(no such field)".to_owned(),
            "$uuid" => "(a UUID)".to_owned(),
            "$type" => format!("(a value of type {text})"),
            "$pattern" => format!("(text that matches /{text}/)"),
            "$raw" => format!("{text} (byte for byte)"),
            "$capture" => capture(argument),
            "$exact" => format!("(exactly) {}", template_for_people(argument)),
            "$includes" => format!("[…, {}, …]", template_for_people(argument)),
            "$excludes" => format!("(without {})", template_for_people(argument)),
            _ => template.to_string(),
        };
    }
    match template {
        Value::Object(fields) => object(fields, &template_for_people),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(template_for_people).collect();
            format!("[{}]", items.join(","))
        }
        scalar => scalar.to_string(),
    }
}

fn capture(argument: &Value) -> String {
    let name = argument
        .get("name")
        .unwrap_or(argument)
        .as_str()
        .unwrap_or_default();
    match argument.get("is") {
        Some(template) => format!("‹{name}›={}", template_for_people(template)),
        None => format!("‹{name}›"),
    }
}

fn in_reading_order(fields: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let first = FIRST.iter().filter_map(|name| fields.get_key_value(*name));
    let rest = fields
        .iter()
        .filter(|(name, _)| !FIRST.contains(&name.as_str()));
    first.chain(rest)
}

fn object(fields: &Map<String, Value>, show: &dyn Fn(&Value) -> String) -> String {
    let shown: Vec<String> = in_reading_order(fields)
        .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), show(value)))
        .collect();
    format!("{{{}}}", shown.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_type_comes_first_and_tokens_are_short() {
        let template = json!({
            "error": {"$absent": true},
            "id": {"$unique": "function"},
            "invocation_id": {"$capture": {"name": "call", "is": {"$uuid": true}}},
            "type": "x",
        });
        assert_eq!(
            template_for_people(&template),
            r#"{"type":"x","id":‹function›,"invocation_id":‹call›=(a UUID),"error":(no such field)}"#
        );
        assert_eq!(
            frame_in_reading_order(&json!({"a": 1, "type": "x"})),
            r#"{"type":"x","a":1}"#
        );
    }
}
