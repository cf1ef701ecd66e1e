//! What is kept of triggers and functions that were refused, or that have been unregistered
//! (RT-10 to RT-13, CO-08).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::Value;

use super::{
    scope::{Key, is_duplicate, key},
    shared::{ignoring, refuse, remembering, unregistration},
};
use crate::{
    Alter, Fault,
    frames::{code, error, is, is_refusal, is_success, is_trigger, set, text, unset},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    [refused(), unregistering()].into_iter().flatten().collect()
}

/// What is left of a trigger that was refused.
fn refused() -> Vec<Fault> {
    vec![
        Fault::new(
            "refused-ids-are-taken",
            "Takes an id for taken once a trigger of it has been refused",
            &["RT-12", "RT-13"],
            || taking_refused(|_| true),
        ),
        Fault::new(
            "ids-refused-for-their-config-are-taken",
            "Takes an id for taken once a trigger of it has been refused for its config",
            &["RT-10", "RT-16"],
            || taking_refused(|it| code(it) == Some("invalid_config")),
        ),
        Fault::new(
            "function-checked-once",
            "Takes a function for registered if it has ever been",
            &["RT-08", "RT-12"],
            || {
                remembering::<BTreeSet<String>>(
                    |known, heard| {
                        if is(&heard.frame, "registerfunction") {
                            known.extend(text(&heard.frame, "/id").map(str::to_owned));
                        }
                    },
                    |known, sent| {
                        let function = text(&sent.frame, "/function_id").unwrap_or_default();
                        if is_refusal(&sent.frame)
                            && code(&sent.frame) == Some("function_not_found")
                            && known.contains(function)
                        {
                            unset(&mut sent.frame, "", "error");
                        }
                    },
                )
            },
        ),
        Fault::new(
            "unknown-function-remembered",
            "Refuses all triggers for a function that was once unknown",
            &["RT-12"],
            || {
                remembering::<BTreeSet<String>>(
                    |unknown, heard| {
                        let function = text(&heard.frame, "/function_id").unwrap_or_default();
                        if is(&heard.frame, "registertrigger") && unknown.contains(function) {
                            refuse(heard, "function_not_found");
                        }
                    },
                    |unknown, sent| {
                        if is_refusal(&sent.frame)
                            && code(&sent.frame) == Some("function_not_found")
                        {
                            unknown.extend(text(&sent.frame, "/function_id").map(str::to_owned));
                        }
                    },
                )
            },
        ),
        Fault::new(
            "one-trigger-a-function",
            "Refuses a function's second trigger",
            &["RT-01"],
            || {
                remembering::<BTreeSet<String>>(
                    |known, heard| {
                        let function = text(&heard.frame, "/function_id").unwrap_or_default();
                        if is(&heard.frame, "registertrigger") && known.contains(function) {
                            refuse(heard, "function_has_trigger");
                        }
                    },
                    |known, sent| {
                        if is_success(&sent.frame) {
                            known.extend(text(&sent.frame, "/function_id").map(str::to_owned));
                        }
                    },
                )
            },
        ),
    ]
}

/// Takes the ids of some refused triggers for taken.
fn taking_refused(which: fn(&Value) -> bool) -> impl Alter {
    let mut taken: BTreeSet<Key> = BTreeSet::new();
    sending(move |sent| {
        let key = key(sent.to, &sent.frame);
        if is_refusal(&sent.frame) && which(&sent.frame) {
            taken.insert(key);
        } else if is_success(&sent.frame) && taken.contains(&key) {
            set(
                &mut sent.frame,
                "",
                "error",
                error("duplicate_trigger_id", ""),
            );
        }
    })
}

/// The configs of http triggers.
#[derive(Default)]
struct FreedConfigs {
    registered: BTreeMap<Key, Value>,
    freed: BTreeMap<Key, Value>,
}

fn unregistering() -> Vec<Fault> {
    vec![
        Fault::new(
            "unregistertrigger-ignored",
            "Forgets no trigger that is unregistered",
            &["CO-08"],
            || ignoring(|it| is(it, "unregistertrigger")),
        )
        .strict(),
        Fault::new(
            "unregistertrigger-without-its-type-ignored",
            "Does not unregister triggers whose type is not given",
            &["CO-08"],
            || ignoring(|it| is(it, "unregistertrigger") && it.get("trigger_type").is_none()),
        )
        .strict(),
        Fault::new(
            "unregistertrigger-once-a-session",
            "Unregisters the first trigger of a session and no further ones",
            &["CO-08"],
            || {
                remembering::<BTreeSet<SessionId>>(
                    |seen, heard| {
                        if is(&heard.frame, "unregistertrigger") {
                            heard.keep = seen.insert(heard.from);
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
        Fault::new(
            "unregistering-one-frees-all-ids",
            "Takes all ids of a session for free once it has unregistered a trigger",
            &["RT-11", "RT-10"],
            || {
                remembering::<BTreeSet<SessionId>>(
                    |freed, heard| {
                        if is(&heard.frame, "unregistertrigger") {
                            freed.insert(heard.from);
                        }
                    },
                    |freed, sent| {
                        if is_duplicate(&sent.frame) && freed.contains(&sent.to) {
                            unset(&mut sent.frame, "", "error");
                        }
                    },
                )
            },
        ),
        Fault::new(
            "freed-id-never-checked-again",
            "Takes an id that was once unregistered for free for ever",
            &["RT-10", "RT-11"],
            || {
                remembering::<BTreeSet<Key>>(
                    |freed, heard| {
                        if is(&heard.frame, "unregistertrigger") {
                            freed.insert(key(heard.from, &heard.frame));
                        }
                    },
                    |freed, sent| {
                        if is_duplicate(&sent.frame) && freed.contains(&key(sent.to, &sent.frame)) {
                            unset(&mut sent.frame, "", "error");
                        }
                    },
                )
            },
        ),
        Fault::new(
            "freed-id-keeps-its-config",
            "Registers a trigger of an id that is free again with the config that it had",
            &["RT-03", "RT-04"],
            || {
                remembering::<FreedConfigs>(
                    |seen, heard| {
                        let key = key(heard.from, &heard.frame);
                        if is(&heard.frame, "unregistertrigger") {
                            seen.freed
                                .extend(seen.registered.remove(&key).map(|it| (key, it)));
                        } else if is_trigger(&heard.frame, "http") {
                            if let Some(config) = seen.freed.get(&key) {
                                set(&mut heard.frame, "", "config", config.clone());
                            }
                            let config = heard.frame.get("config").cloned().unwrap_or_default();
                            seen.registered.entry(key).or_insert(config);
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "unregistered-function-takes-its-triggers-along",
            "Forgets the triggers of a function that is unregistered",
            &["D-06"],
            || {
                remembering::<Vec<Value>>(
                    |known, heard| {
                        if is(&heard.frame, "registertrigger") {
                            known.push(heard.frame.clone());
                        } else if is(&heard.frame, "unregisterfunction") {
                            let gone = heard.frame.get("id");
                            let ends = known.iter().filter(|it| it.get("function_id") == gone);
                            heard.before.extend(ends.map(unregistration));
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
    ]
}
