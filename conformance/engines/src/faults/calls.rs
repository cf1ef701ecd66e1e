//! Calls on their way to a worker (RF-02, RF-13).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::Value;

use super::knowing::knowing;
use crate::{
    Alter, Fault, Heard, Sent,
    frames::{
        alter, deny, function_id, id, is, is_answer, is_registration, is_workers_call, not_found,
        set, text, unset,
    },
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = arriving();
    all.extend(misrouted());
    all.extend(misnamed());
    all.extend(counted());
    all.extend(forbidden());
    all
}

/// Alters the calls that workers are sent.
fn calling(mut with: impl FnMut(&mut Sent) + Send) -> impl Alter {
    sending(move |sent| {
        if is_workers_call(&sent.frame) {
            with(sent);
        }
    })
}

/// Alters the calls that callers make.
fn called(mut with: impl FnMut(&mut Heard) + Send) -> impl Alter {
    hearing(move |heard| {
        if is_workers_call(&heard.frame) {
            with(heard);
        }
    })
}

fn is_void(call: &Value) -> bool {
    text(call, "/action/type") == Some("void")
}

fn arriving() -> Vec<Fault> {
    vec![
        Fault::new(
            "calls-answered-without-the-worker",
            "Answers each call of a worker's function with null, and does not call it",
            &["RF-13", "RF-02"],
            || {
                let mut owned = Owned::default();
                hearing(move |heard| {
                    if owned.is_called(heard)
                        && let Some(mut answer) = not_found(&heard.frame)
                    {
                        unset(&mut answer, "", "error");
                        set(&mut answer, "", "result", Value::Null);
                        heard.said.push((heard.from, answer));
                        heard.keep = false;
                    }
                })
            },
        ),
        Fault::new(
            "calls-twice",
            "Sends each call to its worker twice",
            &["RF-13", "RF-02"],
            || calling(|sent| sent.copies = 2),
        ),
        Fault::new(
            "calls-of-functions-with-formats-kept",
            "Sends no call of a function that has formats",
            &["RF-13", "RF-02"],
            || {
                let mut with_formats = BTreeSet::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame) && heard.frame.get("request_format").is_some()
                    {
                        with_formats.insert(id(&heard.frame).to_owned());
                    }
                    if is_workers_call(&heard.frame)
                        && with_formats.contains(function_id(&heard.frame))
                    {
                        heard.keep = false;
                    }
                })
            },
        ),
        Fault::new(
            "void-calls-kept",
            "Sends no call to its worker that nobody waits for",
            &["RF-02", "RF-13", "CO-10"],
            || called(|heard| heard.keep = !is_void(&heard.frame)),
        )
        .strict(),
        Fault::new(
            "second-void-call-kept",
            "Sends a worker one call that nobody waits for, and no further one",
            &["RF-02", "RF-13", "CO-10"],
            || {
                let mut sent_before = BTreeSet::new();
                called(move |heard| {
                    if is_void(&heard.frame) {
                        heard.keep = sent_before.insert(function_id(&heard.frame).to_owned());
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
            "calls-shown-to-the-caller",
            "Sends a call back to its caller, and not to its worker",
            &["RF-13"],
            || {
                knowing::<Option<SessionId>>()
                    .hearing(|caller, heard| {
                        if is_workers_call(&heard.frame) {
                            *caller = Some(heard.from);
                        }
                    })
                    .sending(|caller, sent| {
                        if is_workers_call(&sent.frame) {
                            sent.to = caller.unwrap_or(sent.to);
                        }
                    })
            },
        ),
        Fault::new(
            "calls-to-the-latest-worker",
            "Sends each call to the session that registered a function last",
            &["RF-13", "RF-02"],
            || {
                knowing::<Option<SessionId>>()
                    .hearing(|latest, heard| {
                        if is_registration(&heard.frame) {
                            *latest = Some(heard.from);
                        }
                    })
                    .sending(|latest, sent| {
                        if is_workers_call(&sent.frame) {
                            sent.to = latest.unwrap_or(sent.to);
                        }
                    })
            },
        ),
        Fault::new(
            "calls-to-the-first-owner",
            "Sends each call to the session that registered the id first, also once that is over",
            &["RF-13", "RF-10"],
            || {
                knowing::<BTreeMap<String, SessionId>>()
                    .hearing(|owners, heard| {
                        if is_registration(&heard.frame) {
                            let id = id(&heard.frame).to_owned();
                            owners.entry(id).or_insert(heard.from);
                        }
                    })
                    .sending(|owners, sent| {
                        if is_workers_call(&sent.frame)
                            && let Some(owner) = owners.get(function_id(&sent.frame))
                        {
                            sent.to = *owner;
                        }
                    })
            },
        ),
    ]
}

fn misnamed() -> Vec<Fault> {
    vec![
        Fault::new(
            "calls-without-a-function",
            "Does not tell a worker which function is called",
            &["RF-13"],
            || calling(|sent| unset(&mut sent.frame, "", "function_id")),
        ),
        Fault::new(
            "calls-name-the-first-function",
            "Tells a worker in each call that its first function is called",
            &["RF-13"],
            || {
                let mut first: BTreeMap<SessionId, String> = BTreeMap::new();
                calling(move |sent| {
                    let id = function_id(&sent.frame).to_owned();
                    let first = first.entry(sent.to).or_insert(id).as_str();
                    set(&mut sent.frame, "", "function_id", first);
                })
            },
        ),
        Fault::new(
            "calls-name-the-function-in-part",
            "Tells a worker of the function's id what stands behind the last dot",
            &["RF-13"],
            || {
                calling(|sent| {
                    alter(&mut sent.frame, "/function_id", |id| {
                        id.rsplit('.').next().unwrap_or(id).to_owned()
                    });
                })
            },
        ),
        Fault::new(
            "calls-without-data",
            "Sends calls without their data",
            &["RF-13", "CO-09"],
            || calling(|sent| unset(&mut sent.frame, "", "data")),
        ),
        Fault::new(
            "calls-with-a-field-added-to-their-data",
            "Puts the caller into the data of calls",
            &["D-15"],
            || calling(|sent| set(&mut sent.frame, "/data", "_caller_worker_id", "w")),
        )
        .strict(),
        Fault::new(
            "calls-with-data-as-text",
            "Sends the data of calls as JSON in a string",
            &["RF-13", "CO-09"],
            || {
                calling(|sent| {
                    if let Some(data) = sent.frame.get("data").map(Value::to_string) {
                        set(&mut sent.frame, "", "data", data);
                    }
                })
            },
        ),
        Fault::new(
            "calls-with-the-data-of-the-first",
            "Sends the data of the first call of a function with every one",
            &["RF-13", "CO-09"],
            || {
                let mut first: BTreeMap<String, Value> = BTreeMap::new();
                calling(move |sent| {
                    let id = function_id(&sent.frame).to_owned();
                    let data = sent.frame.get("data").cloned().unwrap_or_default();
                    let first = first.entry(id).or_insert(data).clone();
                    set(&mut sent.frame, "", "data", first);
                })
            },
        ),
        Fault::new(
            "false-data-lost",
            "Sends null for data that is false, zero or empty",
            &["CO-09"],
            || {
                calling(|sent| {
                    let lost = match sent.frame.get("data") {
                        Some(Value::Bool(it)) => !it,
                        Some(Value::Number(it)) => it.as_f64() == Some(0.0),
                        Some(Value::String(it)) => it.is_empty(),
                        _ => false,
                    };
                    if lost {
                        set(&mut sent.frame, "", "data", Value::Null);
                    }
                })
            },
        )
        .strict(),
    ]
}

fn counted() -> Vec<Fault> {
    vec![
        Fault::new(
            "function-called-once",
            "Calls a function once, and says of further calls that it is not there",
            &["RF-02", "RF-13"],
            || calls_of_a_function(1),
        ),
        Fault::new(
            "function-called-twice",
            "Calls a function twice, and says of further calls that it is not there",
            &["RF-02", "RF-13"],
            || calls_of_a_function(2),
        ),
        Fault::new(
            "calls-in-flight-block-others",
            "Loses calls to a worker that has still to answer one",
            &["RF-13", "RF-02"],
            || {
                knowing::<BTreeMap<SessionId, Option<String>>>()
                    .sending(|busy, sent| {
                        if is_workers_call(&sent.frame) {
                            let call = text(&sent.frame, "/invocation_id").map(str::to_owned);
                            if busy.get(&sent.to).is_some_and(Option::is_some) {
                                sent.copies = 0;
                            } else {
                                busy.insert(sent.to, call);
                            }
                        }
                    })
                    .hearing(|busy, heard| {
                        let call = text(&heard.frame, "/invocation_id");
                        if is_answer(&heard.frame)
                            && busy.get(&heard.from).and_then(Option::as_deref) == call
                        {
                            busy.remove(&heard.from);
                        }
                    })
            },
        ),
    ]
}

/// Says after so many calls of a function that it is not there.
fn calls_of_a_function(max: usize) -> impl Alter {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    hearing(move |heard| {
        if is_registration(&heard.frame) {
            count.remove(id(&heard.frame));
        }
        if is_workers_call(&heard.frame) {
            let id = function_id(&heard.frame).to_owned();
            let count = count.entry(id).or_default();
            *count += 1;
            if *count > max {
                deny(heard);
            }
        }
    })
}

/// What sessions have registered.
#[derive(Default)]
struct Owned {
    functions: BTreeMap<String, BTreeSet<SessionId>>,
    workers: BTreeSet<SessionId>,
    providers: BTreeSet<SessionId>,
}

impl Owned {
    /// Whether it is the call of a function that was registered.
    fn is_called(&mut self, heard: &Heard) -> bool {
        if is_registration(&heard.frame) {
            let owners = self.functions.entry(id(&heard.frame).to_owned());
            owners.or_default().insert(heard.from);
            self.workers.insert(heard.from);
        }
        if is(&heard.frame, "registertriggertype") {
            self.providers.insert(heard.from);
        }
        is_workers_call(&heard.frame) && self.functions.contains_key(function_id(&heard.frame))
    }

    fn owns(&self, heard: &Heard) -> bool {
        let owners = self.functions.get(function_id(&heard.frame));
        owners.is_some_and(|it| it.contains(&heard.from))
    }
}

/// Says of such calls that their function is not there.
fn forbidding(which: fn(&Owned, &Heard) -> bool) -> impl Alter {
    let mut owned = Owned::default();
    hearing(move |heard| {
        if owned.is_called(heard) && which(&owned, heard) {
            deny(heard);
        }
    })
}

fn forbidden() -> Vec<Fault> {
    vec![
        Fault::new(
            "functions-seen-by-their-session-only",
            "Lets a function be called by its own session only",
            &["RF-02", "RF-13", "RF-14"],
            || forbidding(|owned, heard| !owned.owns(heard)),
        ),
        Fault::new(
            "functions-seen-by-other-sessions-only",
            "Lets a function be called by other sessions only",
            &["RF-02"],
            || forbidding(Owned::owns),
        )
        .strict(),
        Fault::new(
            "functions-unseen-by-providers",
            "Lets no function be called by a session that provides a trigger type",
            &["RF-02"],
            || forbidding(|owned, heard| owned.providers.contains(&heard.from)),
        ),
        Fault::new(
            "functions-seen-by-workers-only",
            "Lets a function be called only by sessions that registered one themselves",
            &["RF-02"],
            || forbidding(|owned, heard| !owned.workers.contains(&heard.from)),
        ),
    ]
}
