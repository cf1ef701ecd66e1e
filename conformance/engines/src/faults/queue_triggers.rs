//! Messages: whom they are handed to, and when again (RT-03, RT-06, D-13).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::{
    firing::{
        Kept, arming_duplicates, calling_one_function, firing_once, firing_twice, never_firing,
    },
    shared::{ignoring, misreading, remembering, unregistration},
};
use crate::{
    Alter, Fault,
    frames::{alter, fired, is, is_call, is_trigger, set, text, unset},
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    [calls(), queues(), deliveries(), contents()]
        .into_iter()
        .flatten()
        .collect()
}

fn is_fired(frame: &Value) -> bool {
    fired(frame) == Some("queue")
}

fn is_enqueued(frame: &Value) -> bool {
    is_call(frame) && text(frame, "/function_id") == Some("enqueue")
}

/// Whether and whom messages call.
fn calls() -> Vec<Fault> {
    vec![
        // That messages come in by `enqueue` is no must.
        Fault::new(
            "queue-never-fires",
            "Registers queue triggers and calls no function for them",
            &["RT-06", "RT-03"],
            || never_firing("queue"),
        )
        .strict(),
        Fault::new(
            "queue-fires-once",
            "Calls the function of a queue trigger for the first message alone",
            &["RT-03"],
            || firing_once("queue"),
        ),
        Fault::new(
            "queue-fires-twice",
            "Calls the function of a queue trigger twice for a batch",
            &["D-13"],
            || firing_twice("queue"),
        )
        .strict(),
        Fault::new(
            "queue-calls-the-first-function",
            "Calls for each queue trigger of a session the function of its first one",
            &["RT-03", "RT-06"],
            || calling_one_function("queue", Kept::First),
        ),
        Fault::new(
            "refused-queue-trigger-fires",
            "Hands messages to a queue trigger whose id is taken",
            &["RT-10", "RT-16"],
            || arming_duplicates("queue"),
        ),
        Fault::new(
            "queue-calls-no-function-of-another-session",
            "Calls the function of a queue trigger if its own session has registered it",
            &["RT-03"],
            || {
                remembering::<BTreeSet<(SessionId, String)>>(
                    |own, heard| {
                        let function = text(&heard.frame, "/function_id").unwrap_or_default();
                        if is_trigger(&heard.frame, "queue") {
                            own.insert((heard.from, function.to_owned()));
                        }
                    },
                    |own, sent| {
                        let function = text(&sent.frame, "/function_id").unwrap_or_default();
                        if is_fired(&sent.frame) && !own.contains(&(sent.to, function.to_owned())) {
                            sent.copies = 0;
                        }
                    },
                )
            },
        ),
    ]
}

/// Which messages are whose.
fn queues() -> Vec<Fault> {
    vec![
        Fault::new(
            "queue-by-the-beginning-of-its-name",
            "Takes a message for one of each queue that its queue's name begins with",
            &["RT-06"],
            || {
                remembering::<BTreeSet<String>>(
                    |queues, heard| {
                        if is_trigger(&heard.frame, "queue") {
                            let name = text(&heard.frame, "/config/queue_name");
                            queues.extend(name.map(str::to_owned));
                        } else if is_enqueued(&heard.frame) {
                            alter(&mut heard.frame, "/data/queue_name", |name| {
                                let queue = queues.iter().find(|it| name.starts_with(*it));
                                queue.map_or(name, String::as_str).to_owned()
                            });
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "one-queue-a-session",
            "Forgets a session's queue trigger when another one is registered",
            &["RT-06", "RT-03"],
            || {
                remembering::<BTreeMap<SessionId, Value>>(
                    |known, heard| {
                        if is_trigger(&heard.frame, "queue") {
                            let before = known.insert(heard.from, heard.frame.clone());
                            let before = before.filter(|it| it.get("id") != heard.frame.get("id"));
                            heard.before.extend(before.as_ref().map(unregistration));
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "unregistered-queue-trigger-goes-on",
            "Hands messages to queue triggers that have been unregistered",
            &["CO-08"],
            || {
                ignoring(|it| {
                    is(it, "unregistertrigger") && text(it, "/trigger_type") == Some("queue")
                })
            },
        )
        .strict(),
        Fault::new(
            "message-without-a-trigger-lost",
            "Loses messages of queues that have no trigger yet",
            &["D-13"],
            || {
                remembering::<BTreeSet<String>>(
                    |known, heard| {
                        if is_trigger(&heard.frame, "queue") {
                            let name = text(&heard.frame, "/config/queue_name");
                            known.extend(name.map(str::to_owned));
                        } else if is_enqueued(&heard.frame) {
                            let name = text(&heard.frame, "/data/queue_name").unwrap_or_default();
                            heard.keep = known.contains(name);
                        }
                    },
                    |_, _| {},
                )
            },
        )
        .strict(),
    ]
}

/// How many messages are handed out at once, and when again.
fn deliveries() -> Vec<Fault> {
    let faults = vec![
        Fault::new(
            "batch-size-ignored",
            "Hands out batches of ten messages, whatever the config says",
            &["RT-06", "D-13"],
            || without("batch_size"),
        ),
        Fault::new(
            "batch-too-large-by-one",
            "Hands out a message more than the batch size says",
            &["RT-06", "D-13"],
            || {
                misreading(|frame| {
                    let size = frame.pointer("/config/batch_size").and_then(Value::as_u64);
                    if let Some(size) = size.filter(|it| *it > 0 && is_trigger(frame, "queue")) {
                        set(frame, "/config", "batch_size", size + 1);
                    }
                })
            },
        ),
        Fault::new(
            "visibility-timeout-ignored",
            "Keeps messages hidden for 30 seconds, whatever the config says",
            &["RT-06", "D-13"],
            || without("visibility_timeout"),
        ),
        Fault::new(
            "visibility-timeout-in-milliseconds",
            "Reads the visibility time-out as milliseconds",
            &["RT-06", "D-13"],
            || {
                misreading(|frame| {
                    let time = frame.pointer("/config/visibility_timeout");
                    if let Some(time) = time.and_then(Value::as_f64).filter(|it| *it >= 1.0)
                        && is_trigger(frame, "queue")
                    {
                        set(frame, "/config", "visibility_timeout", time / 1000.0);
                    }
                })
            },
        ),
        Fault::new(
            "failed-message-forgotten",
            "Takes a failed call for an acknowledgement of its messages",
            &["D-13"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "invocationresult") && heard.frame.get("error").is_some() {
                        set(&mut heard.frame, "", "result", Value::Null);
                        unset(&mut heard.frame, "", "error");
                    }
                })
            },
        ),
        Fault::new(
            "failed-message-ids-ignored",
            "Acknowledges all messages of a batch, also those that have failed",
            &["D-13"],
            || {
                hearing(|heard| {
                    if heard.frame.pointer("/result/failed_message_ids").is_some() {
                        set(&mut heard.frame, "", "result", Value::Null);
                    }
                })
            },
        ),
        Fault::new(
            "acknowledgement-lost",
            "Hands out messages again whose call has succeeded",
            &["D-13"],
            || {
                remembering::<BTreeSet<String>>(
                    |batches, heard| {
                        let call = text(&heard.frame, "/invocation_id").unwrap_or_default();
                        if is(&heard.frame, "invocationresult") && batches.remove(call) {
                            let lost = json!({"code": "lost", "message": "lost"});
                            unset(&mut heard.frame, "", "result");
                            set(&mut heard.frame, "", "error", lost);
                        }
                    },
                    |batches, sent| {
                        if is_fired(&sent.frame) {
                            let call = text(&sent.frame, "/invocation_id");
                            batches.extend(call.map(str::to_owned));
                        }
                    },
                )
            },
        ),
    ];
    faults.into_iter().map(Fault::strict).collect()
}

fn without(key: &'static str) -> impl Alter {
    hearing(move |heard| {
        if is_trigger(&heard.frame, "queue") {
            unset(&mut heard.frame, "/config", key);
        }
    })
}

/// What a batch is.
fn contents() -> Vec<Fault> {
    let faults = vec![
        Fault::new(
            "batch-in-reverse",
            "Hands out the messages of a batch newest first",
            &["D-13"],
            || in_messages(|messages| messages.reverse()),
        ),
        Fault::new(
            "attempts-from-nought",
            "Counts the attempts of a message from nought",
            &["D-13"],
            || {
                in_messages(|messages| {
                    for message in messages {
                        let attempt = message.get("attempt").and_then(Value::as_u64);
                        set(
                            message,
                            "",
                            "attempt",
                            attempt.map(|it| it.saturating_sub(1)),
                        );
                    }
                })
            },
        ),
        Fault::new(
            "message-data-as-text",
            "Hands out the data of messages as text",
            &["D-13"],
            || {
                in_messages(|messages| {
                    for message in messages {
                        let data = message.get("data").map(Value::to_string);
                        set(message, "", "data", data);
                    }
                })
            },
        ),
        Fault::new(
            "receipt-too-late",
            "Holds the receipts of messages back for ten seconds",
            &["D-13"],
            || {
                sending(|sent| {
                    if sent.frame.pointer("/result/messageReceiptId").is_some() {
                        sent.delay = Duration::from_secs(10);
                    }
                })
            },
        ),
    ];
    faults.into_iter().map(Fault::strict).collect()
}

fn in_messages(how: fn(&mut Vec<Value>)) -> impl Alter {
    sending(move |sent| {
        if let Some(Value::Array(messages)) = sent.frame.pointer_mut("/data/messages") {
            how(messages);
        }
    })
}
