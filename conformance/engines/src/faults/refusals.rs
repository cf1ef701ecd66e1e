//! Registering triggers: what a refusal says, and what becomes of its session (RT-07 to RT-10,
//! RT-16).

use std::collections::BTreeMap;

use reference::core::SessionId;
use serde_json::json;

use super::shared::{dropping, recoding, rewording};
use crate::{
    Fault,
    frames::{alter, code, is_refusal, set, text, unset},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    [refusals(), texts()].into_iter().flatten().collect()
}

/// What a refusal is, and what becomes of the session.
fn refusals() -> Vec<Fault> {
    vec![
        Fault::new(
            "unknown-type-code-of-its-own",
            "Refuses triggers of unknown types with `unknown_trigger_type`",
            &["RT-07"],
            || recoding("trigger_type_not_found", "unknown_trigger_type"),
        ),
        Fault::new(
            "unknown-function-code-of-its-own",
            "Refuses triggers for unknown functions with `trigger_function_not_found`",
            &["RT-08"],
            || recoding("function_not_found", "trigger_function_not_found"),
        ),
        Fault::new(
            "invalid-config-code-of-cron",
            "Refuses invalid schedules with `invalid_cron_expression`",
            &["RT-09"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame)
                        && text(&sent.frame, "/trigger_type") == Some("cron")
                        && code(&sent.frame) == Some("invalid_config")
                    {
                        set(&mut sent.frame, "/error", "code", "invalid_cron_expression");
                    }
                })
            },
        ),
        Fault::new(
            "invalid-config-code-of-http",
            "Refuses invalid configs of http triggers with `invalid_request`",
            &["RT-09"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame)
                        && text(&sent.frame, "/trigger_type") == Some("http")
                        && code(&sent.frame) == Some("invalid_config")
                    {
                        set(&mut sent.frame, "/error", "code", "invalid_request");
                    }
                })
            },
        ),
        Fault::new(
            "duplicate-code-of-its-own",
            "Refuses taken trigger ids with `trigger_already_exists`",
            &["RT-10"],
            || recoding("duplicate_trigger_id", "trigger_already_exists"),
        ),
        Fault::new(
            "codes-in-capitals",
            "Writes the codes of refusals in capitals",
            &["RT-07", "RT-08", "RT-09", "RT-10"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame) {
                        alter(&mut sent.frame, "/error/code", str::to_uppercase);
                    }
                })
            },
        ),
        Fault::new(
            "refusal-as-an-error-frame",
            "Refuses triggers with an `error` frame in the place of a result",
            &["RT-16", "RT-02"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame) {
                        set(&mut sent.frame, "", "type", "error");
                    }
                })
            },
        ),
        Fault::new(
            "refusal-in-an-errors-array",
            "Says in `errors` what is wrong with a trigger",
            &["RT-16"],
            || {
                sending(|sent| {
                    if is_refusal(&sent.frame) {
                        let error = sent.frame.get("error").cloned();
                        set(&mut sent.frame, "", "errors", json!([error]));
                        unset(&mut sent.frame, "", "error");
                    }
                })
            },
        ),
        Fault::new(
            "refusal-closes-the-session",
            "Closes the session behind the refusal of an invalid config",
            &["RT-16"],
            || {
                sending(|sent| {
                    sent.close =
                        is_refusal(&sent.frame) && code(&sent.frame) == Some("invalid_config");
                })
            },
        ),
        Fault::new(
            "third-refusal-closes-the-session",
            "Closes the session behind its third refusal",
            &["RT-16"],
            || {
                let mut refused: BTreeMap<SessionId, usize> = BTreeMap::new();
                sending(move |sent| {
                    if is_refusal(&sent.frame) {
                        let refused = refused.entry(sent.to).or_default();
                        *refused += 1;
                        sent.close = *refused == 3;
                    }
                })
            },
        ),
        Fault::new(
            "silent-after-a-refusal",
            "Answers nothing to a session after the refusal of a duplicate",
            &["RT-16"],
            || {
                let mut silent: Vec<SessionId> = Vec::new();
                sending(move |sent| {
                    if silent.contains(&sent.to) {
                        sent.copies = 0;
                    } else if is_refusal(&sent.frame)
                        && code(&sent.frame) == Some("duplicate_trigger_id")
                    {
                        silent.push(sent.to);
                    }
                })
            },
        ),
        Fault::new(
            "refusals-logged-only",
            "Does not answer registrations for unknown functions",
            &["RT-16", "RT-08", "RT-02"],
            || dropping(|it| is_refusal(it) && code(it) == Some("function_not_found")),
        ),
    ]
}

/// Texts that are nearly right.
fn texts() -> Vec<Fault> {
    let faults = vec![
        Fault::new(
            "unknown-type-text-with-a-stop",
            "Ends the message about an unknown type with a full stop",
            &["RT-07"],
            || rewording("trigger_type_not_found", |it| format!("{it}.")),
        ),
        Fault::new(
            "unknown-function-text-of-a-trigger",
            "Says of an unknown function that no trigger function is registered",
            &["RT-08"],
            || {
                rewording("function_not_found", |it| {
                    it.replace("No function", "No trigger function")
                })
            },
        ),
        Fault::new(
            "cron-text-in-double-quotes",
            "Quotes a wrong cron expression in double quotes",
            &["RT-09"],
            || rewording("invalid_config", |it| it.replace('\'', "\"")),
        ),
        Fault::new(
            "cron-text-cut-short",
            "Quotes the first word of a wrong cron expression alone",
            &["RT-09"],
            || {
                rewording("invalid_config", |it| match it.split_once(": '") {
                    Some((what, expression)) => {
                        let word = expression.split([' ', '\'']).next();
                        format!("{what}: '{}'", word.unwrap_or_default())
                    }
                    None => it.to_owned(),
                })
            },
        ),
        Fault::new(
            "duplicate-text-without-already",
            "Says of a taken trigger id that it is registered, and not that it already is",
            &["RT-10"],
            || rewording("duplicate_trigger_id", |it| it.replace("already ", "")),
        ),
    ];
    faults.into_iter().map(Fault::strict).collect()
}
