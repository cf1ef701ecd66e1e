//! Which frame a template is about.

use serde_json::Value;

use super::{Scope, TemplateError, fill::block, token};
use crate::frame::Frame;

/// Which frame a template is about: the literal parts of its type and ids. A frame with the key
/// is *the* frame, so that a wrong body fails at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    parts: Vec<(&'static str, String)>,
}

/// The fields that name a frame.
pub(crate) const KEY_FIELDS: [&str; 3] = ["type", "id", "invocation_id"];

impl Key {
    /// Whether the frame is the one that the template is about.
    #[must_use]
    pub fn names(&self, frame: &Frame) -> bool {
        self.is_specific()
            && self
                .parts
                .iter()
                .all(|(field, text)| frame.text_field(field) == Some(text))
    }

    /// A template without a literal type is about whichever frame it matches entirely.
    #[must_use]
    pub fn is_specific(&self) -> bool {
        self.parts.iter().any(|(field, _)| *field == "type")
    }

    /// For people: the type and the ids.
    #[must_use]
    pub fn describe(&self) -> String {
        if self.parts.is_empty() {
            return "a matching frame".to_owned();
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(field, text)| match *field {
                "type" => format!("`{text}`"),
                _ => format!("with {field} `{text}`"),
            })
            .collect();
        parts.join(" ")
    }
}

impl Scope {
    /// The key of a template.
    ///
    /// # Errors
    ///
    /// If a token in it has no meaning.
    pub fn key(&self, template: &Value) -> Result<Key, TemplateError> {
        let template = expand(template)?;
        let mut parts = Vec::new();
        for field in KEY_FIELDS {
            let literal = match template.get(field) {
                Some(value) if is_matcher(value) => None,
                Some(value) => self.fill(value)?.as_str().map(str::to_owned),
                None => None,
            };
            parts.extend(literal.map(|text| (field, text)));
        }
        Ok(Key { parts })
    }
}

/// A template in which a document's block stands written out, if that is what it is.
pub(super) fn expand(template: &Value) -> Result<Value, TemplateError> {
    match token(template) {
        Some(("$document", path)) => {
            serde_json::from_str(block(path)?).map_err(|error| TemplateError(error.to_string()))
        }
        Some(("$exact", inner)) if token(inner).is_some_and(|(name, _)| name == "$document") => {
            Ok(serde_json::json!({ "$exact": expand(inner)? }))
        }
        _ => Ok(template.clone()),
    }
}

fn is_matcher(value: &Value) -> bool {
    token(value).is_some_and(|(name, _)| {
        !matches!(
            name,
            "$unique"
                | "$unique_uuid"
                | "$text"
                | "$ref"
                | "$endpoint"
                | "$variable"
                | "$literal"
                | "$document"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_made_of_literals() {
        let scope = Scope::new("s");
        let key = scope
            .key(&json!({"type": "x", "id": {"$unique": "f"}, "invocation_id": {"$uuid": true}}))
            .unwrap();
        assert_eq!(key.describe(), "`x` with id `f-s`");
        assert!(key.names(&Frame::read(r#"{"type":"x","id":"f-s"}"#).unwrap()));
        assert!(!key.names(&Frame::read(r#"{"type":"x","id":"g"}"#).unwrap()));
        let any = scope.key(&json!({"type": {"$any": true}})).unwrap();
        assert!(!any.is_specific());
    }
}
