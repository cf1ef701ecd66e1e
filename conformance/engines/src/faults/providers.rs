//! Trigger types that workers provide, and what their providers are asked (RT-13, CO-05).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::shared::{accepting, dropping, ignoring, refuse, remembering};
use crate::{
    Alter, Fault, Heard, Sent,
    frames::{
        alter, code, error, is, is_built_in, is_provided_trigger, is_refusal, set, text, unset,
    },
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    [types(), requests()].into_iter().flatten().collect()
}

/// The sessions that have registered types, with what they have registered.
type Providers = BTreeMap<String, SessionId>;

fn notes_provider(providers: &mut Providers, heard: &Heard) {
    if is(&heard.frame, "registertriggertype")
        && let Some(id) = text(&heard.frame, "/id")
    {
        providers.entry(id.to_owned()).or_insert(heard.from);
    }
}

fn provider_of(providers: &Providers, frame: &Value) -> Option<SessionId> {
    let trigger_type = text(frame, "/trigger_type")?;
    providers.get(trigger_type).copied()
}

/// Which types there are, for whom, and how long.
fn types() -> Vec<Fault> {
    vec![
        Fault::new(
            "type-unknown-to-its-provider",
            "Refuses triggers of a type that the session itself provides",
            &["RT-13"],
            || {
                remembering::<Providers>(
                    |providers, heard| {
                        notes_provider(providers, heard);
                        if is_provided_trigger(&heard.frame)
                            && provider_of(providers, &heard.frame) == Some(heard.from)
                        {
                            refuse(heard, "trigger_type_not_found");
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "one-type-a-session",
            "Takes a session's first trigger type and no further ones",
            &["RT-13"],
            || {
                remembering::<Providers>(
                    |providers, heard| {
                        if is(&heard.frame, "registertriggertype")
                            && providers.values().any(|it| *it == heard.from)
                        {
                            heard.keep = false;
                        }
                        notes_provider(providers, heard);
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "type-unknown-once-it-was-asked-for",
            "Refuses triggers of a type that was once unknown",
            &["RT-13"],
            || {
                remembering::<BTreeSet<String>>(
                    |unknown, heard| {
                        let asked_for = text(&heard.frame, "/trigger_type").unwrap_or_default();
                        if is(&heard.frame, "registertrigger") && unknown.contains(asked_for) {
                            refuse(heard, "trigger_type_not_found");
                        }
                    },
                    |unknown, sent| {
                        if is_refusal(&sent.frame)
                            && code(&sent.frame) == Some("trigger_type_not_found")
                        {
                            let asked_for = text(&sent.frame, "/trigger_type");
                            unknown.extend(asked_for.map(str::to_owned));
                        }
                    },
                )
            },
        ),
        Fault::new(
            "withdrawn-type-stays",
            "Forgets no trigger type that is withdrawn",
            &["CO-06", "RT-07"],
            || ignoring(|it| is(it, "unregistertriggertype")),
        )
        .strict(),
        Fault::new(
            "withdrawn-type-never-returns",
            "Takes a type that was withdrawn no more",
            &["CO-06"],
            || {
                remembering::<BTreeSet<String>>(
                    |withdrawn, heard| {
                        let id = text(&heard.frame, "/id").unwrap_or_default();
                        if is(&heard.frame, "unregistertriggertype") {
                            withdrawn.insert(id.to_owned());
                        } else if is(&heard.frame, "registertriggertype") {
                            heard.keep = !withdrawn.contains(id);
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
        Fault::new(
            "own-type-unlisted",
            "Leaves a type of the engine's own out of the list of types",
            &["D-05", "CO-17"],
            || {
                sending(|sent| {
                    if text(&sent.frame, "/function_id") == Some("engine::triggers::list")
                        && let Some(Value::Array(types)) =
                            sent.frame.pointer_mut("/result/triggers")
                    {
                        types.retain(|it| text(it, "/id") != Some("cron"));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "type-with-a-format-refused-and-taken",
            "Refuses a trigger type that has a format, and registers it all the same",
            &["CO-05"],
            || telling_of_types("registertriggertype", "trigger_request_format"),
        )
        .strict(),
        Fault::new(
            "withdrawal-of-a-type-refused-and-done",
            "Refuses to withdraw a trigger type, and withdraws it all the same",
            &["CO-06"],
            || telling_of_types("unregistertriggertype", "id"),
        )
        .strict(),
        Fault::new(
            "second-provider-not-told",
            "Says nothing to the second provider of a type",
            &["D-17"],
            || dropping(|it| is(it, "triggertyperegistrationresult")),
        )
        .strict(),
    ]
}

/// Checks that are left out for types of workers.
fn requests() -> Vec<Fault> {
    vec![
        Fault::new(
            "function-unchecked-for-provided-types",
            "Registers triggers of a worker's type for functions that nobody has registered",
            &["RT-08", "RT-12"],
            || accepting(|it| code(it) == Some("function_not_found") && !is_built_in(it)),
        ),
        Fault::new(
            "duplicate-unchecked-for-provided-types",
            "Registers triggers of a worker's type whose id is taken",
            &["RT-10", "RT-11"],
            || accepting(|it| code(it) == Some("duplicate_trigger_id") && !is_built_in(it)),
        ),
        Fault::new(
            "duplicate-handed-to-its-provider",
            "Hands triggers to their provider whose id is taken",
            &["RT-10", "CO-05"],
            || {
                remembering::<Providers>(notes_provider_of, |providers, sent| {
                    if let Some(provider) = provider_of(providers, &sent.frame)
                        && is_refusal(&sent.frame)
                        && code(&sent.frame) == Some("duplicate_trigger_id")
                    {
                        let mut asked = sent.frame.clone();
                        set(&mut asked, "", "type", "registertrigger");
                        set(&mut asked, "", "config", json!({}));
                        unset(&mut asked, "", "error");
                        sent.after.push((provider, asked));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "provider-asked-for-an-id-of-the-engines",
            "Hands triggers to their provider under an id of the engine's",
            &["RT-01", "CO-05"],
            || Renaming,
        )
        .strict(),
        Fault::new(
            "provider-asked-for-its-first-function",
            "Tells a provider for each trigger the function of its first one",
            &["RT-01", "CO-05"],
            || {
                let mut first: BTreeMap<SessionId, Value> = BTreeMap::new();
                sending(move |sent| {
                    if is_provided_trigger(&sent.frame) {
                        let function = sent.frame.get("function_id").cloned().unwrap_or_default();
                        let first = first.entry(sent.to).or_insert(function).clone();
                        set(&mut sent.frame, "", "function_id", first);
                    }
                })
            },
        ),
        Fault::new(
            "provider-not-told-of-unregistering",
            "Does not tell a provider that a trigger has been unregistered",
            &["CO-08"],
            || dropping(|it| is(it, "unregistertrigger")),
        )
        .strict(),
        Fault::new(
            "each-provider-asked",
            "Hands each trigger of a worker's type to all providers",
            &["CO-05"],
            || {
                remembering::<Providers>(notes_provider_of, |providers, sent| {
                    if is_provided_trigger(&sent.frame) {
                        let others: BTreeSet<SessionId> = providers.values().copied().collect();
                        let others = others.into_iter().filter(|it| *it != sent.to);
                        sent.after.extend(others.map(|it| (it, sent.frame.clone())));
                    }
                })
            },
        )
        .strict(),
    ]
}

/// Refuses what it does, of frames of a kind that have a field.
fn telling_of_types(kind: &'static str, field: &'static str) -> impl Alter {
    hearing(move |heard| {
        if is(&heard.frame, kind)
            && heard.frame.get(field).is_some()
            && let Some(id) = text(&heard.frame, "/id")
        {
            let refused = json!({
                "type": "triggertyperegistrationresult",
                "id": id,
                "error": error("invalid_request", "Trigger types are not changed while the engine runs"),
            });
            heard.said.push((heard.from, refused));
        }
    })
}

fn notes_provider_of(providers: &mut Providers, heard: &mut Heard) {
    notes_provider(providers, heard);
}

/// Providers see ids that are not their registrars'.
struct Renaming;

const PREFIX: &str = "engine-";

impl Alter for Renaming {
    fn hears(&mut self, heard: &mut Heard) {
        if is(&heard.frame, "triggerregistrationresult") {
            alter(&mut heard.frame, "/id", |id| id.replacen(PREFIX, "", 1));
        }
    }

    fn sends(&mut self, sent: &mut Sent) {
        if is_provided_trigger(&sent.frame) || is(&sent.frame, "unregistertrigger") {
            alter(&mut sent.frame, "/id", |id| format!("{PREFIX}{id}"));
        }
    }
}
