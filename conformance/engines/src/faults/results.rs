//! What a worker answers, on its way to the caller (RF-13).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Alter, Fault, Sent,
    frames::{code, function_id, is_answer, is_call, is_workers_call, set, text, unset},
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = lost();
    all.extend(misrouted());
    all.extend(altered());
    all.extend(failures());
    all
}

/// Alters the answers that callers are sent.
pub(super) fn answering(mut with: impl FnMut(&mut Sent) + Send) -> impl Alter {
    sending(move |sent| {
        if is_answer(&sent.frame) {
            with(sent);
        }
    })
}

/// Alters results that callers are sent.
fn resulting(mut with: impl FnMut(&mut Value) + Send) -> impl Alter {
    answering(move |sent| {
        if let Some(result) = sent.frame.get_mut("result") {
            with(result);
        }
    })
}

fn lost() -> Vec<Fault> {
    vec![
        Fault::new(
            "results-lost",
            "Tells no caller what its call came to",
            &["RF-13", "RF-02"],
            || answering(|sent| sent.copies = 0),
        ),
        Fault::new(
            "results-twice",
            "Tells a caller twice what its call came to",
            &["RF-02", "CO-11"],
            || answering(|sent| sent.copies = 2),
        ),
        Fault::new(
            "results-of-null-lost",
            "Tells no caller of a result that is null",
            &["CO-11"],
            || {
                answering(|sent| {
                    if sent.frame.get("result") == Some(&Value::Null) {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "void-calls-answered",
            "Answers calls with the action void",
            &["CO-10"],
            || {
                hearing(|heard| {
                    if is_call(&heard.frame) && text(&heard.frame, "/action/type") == Some("void") {
                        unset(&mut heard.frame, "", "action");
                    }
                })
            },
        )
        .strict(),
    ]
}

fn misrouted() -> Vec<Fault> {
    vec![
        Fault::new(
            "results-to-the-worker",
            "Sends a result back to the worker that it came from",
            &["RF-13"],
            || {
                knowing::<Option<SessionId>>()
                    .hearing(|worker, heard| {
                        *worker = is_answer(&heard.frame).then_some(heard.from);
                    })
                    .sending(|worker, sent| {
                        if is_answer(&sent.frame) {
                            sent.to = worker.unwrap_or(sent.to);
                        }
                    })
            },
        ),
        Fault::new(
            "results-to-the-latest-caller",
            "Sends each result to the session that called the function last",
            &["RF-13", "CO-11"],
            || {
                knowing::<BTreeMap<String, SessionId>>()
                    .hearing(|callers, heard| {
                        if is_workers_call(&heard.frame) {
                            callers.insert(function_id(&heard.frame).to_owned(), heard.from);
                        }
                    })
                    .sending(|callers, sent| {
                        if is_answer(&sent.frame)
                            && let Some(caller) = callers.get(function_id(&sent.frame))
                        {
                            sent.to = *caller;
                        }
                    })
            },
        )
        .strict(),
        Fault::new(
            "results-in-the-order-of-calls",
            "Takes what a worker answers for the answer to the oldest call that it has",
            &["RF-13", "CO-11"],
            || {
                knowing::<BTreeMap<SessionId, Vec<Value>>>()
                    .sending(|calls, sent| {
                        if is_workers_call(&sent.frame)
                            && let Some(call) = sent.frame.get("invocation_id")
                        {
                            calls.entry(sent.to).or_default().push(call.clone());
                        }
                    })
                    .hearing(|calls, heard| {
                        let own = calls.entry(heard.from).or_default();
                        let answered = heard.frame.get("invocation_id");
                        if is_answer(&heard.frame) && answered.is_some_and(|it| own.contains(it)) {
                            let oldest = own.remove(0);
                            set(&mut heard.frame, "", "invocation_id", oldest);
                        }
                    })
            },
        )
        .strict(),
    ]
}

fn altered() -> Vec<Fault> {
    vec![
        Fault::new(
            "results-null",
            "Tells every caller that the result is null",
            &["RF-13", "CO-11"],
            || resulting(|result| *result = Value::Null),
        ),
        Fault::new(
            "results-wrapped",
            "Puts results into an object under `value`",
            &["RF-13", "CO-11"],
            || resulting(|result| *result = json!({"value": result.take()})),
        ),
        Fault::new(
            "results-of-the-first-call",
            "Answers every call of a function with the result of the first",
            &["RF-13", "CO-11"],
            || {
                let mut first: BTreeMap<String, Value> = BTreeMap::new();
                answering(move |sent| {
                    let id = function_id(&sent.frame).to_owned();
                    if let Some(result) = sent.frame.get_mut("result") {
                        *result = first.entry(id).or_insert_with(|| result.clone()).clone();
                    }
                })
            },
        ),
        Fault::new(
            "empty-results-null",
            "Tells callers null where the result is empty, zero or false",
            &["CO-11"],
            || {
                resulting(|result| {
                    let empty = match &*result {
                        Value::Bool(it) => !it,
                        Value::Number(it) => it.as_f64() == Some(0.0),
                        Value::String(it) => it.is_empty(),
                        Value::Array(it) => it.is_empty(),
                        Value::Object(it) => it.is_empty(),
                        Value::Null => false,
                    };
                    if empty {
                        *result = Value::Null;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "numbers-in-results-rounded",
            "Rounds the numbers of results to what a float of 64 bits holds",
            &["D-09"],
            || {
                resulting(|result| {
                    if let Value::Object(fields) = result {
                        for number in fields.values_mut() {
                            if let Some(rounded) = number.as_f64() {
                                *number = json!(rounded);
                            }
                        }
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "results-without-their-function",
            "Does not say in a result which function was called",
            &["CO-11"],
            || answering(|sent| unset(&mut sent.frame, "", "function_id")),
        )
        .strict(),
    ]
}

fn failures() -> Vec<Fault> {
    let failed = |sent: &Sent| sent.frame.get("error").is_some();
    vec![
        Fault::new(
            "failures-swallowed",
            "Tells the caller of a failed call that the result is null",
            &["CO-11", "CO-12"],
            move || {
                answering(move |sent| {
                    if failed(sent) {
                        unset(&mut sent.frame, "", "error");
                        set(&mut sent.frame, "", "result", Value::Null);
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "codes-of-failures-alike",
            "Puts one code of its own into every failure of a worker",
            &["CO-11"],
            move || {
                answering(move |sent| {
                    let own = ["function_not_found", "invocation_stopped"];
                    if failed(sent) && code(&sent.frame).is_some_and(|it| !own.contains(&it)) {
                        set(&mut sent.frame, "/error", "code", "invocation_failed");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "failures-cut",
            "Passes on of a failure the code and the message, and nothing else",
            &["CO-11"],
            move || {
                answering(|sent| {
                    if let Some(Value::Object(error)) = sent.frame.get_mut("error") {
                        error.retain(|field, _| ["code", "message"].contains(&field.as_str()));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "unknown-functions-unanswered",
            "Does not answer the call of a function that is not there",
            &["CO-12"],
            || {
                answering(|sent| {
                    if code(&sent.frame) == Some("function_not_found") {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "second-failure-swallowed",
            "Tells a caller of its first failed call, and of no later one",
            &["CO-12", "CO-11"],
            move || {
                let mut told = BTreeSet::new();
                answering(move |sent| {
                    if failed(sent) && !told.insert(sent.to) {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
    ]
}
