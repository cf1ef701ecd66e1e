//! How frames are read: their spelling, the fields that are in them, and null (CO-01, CO-19).

use serde_json::Value;

use crate::{
    Fault,
    frames::{is, is_call, is_registration, set, text, unset},
    with::{hearing, reading, sending},
};

/// The fields of a registration of a function.
const OF_A_FUNCTION: [&str; 7] = [
    "type",
    "id",
    "description",
    "request_format",
    "response_format",
    "metadata",
    "invocation",
];

pub(super) fn faults() -> Vec<Fault> {
    [spelling(), nulls()].into_iter().flatten().collect()
}

fn spelling() -> Vec<Fault> {
    vec![
        Fault::new(
            "type-read-first-alone",
            "Ignores frames whose type is not their first field",
            &["CO-01"],
            || {
                reading(|text| {
                    let object = text.trim_start().strip_prefix('{');
                    object.is_some_and(|it| it.trim_start().starts_with("\"type\""))
                })
            },
        )
        .strict(),
        Fault::new(
            "leading-white-space-unread",
            "Ignores frames that begin with white space",
            &["CO-01"],
            || reading(|text| text.starts_with('{')),
        )
        .strict(),
        Fault::new(
            "escapes-unread",
            "Reads the escapes of letters as what they are spelt with",
            &["CO-01"],
            || {
                reading(|text| {
                    *text = text.replace("\\u00", "u00");
                    true
                })
            },
        )
        .strict(),
        Fault::new(
            "unknown-fields-of-functions-refused",
            "Ignores registrations of functions with fields that it does not know",
            &["CO-01"],
            || {
                hearing(|heard| {
                    let known = |(name, _): (&String, &Value)| OF_A_FUNCTION.contains(&&**name);
                    heard.keep = !is_registration(&heard.frame)
                        || heard
                            .frame
                            .as_object()
                            .is_none_or(|it| it.iter().all(known));
                })
            },
        )
        .strict(),
    ]
}

fn nulls() -> Vec<Fault> {
    vec![
        Fault::new(
            "null-fields-of-functions-refused",
            "Ignores registrations of functions with fields that are null",
            &["CO-19"],
            || {
                hearing(|heard| {
                    let frame = &heard.frame;
                    heard.keep = !(is_registration(frame) && has_null(frame));
                })
            },
        )
        .strict(),
        Fault::new(
            "null-fields-of-invocations-refused",
            "Ignores registrations of functions with null in their `invocation`",
            &["CO-19"],
            || {
                hearing(|heard| {
                    let invocation = heard.frame.get("invocation");
                    heard.keep = !invocation.is_some_and(has_null);
                })
            },
        )
        .strict(),
        Fault::new(
            "missing-data-left-out",
            "Hands calls without data out without data",
            &["CO-19", "CO-09"],
            || {
                sending(|sent| {
                    if is_call(&sent.frame) && sent.frame.get("data") == Some(&Value::Null) {
                        unset(&mut sent.frame, "", "data");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "null-in-the-place-of-an-error-fails",
            "Takes an answer with null as its error for a failure",
            &["CO-19", "CO-11"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "invocationresult")
                        && heard.frame.get("error") == Some(&Value::Null)
                    {
                        set(&mut heard.frame, "", "error", "null");
                        unset(&mut heard.frame, "", "result");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "null-is-an-id-of-a-call",
            "Answers calls with null as their id",
            &["CO-19", "CO-10"],
            || {
                hearing(|heard| {
                    if is_call(&heard.frame)
                        && heard.frame.get("invocation_id") == Some(&Value::Null)
                    {
                        let answer = serde_json::json!({
                            "type": "invocationresult",
                            "invocation_id": null,
                            "function_id": text(&heard.frame, "/function_id"),
                            "result": null,
                        });
                        heard.said.push((heard.from, answer));
                    }
                })
            },
        )
        .strict(),
    ]
}

fn has_null(object: &Value) -> bool {
    object
        .as_object()
        .is_some_and(|it| it.values().any(Value::is_null))
}
