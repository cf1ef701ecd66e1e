//! A session that takes the place of an older one (CO-15).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Fault,
    frames::{is, is_registration, set, text},
    with::hearing,
};

fn reattaches(frame: &Value) -> bool {
    is(frame, "reattach")
}

pub(super) fn faults() -> Vec<Fault> {
    let faults = [
        Fault::new(
            "reattached-sessions-register-nothing",
            "Registers no function of a session that has taken the place of another",
            &["CO-15"],
            || {
                knowing::<BTreeSet<SessionId>>().hearing(|reattached, heard| {
                    if reattaches(&heard.frame) {
                        reattached.insert(heard.from);
                    }
                    heard.keep =
                        !(is_registration(&heard.frame) && reattached.contains(&heard.from));
                })
            },
        ),
        Fault::new(
            "reattaching-unproven",
            "Lets a session take the place of another whatever its token",
            &["CO-15"],
            || {
                // The tokens by the ids of the workers.
                knowing::<BTreeMap<String, String>>()
                    .sending(|tokens, sent| {
                        let field = |name| text(&sent.frame, name).map(str::to_owned);
                        let greeting = field("/worker_id").zip(field("/reattach_token"));
                        tokens.extend(greeting);
                    })
                    .hearing(|tokens, heard| {
                        let older = text(&heard.frame, "/previous_worker_id");
                        if let Some(token) = older.and_then(|it| tokens.get(it))
                            && reattaches(&heard.frame)
                        {
                            set(&mut heard.frame, "", "reattach_token", token.clone());
                        }
                    })
            },
        ),
        Fault::new(
            "reattaching-answered",
            "Answers a session that takes the place of another",
            &["CO-15"],
            || {
                hearing(|heard| {
                    if reattaches(&heard.frame) {
                        heard.said.push((heard.from, json!({"type": "reattach"})));
                    }
                })
            },
        ),
    ];
    faults.into_iter().map(Fault::strict).collect()
}
