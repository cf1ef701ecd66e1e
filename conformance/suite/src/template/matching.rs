//! Comparing what has arrived with a template.

use serde_json::Value;
use uuid::Uuid;

use super::{
    Scope, TemplateError, key::expand, patterns, string, template_for_people, token, unknown,
};
use crate::{frame::Frame, transcript::beginning};

/// An engine may send any number of fields that should not be there: more are only counted.
const MISMATCHES_MAX: usize = 50;

/// One place where a frame is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Where: field names and indices, joined with dots.
    pub path: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub received: String,
}

impl Scope {
    /// Compares a frame with a template; captures take effect if nothing differs.
    ///
    /// # Errors
    ///
    /// If a token in the template has no meaning.
    pub fn compare(
        &mut self,
        template: &Value,
        frame: &Frame,
    ) -> Result<Vec<Mismatch>, TemplateError> {
        let template = expand(template)?;
        let mut comparison = Comparison {
            scope: self.clone(),
            frame,
            mismatches: Vec::new(),
            untold: 0,
        };
        comparison.value(&mut Vec::new(), &template, Some(&frame.value))?;
        if comparison.mismatches.is_empty() {
            *self = comparison.scope;
            return Ok(Vec::new());
        }
        if comparison.untold > 0 {
            comparison.mismatches.push(Mismatch {
                path: String::new(),
                expected: "nothing else that differs".to_owned(),
                received: format!("{} more differences", comparison.untold),
            });
        }
        Ok(comparison.mismatches)
    }
}

struct Comparison<'f> {
    scope: Scope,
    frame: &'f Frame,
    mismatches: Vec<Mismatch>,
    /// How many there are beside those.
    untold: usize,
}

impl Comparison<'_> {
    fn value(
        &mut self,
        path: &mut Vec<String>,
        template: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        if let Some((name, argument)) = token(template) {
            return self.token(path, name, argument, received);
        }
        match (template, received) {
            (Value::Object(fields), Some(Value::Object(found))) => {
                for (name, field) in fields {
                    path.push(name.clone());
                    self.value(path, field, found.get(name))?;
                    path.pop();
                }
            }
            (Value::Array(items), Some(Value::Array(found))) if items.len() == found.len() => {
                for (index, (item, found)) in items.iter().zip(found).enumerate() {
                    path.push(index.to_string());
                    self.value(path, item, Some(found))?;
                    path.pop();
                }
            }
            (expected, Some(found)) if same(expected, found) => {}
            (expected, found) => self.differ(path, &expected.to_string(), found),
        }
        Ok(())
    }

    fn token(
        &mut self,
        path: &mut Vec<String>,
        name: &str,
        argument: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        match name {
            "$absent" => {
                if received.is_some() {
                    self.differ(path, "no such field", received);
                }
            }
            "$any" => {
                if received.is_none() {
                    self.differ(path, "any value", received);
                }
            }
            "$uuid" => {
                let text = received.and_then(Value::as_str);
                if !text.is_some_and(|text| text.len() == 36 && Uuid::try_parse(text).is_ok()) {
                    self.differ(path, "a UUID", received);
                }
            }
            "$type" => {
                let expected = string(name, argument)?;
                if received.is_none_or(|value| kind(value) != expected) {
                    self.differ(path, &format!("a value of type {expected}"), received);
                }
            }
            "$pattern" => {
                let pattern = string(name, argument)?;
                let regex = patterns::whole(pattern)?;
                let text = received.and_then(Value::as_str);
                if !text.is_some_and(|text| regex.is_match(text)) {
                    self.differ(path, &format!("text that matches /{pattern}/"), received);
                }
            }
            "$capture" => self.capture(path, argument, received)?,
            "$exact" => self.exact(path, argument, received)?,
            "$one_of" => self.one_of(path, argument, received)?,
            "$includes" => self.includes(path, argument, received)?,
            "$excludes" => self.excludes(path, argument, received)?,
            "$unordered" => self.unordered(path, argument, received)?,
            "$raw" => self.raw(path, string(name, argument)?, received),
            _ => {
                let literal = self.scope.fill(&serde_json::json!({ name: argument }))?;
                if received.is_none_or(|found| !same(&literal, found)) {
                    self.differ(path, &literal.to_string(), received);
                }
            }
        }
        Ok(())
    }

    /// `"name"`, or `{"name", "is"}` with a template for the value.
    fn capture(
        &mut self,
        path: &mut Vec<String>,
        argument: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        let (name, template) = match argument {
            Value::String(name) => (name.as_str(), None),
            argument => {
                let name = argument.get("name").and_then(Value::as_str);
                (name.ok_or_else(|| unknown("$capture"))?, argument.get("is"))
            }
        };
        if let Some(template) = template {
            self.value(path, template, received)?;
        }
        match received {
            Some(value) => {
                self.scope.captures.insert(name.to_owned(), value.clone());
            }
            None => self.differ(path, "any value", received),
        }
        Ok(())
    }

    fn exact(
        &mut self,
        path: &mut Vec<String>,
        template: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        self.value(path, template, received)?;
        if let (Value::Object(fields), Some(Value::Object(found))) = (template, received) {
            for (name, value) in found {
                if !fields.contains_key(name) {
                    path.push(name.clone());
                    self.differ(path, "no such field", Some(value));
                    path.pop();
                }
            }
        }
        Ok(())
    }

    fn one_of(
        &mut self,
        path: &[String],
        argument: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        for template in array("$one_of", argument)? {
            if self.holds(template, received)? {
                return Ok(());
            }
        }
        let shown: Vec<String> = array("$one_of", argument)?
            .iter()
            .map(|template| self.shown(template))
            .collect();
        self.differ(path, &shown.join(" or "), received);
        Ok(())
    }

    fn includes(
        &mut self,
        path: &[String],
        template: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        for found in received.and_then(Value::as_array).into_iter().flatten() {
            if self.holds(template, Some(found))? {
                return Ok(());
            }
        }
        let expected = format!("an array that includes {}", self.shown(template));
        self.differ(path, &expected, received);
        Ok(())
    }

    fn excludes(
        &mut self,
        path: &mut Vec<String>,
        template: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        let Some(Value::Array(items)) = received else {
            let expected = format!("an array without {}", self.shown(template));
            self.differ(path, &expected, received);
            return Ok(());
        };
        for (index, found) in items.iter().enumerate() {
            if self.holds(template, Some(found))? {
                path.push(index.to_string());
                self.differ(path, &format!("nothing like {template}"), Some(found));
                path.pop();
            }
        }
        Ok(())
    }

    fn unordered(
        &mut self,
        path: &[String],
        argument: &Value,
        received: Option<&Value>,
    ) -> Result<(), TemplateError> {
        let templates = array("$unordered", argument)?;
        let mut left: Vec<&Value> = match received {
            Some(Value::Array(items)) if items.len() == templates.len() => items.iter().collect(),
            _ => {
                let expected = format!("{argument}, in any order");
                self.differ(path, &expected, received);
                return Ok(());
            }
        };
        for template in templates {
            let mut position = None;
            for (index, found) in left.iter().enumerate() {
                if self.holds(template, Some(found))? {
                    position = Some(index);
                    break;
                }
            }
            match position {
                Some(index) => {
                    left.remove(index);
                }
                None => self.differ(path, &format!("{template} among the items"), received),
            }
        }
        Ok(())
    }

    /// Whether a template matches, with its captures kept only if it does.
    fn holds(&mut self, template: &Value, received: Option<&Value>) -> Result<bool, TemplateError> {
        let mut attempt = Comparison {
            scope: self.scope.clone(),
            frame: self.frame,
            mismatches: Vec::new(),
            untold: 0,
        };
        attempt.value(&mut Vec::new(), template, received)?;
        let holds = attempt.mismatches.is_empty();
        if holds {
            self.scope = attempt.scope;
        }
        Ok(holds)
    }

    fn raw(&mut self, path: &[String], expected: &str, received: Option<&Value>) {
        let found = match path {
            [field] => self.frame.raw(field),
            _ => None,
        };
        if found != Some(expected) {
            self.mismatches.push(Mismatch {
                path: path.join("."),
                expected: format!("{expected} (byte for byte)"),
                received: found.map_or_else(|| describe(received), |it| beginning(it.to_owned())),
            });
        }
    }

    /// For people: what a template stands for here, as far as that is known.
    fn shown(&self, template: &Value) -> String {
        match self.scope.fill(template) {
            Ok(filled) => filled.to_string(),
            Err(_) => template_for_people(template),
        }
    }

    fn differ(&mut self, path: &[String], expected: &str, received: Option<&Value>) {
        if self.mismatches.len() == MISMATCHES_MAX {
            self.untold += 1;
            return;
        }
        self.mismatches.push(Mismatch {
            path: path.join("."),
            expected: expected.to_owned(),
            received: describe(received),
        });
    }
}

fn describe(received: Option<&Value>) -> String {
    received.map_or_else(|| "nothing".to_owned(), |it| beginning(it.to_string()))
}

fn array<'v>(name: &str, argument: &'v Value) -> Result<&'v [Value], TemplateError> {
    argument
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| TemplateError(format!("`{name}` takes an array, got {argument}")))
}

/// Numbers are equal by value, everything else as JSON.
fn same(expected: &Value, received: &Value) -> bool {
    match (expected, received) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => expected == received,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compare(template: Value, received: &str) -> Vec<String> {
        let frame = Frame::read(received).expect("the test's frame");
        Scope::new("s")
            .compare(&template, &frame)
            .expect("the test's template")
            .into_iter()
            .map(|it| format!("{}: {} / {}", it.path, it.expected, it.received))
            .collect()
    }

    #[test]
    fn what_matches() {
        for (template, received) in [
            (json!({"a": 1}), r#"{"a":1.0,"b":2}"#),
            (json!({"a": {"b": "c"}}), r#"{"a":{"b":"c","d":null}}"#),
            (json!({"a": {"$absent": true}}), r#"{"b":1}"#),
            (json!({"a": {"$any": true}}), r#"{"a":null}"#),
            (json!({"a": {"$pattern": "x+"}}), r#"{"a":"xxx"}"#),
            (json!({"a": {"$type": "null"}}), r#"{"a":null}"#),
            (json!({"a": {"$unique": "f"}}), r#"{"a":"f-s"}"#),
            (json!({"a": {"$exact": {"b": 1}}}), r#"{"a":{"b":1}}"#),
            (json!({"a": {"$one_of": [1, 2]}}), r#"{"a":2}"#),
            (
                json!({"a": {"$includes": {"b": 1}}}),
                r#"{"a":[{"b":0},{"b":1}]}"#,
            ),
            (json!({"a": {"$excludes": {"b": 1}}}), r#"{"a":[{"b":0}]}"#),
            (json!({"a": {"$unordered": [1, 2]}}), r#"{"a":[2,1]}"#),
            (json!({"a": {"$raw": "{\"x\": 1}"}}), r#"{"a":{"x": 1}}"#),
            (
                json!({"a": {"$uuid": true}}),
                r#"{"a":"6f1c3c0e-8f0e-4d7e-9c59-0f5b6a1d2e3f"}"#,
            ),
        ] {
            assert_eq!(compare(template.clone(), received), [""; 0], "{template}");
        }
    }

    #[test]
    fn what_does_not() {
        for (template, received, mismatch) in [
            (json!({"a": 1}), r#"{"a":2}"#, "a: 1 / 2"),
            (json!({"a": null}), r"{}", "a: null / nothing"),
            (
                json!({"a": {"$absent": true}}),
                r#"{"a":null}"#,
                "a: no such field / null",
            ),
            (
                json!({"a": {"b": 1}}),
                r#"{"a":{"b":"1"}}"#,
                "a.b: 1 / \"1\"",
            ),
            (
                json!({"a": {"$pattern": "x"}}),
                r#"{"a":"xx"}"#,
                "a: text that matches /x/ / \"xx\"",
            ),
            (
                json!({"$exact": {"a": 1}}),
                r#"{"a":1,"b":2}"#,
                "b: no such field / 2",
            ),
            (json!({"a": [1]}), r#"{"a":[1,2]}"#, "a: [1] / [1,2]"),
            (
                json!({"a": {"$raw": "1.0"}}),
                r#"{"a":1}"#,
                "a: 1.0 (byte for byte) / 1",
            ),
            (
                json!({"a": {"$excludes": 1}}),
                r#"{"a":[0,1]}"#,
                "a.1: nothing like 1 / 1",
            ),
        ] {
            assert_eq!(compare(template, received), [mismatch]);
        }
    }

    #[test]
    fn captures_are_kept_only_from_what_matches() {
        let mut scope = Scope::new("s");
        let template = json!({"id": {"$capture": "it"}, "ok": true});
        let wrong = Frame::read(r#"{"id":"a","ok":false}"#).unwrap();
        let right = Frame::read(r#"{"id":"b","ok":true}"#).unwrap();
        assert_eq!(scope.compare(&template, &wrong).unwrap().len(), 1);
        assert!(scope.fill(&json!({"$ref": "it"})).is_err());
        assert_eq!(scope.compare(&template, &right).unwrap(), []);
        assert_eq!(scope.fill(&json!({"$ref": "it"})), Ok(json!("b")));
    }
}
