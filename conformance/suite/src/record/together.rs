//! What came in one order and might have come in another.
//!
//! Calls of functions have no name of their own before they come, and neither have requests to
//! an endpoint. Where an engine has several under way that do not depend on each other, their
//! order says nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::script::Step;
use crate::template::token;

/// The steps, with each order that says nothing left open: of calls of several functions or
/// by several sessions, and of the requests of several calls that were waited for at once.
pub(super) fn together(steps: Vec<Step>) -> Vec<Step> {
    let mut groups = Groups::default();
    for step in steps {
        groups.add(step);
    }
    groups.end();
    let mut steps: Vec<Step> = groups.steps.into_iter().flatten().collect();
    let functions = scheduled(&steps);
    if functions.len() > 1 {
        for step in steps.iter_mut().filter(|it| it.verb.starts_with("expect")) {
            match &mut step.value {
                Value::Array(templates) => {
                    templates.iter_mut().for_each(|it| loosen(it, &functions))
                }
                template => loosen(template, &functions),
            }
        }
    }
    steps
}

/// The functions that are called by a clock, whatever is done meanwhile.
fn scheduled(steps: &[Step]) -> Vec<Value> {
    let mut functions = Vec::new();
    for step in steps.iter().filter(|it| it.verb == "send") {
        let is = |field: &str, text: &str| step.value.get(field) == Some(&text.into());
        let function = step.value.get("function_id");
        let function =
            function.filter(|_| is("type", "registertrigger") && is("trigger_type", "cron"));
        if let Some(function) = function.filter(|it| !functions.contains(*it)) {
            functions.push(function.clone());
        }
    }
    functions
}

/// Without a literal type a template waits for its call, whichever of the others comes first.
fn loosen(template: &mut Value, functions: &[Value]) {
    let is_one = template
        .get("function_id")
        .is_some_and(|it| functions.contains(it));
    let kind = template
        .get_mut("type")
        .filter(|it| is_one && **it == "invokefunction");
    if let Some(kind) = kind {
        *kind = json!({"$one_of": ["invokefunction"]});
    }
}

#[derive(Default)]
struct Groups {
    /// Those that became part of another are gone.
    steps: Vec<Option<Step>>,
    /// The steps since something was done that are like each other, by their session or endpoint.
    open: BTreeMap<String, Vec<usize>>,
    /// What was captured since something was done.
    captured: BTreeSet<String>,
    /// The calls that wait for an answer, with the session that made each.
    waiting: BTreeSet<(String, String)>,
}

impl Groups {
    fn add(&mut self, step: Step) {
        let awaits = step.verb.starts_with("expect");
        if !awaits {
            self.end();
        }
        let waits = self.waiting.len() > 1;
        self.follow(&step);
        let is_call =
            step.verb == "expect" && step.value.get("type") == Some(&"invokefunction".into());
        if is_call || step.verb == "expect_request" && waits {
            self.group(&step);
        }
        if awaits {
            captures(&step.value, &mut self.captured);
        }
        self.steps.push(Some(step));
    }

    /// Keeps account of the calls that wait for an answer.
    fn follow(&mut self, step: &Step) {
        let text = |field: &str| step.value.get(field).map(Value::to_string);
        let (kind, call) = (step.value.get("type"), text("invocation_id"));
        let has_action = step.value.get("action").is_some();
        match (step.verb, kind.and_then(Value::as_str), call) {
            ("send", Some("invokefunction"), Some(call)) if !has_action => {
                self.waiting.insert((step.on.clone(), call));
            }
            ("expect", Some("invocationresult"), Some(call)) => {
                self.waiting.remove(&(step.on.clone(), call));
            }
            _ => {}
        }
    }

    /// Puts the step that comes next beside those that it might have come before.
    fn group(&mut self, step: &Step) {
        let steps = &self.steps;
        // Between two sessions nothing is known of the order.
        let callers: BTreeSet<&String> = self.waiting.iter().map(|(on, _)| on).collect();
        let of_one_caller = callers.len() < 2;
        let of_same_function = |place: &usize| {
            let other = steps.get(*place).and_then(Option::as_ref);
            let function = |it: &Step| it.value.get("function_id").cloned();
            of_one_caller
                && step.verb == "expect"
                && other.is_some_and(|it| function(it) == function(step))
        };
        let depends = self.captured.iter().any(|it| mentions(&step.value, it));
        let group = self.open.entry(step.on.clone()).or_default();
        if depends || group.iter().any(of_same_function) {
            let ended = std::mem::take(group);
            self.join(&ended);
        }
        let next = self.steps.len();
        self.open.entry(step.on.clone()).or_default().push(next);
    }

    fn end(&mut self) {
        for group in std::mem::take(&mut self.open).values() {
            self.join(group);
        }
        self.captured.clear();
    }

    fn join(&mut self, group: &[usize]) {
        let step = |place: &usize| self.steps.get(*place).and_then(Option::as_ref);
        let members: Vec<&Step> = group.iter().filter_map(step).collect();
        let Some((first, others)) = members.split_first() else {
            return;
        };
        if others.iter().all(|it| it.value == first.value) {
            return;
        }
        let templates: Vec<Value> = members.iter().map(|it| it.value.clone()).collect();
        let calls = first.verb == "expect";
        for (index, place) in group.iter().enumerate() {
            let Some(slot) = self.steps.get_mut(*place) else {
                continue;
            };
            match (slot.as_mut(), calls, index) {
                (Some(step), true, 0) => {
                    step.verb = "expect_all";
                    step.value = Value::from(templates.clone());
                }
                (_, true, _) => *slot = None,
                // There is no verb for requests in any order.
                (Some(step), false, _) => step.value = json!({ "$one_of": templates }),
                (None, false, _) => {}
            }
        }
    }
}

/// The names that a template captures.
fn captures(template: &Value, names: &mut BTreeSet<String>) {
    if let Some(("$capture", argument)) = token(template) {
        let name = argument.get("name").and_then(Value::as_str);
        names.extend(name.map(str::to_owned));
        return;
    }
    match template {
        Value::Object(fields) => fields.values().for_each(|it| captures(it, names)),
        Value::Array(items) => items.iter().for_each(|it| captures(it, names)),
        _ => {}
    }
}

/// Whether a template needs what was captured under a name.
fn mentions(template: &Value, name: &str) -> bool {
    match (token(template), template) {
        (Some(("$ref", argument)), _) => argument == name,
        (Some(("$text", argument)), _) => {
            let text = argument.as_str().unwrap_or_default();
            text.contains(&format!("{{{name}}}"))
        }
        (_, Value::Object(fields)) => fields.values().any(|it| mentions(it, name)),
        (_, Value::Array(items)) => items.iter().any(|it| mentions(it, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(on: &str, verb: &'static str, value: Value) -> Step {
        Step {
            on: on.to_owned(),
            verb,
            value,
        }
    }

    fn call(function: &str, data: Value) -> Value {
        json!({"type": "invokefunction", "function_id": function, "data": data})
    }

    fn verbs(steps: Vec<Step>) -> Vec<&'static str> {
        together(steps).iter().map(|it| it.verb).collect()
    }

    #[test]
    fn calls_of_several_functions_or_sessions_come_in_any_order_and_others_do_not() {
        let expect = |function: &str, data: i32| step("w", "expect", call(function, data.into()));
        let send = || step("w", "send", json!({"type": "x"}));
        assert_eq!(verbs(vec![expect("f", 1), expect("g", 2)]), ["expect_all"]);
        assert_eq!(verbs(vec![expect("f", 1), expect("f", 2)]), ["expect"; 2]);
        let call_of = |session: &str| {
            let frame = json!({"type": "invokefunction", "invocation_id": "i", "function_id": "f"});
            step(session, "send", frame)
        };
        let by_two = vec![call_of("a"), call_of("b"), expect("f", 1), expect("f", 2)];
        assert_eq!(verbs(by_two), ["send", "send", "expect_all"]);
        let apart = vec![expect("f", 1), send(), expect("g", 2)];
        assert_eq!(verbs(apart), ["expect", "send", "expect"]);
    }

    #[test]
    fn calls_by_a_clock_wait_for_no_other() {
        let register = |function: &str| {
            let frame =
                json!({"type": "registertrigger", "trigger_type": "cron", "function_id": function});
            step("w", "send", frame)
        };
        let expect = |function: &str| step("w", "expect", call(function, 1.into()));
        let kinds = |steps: Vec<Step>| -> Vec<Value> {
            let expected = together(steps).into_iter().filter(|it| it.verb == "expect");
            expected.map(|it| it.value["type"].clone()).collect()
        };
        let any = json!({"$one_of": ["invokefunction"]});
        let two = vec![register("f"), register("g"), expect("f"), expect("h")];
        // `f` and `h` may come in any order, so that one step waits for both.
        let together = together(two);
        assert_eq!(together[2].value[0]["type"], any);
        assert_eq!(together[2].value[1]["type"], "invokefunction");
        let one = vec![register("f"), expect("f")];
        assert_eq!(kinds(one), ["invokefunction"]);
    }

    #[test]
    fn what_depends_on_another_comes_after_it() {
        let capture = json!({"$capture": {"name": "n", "is": {"$any": true}}});
        let first = step("w", "expect", call("f", capture));
        for data in [json!({"$ref": "n"}), json!([{"$text": "of {n}"}])] {
            let steps = vec![first.clone(), step("w", "expect", call("g", data))];
            assert_eq!(verbs(steps), ["expect"; 2]);
        }
    }

    #[test]
    fn requests_come_in_any_order_while_several_calls_wait() {
        let send = |id: &str| {
            let frame = json!({"type": "invokefunction", "invocation_id": id, "function_id": "f"});
            step("w", "send", frame)
        };
        let request = |body: i32| step("hook", "expect_request", json!({ "body": body }));
        let any = json!({"$one_of": [{"body": 1}, {"body": 2}]});
        let at_once = together(vec![send("a"), send("b"), request(1), request(2)]);
        assert_eq!(at_once.iter().filter(|it| it.value == any).count(), 2);
        let one = together(vec![send("a"), request(1), request(2)]);
        assert!(one.iter().all(|it| it.value != any));
    }
}
