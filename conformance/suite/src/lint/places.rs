//! Where in a text a value of its JSON stands.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::template::escaped;

/// The places of a text's values and field names, by JSON pointer.
///
/// `RawValue` borrows from the text, so that where a value stands follows from its address; no
/// second reader of JSON is needed, which could disagree with the first.
#[derive(Debug)]
pub(super) struct Places<'t> {
    text: &'t str,
    values: BTreeMap<String, usize>,
    names: BTreeMap<String, usize>,
    twice: Vec<Twice>,
}

/// A field that an object has more than once.
#[derive(Debug)]
pub(super) struct Twice {
    pub(super) pointer: String,
    pub(super) name: String,
    pub(super) at: Position,
}

/// As editors count: from 1, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl<'t> Places<'t> {
    /// The places of a text that is JSON; of any other text, those up to where it is none.
    pub(super) fn of(text: &'t str) -> Self {
        let mut places = Self {
            text,
            values: BTreeMap::new(),
            names: BTreeMap::new(),
            twice: Vec::new(),
        };
        if let Ok(whole) = serde_json::from_str::<&RawValue>(text) {
            places.add(String::new(), whole);
        }
        places
    }

    /// Where the value begins that a pointer names, or else the nearest one that holds it.
    pub(super) fn value(&self, pointer: &str) -> Position {
        let mut pointer = pointer;
        loop {
            if let Some(offset) = self.values.get(pointer) {
                return position(self.text, *offset);
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => return position(self.text, 0),
            }
        }
    }

    /// Where the name of the field begins that a pointer names.
    pub(super) fn name(&self, pointer: &str) -> Position {
        match self.names.get(pointer) {
            Some(offset) => position(self.text, *offset),
            None => self.value(pointer),
        }
    }

    pub(super) fn twice(&self) -> &[Twice] {
        &self.twice
    }

    fn add(&mut self, pointer: String, value: &'t RawValue) {
        let raw = value.get();
        let offset = self.offset(raw);
        if let Ok(Fields(fields)) = serde_json::from_str::<Fields<'t>>(raw) {
            for (Name(name), field) in fields {
                let below = format!("{pointer}/{}", escaped(&name));
                let at = match &name {
                    // Its quotation mark stands before it.
                    Cow::Borrowed(name) => self.offset(name).saturating_sub(1),
                    Cow::Owned(_) => self.offset(field.get()),
                };
                if self.names.insert(below.clone(), at).is_some() {
                    self.twice.push(Twice {
                        pointer: below.clone(),
                        name: name.into_owned(),
                        at: position(self.text, at),
                    });
                }
                self.add(below, field);
            }
        } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(raw) {
            for (index, item) in items.into_iter().enumerate() {
                self.add(format!("{pointer}/{index}"), item);
            }
        }
        self.values.insert(pointer, offset);
    }

    fn offset(&self, part: &str) -> usize {
        part.as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr())
    }
}

/// The position of the character at an offset in bytes.
pub(super) fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line_begins = before.rfind('\n').map_or(0, |it| it + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before.get(line_begins..).map_or(0, |it| it.chars().count()) + 1,
    }
}

/// A name is borrowed unless it holds an escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

/// The fields of an object, also those that it has twice.
struct Fields<'t>(Vec<(Name<'t>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn values_and_names_have_places() {
        let text =
            "{\n  \"ä\": \"ü\", \"a/b\": [1,\n   {\"x\": null}],\n  \"q\\\"\": 2, \"ä\": 3 }";
        let places = Places::of(text);
        for (pointer, value, name) in [
            ("", at(1, 1), at(1, 1)),
            ("/a~1b", at(2, 20), at(2, 13)),
            ("/a~1b/0", at(2, 21), at(2, 21)),
            ("/a~1b/1/x", at(3, 10), at(3, 5)),
            ("/a~1b/1/no/such", at(3, 4), at(3, 4)),
            ("/q\"", at(4, 10), at(4, 10)),
        ] {
            assert_eq!(places.value(pointer), value, "{pointer}");
            assert_eq!(places.name(pointer), name, "{pointer}");
        }
        let twice = &places.twice()[0];
        assert_eq!((twice.pointer.as_str(), twice.name.as_str()), ("/ä", "ä"));
        assert_eq!(twice.at, at(4, 13));
    }
}
