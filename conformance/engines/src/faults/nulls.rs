//! Null where nothing belongs (RF-12).

use serde_json::{Map, Value};

use super::results::answering;
use crate::{
    Fault,
    frames::{is, is_refusal, is_workers_call, set},
    with::sending,
};

pub(super) fn faults() -> Vec<Fault> {
    let null = |frame: &mut Value, object: &str, field: &str| {
        set(frame, object, field, Value::Null);
    };
    vec![
        Fault::new(
            "calls-with-null-fields",
            "Sends null for what a caller did not give",
            &["RF-12"],
            move || {
                sending(move |sent| {
                    if is_workers_call(&sent.frame) {
                        for field in ["metadata", "traceparent", "baggage"] {
                            if sent.frame.get(field).is_none() {
                                null(&mut sent.frame, "", field);
                            }
                        }
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "results-with-a-null-error",
            "Says `error: null` beside a result",
            &["RF-12"],
            move || {
                answering(move |sent| {
                    if sent.frame.get("error").is_none() {
                        null(&mut sent.frame, "", "error");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "failures-with-a-null-result",
            "Says `result: null` beside an error",
            &["RF-12"],
            move || {
                answering(move |sent| {
                    if sent.frame.get("error").is_some() {
                        null(&mut sent.frame, "", "result");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "refusals-with-a-null-field",
            "Says `stacktrace: null` in the refusal of a trigger",
            &["RF-12"],
            move || {
                sending(move |sent| {
                    if is_refusal(&sent.frame) {
                        null(&mut sent.frame, "/error", "stacktrace");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "greeting-with-a-null-field",
            "Greets with `reattach_token: null`",
            &["RF-12", "CO-02"],
            move || {
                sending(move |sent| {
                    if is(&sent.frame, "workerregistered") {
                        null(&mut sent.frame, "", "reattach_token");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "list-with-null-fields",
            "Lists functions with null for what they were not registered with",
            &["RF-12"],
            move || {
                sending(|sent| {
                    if let Some(Value::Array(functions)) =
                        sent.frame.pointer_mut("/result/functions")
                    {
                        functions
                            .iter_mut()
                            .filter_map(Value::as_object_mut)
                            .for_each(with_nulls);
                    }
                })
            },
        )
        .strict(),
    ]
}

fn with_nulls(function: &mut Map<String, Value>) {
    for field in [
        "description",
        "request_format",
        "response_format",
        "metadata",
    ] {
        function.entry(field).or_insert(Value::Null);
    }
}
