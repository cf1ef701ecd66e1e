//! Target files, beside cases: what their schema cannot say.

use serde_json::Value;

use super::Severity;
use crate::{assets, expectation::Expectation, histories, target_file::TargetFile};

/// Whether a file says what an engine is, and not what a case does: by its `$schema`, or by a
/// field that no case has.
pub(super) fn is_target(file: &Value) -> bool {
    const FIELDS: [&str; 7] = [
        "command",
        "config_keys",
        "expected_failures",
        "hello",
        "http_url",
        "not_applicable",
        "url",
    ];
    match file.get("$schema").and_then(Value::as_str) {
        Some(schema) => schema.ends_with("target.json"),
        None => file.get("steps").is_none() && FIELDS.iter().any(|it| file.get(it).is_some()),
    }
}

/// Where, how much it weighs, and what is wrong.
pub(super) fn problems(text: &str) -> Vec<(String, Severity, String)> {
    let file: TargetFile = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => return vec![(String::new(), Severity::Fault, error.to_string())],
    };
    let refused = file.check().err();
    let mut found: Vec<_> = refused
        .map(|problem| (String::new(), Severity::Fault, problem))
        .into_iter()
        .collect();
    for (field, cases) in [
        ("expected_failures", &file.expected_failures),
        ("not_applicable", &file.not_applicable),
    ] {
        let unknown = cases.iter().enumerate().filter(|(_, it)| !is_known(it));
        found.extend(unknown.map(|(index, it)| {
            let message = format!("the suite carries no case `{}`", it.case);
            (format!("/{field}/{index}/case"), Severity::Warning, message)
        }));
    }
    found
}

fn is_known(excused: &Expectation) -> bool {
    let of_file = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.strip_suffix(".json") == Some(&*excused.case)
    };
    excused.case == histories::ID || assets::cases().iter().any(|it| of_file(it.path))
}
