//! The names under which released engines are known to take the documents' triggers.

use crate::mapping::{Key, Keys, TYPE};

/// By the documents' trigger type and key: a name, and what goes before a value. A target file
/// for such an engine (`fixtures/targets`) has the same.
const KNOWN: [(&str, &str, &str, Option<&str>); 6] = [
    ("http", "path", "api_path", None),
    ("http", "method", "http_method", None),
    // Six fields, of which the first is the second.
    ("cron", "schedule", "schedule", Some("0 ")),
    ("cron", "schedule", "expression", Some("0 ")),
    ("cron", "schedule", "expression", None),
    ("queue", "queue_name", "topic", None),
];

/// Other names of the documents' trigger types.
const TYPES: [(&str, &str); 1] = [("queue", "durable:subscriber")];

/// Every way to spell a trigger of a type but the documents' own; those with the fewest other
/// names first.
pub(super) fn spellings(kind: &str) -> Vec<Keys> {
    let mut all = vec![Keys::new()];
    let types = TYPES.iter().filter(|(own, _)| *own == kind);
    extend(
        &mut all,
        TYPE,
        types.map(|(_, name)| Key::Name((*name).to_owned())),
    );
    let mut keys: Vec<&str> = known(kind).map(|(key, ..)| key).collect();
    keys.dedup();
    for key in keys {
        let names = known(kind).filter(|(own, ..)| *own == key);
        extend(
            &mut all,
            key,
            names.map(|(_, name, prefix)| spelled(name, prefix)),
        );
    }
    all.retain(|keys| !keys.is_empty());
    all.sort_by_key(Keys::len);
    all
}

fn known(kind: &str) -> impl Iterator<Item = (&'static str, &'static str, Option<&'static str>)> {
    KNOWN
        .into_iter()
        .filter(move |(own, ..)| *own == kind)
        .map(|(_, key, name, prefix)| (key, name, prefix))
}

fn spelled(name: &str, prefix: Option<&str>) -> Key {
    match prefix {
        None => Key::Name(name.to_owned()),
        Some(prefix) => Key::Prefixed {
            key: name.to_owned(),
            prefix: prefix.to_owned(),
        },
    }
}

/// Adds to all spellings those with one of the names for a key.
fn extend(all: &mut Vec<Keys>, key: &str, names: impl Iterator<Item = Key>) {
    let without = all.clone();
    for name in names {
        all.extend(without.iter().map(|keys| {
            let mut keys = keys.clone();
            keys.insert(key.to_owned(), name.clone());
            keys
        }));
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    #[test]
    fn spellings_are_all_combinations_with_the_plainest_first() {
        let names = |kind| -> Vec<String> {
            let all = spellings(kind);
            all.iter()
                .map(|it| serde_json::to_string(it).unwrap())
                .collect()
        };
        assert_eq!(
            names("http"),
            [
                r#"{"path":"api_path"}"#,
                r#"{"method":"http_method"}"#,
                r#"{"method":"http_method","path":"api_path"}"#,
            ]
        );
        assert_eq!(names("cron").len(), 3);
        assert_eq!(
            names("queue"),
            [
                r#"{"type":"durable:subscriber"}"#,
                r#"{"queue_name":"topic"}"#,
                r#"{"queue_name":"topic","type":"durable:subscriber"}"#,
            ]
        );
    }

    #[test]
    fn what_target_files_of_released_engines_have_is_among_them() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/targets");
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
            let keys = file["config_keys"].take();
            let keys: Option<BTreeMap<String, Keys>> = serde_json::from_value(keys).unwrap();
            for (kind, keys) in keys.unwrap_or_default() {
                assert!(spellings(&kind).contains(&keys), "{kind}: {keys:?}");
                count += 1;
            }
        }
        assert!(count >= 6, "{count}");
    }
}
