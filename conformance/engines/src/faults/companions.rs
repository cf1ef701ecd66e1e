//! What the documents name without its shape, and what workers send beside it: the context of
//! calls, services, metadata, lists, telemetry, calls through a queue (CO-13 to CO-18, CO-20).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::{knowing::knowing, shared::ignoring};
use crate::{
    Alter, Binary, Fault,
    frames::{
        function_id, id, is, is_call, is_registration, is_unregistration, is_workers_call, set,
        text, unset,
    },
    with::{hearing, sending, taking},
};

pub(super) fn faults() -> Vec<Fault> {
    [
        context(),
        services(),
        metadata(),
        lists(),
        telemetry(),
        queues(),
    ]
    .into_iter()
    .flatten()
    .map(Fault::strict)
    .collect()
}

fn without(field: &'static str) -> impl Alter {
    sending(move |sent| {
        if is_workers_call(&sent.frame) {
            unset(&mut sent.frame, "", field);
        }
    })
}

fn context() -> Vec<Fault> {
    vec![
        Fault::new(
            "data-in-ascii",
            "Hands calls out with question marks for what is not ASCII",
            &["CO-09"],
            || {
                sending(|sent| {
                    let data = sent
                        .frame
                        .get("data")
                        .filter(|_| is_workers_call(&sent.frame));
                    let Some(data) = data.map(Value::to_string) else {
                        return;
                    };
                    let ascii = data.replace(|c: char| !c.is_ascii(), "?");
                    if let Ok(data) = ascii.parse::<Value>() {
                        set(&mut sent.frame, "", "data", data);
                    }
                })
            },
        ),
        Fault::new(
            "metadata-of-calls-lost",
            "Hands calls out without their metadata",
            &["CO-13"],
            || without("metadata"),
        ),
        Fault::new(
            "trace-of-calls-lost",
            "Hands calls out without their trace",
            &["CO-13"],
            || without("traceparent"),
        ),
        Fault::new(
            "baggage-of-calls-lost",
            "Hands calls out without their baggage",
            &["CO-13"],
            || without("baggage"),
        ),
    ]
}

fn services() -> Vec<Fault> {
    vec![
        Fault::new(
            "services-answered",
            "Answers the registration of a service",
            &["CO-14"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "registerservice") {
                        let id = id(&heard.frame);
                        let answer = json!({"type": "serviceregistrationresult", "id": id});
                        heard.said.push((heard.from, answer));
                    }
                })
            },
        ),
        Fault::new(
            "services-unknown",
            "Refuses services as messages that it does not know",
            &["CO-14"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "registerservice") {
                        set(&mut heard.frame, "", "type", "registersomething");
                    }
                })
            },
        ),
        Fault::new(
            "services-are-functions",
            "Registers services as functions",
            &["CO-14"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "registerservice") {
                        set(&mut heard.frame, "", "type", "registerfunction");
                    }
                })
            },
        ),
    ]
}

fn tells_of_itself(frame: &Value) -> bool {
    is_call(frame) && function_id(frame) == "engine::workers::register"
}

fn metadata() -> Vec<Fault> {
    vec![
        Fault::new(
            "worker-metadata-ignored",
            "Does not listen to what workers say about themselves",
            &["CO-16", "CO-17"],
            || ignoring(tells_of_itself),
        ),
        Fault::new(
            "worker-metadata-begins-anew",
            "Forgets the functions of a worker that says something about itself",
            &["CO-16"],
            || {
                knowing::<BTreeMap<SessionId, BTreeSet<String>>>().hearing(|functions, heard| {
                    let own = functions.entry(heard.from).or_default();
                    if is_registration(&heard.frame) {
                        own.insert(id(&heard.frame).to_owned());
                    } else if tells_of_itself(&heard.frame) {
                        let forget = |id| json!({"type": "unregisterfunction", "id": id});
                        heard
                            .before
                            .extend(std::mem::take(own).into_iter().map(forget));
                    }
                })
            },
        ),
    ]
}

/// Alters the entries of a list of the engine's own.
fn listing(list: &'static str, mut with: impl FnMut(&mut Vec<Value>) + Send) -> impl Alter {
    sending(move |sent| {
        if let Some(Value::Array(entries)) = sent.frame.pointer_mut(list) {
            with(entries);
        }
    })
}

fn lists() -> Vec<Fault> {
    vec![
        Fault::new(
            "unregistered-functions-listed",
            "Lists functions that were taken back",
            &["CO-07", "CO-17"],
            || {
                knowing::<BTreeSet<String>>()
                    .hearing(|gone, heard| {
                        if is_unregistration(&heard.frame) {
                            gone.insert(id(&heard.frame).to_owned());
                        }
                    })
                    .sending(|gone, sent| {
                        let functions = sent.frame.pointer_mut("/result/functions");
                        if let Some(Value::Array(functions)) = functions {
                            functions.extend(gone.iter().map(|it| json!({"function_id": it})));
                        }
                    })
            },
        ),
        Fault::new(
            "functions-listed-by-their-ids-alone",
            "Lists of functions nothing but their ids",
            &["CO-17"],
            || {
                listing("/result/functions", |functions| {
                    for function in functions {
                        *function = json!({"function_id": function.get("function_id")});
                    }
                })
            },
        ),
        Fault::new(
            "idle-workers-alone-listed",
            "Counts no calls in flight in its list of workers",
            &["CO-17"],
            || {
                listing("/result/workers", |workers| {
                    for worker in workers {
                        set(worker, "", "active_invocations", 0);
                    }
                })
            },
        ),
    ]
}

fn telemetry() -> Vec<Fault> {
    vec![
        Fault::new(
            "telemetry-read-as-frames",
            "Reads what stands behind the mark of telemetry as a frame",
            &["CO-18"],
            || {
                taking(|bytes| {
                    let text = bytes.get(4..).map(String::from_utf8_lossy);
                    text.map_or(Binary::Kept, |it| Binary::Read(it.into_owned()))
                })
            },
        ),
        Fault::new(
            "logs-unknown",
            "Ends sessions that send logs",
            &["CO-18"],
            || {
                taking(|bytes| match bytes.starts_with(b"LOGS") {
                    true => Binary::Fatal,
                    false => Binary::Kept,
                })
            },
        ),
        Fault::new(
            "metrics-refused",
            "Answers metrics with an error",
            &["CO-18"],
            || {
                taking(|bytes| match bytes.starts_with(b"MTRC") {
                    true => Binary::Read("{\"type\":\"metrics\"}".to_owned()),
                    false => Binary::Kept,
                })
            },
        ),
    ]
}

fn is_enqueued(frame: &Value) -> bool {
    is_call(frame) && text(frame, "/action/type") == Some("enqueue")
}

fn is_receipt(frame: &Value) -> bool {
    frame.pointer("/result/messageReceiptId").is_some()
}

fn queues() -> Vec<Fault> {
    vec![
        Fault::new(
            "receipts-by-number",
            "Gives receipts that are numbers",
            &["CO-20"],
            || {
                sending(|sent| {
                    if is_receipt(&sent.frame) {
                        set(&mut sent.frame, "/result", "messageReceiptId", 1);
                    }
                })
            },
        ),
        Fault::new(
            "enqueued-calls-at-once",
            "Makes enqueued calls like others, and answers them with their results",
            &["CO-20"],
            || {
                hearing(|heard| {
                    if is_enqueued(&heard.frame) {
                        unset(&mut heard.frame, "", "action");
                    }
                })
            },
        ),
        Fault::new(
            "receipts-dropped",
            "Gives no receipts for enqueued calls",
            &["CO-20"],
            || {
                sending(|sent| {
                    if is_receipt(&sent.frame) {
                        sent.copies = 0;
                    }
                })
            },
        ),
    ]
}
