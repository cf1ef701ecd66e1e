//! Frames that the protocol does not have, and fields that they do not have: mostly slips of the
//! pen, which make a step wait for what never comes, or be content with anything.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::shape::nearest;
use crate::{
    assets,
    case::{Case, Problem, templates},
    template::{escaped, token},
};

/// The steps whose templates are frames.
const OF_FRAMES: [&str; 5] = ["send", "expect", "expect_all", "expect_one", "quiet"];
/// A frame that a case may say does not come (D-01).
const NAMED_ONLY: &str = "registrationrejected";

/// The fields of every frame, by its type; a frame has one schema towards each side.
#[derive(Debug)]
pub(super) struct Frames(BTreeMap<String, BTreeSet<String>>);

impl Frames {
    /// Those that `spec/schema` describes.
    pub(super) fn embedded() -> Self {
        let mut frames: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for asset in assets::schemas() {
            let schema: Value = serde_json::from_str(asset.text).unwrap_or_default();
            let fields = schema.get("properties").and_then(Value::as_object);
            let kind = schema.pointer("/properties/type/const");
            if let (Some(fields), Some(kind)) = (fields, kind.and_then(Value::as_str)) {
                let known = frames.entry(kind.to_owned()).or_default();
                known.extend(fields.keys().cloned());
            }
        }
        Self(frames)
    }

    /// What the steps of a case call otherwise than the protocol does.
    pub(super) fn doubts(&self, case: &Case) -> Vec<Problem> {
        let mut found = Vec::new();
        for (index, step) in case.steps.iter().enumerate() {
            for (below, template, _) in templates(&step.action) {
                let verb = below.split('/').next().unwrap_or_default();
                if OF_FRAMES.contains(&verb) {
                    let pointer = format!("/steps/{index}/{below}");
                    self.doubt(template, verb == "send", &pointer, &mut found);
                }
            }
        }
        found
    }

    fn doubt(&self, template: &Value, is_sent: bool, pointer: &str, found: &mut Vec<Problem>) {
        let (Some(kind), None) = (
            template.get("type").and_then(Value::as_str),
            token(template),
        ) else {
            return;
        };
        let Some(known) = self.0.get(kind) else {
            if kind != NAMED_ONLY {
                let hint = hint(kind, self.0.keys());
                let message = format!("no frame of the protocol is called `{kind}`{hint}");
                found.push(Problem::new(format!("{pointer}/type"), message));
            }
            return;
        };
        let fields = template.as_object().into_iter().flatten();
        for (field, _) in fields.filter(|(field, _)| !known.contains(*field)) {
            let hint = hint(field, known.iter());
            // What is unknown is sent on purpose, unless it is nearly something else.
            if !(is_sent && hint.is_empty()) {
                let message = format!("a `{kind}` has no field `{field}`{hint}");
                let place = format!("{pointer}/{}", escaped(field));
                found.push(Problem::new(place, message));
            }
        }
    }
}

fn hint<'n>(name: &str, known: impl Iterator<Item = &'n String>) -> String {
    match nearest(name, known) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    }
}
