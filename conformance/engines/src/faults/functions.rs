//! Registering functions and taking them back (RF-01, RF-03, RF-10).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Alter, Fault,
    frames::{
        alter, error, function_id, id, is, is_registration, is_unregistration, is_workers_call,
        refuse, set, unset,
    },
    with::hearing,
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = registering();
    all.extend(telling_apart());
    all.extend(taking_back());
    all
}

/// Keeps such frames from the engine.
fn ignoring(which: fn(&Value) -> bool) -> impl Alter {
    hearing(move |heard| heard.keep = !which(&heard.frame))
}

fn has(frame: &Value, field: &str) -> bool {
    frame.get(field).is_some_and(|it| !it.is_null())
}

fn registering() -> Vec<Fault> {
    vec![
        Fault::new(
            "functions-ignored",
            "Ignores every registration of a function",
            &["RF-01", "RF-02", "RF-13", "RF-14"],
            || ignoring(is_registration),
        ),
        Fault::new(
            "bare-functions-ignored",
            "Ignores functions that come with nothing but an id",
            &["RF-03", "RF-01"],
            || {
                ignoring(|frame| {
                    let fields = frame.as_object().map_or(0, serde_json::Map::len);
                    is_registration(frame) && fields == 2
                })
            },
        ),
        Fault::new(
            "response-format-needs-a-request-format",
            "Ignores functions with a response_format and no request_format",
            &["RF-03"],
            || {
                ignoring(|frame| {
                    is_registration(frame)
                        && has(frame, "response_format")
                        && !has(frame, "request_format")
                })
            },
        ),
        Fault::new(
            "formats-need-a-description",
            "Ignores functions with a request_format and no description",
            &["RF-03"],
            || {
                ignoring(|frame| {
                    is_registration(frame)
                        && has(frame, "request_format")
                        && !has(frame, "description")
                })
            },
        ),
        Fault::new(
            "formats-with-required-ignored",
            "Ignores functions whose request_format lists what is required",
            &["RF-01", "RF-03"],
            || {
                ignoring(|frame| {
                    is_registration(frame) && frame.pointer("/request_format/required").is_some()
                })
            },
        ),
        Fault::new(
            "description-makes-the-id",
            "Registers a function that is described under its description",
            &["RF-01", "RF-03"],
            || {
                hearing(|heard| {
                    if is_registration(&heard.frame)
                        && let Some(text) = heard.frame.get("description").cloned()
                        && text.is_string()
                    {
                        set(&mut heard.frame, "", "id", text);
                    }
                })
            },
        ),
        Fault::new(
            "registration-held-back",
            "Registers a function only after the next frame of its session",
            &["RF-01", "RF-02"],
            || {
                knowing::<BTreeMap<SessionId, Value>>().hearing(|held, heard| {
                    let due = held.remove(&heard.from);
                    if is_registration(&heard.frame) {
                        held.insert(heard.from, heard.frame.clone());
                        heard.keep = false;
                        heard.before.extend(due);
                    } else if let Some(due) = due {
                        heard.before.push(std::mem::replace(&mut heard.frame, due));
                    }
                })
            },
        ),
        Fault::new(
            "third-function-ignored",
            "Registers no more than two functions of a session",
            &["RF-01", "RF-10"],
            || {
                knowing::<BTreeMap<SessionId, BTreeSet<String>>>().hearing(|known, heard| {
                    if is_registration(&heard.frame) {
                        let own = known.entry(heard.from).or_default();
                        heard.keep = own.len() < 2 || own.contains(id(&heard.frame));
                        if heard.keep {
                            own.insert(id(&heard.frame).to_owned());
                        }
                    }
                    if is_unregistration(&heard.frame) {
                        let own = known.entry(heard.from).or_default();
                        own.remove(id(&heard.frame));
                    }
                })
            },
        ),
    ]
}

fn telling_apart() -> Vec<Fault> {
    vec![
        Fault::new(
            "id-cut-at-a-dot",
            "Registers a function under what stands before the dot in its id",
            &["RF-01"],
            || {
                hearing(|heard| {
                    if is_registration(&heard.frame) {
                        alter(&mut heard.frame, "/id", |id| match id.split_once('.') {
                            Some((first, _)) if !first.is_empty() => first.to_owned(),
                            _ => id.to_owned(),
                        });
                    }
                })
            },
        ),
        Fault::new(
            "calls-found-by-their-beginning",
            "Takes a call of an id for that of a function whose id ends at its last dot",
            &["RF-01", "RF-13"],
            || {
                let mut known = BTreeSet::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame) {
                        known.insert(id(&heard.frame).to_owned());
                    }
                    let called = function_id(&heard.frame);
                    if is_workers_call(&heard.frame)
                        && !known.contains(called)
                        && let Some((shorter, _)) = called.rsplit_once('.')
                        && known.contains(shorter)
                    {
                        let shorter = shorter.to_owned();
                        set(&mut heard.frame, "", "function_id", shorter);
                    }
                })
            },
        ),
        Fault::new(
            "ids-told-apart-up-to-a-dot",
            "Takes ids that are alike up to a dot for one id",
            &["RF-10", "RF-01"],
            || taking_for_one(|id| id.split('.').next().unwrap_or_default().to_owned()),
        ),
        Fault::new(
            "ids-told-apart-without-case",
            "Takes ids that differ in capitals alone for one id",
            &["RF-10", "RF-01"],
            || taking_for_one(str::to_lowercase),
        )
        .strict(),
        Fault::new(
            "ids-told-apart-by-their-beginning",
            "Takes ids that are alike in 32 characters for one id",
            &["RF-10", "RF-01"],
            || taking_for_one(|id| id.chars().take(32).collect()),
        ),
    ]
}

/// Refuses what a session registers under an id that is no other, seen through `as_seen`.
fn taking_for_one(as_seen: fn(&str) -> String) -> impl Alter {
    let mut known: BTreeMap<(SessionId, String), String> = BTreeMap::new();
    hearing(move |heard| {
        let id = id(&heard.frame).to_owned();
        let key = (heard.from, as_seen(&id));
        if is_registration(&heard.frame) {
            match known.get(&key) {
                Some(first) if *first != id => refuse(heard),
                _ => _ = known.insert(key, id),
            }
        } else if is_unregistration(&heard.frame) && known.get(&key) == Some(&id) {
            known.remove(&key);
        }
    })
}

fn taking_back() -> Vec<Fault> {
    vec![
        Fault::new(
            "unregistering-ignored-once-called",
            "Never takes back a function that has been called",
            &["RF-10", "CO-07"],
            || {
                let mut called = BTreeSet::new();
                hearing(move |heard| {
                    if is_workers_call(&heard.frame) {
                        called.insert(function_id(&heard.frame).to_owned());
                    }
                    if is_unregistration(&heard.frame) && called.contains(id(&heard.frame)) {
                        heard.keep = false;
                    }
                })
            },
        ),
        Fault::new(
            "unregistered-function-still-called",
            "Binds no trigger to a function that was taken back, and calls it all the same",
            &["CO-07"],
            still_calling,
        )
        .strict(),
        Fault::new(
            "unregistration-answered",
            "Answers the unregistration of a function",
            &["CO-07"],
            || {
                hearing(|heard| {
                    if is_unregistration(&heard.frame) {
                        let id = id(&heard.frame);
                        let answer = json!({"type": "functionunregistrationresult", "id": id});
                        heard.said.push((heard.from, answer));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "id-of-an-unregistered-function-taken",
            "Keeps the id of a function that was taken back",
            &["RF-10"],
            || refusing_after(1),
        ),
        Fault::new(
            "id-taken-after-two-unregistrations",
            "Keeps the id of a function that was taken back twice",
            &["RF-10"],
            || refusing_after(2),
        ),
        Fault::new(
            "unregistering-leaves-the-endpoint",
            "Never takes back a function that is served over HTTP",
            &["RF-10"],
            || {
                let mut over_http = BTreeSet::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame) && has(&heard.frame, "invocation") {
                        over_http.insert(id(&heard.frame).to_owned());
                    }
                    if is_unregistration(&heard.frame) && over_http.contains(id(&heard.frame)) {
                        heard.keep = false;
                    }
                })
            },
        ),
        Fault::new(
            "unregistering-takes-all",
            "Takes back all functions of a session when it takes back one",
            &["RF-01", "RF-02", "RF-13"],
            || {
                let mut known: BTreeMap<SessionId, BTreeSet<String>> = BTreeMap::new();
                hearing(move |heard| {
                    let own = known.entry(heard.from).or_default();
                    if is_registration(&heard.frame) {
                        own.insert(id(&heard.frame).to_owned());
                    }
                    if is_unregistration(&heard.frame) && own.remove(id(&heard.frame)) {
                        let rest = std::mem::take(own).into_iter();
                        let rest = rest.map(|id| json!({"type": "unregisterfunction", "id": id}));
                        heard.before.extend(rest);
                    }
                })
            },
        ),
        Fault::new(
            "unregistering-takes-the-latest",
            "Takes back the function that was registered last, whichever is meant",
            &["RF-10", "RF-01"],
            || {
                let mut latest: BTreeMap<SessionId, String> = BTreeMap::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame) {
                        latest.insert(heard.from, id(&heard.frame).to_owned());
                    }
                    if is_unregistration(&heard.frame)
                        && let Some(id) = latest.get(&heard.from)
                    {
                        set(&mut heard.frame, "", "id", id.as_str());
                    }
                })
            },
        ),
        Fault::new(
            "old-endpoint-kept",
            "Goes on with the endpoint that an id was first registered with",
            &["RF-10", "RF-14", "RF-04"],
            || {
                let mut first: BTreeMap<(SessionId, String), Value> = BTreeMap::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame)
                        && let Some(invocation) = heard.frame.get("invocation").cloned()
                    {
                        let key = (heard.from, id(&heard.frame).to_owned());
                        let first = first.entry(key).or_insert(invocation).clone();
                        set(&mut heard.frame, "", "invocation", first);
                    }
                })
            },
        ),
    ]
}

/// Takes a function back only when its id is registered again, and hides it from triggers.
fn still_calling() -> impl Alter {
    let mut gone: BTreeSet<(SessionId, String)> = BTreeSet::new();
    hearing(move |heard| {
        let key = (heard.from, id(&heard.frame).to_owned());
        if is_unregistration(&heard.frame) {
            gone.insert(key);
            heard.keep = false;
        } else if is_registration(&heard.frame) && gone.remove(&key) {
            let frame = json!({"type": "unregisterfunction", "id": key.1});
            heard.before.push(frame);
        } else if is(&heard.frame, "registertrigger")
            && gone.contains(&(heard.from, function_id(&heard.frame).to_owned()))
        {
            let mut refusal = heard.frame.clone();
            set(&mut refusal, "", "type", "triggerregistrationresult");
            let message = "No function registered with such an ID";
            set(
                &mut refusal,
                "",
                "error",
                error("function_not_found", message),
            );
            unset(&mut refusal, "", "config");
            heard.said.push((heard.from, refusal));
            heard.keep = false;
        }
    })
}

/// Refuses an id once its session has taken it back so often.
fn refusing_after(times: usize) -> impl Alter {
    let mut taken_back: BTreeMap<(SessionId, String), usize> = BTreeMap::new();
    hearing(move |heard| {
        let key = (heard.from, id(&heard.frame).to_owned());
        if is_unregistration(&heard.frame) {
            *taken_back.entry(key).or_default() += 1;
        } else if is_registration(&heard.frame)
            && taken_back.get(&key).is_some_and(|it| *it >= times)
        {
            refuse(heard);
        }
    })
}
