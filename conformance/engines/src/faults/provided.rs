//! Triggers of types that workers provide: configs, answers and calls (RT-03, RT-14, CO-05).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::shared::{accepting, dropping, refusing, remembering};
use crate::{
    Fault,
    frames::{
        code, is, is_built_in, is_call, is_provided_trigger, is_refusal, is_success, set, text,
    },
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    [configs(), answers(), firings()]
        .into_iter()
        .flatten()
        .collect()
}

/// What becomes of a config on its way to its provider.
fn configs() -> Vec<Fault> {
    vec![
        Fault::new(
            "provided-config-without-its-nulls",
            "Leaves fields that are null out of the configs of a worker's types",
            &["RT-14"],
            || {
                sending(|sent| {
                    if is_provided_trigger(&sent.frame)
                        && let Some(Value::Object(config)) = sent.frame.get_mut("config")
                    {
                        config.retain(|_, value| !value.is_null());
                    }
                })
            },
        ),
        Fault::new(
            "provided-config-with-rounded-numbers",
            "Rounds the numbers in configs of a worker's types",
            &["RT-14"],
            || {
                sending(|sent| {
                    if is_provided_trigger(&sent.frame)
                        && let Some(config) = sent.frame.get_mut("config")
                    {
                        round(config);
                    }
                })
            },
        ),
        Fault::new(
            "provided-config-of-text-alone",
            "Hands values of configs that are no text to their provider as text",
            &["RT-14"],
            || {
                sending(|sent| {
                    if is_provided_trigger(&sent.frame)
                        && let Some(Value::Object(config)) = sent.frame.get_mut("config")
                    {
                        for value in config.values_mut().filter(|it| !it.is_string()) {
                            *value = json!(value.to_string());
                        }
                    }
                })
            },
        ),
        Fault::new(
            "provided-config-checked-as-http",
            "Refuses configs of a worker's types whose path is no string",
            &["RT-14", "RT-13"],
            || {
                refusing(
                    |it| {
                        is_provided_trigger(it)
                            && it.pointer("/config/path").is_some_and(|it| !it.is_string())
                    },
                    "invalid_config",
                )
            },
        ),
        Fault::new(
            "provided-config-of-the-newest-trigger",
            "Hands a provider the config that it was handed before",
            &["RT-14", "RT-01"],
            || {
                let mut before: BTreeMap<SessionId, Value> = BTreeMap::new();
                sending(move |sent| {
                    if is_provided_trigger(&sent.frame) {
                        let config = sent.frame.get("config").cloned().unwrap_or_default();
                        if let Some(before) = before.insert(sent.to, config) {
                            set(&mut sent.frame, "", "config", before);
                        }
                    }
                })
            },
        ),
    ]
}

fn round(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|it| it.fract() != 0.0) {
                *value = json!(float.round());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        _ => {}
    }
}

/// What becomes of a provider's answer.
fn answers() -> Vec<Fault> {
    vec![
        Fault::new(
            "providers-success-not-passed-on",
            "Never tells a registrar that its provider has taken a trigger",
            &["RT-02", "RT-13"],
            || dropping(|it| is_success(it) && !is_built_in(it)),
        ),
        Fault::new(
            "providers-refusal-taken-for-success",
            "Registers triggers that their provider has refused",
            &["RT-16", "CO-05"],
            || accepting(|it| !is_built_in(it) && !is_own(code(it))),
        )
        .strict(),
        Fault::new(
            "providers-code-replaced",
            "Gives each refusal of a provider the code `invalid_config`",
            &["CO-05"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame)
                        && !is_built_in(&sent.frame)
                        && !is_own(code(&sent.frame))
                    {
                        set(&mut sent.frame, "/error", "code", "invalid_config");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "id-refused-by-a-provider-is-taken",
            "Takes an id for taken once a provider has refused a trigger of it",
            &["CO-05", "RT-16"],
            || {
                let mut refused: BTreeSet<(SessionId, String)> = BTreeSet::new();
                sending(move |sent| {
                    let id = text(&sent.frame, "/id").unwrap_or_default();
                    let key = (sent.to, id.to_owned());
                    if is_refusal(&sent.frame)
                        && !is_built_in(&sent.frame)
                        && !is_own(code(&sent.frame))
                    {
                        refused.insert(key);
                    } else if is_success(&sent.frame) && refused.contains(&key) {
                        let taken = json!({"code": "duplicate_trigger_id", "message": ""});
                        set(&mut sent.frame, "", "error", taken);
                    }
                })
            },
        )
        .strict(),
    ]
}

/// Whether a code is one that the engine gives itself.
fn is_own(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("trigger_type_not_found" | "function_not_found" | "duplicate_trigger_id")
    )
}

/// Whether the calls that a provider makes are made.
fn firings() -> Vec<Fault> {
    vec![
        Fault::new(
            "provided-trigger-calls-its-own-session-alone",
            "Makes none of a provider's calls of functions of other sessions",
            &["RT-03"],
            || {
                remembering::<(BTreeSet<SessionId>, BTreeSet<(SessionId, String)>)>(
                    |(providers, own), heard| {
                        let name = |field| text(&heard.frame, field).unwrap_or_default().to_owned();
                        if is(&heard.frame, "registertriggertype") {
                            providers.insert(heard.from);
                        } else if is(&heard.frame, "registerfunction") {
                            own.insert((heard.from, name("/id")));
                        } else if is_call(&heard.frame) && !is_for_the_engine(&heard.frame) {
                            heard.keep = !providers.contains(&heard.from)
                                || own.contains(&(heard.from, name("/function_id")));
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "provided-trigger-fires-once",
            "Makes the first of a provider's calls of a function that nobody waits for",
            &["RT-03", "CO-10"],
            || {
                remembering::<BTreeSet<(SessionId, String)>>(
                    |called, heard| {
                        if is_call(&heard.frame)
                            && heard.frame.get("invocation_id").is_none()
                            && !is_for_the_engine(&heard.frame)
                        {
                            let function = text(&heard.frame, "/function_id").unwrap_or_default();
                            heard.keep = called.insert((heard.from, function.to_owned()));
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
        Fault::new(
            "provided-trigger-fires-with-the-first-data",
            "Calls a function for a provider with the data of the first call",
            &["CO-10"],
            || {
                remembering::<BTreeMap<(SessionId, String), Value>>(
                    |first, heard| {
                        if is_call(&heard.frame)
                            && heard.frame.get("invocation_id").is_none()
                            && !is_for_the_engine(&heard.frame)
                        {
                            let function = text(&heard.frame, "/function_id").unwrap_or_default();
                            let data = heard.frame.get("data").cloned().unwrap_or_default();
                            let first = first.entry((heard.from, function.to_owned()));
                            let first = first.or_insert(data).clone();
                            set(&mut heard.frame, "", "data", first);
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
    ]
}

fn is_for_the_engine(frame: &Value) -> bool {
    text(frame, "/function_id").is_some_and(|it| it.starts_with("engine::") || it == "enqueue")
}
