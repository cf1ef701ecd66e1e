//! How a session goes on beside what is registered and called: pings, its greeting, its end
//! (CO-03, CO-04, CO-10, CO-16, D-07).

use std::collections::BTreeMap;

use reference::core::SessionId;
use serde_json::{Value, json};

use super::knowing::knowing;
use crate::{
    Fault, Wire,
    frames::{is, set},
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "third-ping-ignored",
            "Answers two pings in a row, and no third",
            &["CO-03"],
            || {
                let mut in_a_row = BTreeMap::<SessionId, usize>::new();
                hearing(move |heard| {
                    let pings = in_a_row.entry(heard.from).or_default();
                    *pings = if is(&heard.frame, "ping") {
                        *pings + 1
                    } else {
                        0
                    };
                    heard.keep = *pings < 3;
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
