//! Templates: frames with tokens in them, for sending and for comparing.
//!
//! A token is an object with a single key that begins with `$`. Everything else stands for
//! itself.

mod check;
mod fill;
mod key;
mod matching;
mod patterns;
mod show;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;
use uuid::Uuid;

pub use self::{
    check::{Use, check},
    key::Key,
    matching::Mismatch,
    show::{frame_in_reading_order, template_for_people},
};
pub(crate) use self::{
    check::{escaped, faults},
    key::KEY_FIELDS,
    show::InReadingOrder,
};

/// What the tokens of a case's templates stand for.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Distinguishes the ids of this case in this run from all others.
    suffix: String,
    captures: BTreeMap<String, Value>,
    given: Arc<Given>,
}

/// What is known of a case's surroundings before its first step.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The URLs of its endpoints, by name.
    pub endpoints: BTreeMap<String, String>,
    /// The values of the engine's environment variables, as far as they were promised.
    pub variables: BTreeMap<String, String>,
}

/// Why a template has no meaning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad template: {0}")]
pub struct TemplateError(String);

impl Scope {
    /// A scope without captures.
    #[must_use]
    pub fn new(suffix: impl Into<String>) -> Self {
        Self {
            suffix: suffix.into(),
            captures: BTreeMap::new(),
            given: Arc::default(),
        }
    }

    /// The same, in these surroundings.
    #[must_use]
    pub fn given(self, given: Given) -> Self {
        Self {
            given: Arc::new(given),
            ..self
        }
    }

    /// The id that a label stands for in this case.
    #[must_use]
    pub fn unique(&self, label: &str) -> String {
        format!("{label}-{}", self.suffix)
    }

    /// The UUID that a label stands for in this case.
    #[must_use]
    pub fn unique_uuid(&self, label: &str) -> String {
        let name = self.unique(label);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    fn captured(&self, name: &str) -> Result<&Value, TemplateError> {
        self.captures
            .get(name)
            .ok_or_else(|| TemplateError(format!("nothing was captured as `{name}`")))
    }

    fn variable(&self, name: &str) -> Result<&str, TemplateError> {
        let value = self.given.variables.get(name);
        value
            .map(String::as_str)
            .ok_or_else(|| TemplateError(format!("the value of the variable {name} is not known")))
    }

    /// The URL of an endpoint, or one below it: `name`, or `name/path?query`.
    fn endpoint(&self, text: &str) -> Result<String, TemplateError> {
        let end = text.find(['/', '?']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let url = self.given.endpoints.get(name);
        url.map(|url| format!("{url}{rest}"))
            .ok_or_else(|| TemplateError(format!("there is no endpoint `{name}`")))
    }

    /// `{label}` in a text stands for the unique id, or the captured string, of that name, and
    /// `{$NAME}` for the value of a variable.
    fn text(&self, template: &str) -> Result<String, TemplateError> {
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(&before.replace("}}", "}"));
            if let Some(after) = after.strip_prefix('{') {
                text.push('{');
                rest = after;
                continue;
            }
            let (label, after) = after
                .split_once('}')
                .ok_or_else(|| TemplateError(format!("a `{{` is not closed in `{template}`")))?;
            match (label.strip_prefix('$'), self.captures.get(label)) {
                (Some(name), _) => text.push_str(self.variable(name)?),
                (None, Some(Value::String(captured))) => text.push_str(captured),
                (None, _) => text.push_str(&self.unique(label)),
            }
            rest = after;
        }
        text.push_str(&rest.replace("}}", "}"));
        Ok(text)
    }
}

/// The name and value of a token, if that is what a value is.
pub(crate) fn token(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object()?;
    let (name, argument) = object.iter().next()?;
    (object.len() == 1 && name.starts_with('$')).then_some((name, argument))
}

fn string<'v>(name: &str, argument: &'v Value) -> Result<&'v str, TemplateError> {
    argument
        .as_str()
        .ok_or_else(|| TemplateError(format!("`{name}` takes a string, got {argument}")))
}

fn unknown(name: &str) -> TemplateError {
    TemplateError(format!("there is no token `{name}` here"))
}
