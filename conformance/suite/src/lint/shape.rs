//! What is wrong with the shape of a file, by its schema, in words that say what to do.

use std::collections::BTreeSet;

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::{assets, schema, template::escaped};

/// How alike two names have to be for one to be meant by the other.
const LIKENESS_MIN: f64 = 0.75;
const SHOWN_CHARACTERS: usize = 60;

/// A fault of shape: the pointer, whether the field's name is meant and not its value, and what
/// is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) pointer: String,
    pub(super) of_name: bool,
    pub(super) message: String,
    lack: Option<Lack>,
}

/// What a value lacks that has further faults because of it. Its message does not tell: it repeats
/// what the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lack {
    Type,
    Choice,
}

/// A schema.
#[derive(Debug)]
pub(super) struct Shape {
    validator: Validator,
    schema: Value,
    names: BTreeSet<String>,
}

impl Shape {
    /// # Errors
    ///
    /// Why the schema that the suite carries cannot be used; a test sees that it can.
    pub(super) fn embedded(name: &str) -> Result<Self, String> {
        let file = assets::schemas().into_iter().find(|it| it.path == name);
        let text = file
            .ok_or_else(|| format!("there is no schema `{name}`"))?
            .text;
        let schema = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut names = BTreeSet::new();
        property_names(&schema, &mut names);
        Ok(Self {
            validator: schema::validator(name)?,
            schema,
            names,
        })
    }

    /// All faults of a file.
    pub(super) fn faults(&self, case: &Value) -> Vec<Fault> {
        let mut found = BTreeSet::new();
        for error in self.validator.iter_errors(case) {
            self.describe(&error, &mut found);
        }
        // A verb that is spelt wrong is no missing verb as well, and what is no object has none.
        let explained: Vec<String> = found
            .iter()
            .filter_map(|it| match it.of_name {
                true => Some(it.pointer.rsplit_once('/')?.0.to_owned()),
                false => (it.lack == Some(Lack::Type)).then(|| it.pointer.clone()),
            })
            .collect();
        let idle = |it: &Fault| it.lack == Some(Lack::Choice) && explained.contains(&it.pointer);
        found.into_iter().filter(|it| !idle(it)).collect()
    }

    fn describe(&self, error: &ValidationError<'_>, found: &mut BTreeSet<Fault>) {
        let pointer = error.instance_path().as_str().to_owned();
        let instance = error.instance();
        let shown = abridged(instance);
        let mut lack = None;
        let message = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                found.extend(unexpected.iter().map(|name| self.stranger(&pointer, name)));
                return;
            }
            ValidationErrorKind::Required { property } => self.missing(&pointer, property),
            ValidationErrorKind::OneOfNotValid { .. }
            | ValidationErrorKind::OneOfMultipleValid { .. } => {
                let (message, has_none) = self.one_of(&pointer, instance);
                lack = has_none.then_some(Lack::Choice);
                message
            }
            ValidationErrorKind::Type { .. } => {
                lack = Some(Lack::Type);
                format!("{shown} {}", kinds(error))
            }
            ValidationErrorKind::Enum { options } => {
                let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
                let options: Vec<String> = options.iter().map(Value::to_string).collect();
                format!("{shown} must be one of {}", options.join(", "))
            }
            ValidationErrorKind::Constant { expected_value } => {
                format!("{shown} must be {expected_value}, or left out with its field")
            }
            ValidationErrorKind::Pattern { pattern } => format!("{shown} must be {}", fit(pattern)),
            ValidationErrorKind::MinLength { .. } => "must not be empty".to_owned(),
            ValidationErrorKind::MinItems { limit } => {
                format!("{shown} must have {limit} items at least")
            }
            ValidationErrorKind::Minimum { limit } => format!("{shown} must be {limit} at least"),
            ValidationErrorKind::Maximum { limit } => format!("{shown} must be {limit} at most"),
            ValidationErrorKind::UniqueItems => format!("{shown} must not have an item twice"),
            ValidationErrorKind::Not { .. } => exclusive(instance),
            ValidationErrorKind::MinProperties { .. }
            | ValidationErrorKind::MaxProperties { .. } => {
                "a part has one of `send`, `repeat`, `hold` and `reset`".to_owned()
            }
            ValidationErrorKind::PropertyNames { error } => {
                let name = error.instance();
                let name = name.as_str().unwrap_or_default();
                found.insert(Fault {
                    pointer: format!("{pointer}/{}", escaped(name)),
                    of_name: true,
                    lack: None,
                    message: format!("`{name}` must be {}", fit(WORDS)),
                });
                return;
            }
            _ => error.to_string(),
        };
        found.insert(Fault {
            pointer,
            of_name: false,
            lack,
            message,
        });
    }

    fn stranger(&self, pointer: &str, name: &str) -> Fault {
        let hint = match nearest(name, self.names.iter()) {
            Some(meant) if meant == name => "it belongs elsewhere, see spec/cases.md".to_owned(),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "take it out".to_owned(),
        };
        Fault {
            pointer: format!("{pointer}/{}", escaped(name)),
            of_name: true,
            lack: None,
            message: format!("there is no field `{name}` here; {hint}"),
        }
    }

    fn missing(&self, pointer: &str, property: &Value) -> String {
        let name = property.as_str().unwrap_or_default();
        let below = match pointer.strip_prefix("/steps/") {
            Some(index) if !index.contains('/') => "/$defs/step",
            _ => "",
        };
        let description = format!("{below}/properties/{name}/description");
        match self.schema.pointer(&description).and_then(Value::as_str) {
            Some(description) => {
                let description = description.trim_end_matches('.');
                format!("the field `{name}` is missing: {description}")
            }
            None => format!("the field `{name}` is missing"),
        }
    }

    /// A step has one verb, an alternative one outcome, an endpoint one behaviour. Says also
    /// whether it has none.
    fn one_of(&self, pointer: &str, instance: &Value) -> (String, bool) {
        let (what, definition) = if pointer.starts_with("/endpoints/") {
            ("an endpoint", "endpoint")
        } else if pointer.contains("/expect_one/") {
            ("an alternative", "alternative")
        } else {
            ("a step", "step")
        };
        let choices = self.schema.pointer(&format!("/$defs/{definition}/oneOf"));
        let choices = choices.and_then(Value::as_array).into_iter().flatten();
        let names: Vec<&str> = choices
            .filter_map(|it| it.pointer("/required/0")?.as_str())
            .collect();
        let given: Vec<&str> = names
            .iter()
            .copied()
            .filter(|it| instance.get(it).is_some())
            .collect();
        let message = match given.as_slice() {
            [] => format!("{what} needs one of {}", names.join(", ")),
            _ => format!("{what} has one of {}; keep one", given.join(" and ")),
        };
        (message, given.is_empty())
    }
}

/// Which fields stand side by side and must not.
fn exclusive(instance: &Value) -> String {
    const PAIRS: [[&str; 2]; 3] = [
        ["json", "text"],
        ["url", "command"],
        ["http_url", "command"],
    ];
    let both = |pair: &[&str; 2]| pair.iter().all(|it| instance.get(it).is_some());
    match PAIRS.into_iter().find(both) {
        Some([one, other]) => format!("has `{one}` or `{other}`, not both"),
        None => "has fields that exclude each other".to_owned(),
    }
}

/// The types that were allowed, as the validator names them.
fn kinds(error: &ValidationError<'_>) -> String {
    let message = error.to_string();
    let kinds = message.rsplit_once(" is not of type");
    let kinds = kinds.map_or("", |(_, kinds)| kinds.trim_start_matches('s'));
    format!("is not of the type{}", kinds.replace("\", \"", "\" or \""))
}

const WORDS: &str = "^[a-z0-9]+(-[a-z0-9]+)*$";

/// What a pattern of the schema wants.
fn fit(pattern: &str) -> String {
    match pattern {
        WORDS => "lower-case words and digits, joined with hyphens".to_owned(),
        "^(RF|RT|CO|D)-[0-9]{2}$" => "the id of a clause, such as RT-07".to_owned(),
        "^[A-Za-z_][A-Za-z0-9_]*$" => "the name of an environment variable".to_owned(),
        "^([0-9a-f]{2})*$" => "bytes in hexadecimal, two of 0-9 and a-f each".to_owned(),
        other => format!("text that matches /{other}/"),
    }
}

fn abridged(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or(&text)),
        None => text,
    }
}

fn property_names(schema: &Value, names: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                names.extend(properties.keys().cloned());
            }
            fields.values().for_each(|it| property_names(it, names));
        }
        Value::Array(items) => items.iter().for_each(|it| property_names(it, names)),
        _ => {}
    }
}

/// The name that may have been meant, if one is alike enough.
pub(super) fn nearest<'n>(
    name: &str,
    known: impl Iterator<Item = &'n String>,
) -> Option<&'n String> {
    let likeness = known.map(|it| (strsim::jaro_winkler(name, it), it));
    let (likeness, nearest) = likeness.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (likeness > LIKENESS_MIN).then_some(nearest)
}
