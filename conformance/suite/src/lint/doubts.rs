//! What a case may do, and hardly means to.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    case::{Action, Case, Endpoint, Level, Problem, templates},
    template::{escaped, token},
};

/// Trigger types of the engine's own.
const BUILT_IN: [&str; 3] = ["http", "cron", "queue"];

/// References that cannot have a value: nothing is captured under their names before.
pub(super) fn dangling(case: &Case) -> Vec<Problem> {
    let (mut found, mut captured) = (Vec::new(), BTreeSet::new());
    for (index, step) in case.steps.iter().enumerate() {
        let templates = templates(&step.action);
        for (_, template, _) in &templates {
            visit(template, "", &mut |_, name, argument| {
                captured.extend(capture(name, argument).map(str::to_owned));
            });
        }
        for (below, template, _) in &templates {
            visit(template, "", &mut |deeper, name, argument| {
                let wanted = argument.as_str().unwrap_or_default();
                if name == "$ref" && !captured.contains(wanted) {
                    let message = format!(
                        "nothing is captured as `{wanted}` up to this step; capture it with \
                         {{\"$capture\": \"{wanted}\"}} in an earlier one"
                    );
                    found.push(Problem::new(
                        format!("/steps/{index}/{below}{deeper}"),
                        message,
                    ));
                }
            });
        }
    }
    found
}

/// What is suspicious.
pub(super) fn doubts(case: &Case) -> Vec<Problem> {
    let mut found = Vec::new();
    unused_captures(case, &mut found);
    unused_names(case, &mut found);
    literal_ids(case, &mut found);
    let compares = |action: &Action| {
        matches!(
            action,
            Action::Expect(_)
                | Action::ExpectAll(_)
                | Action::ExpectOne(_)
                | Action::ExpectClose(_)
                | Action::ExpectRequest(_)
                | Action::ExpectResponse(_)
        )
    };
    if case.level == Level::Must && !case.steps.iter().any(|it| compares(&it.action)) {
        let message = "it decides, and expects nothing: an engine that does nothing passes it; \
                       add a step that expects what the clause demands";
        found.push(Problem::new("/steps", message));
    }
    found
}

fn unused_captures(case: &Case, found: &mut Vec<Problem>) {
    let (mut captures, mut used) = (Vec::new(), Vec::new());
    let mut texts = String::new();
    each_template(case, &mut |pointer, name, argument| {
        if let Some(captured) = capture(name, argument) {
            captures.push((pointer.to_owned(), captured.to_owned()));
        }
        match (name, argument.as_str()) {
            ("$ref", Some(wanted)) => used.push(wanted.to_owned()),
            ("$text", Some(text)) => texts += text,
            _ => {}
        }
    });
    for (pointer, name) in captures {
        if !used.contains(&name) && !texts.contains(&format!("{{{name}}}")) {
            let message = format!(
                "what is captured as `{name}` is never used; compare with it in a later step \
                 ({{\"$ref\": \"{name}\"}}), or say what it is without capturing it"
            );
            found.push(Problem::new(pointer, message));
        }
    }
}

fn unused_names(case: &Case, found: &mut Vec<Problem>) {
    for (index, session) in case.sessions.iter().enumerate() {
        if !case.steps.iter().any(|step| step.on == *session) {
            let message =
                format!("no step is on the session `{session}`; take it out of `sessions`");
            found.push(Problem::new(format!("/sessions/{index}"), message));
        }
    }
    for (index, step) in case.steps.iter().enumerate() {
        let later = case.steps.iter().skip(index + 1);
        if matches!(step.action, Action::Connect) && !later.into_iter().any(|it| it.on == step.on) {
            let message = format!("no later step is on the session `{}`", step.on);
            found.push(Problem::new(format!("/steps/{index}/on"), message));
        }
    }
    let mut called = Vec::new();
    each_template(case, &mut |_, name, argument| {
        if let ("$endpoint", Some(endpoint)) = (name, argument.as_str()) {
            called.push(endpoint.to_owned());
        }
    });
    for template in case.endpoints.values().flat_map(Endpoint::templates) {
        visit(template, "", &mut |_, name, argument| {
            if let ("$endpoint", Some(endpoint)) = (name, argument.as_str()) {
                called.push(endpoint.to_owned());
            }
        });
    }
    let names = |url: &String, name: &str| url.split(['/', '?']).next() == Some(name);
    for name in case.endpoints.keys() {
        if !called.iter().any(|url| names(url, name)) {
            let message = format!(
                "no step tells the engine of the endpoint `{name}`: send {{\"$endpoint\": \
                 \"{name}\"}}, or take it out"
            );
            found.push(Problem::new(
                format!("/endpoints/{}", escaped(name)),
                message,
            ));
        }
    }
}

/// Ids that are registered as they stand, and so are shared with every other run.
fn literal_ids(case: &Case, found: &mut Vec<Problem>) {
    if case.verbatim {
        return;
    }
    for (index, step) in case.steps.iter().enumerate() {
        let Action::Send(template) = &step.action else {
            continue;
        };
        let text = |field: &str| template.get(field).and_then(Value::as_str);
        if !text("type").is_some_and(|it| it.starts_with("register")) {
            continue;
        }
        // An id that has to be refused is a literal by its nature.
        let refused = |id: &str| id.is_empty() || id.contains("::") || BUILT_IN.contains(&id);
        let registers = text("id").filter(|id| !refused(id));
        if let Some(id) = registers {
            let message = format!(
                "the id `{id}` is the same in every run; send {{\"$unique\": \"{id}\"}}, or mark \
                 the case `verbatim`"
            );
            found.push(Problem::new(format!("/steps/{index}/send/id"), message));
        }
    }
}

fn capture<'v>(name: &str, argument: &'v Value) -> Option<&'v str> {
    (name == "$capture").then(|| argument.get("name").unwrap_or(argument).as_str())?
}

/// Each token of each template of a case, with its place in the file.
fn each_template(case: &Case, see: &mut dyn FnMut(&str, &str, &Value)) {
    for (index, step) in case.steps.iter().enumerate() {
        for (below, template, _) in templates(&step.action) {
            visit(template, &format!("/steps/{index}/{below}"), see);
        }
    }
}

/// Each token of a template, those in the arguments of others included.
fn visit(template: &Value, pointer: &str, see: &mut dyn FnMut(&str, &str, &Value)) {
    if let Some((name, argument)) = token(template) {
        see(pointer, name, argument);
        if name == "$literal" {
            return;
        }
    }
    match template {
        Value::Object(fields) => {
            for (name, value) in fields {
                visit(value, &format!("{pointer}/{}", escaped(name)), see);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                visit(value, &format!("{pointer}/{index}"), see);
            }
        }
        _ => {}
    }
}
