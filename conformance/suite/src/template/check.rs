//! What can be said of a template before anything is sent.

use regex::Regex;
use serde_json::Value;

use super::{TemplateError, fill::block, token, unknown};

/// What a template is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A frame is made from it.
    Send,
    /// A frame is compared with it.
    Compare,
}

/// Whether a template's tokens are ones that its use knows, with arguments that they take.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(template: &Value, used: Use) -> Result<(), TemplateError> {
    let Some((name, argument)) = token(template) else {
        return match template {
            Value::Object(fields) => fields.values().try_for_each(|it| check(it, used)),
            Value::Array(items) => items.iter().try_for_each(|it| check(it, used)),
            _ => Ok(()),
        };
    };
    match (name, used) {
        ("$literal", _) => Ok(()),
        ("$unique" | "$unique_uuid" | "$text" | "$ref" | "$raw" | "$endpoint" | "$variable", _) => {
            text(name, argument)
        }
        ("$document", _) => block(argument).map(|_| ()),
        ("$any" | "$absent" | "$uuid", Use::Compare) => Ok(()),
        ("$type", Use::Compare) => text(name, argument),
        ("$pattern", Use::Compare) => {
            let pattern = argument.as_str().unwrap_or_default();
            Regex::new(pattern).map_err(|error| TemplateError(error.to_string()))?;
            text(name, argument)
        }
        ("$capture", Use::Compare) => {
            text(name, argument.get("name").unwrap_or(argument))?;
            argument.get("is").map_or(Ok(()), |it| check(it, used))
        }
        ("$exact" | "$includes" | "$excludes", Use::Compare) => check(argument, used),
        ("$one_of" | "$unordered", Use::Compare) => match argument {
            Value::Array(items) => items.iter().try_for_each(|it| check(it, used)),
            _ => Err(TemplateError(format!(
                "`{name}` takes an array, got {argument}"
            ))),
        },
        _ => Err(unknown(name)),
    }
}

/// Everything that is wrong with a template, each with a JSON pointer below it.
pub(crate) fn faults(template: &Value, used: Use) -> Vec<(String, TemplateError)> {
    let below = |part: &str, inner: &Value| -> Vec<(String, TemplateError)> {
        faults(inner, used)
            .into_iter()
            .map(|(deeper, error)| (format!("/{}{deeper}", escaped(part)), error))
            .collect()
    };
    let found: Vec<_> = match (token(template), template) {
        (
            Some((name @ ("$exact" | "$includes" | "$excludes" | "$one_of" | "$unordered"), inner)),
            _,
        ) if used == Use::Compare => below(name, inner),
        // The argument of any other token is for the token itself to judge.
        (Some(_), _) => Vec::new(),
        (None, Value::Object(fields)) => fields.iter().flat_map(|(it, v)| below(it, v)).collect(),
        (None, Value::Array(items)) => {
            let items = items.iter().enumerate();
            items
                .flat_map(|(it, v)| below(&it.to_string(), v))
                .collect()
        }
        (None, _) => Vec::new(),
    };
    if !found.is_empty() {
        return found;
    }
    match check(template, used) {
        Ok(()) => Vec::new(),
        Err(error) => vec![(String::new(), error)],
    }
}

/// A field's name as a part of a JSON pointer.
pub(crate) fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

fn text(name: &str, argument: &Value) -> Result<(), TemplateError> {
    super::string(name, argument).map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_has_its_place() {
        let template = json!({
            "a/b": {"$uniqe": "f"},
            "list": [1, {"$exact": {"x": {"$pattern": "("}, "y": {"$typo": 1}}}],
            "id": {"$capture": {"name": "c", "is": {"$typo": 1}}},
        });
        let found = faults(&template, Use::Compare);
        let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
        assert_eq!(
            places,
            ["/a~1b", "/id", "/list/1/$exact/x", "/list/1/$exact/y"]
        );
        assert!(faults(&json!({"id": {"$unique": "f"}}), Use::Send).is_empty());
    }

    #[test]
    fn faults_that_show_before_a_run() {
        for (template, used, sound) in [
            (json!({"id": {"$unique": "f"}}), Use::Send, true),
            (json!({"id": {"$any": true}}), Use::Send, false),
            (json!({"id": {"$any": true}}), Use::Compare, true),
            (json!({"id": {"$uniqe": "f"}}), Use::Compare, false),
            (json!({"id": {"$pattern": "("}}), Use::Compare, false),
            (
                json!({"id": {"$capture": {"name": "c", "is": {"$typo": 1}}}}),
                Use::Compare,
                false,
            ),
            (json!({"$document": "no/such.json"}), Use::Send, false),
            (json!({"list": {"$unordered": 1}}), Use::Compare, false),
        ] {
            assert_eq!(check(&template, used).is_ok(), sound, "{template}");
        }
    }
}
