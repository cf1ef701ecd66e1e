//! Requests for http triggers: whom they call, and whom not (RT-03, RT-04).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::{
    firing::{
        Kept, arming_duplicates, calling_one_function, firing_once, firing_twice, never_firing,
        silent_after_a_refusal,
    },
    shared::{misreading, remembering, unregistration},
};
use crate::{
    Alter, Asked, Fault, Heard,
    frames::{alter, fired, is, is_trigger, set, text},
    with::{answering, being_asked, requesting, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    [silences(), routes(), functions(), lives(), payloads()]
        .into_iter()
        .flatten()
        .collect()
}

fn is_fired(frame: &Value) -> bool {
    fired(frame) == Some("http")
}

/// Requests that call nobody, or too often.
fn silences() -> Vec<Fault> {
    vec![
        Fault::new(
            "http-never-fires",
            "Registers http triggers and calls no function for them",
            &["RT-03", "RT-04"],
            || never_firing("http"),
        ),
        Fault::new(
            "http-fires-once",
            "Calls the function of an http trigger for the first request alone",
            &["RT-03"],
            || firing_once("http"),
        ),
        Fault::new(
            "http-fires-twice",
            "Calls the function of an http trigger twice for a request",
            &["RT-03"],
            || firing_twice("http"),
        )
        .strict(),
        Fault::new(
            "http-delete-never-fires",
            "Calls no function for requests of the method DELETE",
            &["RT-04", "RT-03"],
            || asked_as("DELETE", "TRACE"),
        ),
        Fault::new(
            "http-patch-read-as-put",
            "Takes requests of the method PATCH for PUT",
            &["RT-04", "RT-03"],
            || asked_as("PATCH", "PUT"),
        ),
        Fault::new(
            "http-post-without-a-body-never-fires",
            "Calls no function for a POST request without a body",
            &["RT-03", "RT-04"],
            || {
                being_asked(|asked| {
                    if asked.body.is_empty() && asked.method == "POST" {
                        asked.target.insert_str(0, "/nobody");
                    }
                })
            },
        ),
        Fault::new(
            "http-query-taken-for-path",
            "Compares a trigger's path with the path and the query of a request",
            &["RT-04", "RT-03"],
            || being_asked(|asked| asked.target = asked.target.replace('?', "%3F")),
        ),
    ]
}

fn asked_as(method: &'static str, other: &'static str) -> impl Alter {
    being_asked(move |asked| {
        if asked.method == method {
            asked.method = other.to_owned();
        }
    })
}

/// Requests that are taken for others.
fn routes() -> Vec<Fault> {
    vec![
        Fault::new(
            "route-ignores-method",
            "Compares the paths of requests and not their methods",
            &["RT-04"],
            || {
                let registered = misreading(|frame| {
                    if is_trigger(frame, "http") {
                        set(frame, "/config", "method", "GET");
                    }
                });
                (
                    registered,
                    being_asked(|asked| asked.method = "GET".to_owned()),
                )
            },
        ),
        Fault::new(
            "route-by-beginning",
            "Takes a request for one of each path that its own begins with",
            &["RT-04"],
            Beginnings::default,
        ),
        Fault::new(
            "route-by-first-segment",
            "Compares the first segments of paths alone",
            &["RT-04"],
            || {
                let registered = misreading(|frame| {
                    if is_trigger(frame, "http") {
                        alter(frame, "/config/path", first_segment);
                    }
                });
                let asked = being_asked(|asked| asked.target = first_segment(&asked.target));
                (registered, asked)
            },
        ),
        Fault::new(
            "route-of-a-path-is-the-newest-ones",
            "Forgets the trigger of a path when another method of it is registered",
            &["RT-04"],
            || {
                remembering::<BTreeMap<(SessionId, String), Value>>(
                    |known, heard| {
                        let path = text(&heard.frame, "/config/path").map(str::to_owned);
                        if let Some(path) = path.filter(|_| is_trigger(&heard.frame, "http")) {
                            let before = known.insert((heard.from, path), heard.frame.clone());
                            heard.before.extend(before.as_ref().map(unregistration));
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "http-method-defaults-to-post",
            "Takes a config without a method for one of POST",
            &["D-25"],
            || {
                misreading(|frame| {
                    if is_trigger(frame, "http") && frame.pointer("/config/method").is_none() {
                        set(frame, "/config", "method", "POST");
                    }
                })
            },
        )
        .strict(),
    ]
}

/// With a slash before it, and without a query.
fn first_segment(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    let segment = path.trim_start_matches('/').split('/').next();
    format!("/{}", segment.unwrap_or_default())
}

/// Knows paths by their beginnings.
#[derive(Default)]
struct Beginnings {
    paths: BTreeSet<String>,
}

impl Alter for Beginnings {
    fn hears(&mut self, heard: &mut Heard) {
        if is_trigger(&heard.frame, "http") {
            let path = text(&heard.frame, "/config/path");
            self.paths.extend(path.map(str::to_owned));
        }
    }

    fn is_asked(&mut self, asked: &mut Asked) {
        let asked_for = &asked.target;
        let known = self.paths.iter().filter(|it| asked_for.starts_with(*it));
        if let Some(path) = known.max_by_key(|it| it.len()) {
            asked.target = path.clone();
        }
    }
}

/// Requests that call another function than their trigger's.
fn functions() -> Vec<Fault> {
    vec![
        Fault::new(
            "http-calls-the-first-function",
            "Calls for each http trigger of a session the function of its first one",
            &["RT-03", "RT-04"],
            || calling_one_function("http", Kept::First),
        ),
        Fault::new(
            "http-calls-the-newest-function",
            "Calls for each http trigger of a session the function of its newest one",
            &["RT-03", "RT-04"],
            || calling_one_function("http", Kept::Newest),
        ),
        Fault::new(
            "http-calls-no-function-of-another-session",
            "Calls the function of an http trigger if its own session has registered it",
            &["RT-03"],
            || {
                remembering::<BTreeSet<(SessionId, String)>>(
                    |own, heard| {
                        let function = text(&heard.frame, "/function_id").unwrap_or_default();
                        if is_trigger(&heard.frame, "http") {
                            own.insert((heard.from, function.to_owned()));
                        }
                    },
                    |own, sent| {
                        let function = text(&sent.frame, "/function_id").unwrap_or_default();
                        if is_fired(&sent.frame) && !own.contains(&(sent.to, function.to_owned())) {
                            sent.copies = 0;
                        }
                    },
                )
            },
        ),
        Fault::new(
            "http-calls-no-endpoint",
            "Does not make the request to an endpoint that an http trigger calls for",
            &["RT-03", "RF-14"],
            || requesting(|request| !request.body.contains("\"trigger\"")),
        ),
    ]
}

/// When http triggers begin to fire, and when they end.
fn lives() -> Vec<Fault> {
    vec![
        Fault::new(
            "refused-http-trigger-fires",
            "Has an http trigger fire whose id is taken",
            &["RT-10", "RT-16"],
            || arming_duplicates("http"),
        ),
        Fault::new(
            "http-silent-after-a-refusal",
            "Has no http trigger of a session fire once one of it has been refused",
            &["RT-16", "RT-03"],
            || silent_after_a_refusal("http"),
        ),
        Fault::new(
            "http-trigger-ends-with-another-one",
            "Forgets with an http trigger that is unregistered the one before it",
            &["RT-03"],
            || {
                remembering::<BTreeMap<SessionId, Vec<Value>>>(
                    |known, heard| {
                        let known = known.entry(heard.from).or_default();
                        if is_trigger(&heard.frame, "http") {
                            known.push(heard.frame.clone());
                        } else if is(&heard.frame, "unregistertrigger") {
                            heard.before.extend(known.iter().map(unregistration));
                            known.clear();
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "http-silent-once-its-function-has-returned",
            "Does not call the function of an http trigger that was gone and has returned",
            &["D-06"],
            || {
                remembering::<BTreeSet<String>>(
                    |gone, heard| {
                        if is(&heard.frame, "unregisterfunction") {
                            gone.extend(text(&heard.frame, "/id").map(str::to_owned));
                        }
                    },
                    |gone, sent| {
                        let function = text(&sent.frame, "/function_id").unwrap_or_default();
                        if is_fired(&sent.frame) && gone.contains(function) {
                            sent.copies = 0;
                        }
                    },
                )
            },
        )
        .strict(),
    ]
}

/// What functions are called with, and what is answered.
fn payloads() -> Vec<Fault> {
    let faults = vec![
        Fault::new(
            "http-body-as-text",
            "Hands JSON bodies to the functions of http triggers as text",
            &["CO-22"],
            || {
                sending(|sent| {
                    let body = sent.frame.pointer("/data/body").cloned();
                    if let Some(body) = body.filter(|it| !it.is_null() && is_fired(&sent.frame)) {
                        set(&mut sent.frame, "/data", "body", body.to_string());
                    }
                })
            },
        ),
        Fault::new(
            "http-query-parameters-once",
            "Hands on the last value of a query parameter that occurs several times",
            &["CO-22"],
            || {
                sending(|sent| {
                    let parameters = sent.frame.pointer_mut("/data/query_params");
                    let parameters = parameters.and_then(Value::as_object_mut);
                    for value in parameters.into_iter().flat_map(|it| it.values_mut()) {
                        if let Some(last) = value.as_array().and_then(|it| it.last()) {
                            *value = last.clone();
                        }
                    }
                })
            },
        ),
        Fault::new(
            "http-path-parameters-undecoded",
            "Hands on path parameters with their escapes",
            &["CO-22"],
            || {
                sending(|sent| {
                    let parameters = sent.frame.pointer_mut("/data/path_params");
                    let parameters = parameters.and_then(Value::as_object_mut);
                    for value in parameters.into_iter().flat_map(|it| it.values_mut()) {
                        let escaped = value.as_str().map(|it| it.replace(' ', "%20"));
                        *value = json!(escaped);
                    }
                })
            },
        ),
        Fault::new(
            "http-answers-200",
            "Answers each request with the status 200",
            &["D-29"],
            || answering(|answer| answer.status = 200),
        ),
    ];
    faults.into_iter().map(Fault::strict).collect()
}
