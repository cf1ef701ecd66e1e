//! Registering triggers: the results, and what a success says (RT-02, RT-15).

use std::collections::BTreeMap;

use reference::core::SessionId;
use serde_json::{Value, json};

use super::shared::dropping;
use crate::{
    Alter, Fault,
    frames::{alter, is_built_in, is_refusal, is_result, is_success, set, text, unset},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    [results(), successes()].into_iter().flatten().collect()
}

/// Whether there is a result, how often, and what it repeats of the request.
fn results() -> Vec<Fault> {
    vec![
        Fault::new(
            "trigger-result-dropped",
            "Answers no registration of a trigger",
            &["RT-02", "RT-15", "RT-16"],
            || dropping(is_result),
        ),
        Fault::new(
            "trigger-result-twice",
            "Answers each successful registration of a trigger twice",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_success(&sent.frame) {
                        sent.copies = 2;
                    }
                })
            },
        ),
        Fault::new(
            "trigger-refused-twice",
            "Answers each refused registration of a trigger twice",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame) {
                        sent.copies = 2;
                    }
                })
            },
        ),
        Fault::new(
            "trigger-results-after-the-third-dropped",
            "Answers the first three registrations of a session and no further ones",
            &["RT-02"],
            || {
                let mut answered: BTreeMap<SessionId, usize> = BTreeMap::new();
                sending(move |sent| {
                    if is_result(&sent.frame) {
                        let answered = answered.entry(sent.to).or_default();
                        *answered += 1;
                        sent.copies = usize::from(*answered <= 3);
                    }
                })
            },
        ),
        Fault::new(
            "trigger-refusal-without-its-function",
            "Leaves `function_id` out of the results of refused registrations",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame) {
                        unset(&mut sent.frame, "", "function_id");
                    }
                })
            },
        ),
        Fault::new(
            "trigger-result-id-in-ascii",
            "Replaces what is not ASCII in the ids of results",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_result(&sent.frame) {
                        alter(&mut sent.frame, "/id", |id| {
                            id.replace(|it: char| !it.is_ascii(), "?")
                        });
                    }
                })
            },
        ),
        Fault::new(
            "trigger-result-id-trimmed",
            "Trims the ids of results",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_result(&sent.frame) {
                        alter(&mut sent.frame, "/id", |id| id.trim().to_owned());
                    }
                })
            },
        ),
        Fault::new(
            "trigger-result-of-the-function-before",
            "Repeats in a result the function of the session's registration before",
            &["RT-02"],
            || {
                let mut before: BTreeMap<SessionId, Value> = BTreeMap::new();
                sending(move |sent| {
                    if let Some(function) = sent.frame.get("function_id").cloned()
                        && is_success(&sent.frame)
                        && let Some(before) = before.insert(sent.to, function)
                    {
                        set(&mut sent.frame, "", "function_id", before);
                    }
                })
            },
        ),
        Fault::new(
            "trigger-result-copied-to-another-session",
            "Sends each result to the session that was open before as well",
            &["RT-02"],
            || {
                let mut open: Vec<SessionId> = Vec::new();
                sending(move |sent| {
                    if !open.contains(&sent.to) {
                        open.push(sent.to);
                    }
                    if is_result(&sent.frame) {
                        let others = open.iter().filter(|it| **it != sent.to);
                        let copies = others.map(|it| (*it, sent.frame.clone()));
                        sent.after.extend(copies);
                    }
                })
            },
        ),
        Fault::new(
            "trigger-result-of-another-type",
            "Answers registrations with `registertriggerresult`",
            &["RT-02"],
            || {
                sending(|sent| {
                    if is_result(&sent.frame) {
                        set(&mut sent.frame, "", "type", "registertriggerresult");
                    }
                })
            },
        ),
    ]
}

/// What a success says beside the request's own fields.
fn successes() -> Vec<Fault> {
    vec![
        Fault::new(
            "success-with-null-error",
            "Says `error: null` where it means none",
            &["RT-15", "RF-12"],
            || erring(is_success, &Value::Null),
        ),
        Fault::new(
            "success-with-empty-error",
            "Says `error: {}` where it means none",
            &["RT-15", "RF-12"],
            || erring(is_success, &json!({})),
        ),
        Fault::new(
            "queue-success-with-null-error",
            "Says `error: null` in the results of queue triggers that it has registered",
            &["RT-15"],
            || {
                erring(
                    |it| is_success(it) && text(it, "/trigger_type") == Some("queue"),
                    &Value::Null,
                )
            },
        ),
        Fault::new(
            "provided-success-with-null-error",
            "Says `error: null` in the results of a worker's triggers that it has registered",
            &["RT-15"],
            || erring(|it| is_success(it) && !is_built_in(it), &Value::Null),
        ),
        Fault::new(
            "success-after-a-refusal-keeps-its-error",
            "Repeats in a session's success the error of the refusal before",
            &["RT-15", "RT-16"],
            || {
                let mut errors: BTreeMap<SessionId, Value> = BTreeMap::new();
                sending(move |sent| {
                    if !is_result(&sent.frame) {
                        return;
                    }
                    if let Some(error) = sent.frame.get("error") {
                        errors.insert(sent.to, error.clone());
                    } else if let Some(error) = errors.remove(&sent.to) {
                        set(&mut sent.frame, "", "error", error);
                    }
                })
            },
        ),
    ]
}

/// Gives some frames an error.
fn erring(which: fn(&Value) -> bool, error: &Value) -> impl Alter + use<> {
    let error = error.clone();
    sending(move |sent| {
        if which(&sent.frame) {
            set(&mut sent.frame, "", "error", error.clone());
        }
    })
}
