//! Registering triggers: the checks before the answer (RT-01, RT-04 to RT-14).

use super::shared::{accepting, accepting_code, misreading, refusing, remembering};
use crate::{
    Fault,
    frames::{alter, code, is, is_refusal, is_trigger, set, text, unset},
};

pub(super) fn faults() -> Vec<Fault> {
    [checks(), readings()].into_iter().flatten().collect()
}

/// Checks that are left out, or made where they should not be.
fn checks() -> Vec<Fault> {
    vec![
        Fault::new(
            "unknown-type-accepted",
            "Registers triggers of types that nobody has registered",
            &["RT-07", "RT-13", "RT-16"],
            || accepting_code("trigger_type_not_found"),
        ),
        Fault::new(
            "unknown-function-accepted",
            "Registers triggers for functions that nobody has registered",
            &["RT-08", "RT-12", "RT-16"],
            || accepting_code("function_not_found"),
        ),
        Fault::new(
            "function-checked-for-http-alone",
            "Registers cron and queue triggers for functions that nobody has registered",
            &["RT-12", "RT-08"],
            || {
                accepting(|it| {
                    code(it) == Some("function_not_found")
                        && matches!(text(it, "/trigger_type"), Some("cron" | "queue"))
                })
            },
        ),
        Fault::new(
            "function-checked-by-its-beginning",
            "Takes a function for registered if the id of another one begins like it",
            &["RT-08", "RT-12"],
            || {
                remembering::<Vec<String>>(
                    |known, heard| {
                        if is(&heard.frame, "registerfunction")
                            && let Some(id) = text(&heard.frame, "/id")
                        {
                            known.push(id.to_owned());
                        }
                    },
                    |known, sent| {
                        let id = text(&sent.frame, "/function_id").unwrap_or_default();
                        if is_refusal(&sent.frame)
                            && code(&sent.frame) == Some("function_not_found")
                            && known.iter().any(|it| it != id && it.starts_with(id))
                        {
                            unset(&mut sent.frame, "", "error");
                        }
                    },
                )
            },
        ),
        Fault::new(
            "type-checked-by-its-beginning",
            "Takes `http-…` for `http`, and likewise for the other types of its own",
            &["RT-07", "RT-13"],
            || {
                misreading(|frame| {
                    alter(frame, "/trigger_type", |it| {
                        let own = ["http", "cron", "queue"];
                        let own = own.into_iter().find(|own| it.starts_with(own));
                        own.unwrap_or(it).to_owned()
                    });
                })
            },
        ),
        Fault::new(
            "invalid-config-accepted",
            "Registers triggers with configs that are wrong",
            &["RT-09", "RT-14"],
            || accepting_code("invalid_config"),
        ),
        Fault::new(
            "queue-config-unchecked",
            "Registers queue triggers with configs that are wrong",
            &["RT-09", "RT-14"],
            || {
                accepting(|it| {
                    code(it) == Some("invalid_config") && text(it, "/trigger_type") == Some("queue")
                })
            },
        ),
        Fault::new(
            "zone-unchecked",
            "Registers cron triggers with time zones that do not exist",
            &["RT-09", "RT-05"],
            || {
                accepting(|it| {
                    text(it, "/trigger_type") == Some("cron")
                        && text(it, "/error/message").is_some_and(|it| it.contains("zone"))
                })
            },
        ),
        Fault::new(
            "schedule-counted-and-not-read",
            "Counts the fields of a schedule and does not look at their values",
            &["RT-09"],
            || {
                misreading(|frame| {
                    alter(frame, "/config/schedule", |schedule| {
                        match schedule.split_whitespace().count() {
                            5 => "0 9 * * *".to_owned(),
                            _ => schedule.to_owned(),
                        }
                    });
                })
            },
        ),
        Fault::new(
            "missing-schedule-defaulted",
            "Registers cron triggers without a schedule",
            &["RT-14", "RT-09"],
            || {
                misreading(|frame| {
                    if is_trigger(frame, "cron") && text(frame, "/config/schedule").is_none() {
                        set(frame, "/config", "schedule", "0 0 * * *");
                    }
                })
            },
        ),
        Fault::new(
            "path-of-any-json-type",
            "Registers http triggers whose path is no string",
            &["RT-09", "RT-14"],
            || {
                misreading(|frame| {
                    let path = frame.pointer("/config/path");
                    if let Some(path) = path.filter(|it| !it.is_string())
                        && is_trigger(frame, "http")
                    {
                        let path = format!("/{}", path.to_string().len());
                        set(frame, "/config", "path", path);
                    }
                })
            },
        ),
    ]
}

/// Good registrations that are refused.
fn readings() -> Vec<Fault> {
    vec![
        Fault::new(
            "trigger-id-with-underscores-refused",
            "Refuses trigger ids with an underscore",
            &["RT-01"],
            || {
                refusing(
                    |it| text(it, "/id").is_some_and(|id| id.contains('_')),
                    "invalid_request",
                )
            },
        ),
        Fault::new(
            "path-of-two-segments-refused",
            "Refuses http triggers whose path has two segments",
            &["RT-04", "RT-01"],
            || {
                refusing(
                    |it| text(it, "/config/path").is_some_and(|it| it.matches('/').count() > 1),
                    "invalid_config",
                )
            },
        ),
        Fault::new(
            "zone-refused",
            "Refuses cron triggers with a time zone other than UTC",
            &["RT-05", "RT-01"],
            || {
                refusing(
                    |it| text(it, "/config/timezone").is_some_and(|it| it != "UTC"),
                    "invalid_config",
                )
            },
        ),
        Fault::new(
            "visibility-timeout-refused",
            "Refuses queue triggers with a visibility time-out",
            &["RT-06", "RT-01"],
            || {
                refusing(
                    |it| it.pointer("/config/visibility_timeout").is_some(),
                    "invalid_config",
                )
            },
        ),
    ]
}
