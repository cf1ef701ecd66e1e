//! Lines of the log: whom they are about.

use reference_core::{Effect, EventKind, SessionId};
use serde_json::json;

use crate::{
    functions::{URL, http_function},
    support::{Ended, Lab, invoke, seconds},
};

/// The worker of the line that the last input has added on a call that failed.
fn whose_call_failed(lab: &Lab) -> String {
    let effects = &lab.history.last().unwrap().effects;
    let mut failures = effects.iter().filter_map(|effect| match effect {
        Effect::Report(event)
            if matches!(
                event.kind,
                EventKind::CallFailed { .. } | EventKind::RequestFailed { .. }
            ) =>
        {
            Some(event.worker.to_string())
        }
        _ => None,
    });
    let worker = failures.next().expect("a call has failed");
    assert_eq!(failures.next(), None);
    worker
}

#[test]
fn a_call_that_fails_is_its_callers() {
    let ways: [fn(&mut Lab, SessionId); 5] = [
        |lab, caller| lab.send(caller, invoke("c", "unknown")),
        |lab, caller| {
            let mut call = invoke("c", "engine::functions::list");
            call["action"] = json!({"type": "enqueue", "queue": "q"});
            lab.send(caller, call);
        },
        |lab, caller| lab.send(caller, invoke("c", "engine::queue::peek")),
        |lab, caller| {
            lab.send(caller, invoke("c", "worker"));
            lab.tick_at(lab.clock + seconds(30));
        },
        |lab, caller| {
            lab.send(caller, invoke("c", "endpoint"));
            lab.end_request(Ended::Failed("refused".to_owned()));
        },
    ];
    for way in ways {
        let mut lab = Lab::new();
        let (worker, (caller, greeting)) = (lab.connect(), lab.connect_greeted());
        lab.function(worker, "worker");
        lab.quietly(worker, http_function("endpoint", json!({"url": URL})));
        way(&mut lab, caller);
        assert_eq!(whose_call_failed(&lab), greeting["worker_id"]);
    }
}
