//! A format as a graph: which schemas apply to a value, and which to the values in it.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// How many schemas a format may have.
const SCHEMAS_MAX: usize = 2_048;
const PATTERNS_MAX: usize = 64;
/// What these cost beside a plain rule.
const PATTERN_WEIGHT: u64 = 128;
const MULTIPLE_WEIGHT: u64 = 16;
/// How often rules about what no other rule has seen look at the others again.
const UNEVALUATED_REPEATS: u64 = 3;

/// One schema of a format.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// What its own rules cost on one value.
    pub(super) weight: u64,
    /// The schemas that apply to the same value, by their places in the graph.
    pub(super) in_place: Vec<usize>,
    /// How often those are looked at.
    pub(super) repeats: u64,
    /// The schemas that apply to the values in it.
    pub(super) below: Vec<usize>,
}

/// Every schema that a format can come to; the first is the format itself.
///
/// # Errors
///
/// What keeps it from being enforced, and where.
pub(super) fn of(format: &Value) -> Result<Vec<Schema>, String> {
    let mut reader = Reader {
        format,
        schemas: Vec::new(),
        places: HashMap::new(),
        unread: Vec::new(),
        patterns: 0,
    };
    reader.place_of(format, String::new())?;
    while let Some((place, schema, pointer)) = reader.unread.pop() {
        let read = reader.read(schema, &pointer)?;
        if let Some(slot) = reader.schemas.get_mut(place) {
            *slot = read;
        }
    }
    Ok(reader.schemas)
}

struct Reader<'f> {
    format: &'f Value,
    schemas: Vec<Schema>,
    /// By JSON pointer.
    places: HashMap<String, usize>,
    unread: Vec<(usize, &'f Value, String)>,
    patterns: usize,
}

impl<'f> Reader<'f> {
    fn place_of(&mut self, schema: &'f Value, pointer: String) -> Result<usize, String> {
        if let Some(place) = self.places.get(&pointer) {
            return Ok(*place);
        }
        let place = self.schemas.len();
        if place == SCHEMAS_MAX {
            return Err(format!("must not have more than {SCHEMAS_MAX} schemas"));
        }
        self.schemas.push(Schema::default());
        self.places.insert(pointer.clone(), place);
        self.unread.push((place, schema, pointer));
        Ok(place)
    }

    fn read(&mut self, schema: &'f Value, pointer: &str) -> Result<Schema, String> {
        let mut read = Schema {
            weight: 1,
            repeats: 1,
            ..Schema::default()
        };
        let Value::Object(rules) = schema else {
            return Ok(read);
        };
        for (keyword, value) in rules {
            let at = format!("{pointer}/{}", escaped(keyword));
            match keyword.as_str() {
                "$ref" => read.in_place.push(self.referred(value, &at)?),
                "$dynamicRef" | "$recursiveRef" => {
                    return Err(format!("at '{at}': only `$ref` is followed"));
                }
                "$id" | "id" if value.is_string() && !pointer.is_empty() => {
                    return Err(format!(
                        "at '{at}': a schema inside a format has no address of its own"
                    ));
                }
                "allOf" | "anyOf" | "oneOf" | "not" | "if" | "then" | "else" => {
                    self.each(value, &at, &mut read.in_place)?;
                }
                "dependentSchemas" | "dependencies" => {
                    self.each_by_name(value, &at, &mut read.in_place)?;
                }
                "properties" => {
                    // One field has one name, and is looked up by it.
                    let fields = value.as_object().map_or(0, Map::len);
                    read.weight = read.weight.saturating_add(fields as u64);
                    self.each_by_name(value, &at, &mut read.below)?;
                }
                "unevaluatedItems" | "unevaluatedProperties" => {
                    read.repeats = UNEVALUATED_REPEATS;
                    self.each(value, &at, &mut read.below)?;
                }
                "items"
                | "prefixItems"
                | "additionalItems"
                | "additionalProperties"
                | "contains"
                | "propertyNames" => self.each(value, &at, &mut read.below)?,
                "patternProperties" => {
                    self.count_patterns(value.as_object().map_or(0, Map::len), &mut read)?;
                    self.each_by_name(value, &at, &mut read.below)?;
                }
                "multipleOf" => read.weight = read.weight.saturating_add(MULTIPLE_WEIGHT),
                "pattern" => self.count_patterns(1, &mut read)?,
                // Nothing that a value is held to.
                "$defs" | "definitions" | "title" | "description" | "examples" | "default" => {}
                _ => read.weight = read.weight.saturating_add(size(value)),
            }
        }
        Ok(read)
    }

    /// The schemas of a keyword: one, or several.
    fn each(&mut self, value: &'f Value, at: &str, into: &mut Vec<usize>) -> Result<(), String> {
        let Value::Array(schemas) = value else {
            into.push(self.place_of(value, at.to_owned())?);
            return Ok(());
        };
        for (index, schema) in schemas.iter().enumerate() {
            into.push(self.place_of(schema, format!("{at}/{index}"))?);
        }
        Ok(())
    }

    fn each_by_name(
        &mut self,
        value: &'f Value,
        at: &str,
        into: &mut Vec<usize>,
    ) -> Result<(), String> {
        for (name, schema) in value.as_object().into_iter().flatten() {
            into.push(self.place_of(schema, format!("{at}/{}", escaped(name)))?);
        }
        Ok(())
    }

    fn referred(&mut self, value: &'f Value, at: &str) -> Result<usize, String> {
        let reference = value.as_str().unwrap_or_default();
        let pointer = reference.strip_prefix('#').and_then(|fragment| {
            let decoded = percent_decode_str(fragment).decode_utf8().ok()?;
            let is_pointer = decoded.is_empty() || decoded.starts_with('/');
            is_pointer.then(|| decoded.into_owned())
        });
        let Some(pointer) = pointer else {
            return Err(format!(
                "at '{at}': must be `#` or begin with `#/`: nothing outside the format is read"
            ));
        };
        let format = self.format;
        match format.pointer(&pointer) {
            Some(schema) => self.place_of(schema, pointer),
            None => Err(format!("at '{at}': there is nothing at '{pointer}'")),
        }
    }

    fn count_patterns(&mut self, count: usize, read: &mut Schema) -> Result<(), String> {
        self.patterns += count;
        if self.patterns > PATTERNS_MAX {
            return Err(format!("must not have more than {PATTERNS_MAX} patterns"));
        }
        let weight = PATTERN_WEIGHT.saturating_mul(count as u64);
        read.weight = read.weight.saturating_add(weight);
        Ok(())
    }
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// How many values there are in a value, with itself.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(fields) => 1 + fields.values().map(size).sum::<u64>(),
        Value::String(text) => 1 + text.len() as u64 / 32,
        _ => 1,
    }
}
