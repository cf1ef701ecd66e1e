//! Filling a template, to send it.

use serde_json::{Map, Value};

use super::{Scope, TemplateError, frame_in_reading_order, string, token, unknown};
use crate::assets;

impl Scope {
    /// The text of a frame to send. A document's block keeps its own text, byte for byte.
    ///
    /// # Errors
    ///
    /// If a token is not one that can be sent.
    pub fn frame_text(&self, template: &Value) -> Result<String, TemplateError> {
        if let Some(("$document", path)) = token(template) {
            return block(path).map(str::to_owned);
        }
        let mut raws = Vec::new();
        let filled = self.fill_with(template, &mut raws)?;
        let mut text = frame_in_reading_order(&filled);
        for (index, raw) in raws.iter().enumerate() {
            text = text.replacen(&Value::String(placeholder(index)).to_string(), raw, 1);
        }
        Ok(text)
    }

    /// A template without its tokens.
    ///
    /// # Errors
    ///
    /// If a token is not one that has a value before anything has arrived.
    pub fn fill(&self, template: &Value) -> Result<Value, TemplateError> {
        let mut raws = Vec::new();
        let filled = self.fill_with(template, &mut raws)?;
        if raws.is_empty() {
            Ok(filled)
        } else {
            Err(unknown("$raw"))
        }
    }

    fn fill_with(&self, template: &Value, raws: &mut Vec<String>) -> Result<Value, TemplateError> {
        if let Some((name, argument)) = token(template) {
            return match name {
                "$unique" => Ok(self.unique(string(name, argument)?).into()),
                "$unique_uuid" => Ok(self.unique_uuid(string(name, argument)?).into()),
                "$text" => Ok(self.text(string(name, argument)?)?.into()),
                "$ref" => self.captured(string(name, argument)?).cloned(),
                "$endpoint" => Ok(self.endpoint(string(name, argument)?)?.into()),
                "$variable" => Ok(self.variable(string(name, argument)?)?.into()),
                "$literal" => Ok(argument.clone()),
                "$document" => serde_json::from_str(block(argument)?)
                    .map_err(|error| TemplateError(error.to_string())),
                "$raw" => {
                    raws.push(string(name, argument)?.to_owned());
                    Ok(placeholder(raws.len() - 1).into())
                }
                _ => Err(unknown(name)),
            };
        }
        match template {
            Value::Object(fields) => {
                let mut filled = Map::new();
                for (name, value) in fields {
                    filled.insert(name.clone(), self.fill_with(value, raws)?);
                }
                Ok(Value::Object(filled))
            }
            Value::Array(items) => items
                .iter()
                .map(|item| self.fill_with(item, raws))
                .collect(),
            scalar => Ok(scalar.clone()),
        }
    }
}

/// Stands for raw JSON until the text is made; no case can contain it by chance.
fn placeholder(index: usize) -> String {
    format!("\u{1}raw {index}\u{1}")
}

pub(super) fn block(path: &Value) -> Result<&'static str, TemplateError> {
    let path = string("$document", path)?;
    assets::block(path).ok_or_else(|| TemplateError(format!("there is no block `{path}`")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_that_can_be_sent() {
        let scope = Scope::new("k3f9");
        let template = json!({
            "id": {"$unique": "orders"},
            "text": {"$text": "'{orders}' in {{braces}}"},
            "same": {"$literal": {"$unique": "orders"}},
        });
        assert_eq!(
            scope.fill(&template),
            Ok(json!({
                "id": "orders-k3f9",
                "text": "'orders-k3f9' in {braces}",
                "same": {"$unique": "orders"},
            }))
        );
    }

    #[test]
    fn raw_json_is_sent_as_it_is_written() {
        let text =
            Scope::new("s").frame_text(&json!({"data": {"$raw": "{\"b\":1.0,\"a\":1e400}"}}));
        assert_eq!(text.as_deref(), Ok(r#"{"data":{"b":1.0,"a":1e400}}"#));
    }

    #[test]
    fn a_document_block_is_sent_as_it_stands() {
        let path = "register-trigger/07-trigger-type-not-found.request.json";
        let text = Scope::new("s").frame_text(&json!({"$document": path}));
        assert_eq!(text.as_deref().ok(), assets::block(path));
    }

    #[test]
    fn matchers_cannot_be_sent() {
        let error = Scope::new("s").fill(&json!({"id": {"$any": true}}));
        assert_eq!(error, Err(unknown("$any")));
    }
}
