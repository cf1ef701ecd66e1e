//! Functions that are gone without having been taken back (RF-01, RF-02).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::json;

use super::knowing::knowing;
use crate::{
    Fault,
    frames::{deny, function_id, id, is, is_answer, is_refusal, is_registration, is_workers_call},
    with::hearing,
};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "function-goes-with-a-refused-trigger",
            "Forgets a function when a trigger for it is refused",
            &["RF-01", "RF-02"],
            || {
                knowing::<BTreeMap<SessionId, String>>()
                    .sending(|refused, sent| {
                        if is_refusal(&sent.frame) {
                            refused.insert(sent.to, function_id(&sent.frame).to_owned());
                        }
                    })
                    .hearing(|refused, heard| {
                        let frame = refused.remove(&heard.from);
                        let frame = frame.map(|id| json!({"type": "unregisterfunction", "id": id}));
                        heard.before.extend(frame);
                    })
            },
        ),
        Fault::new(
            "function-goes-with-its-trigger",
            "Calls a function no more once a trigger of it was taken back",
            &["RF-01", "RF-02"],
            || {
                let mut bound: BTreeMap<(SessionId, String), String> = BTreeMap::new();
                let mut gone = BTreeSet::new();
                hearing(move |heard| {
                    let key = (heard.from, id(&heard.frame).to_owned());
                    if is(&heard.frame, "registertrigger") {
                        bound.insert(key, function_id(&heard.frame).to_owned());
                    } else if is(&heard.frame, "unregistertrigger") {
                        gone.extend(bound.remove(&key));
                    } else if is_registration(&heard.frame) {
                        gone.remove(id(&heard.frame));
                    } else if is_workers_call(&heard.frame)
                        && gone.contains(function_id(&heard.frame))
                    {
                        deny(heard);
                    }
                })
            },
        ),
        Fault::new(
            "function-goes-with-a-failure",
            "Forgets a function once its worker has answered a call with an error",
            &["RF-02", "RF-13"],
            || {
                let mut failed = BTreeSet::new();
                hearing(move |heard| {
                    if is_answer(&heard.frame) && heard.frame.get("error").is_some() {
                        failed.insert(function_id(&heard.frame).to_owned());
                    }
                    if is_workers_call(&heard.frame) && failed.contains(function_id(&heard.frame)) {
                        deny(heard);
                    }
                })
            },
        ),
        Fault::new(
            "function-goes-with-its-caller",
            "Forgets a function when a session that called it ends",
            &["RF-01", "RF-02"],
            || {
                #[derive(Default)]
                struct Called {
                    by: BTreeSet<(SessionId, String)>,
                    gone: BTreeSet<String>,
                }
                knowing::<Called>()
                    .hearing(|called, heard| {
                        if !is_workers_call(&heard.frame) {
                            return;
                        }
                        let id = function_id(&heard.frame).to_owned();
                        match called.gone.contains(&id) {
                            true => deny(heard),
                            false => _ = called.by.insert((heard.from, id)),
                        }
                    })
                    .noticing_ends(|called, session| {
                        let ended = called.by.iter().filter(|(by, _)| *by == session);
                        called.gone.extend(ended.map(|(_, id)| id.clone()));
                        true
                    })
            },
        ),
    ]
}
