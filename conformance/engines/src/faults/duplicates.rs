//! Ids that are taken, and by whom (RF-09, RF-11).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Alter, Fault, Heard,
    frames::{
        code, deny, function_id, id, is, is_registration, is_unregistration, is_workers_call,
        refuse, unset,
    },
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = replacing();
    all.extend(miscounting());
    all.extend(telling());
    all.extend(other_sessions());
    all
}

/// What sessions have registered, and how.
#[derive(Default)]
struct Known(BTreeMap<(SessionId, String), Value>);

impl Known {
    /// What was registered before under the id of a registration.
    fn first(&mut self, heard: &Heard) -> Option<Value> {
        let key = (heard.from, id(&heard.frame).to_owned());
        if is_unregistration(&heard.frame) {
            self.0.remove(&key);
        }
        if !is_registration(&heard.frame) {
            return None;
        }
        let first = self.0.get(&key).cloned();
        self.0.entry(key).or_insert_with(|| heard.frame.clone());
        first
    }
}

/// Does something with the registration of an id that is taken, which may be told from the first.
fn with_duplicates(mut with: impl FnMut(&mut Heard, &Value) + Send) -> impl Alter {
    let mut known = Known::default();
    hearing(move |heard| {
        if let Some(first) = known.first(heard) {
            with(heard, &first);
        }
    })
}

fn taking_back(frame: &Value) -> Value {
    json!({"type": "unregisterfunction", "id": id(frame)})
}

fn is_duplicate(frame: &Value) -> bool {
    is(frame, "functionregistrationresult") && code(frame) == Some("duplicate_function_id")
}

fn replacing() -> Vec<Fault> {
    vec![
        Fault::new(
            "duplicate-replaces",
            "Puts a duplicate into the place of the first",
            &["RF-09", "RF-11"],
            || with_duplicates(|heard, _| heard.before.push(taking_back(&heard.frame))),
        ),
        Fault::new(
            "worker-replaces-an-endpoint",
            "Puts a duplicate that its worker serves into the place of an endpoint",
            &["RF-09", "RF-11"],
            || {
                with_duplicates(|heard, first| {
                    if first.get("invocation").is_some() && heard.frame.get("invocation").is_none()
                    {
                        heard.before.push(taking_back(&heard.frame));
                    }
                })
            },
        ),
        Fault::new(
            "endpoint-replaces-an-endpoint",
            "Puts a duplicate with an endpoint into the place of one with an endpoint",
            &["RF-09", "RF-11"],
            || {
                with_duplicates(|heard, first| {
                    if first.get("invocation").is_some() && heard.frame.get("invocation").is_some()
                    {
                        heard.before.push(taking_back(&heard.frame));
                    }
                })
            },
        ),
        Fault::new(
            "duplicate-takes-the-first-along",
            "Takes the first away when it refuses a duplicate",
            &["RF-09"],
            || with_duplicates(|heard, _| heard.frame = taking_back(&heard.frame)),
        ),
        Fault::new(
            "second-duplicate-replaces",
            "Puts the second duplicate of an id into the place of the first registration",
            &["RF-09", "RF-11"],
            || {
                let mut refused = BTreeSet::new();
                with_duplicates(move |heard, _| {
                    if !refused.insert((heard.from, id(&heard.frame).to_owned())) {
                        heard.before.push(taking_back(&heard.frame));
                    }
                })
            },
        ),
    ]
}

fn miscounting() -> Vec<Fault> {
    vec![
        Fault::new(
            "duplicate-counted",
            "Keeps a function until it is taken back as often as it was registered",
            &["RF-10", "RF-09"],
            || {
                let mut count: BTreeMap<(SessionId, String), usize> = BTreeMap::new();
                hearing(move |heard| {
                    let key = (heard.from, id(&heard.frame).to_owned());
                    if is_registration(&heard.frame) {
                        *count.entry(key).or_default() += 1;
                    } else if is_unregistration(&heard.frame)
                        && let Some(count) = count.get_mut(&key)
                        && *count > 0
                    {
                        *count -= 1;
                        heard.keep = *count == 0;
                    }
                })
            },
        ),
        Fault::new(
            "duplicate-blocks-its-id",
            "Keeps an id for ever once a duplicate of it was refused",
            &["RF-10"],
            || {
                let mut refused = BTreeSet::new();
                let mut known = Known::default();
                hearing(move |heard| {
                    let key = (heard.from, id(&heard.frame).to_owned());
                    if known.first(heard).is_some() {
                        refused.insert(key);
                    } else if is_registration(&heard.frame) && refused.contains(&key) {
                        refuse(heard);
                    }
                })
            },
        ),
        Fault::new(
            "duplicate-blocks-its-session",
            "Registers nothing more of a session that tried a duplicate",
            &["RF-10", "RF-01"],
            || {
                let mut blocked = BTreeSet::new();
                let mut known = Known::default();
                hearing(move |heard| {
                    if is_registration(&heard.frame) && blocked.contains(&heard.from) {
                        heard.keep = false;
                    }
                    if known.first(heard).is_some() {
                        blocked.insert(heard.from);
                    }
                })
            },
        ),
        Fault::new(
            "duplicate-closes-its-session",
            "Closes the session that tries a duplicate",
            &["RF-10"],
            || {
                sending(|sent| {
                    if is_duplicate(&sent.frame) {
                        sent.close = true;
                    }
                })
            },
        ),
    ]
}

fn telling() -> Vec<Fault> {
    vec![
        Fault::new(
            "duplicate-untold",
            "Refuses a duplicate and says nothing",
            &["RF-09"],
            || {
                sending(|sent| {
                    if is_duplicate(&sent.frame) {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "duplicate-told-as-success",
            "Refuses a duplicate and says that it was registered",
            &["RF-09"],
            || {
                sending(|sent| {
                    if is_duplicate(&sent.frame) {
                        unset(&mut sent.frame, "", "error");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "second-duplicate-untold",
            "Tells a session of the first duplicate that it tries, and of no later one",
            &["RF-09"],
            || {
                let mut told = BTreeSet::new();
                sending(move |sent| {
                    if is_duplicate(&sent.frame) && !told.insert(sent.to) {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
    ]
}

fn other_sessions() -> Vec<Fault> {
    vec![
        Fault::new(
            "ids-of-the-whole-engine",
            "Refuses an id that another session has registered",
            &["RF-11", "D-03"],
            || taken_by_others(true),
        )
        .strict(),
        Fault::new(
            "ids-of-ended-sessions",
            "Refuses an id that a session had registered which has ended",
            &["D-07", "RF-11"],
            || taken_by_others(false),
        )
        .strict(),
        Fault::new(
            "anyone-may-unregister",
            "Lets a session take back what another one has registered",
            &["D-15", "D-16"],
            || {
                #[derive(Default)]
                struct Owners {
                    of: BTreeMap<String, SessionId>,
                    gone: BTreeSet<String>,
                }
                knowing::<Owners>().hearing(|owners, heard| {
                    let id = id(&heard.frame).to_owned();
                    if is_registration(&heard.frame) {
                        owners.gone.remove(&id);
                        owners.of.insert(id, heard.from);
                    } else if is_unregistration(&heard.frame) && owners.of.contains_key(&id) {
                        owners.gone.insert(id);
                    } else if owners.gone.contains(function_id(&heard.frame))
                        && is_workers_call(&heard.frame)
                    {
                        deny(heard);
                    }
                })
            },
        )
        .strict(),
    ]
}

/// Refuses ids of other sessions, of those that live or of those that have ended.
fn taken_by_others(live: bool) -> impl Alter {
    type Owners = (BTreeMap<String, BTreeSet<SessionId>>, BTreeSet<SessionId>);
    fn hears((owners, ended): &mut Owners, heard: &mut Heard, live: bool) {
        let owners = owners.entry(id(&heard.frame).to_owned()).or_default();
        if is_unregistration(&heard.frame) {
            owners.remove(&heard.from);
        }
        if !is_registration(&heard.frame) {
            return;
        }
        let taken = |it: &&SessionId| **it != heard.from && ended.contains(it) != live;
        if owners.iter().any(|it| taken(&it)) {
            refuse(heard);
        } else {
            owners.insert(heard.from);
        }
    }
    let fault = knowing::<Owners>().noticing_ends(|(_, ended), session| {
        ended.insert(session);
        true
    });
    match live {
        true => fault.hearing(|owners, heard| hears(owners, heard, true)),
        false => fault.hearing(|owners, heard| hears(owners, heard, false)),
    }
}
