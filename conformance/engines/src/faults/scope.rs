//! Whose a trigger's id is: duplicates, and sessions (RT-10, RT-11, D-03, D-07).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::Value;

use super::shared::{accepting_code, refuse, remembering, unregistration};
use crate::{
    Alter, Fault,
    frames::{code, is, is_refusal, is_success, text, unset},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    [duplicates(), sessions()].into_iter().flatten().collect()
}

/// A trigger as its session names it.
pub(super) type Key = (SessionId, String);

pub(super) fn key(session: SessionId, frame: &Value) -> Key {
    let id = text(frame, "/id").unwrap_or_default();
    (session, id.to_owned())
}

pub(super) fn is_duplicate(frame: &Value) -> bool {
    is_refusal(frame) && code(frame) == Some("duplicate_trigger_id")
}

/// Says of some duplicates that they are registered: of those that differ from the trigger
/// that is there in a field.
fn telling_apart_by(field: &'static str) -> impl Alter {
    let mut known: BTreeMap<Key, Option<Value>> = BTreeMap::new();
    sending(move |sent| {
        let key = key(sent.to, &sent.frame);
        let value = sent.frame.get(field).cloned();
        if is_success(&sent.frame) {
            known.insert(key, value);
        } else if is_duplicate(&sent.frame) && known.get(&key) != Some(&value) {
            unset(&mut sent.frame, "", "error");
        }
    })
}

fn duplicates() -> Vec<Fault> {
    vec![
        Fault::new(
            "duplicate-accepted",
            "Registers triggers whose id is taken",
            &["RT-10", "RT-11"],
            || accepting_code("duplicate_trigger_id"),
        ),
        Fault::new(
            "trigger-ids-unique-per-type",
            "Takes an id for free if the trigger that has it is of another type",
            &["RT-11", "RT-10"],
            || telling_apart_by("trigger_type"),
        ),
        Fault::new(
            "trigger-ids-unique-per-function",
            "Takes an id for free if the trigger that has it is for another function",
            &["RT-11", "RT-10"],
            || telling_apart_by("function_id"),
        ),
        Fault::new(
            "duplicate-of-the-newest-alone",
            "Compares an id with that of the session's newest trigger alone",
            &["RT-11", "RT-10"],
            || {
                let mut newest: BTreeMap<SessionId, Key> = BTreeMap::new();
                sending(move |sent| {
                    let key = key(sent.to, &sent.frame);
                    if is_success(&sent.frame) {
                        newest.insert(sent.to, key);
                    } else if is_duplicate(&sent.frame) && newest.get(&sent.to) != Some(&key) {
                        unset(&mut sent.frame, "", "error");
                    }
                })
            },
        ),
        Fault::new(
            "third-of-an-id-accepted",
            "Forgets with a refused duplicate that the id is taken",
            &["RT-10", "RT-11"],
            || {
                let mut refused: BTreeSet<Key> = BTreeSet::new();
                sending(move |sent| {
                    let key = key(sent.to, &sent.frame);
                    if is_duplicate(&sent.frame) && !refused.insert(key) {
                        unset(&mut sent.frame, "", "error");
                    }
                })
            },
        ),
        Fault::new(
            "identical-duplicate-accepted",
            "Answers the same registration again with success",
            &["RT-10", "RT-11"],
            || {
                remembering::<BTreeMap<Key, (Value, bool)>>(
                    |known, heard| {
                        if is(&heard.frame, "registertrigger") {
                            let known = known.entry(key(heard.from, &heard.frame));
                            let (first, same) =
                                known.or_insert_with(|| (heard.frame.clone(), false));
                            *same = *first == heard.frame;
                        }
                    },
                    |known, sent| {
                        let known = known.get(&key(sent.to, &sent.frame));
                        if is_duplicate(&sent.frame) && known.is_some_and(|(_, same)| *same) {
                            unset(&mut sent.frame, "", "error");
                        }
                    },
                )
            },
        ),
        Fault::new(
            "duplicate-takes-the-firsts-place",
            "Replaces a trigger by the next one of its id",
            &["RT-10", "RT-11"],
            || {
                remembering::<BTreeSet<Key>>(
                    |known, heard| {
                        if is(&heard.frame, "registertrigger")
                            && known.contains(&key(heard.from, &heard.frame))
                        {
                            heard.before.push(unregistration(&heard.frame));
                        }
                    },
                    |known, sent| {
                        if is_success(&sent.frame) {
                            known.insert(key(sent.to, &sent.frame));
                        }
                    },
                )
            },
        ),
        Fault::new(
            "refused-duplicate-ends-the-first",
            "Forgets the trigger that has an id when it refuses another one",
            &["RT-10"],
            || {
                remembering::<BTreeSet<Key>>(
                    |known, heard| {
                        let key = key(heard.from, &heard.frame);
                        if is(&heard.frame, "registertrigger") && known.contains(&key) {
                            heard.before.push(unregistration(&heard.frame));
                            refuse(heard, "duplicate_trigger_id");
                        }
                    },
                    |known, sent| {
                        if is_success(&sent.frame) {
                            known.insert(key(sent.to, &sent.frame));
                        }
                    },
                )
            },
        ),
    ]
}

fn sessions() -> Vec<Fault> {
    vec![
        Fault::new(
            "trigger-ids-unique-in-the-engine",
            "Takes an id for taken that another session's trigger has",
            &["D-03"],
            || {
                remembering::<BTreeMap<String, SessionId>>(
                    |taken, heard| {
                        let id = text(&heard.frame, "/id").unwrap_or_default();
                        if is(&heard.frame, "registertrigger")
                            && taken.get(id).is_some_and(|it| *it != heard.from)
                        {
                            refuse(heard, "duplicate_trigger_id");
                        }
                    },
                    |taken, sent| {
                        if is_success(&sent.frame) {
                            let (session, id) = key(sent.to, &sent.frame);
                            taken.insert(id, session);
                        }
                    },
                )
            },
        )
        .strict(),
        Fault::new(
            "functions-of-other-sessions-unknown",
            "Refuses triggers for functions that another session has registered",
            &["RT-03"],
            || {
                remembering::<BTreeSet<Key>>(
                    |own, heard| {
                        if is(&heard.frame, "registerfunction") {
                            own.insert(key(heard.from, &heard.frame));
                        }
                        let function = text(&heard.frame, "/function_id").unwrap_or_default();
                        if is(&heard.frame, "registertrigger")
                            && !function.starts_with("engine::")
                            && !own.contains(&(heard.from, function.to_owned()))
                        {
                            refuse(heard, "function_not_found");
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "ends-of-sessions-unnoticed",
            "Keeps what a session that has ended had registered",
            &["D-07"],
            || Undying,
        )
        .strict(),
    ]
}

/// The ends of sessions are nobody's business.
struct Undying;

impl Alter for Undying {
    fn notices_end(&mut self, _: SessionId) -> bool {
        false
    }
}
