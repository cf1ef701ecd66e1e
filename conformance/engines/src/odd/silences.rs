//! Where the documents say nothing, or leave out what an engine need not have.

use std::collections::BTreeSet;

use reference::core::{SessionId, Settings};
use serde_json::{Value, json};

use crate::{
    Alter, Altered, Heard, Other, Sent,
    frames::{alter, error, is, is_success, set, text},
    with::{answering, hearing, sending},
};

pub(super) fn engines() -> Vec<Other> {
    vec![
        Other::altered("own-texts", "Has texts of its own for every error", || {
            sending(|sent| {
                if sent.frame.get("error").is_some() {
                    alter(&mut sent.frame, "/error/message", |_| "no".to_owned());
                }
            })
        }),
        Other::altered(
            "own-refusals",
            "Tells of refused functions and types in frames of its own",
            || {
                sending(|sent| {
                    let kind = match text(&sent.frame, "/type") {
                        Some("functionregistrationresult") => "registrationrejected",
                        Some("triggertyperegistrationresult") => "typerejected",
                        _ => return,
                    };
                    set(&mut sent.frame, "", "type", kind);
                })
            },
        ),
        Other::altered(
            "acknowledging",
            "Tells of everything that it has registered, and of every result that it has it",
            || {
                hearing(|heard| {
                    let (kind, of) = match text(&heard.frame, "/type") {
                        Some("registerfunction") => ("functionregistered", "id"),
                        Some("registertriggertype") => ("triggertyperegistered", "id"),
                        Some("unregisterfunction" | "unregistertrigger") => ("unregistered", "id"),
                        Some("invocationresult") => ("resultreceived", "invocation_id"),
                        _ => return,
                    };
                    let id = heard.frame.get(of).cloned().unwrap_or_default();
                    let told = json!({"type": kind, of: id});
                    heard.said.push((heard.from, told));
                })
            },
        ),
        Other::altered(
            "silent-on-nonsense",
            "Says nothing of frames that it cannot read",
            || {
                sending(|sent| {
                    if is(&sent.frame, "error") {
                        sent.copies = 0;
                    }
                })
            },
        ),
        Other::altered(
            "strict-on-nonsense",
            "Closes the session of whoever sends nonsense",
            || sending(|sent| sent.close = is(&sent.frame, "error")),
        ),
        Other::altered(
            "bare",
            "Has no lists, no reattaching and no types of workers",
            || {
                hearing(|heard| {
                    let kind = text(&heard.frame, "/type").unwrap_or_default();
                    let function = text(&heard.frame, "/function_id").unwrap_or_default();
                    heard.keep = !matches!(kind, "reattach" | "registertriggertype")
                        && !function.starts_with("engine::");
                })
            },
        ),
        Other::altered(
            "ids-for-all",
            "Has one set of trigger ids for all sessions",
            TriggerIdsForAll::default,
        ),
        Other::altered(
            "plain-failures",
            "Answers every failed http request with 500",
            || {
                answering(|answer| {
                    if answer.status >= 500 {
                        answer.status = 500;
                        answer.headers.clear();
                        answer.body = b"Internal Server Error".to_vec();
                    }
                })
            },
        ),
        Other::new(
            "enforcing",
            "Holds payloads to the formats of functions",
            || {
                let settings = Settings {
                    enforce_formats: true,
                    ..Settings::default()
                };
                Altered::with(settings, sending(|_| {}))
            },
        ),
    ]
}

/// "Unique within a worker session" does not say that two sessions may have the same.
#[derive(Default)]
struct TriggerIdsForAll {
    taken: BTreeSet<(SessionId, String)>,
}

impl Alter for TriggerIdsForAll {
    fn hears(&mut self, heard: &mut Heard) {
        if is(&heard.frame, "unregistertrigger")
            && let Some(id) = text(&heard.frame, "/id")
        {
            self.taken.remove(&(heard.from, id.to_owned()));
        }
    }

    fn sends(&mut self, sent: &mut Sent) {
        if !is_success(&sent.frame) {
            return;
        }
        let Some(id) = text(&sent.frame, "/id").map(str::to_owned) else {
            return;
        };
        let others = |(session, taken): &(SessionId, String)| *session != sent.to && *taken == id;
        if self.taken.iter().any(others) {
            let message = format!("A trigger with ID '{id}' is already registered");
            let refused: Value = error("duplicate_trigger_id", &message);
            set(&mut sent.frame, "", "error", refused);
        } else {
            self.taken.insert((sent.to, id));
        }
    }

    fn notices_end(&mut self, session: SessionId) -> bool {
        self.taken.retain(|(of, _)| *of != session);
        true
    }
}
