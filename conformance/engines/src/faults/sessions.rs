//! How a session goes on beside what is registered and called: pings, its greeting, its end
//! (CO-02 to CO-04, CO-10, CO-16, D-07, D-10).

use std::{collections::BTreeMap, time::Duration};

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Alter, Fault, Wire,
    frames::{is, is_registration, is_result, set},
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "third-ping-ignored",
            "Answers two pings in a row, and no third",
            &["CO-03"],
            || pings_in_a_row(|pings| pings < 3),
        )
        .strict(),
        Fault::new(
            "second-ping-ignored",
            "Answers one ping in a row, and no second",
            &["CO-03"],
            || pings_in_a_row(|pings| pings != 2),
        )
        .strict(),
        Fault::new(
            "pongs-unknown",
            "Refuses pongs as messages that it does not know",
            &["CO-03"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "pong") {
                        set(&mut heard.frame, "", "type", "pang");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "greets-with-each-function",
            "Greets a session anew for each function that it registers",
            &["CO-02"],
            || {
                knowing::<BTreeMap<SessionId, Value>>()
                    .sending(|greetings, sent| {
                        if is(&sent.frame, "workerregistered") {
                            greetings.insert(sent.to, sent.frame.clone());
                        }
                    })
                    .hearing(|greetings, heard| {
                        if is_registration(&heard.frame)
                            && let Some(greeting) = greetings.get(&heard.from)
                        {
                            heard.said.push((heard.from, greeting.clone()));
                        }
                    })
            },
        )
        .strict(),
        Fault::new(
            "answers-overtaken",
            "Holds every other answer to a trigger back, so that later frames overtake it",
            &["D-10"],
            || {
                let mut answers = 0;
                sending(move |sent| {
                    if is_result(&sent.frame) {
                        answers += 1;
                        sent.delay = Duration::from_millis(30 * (answers % 2));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "one-worker-id-for-all",
            "Greets every session with the same worker id",
            &["CO-02"],
            || {
                sending(|sent| {
                    if is(&sent.frame, "workerregistered") {
                        let same = "6f9f1a52-5a0c-4bbd-9a43-6a1f0d5c7e21";
                        set(&mut sent.frame, "", "worker_id", same);
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "calls-without-an-id-answered",
            "Answers calls that have no id, with an id of its own",
            &["CO-10", "CO-16"],
            || {
                hearing(|heard| {
                    if is(&heard.frame, "invokefunction")
                        && heard.frame.get("invocation_id").is_none()
                    {
                        let answer = json!({
                            "type": "invocationresult",
                            "invocation_id": "6f9f1a52-5a0c-4bbd-9a43-6a1f0d5c7e21",
                            "function_id": heard.frame.get("function_id"),
                            "result": null,
                        });
                        heard.said.push((heard.from, answer));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "every-connection-a-worker",
            "Lists every session as a worker, those for telemetry included",
            &["CO-17", "CO-18"],
            || {
                knowing::<BTreeMap<SessionId, Value>>()
                    .sending(|greeted, sent| {
                        if is(&sent.frame, "workerregistered") {
                            let id = sent.frame.get("worker_id").cloned();
                            greeted.extend(id.map(|id| (sent.to, id)));
                        }
                        if let Some(Value::Array(workers)) =
                            sent.frame.pointer_mut("/result/workers")
                        {
                            let listed =
                                |id: &Value| workers.iter().any(|it| it.get("id") == Some(id));
                            let silent = greeted.values().filter(|id| !listed(id));
                            let silent: Vec<_> = silent.map(|id| json!({"id": id})).collect();
                            workers.extend(silent);
                        }
                    })
                    .noticing_ends(|greeted, session| {
                        greeted.remove(&session);
                        true
                    })
            },
        )
        .strict(),
        Fault::new(
            "websocket-pings-ignored",
            "Does not answer the pings of WebSockets",
            &["CO-04"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithoutPongs),
        Fault::new(
            "websocket-pongs-without-payload",
            "Answers the pings of WebSockets without their payload",
            &["CO-04"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithEmptyPongs),
        Fault::new(
            "websocket-pongs-of-the-first-ping",
            "Answers the pings of WebSockets with the payload of the first",
            &["CO-04"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithStalePongs),
        Fault::new(
            "close-frames-unanswered",
            "Ends connections without a Close frame",
            &["D-21", "D-07"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithoutCloses),
        Fault::new(
            "going-away-ignored",
            "Keeps the connections of workers that say that they are going away",
            &["D-07"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithoutGoingAway),
    ]
}

/// Ignores pings by how many there have been in a row, the one counted that has come.
fn pings_in_a_row(answers: fn(usize) -> bool) -> impl Alter {
    let mut in_a_row = BTreeMap::<SessionId, usize>::new();
    hearing(move |heard| {
        let pings = in_a_row.entry(heard.from).or_default();
        *pings = match is(&heard.frame, "ping") {
            true => *pings + 1,
            false => 0,
        };
        heard.keep = *pings == 0 || answers(*pings);
    })
}
