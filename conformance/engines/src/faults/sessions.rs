//! How a session goes on beside what is registered and called: pings, its greeting, its end
//! (CO-03, CO-04, CO-10, CO-16, D-07).

use serde_json::json;

use crate::{
    Fault, Wire,
    frames::is,
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new(
            "pings-ignored",
            "Does not answer ping frames",
            &["CO-03"],
            || {
                sending(|sent| {
                    if is(&sent.frame, "pong") {
                        sent.copies = 0;
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
            &["D-07", "D-21"],
            || sending(|_| {}),
        )
        .strict()
        .on(Wire::WithoutCloses),
    ]
}
