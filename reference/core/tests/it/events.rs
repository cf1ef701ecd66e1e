//! Lines of the log: whom they are about.

use reference_core::{Effect, Event, EventKind, SessionId, Settings};
use serde_json::json;

use crate::{
    functions::{URL, http_function},
    support::{Ended, Lab, answer, invoke, seconds},
};

/// The line that the last input has added on a call that failed.
fn failure(lab: &Lab) -> &Event {
    let effects = &lab.history.last().unwrap().effects;
    let mut failures = effects.iter().filter_map(|effect| match effect {
        Effect::Report(event)
            if matches!(
                event.kind,
                EventKind::CallFailed { .. } | EventKind::RequestFailed { .. }
            ) =>
        {
            Some(event)
        }
        _ => None,
    });
    let event = failures.next().expect("a call has failed");
    assert_eq!(failures.next(), None);
    event
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
        assert_eq!(failure(&lab).worker.to_string(), greeting["worker_id"]);
    }
}

#[test]
fn a_call_that_fails_is_named_as_whoever_waits_for_it_or_else_serves_it_knows_it() {
    for is_void in [false, true] {
        let mut lab = Lab::new();
        let (worker, caller) = (lab.connect(), lab.connect());
        lab.function(worker, "f");
        let mut call = invoke("c", "f");
        if is_void {
            call["action"] = json!({"type": "void"});
        }
        lab.send(caller, call);
        let handed = lab.only_frame(worker);
        let name = if is_void {
            handed["invocation_id"].clone()
        } else {
            json!("c")
        };
        lab.tick_at(lab.clock + seconds(30));
        let (_, invocation) = failure(&lab).kind.invocation().unwrap();
        assert_eq!(json!(invocation), name);
    }
}

#[test]
fn a_request_that_fails_for_nobody_has_a_name() {
    let mut lab = Lab::new();
    let session = lab.connect();
    lab.quietly(session, http_function("f", json!({"url": URL})));
    lab.send(
        session,
        json!({"type": "invokefunction", "function_id": "f", "data": 1}),
    );
    lab.end_request(Ended::Failed("refused".to_owned()));
    let (_, invocation) = failure(&lab).kind.invocation().unwrap();
    assert!(invocation.is_some());
}

#[test]
fn a_call_that_is_not_made_has_its_callers_name_or_none() {
    let mut lab = Lab::new();
    let session = lab.connect();
    lab.send(
        session,
        json!({"type": "invokefunction", "function_id": "f", "data": 1}),
    );
    assert_eq!(failure(&lab).kind.invocation(), Some(("f", None)));
}

/// What the log says of calls, each with the name of its call.
fn told_of_calls(lab: &Lab) -> Vec<String> {
    let effects = lab.history.iter().flat_map(|it| &it.effects);
    let told = effects.filter_map(|effect| match effect {
        Effect::Report(Event { kind, .. }) => {
            let (function, call) = kind.invocation()?;
            Some(format!("{function} {}: {kind}", call.unwrap_or_default()))
        }
        _ => None,
    });
    told.collect()
}

#[test]
fn calls_that_do_not_fail_are_reported_on_request() {
    for report_calls in [false, true] {
        let mut lab = Lab::with(Settings {
            report_calls,
            ..Settings::default()
        });
        let (worker, caller) = (lab.connect(), lab.connect());
        lab.function(worker, "f");
        lab.quietly(worker, http_function("endpoint", json!({"url": URL})));
        for id in ["result", "error"] {
            lab.send(caller, invoke(id, "f"));
            let call = lab.frames_of_type(worker, "invokefunction").remove(0);
            let mut answer = answer(&call, json!("a payload"));
            if id == "error" {
                answer["error"] = json!({"code": "own", "message": "a payload"});
            }
            lab.send(worker, answer);
        }
        lab.send(caller, invoke("request", "endpoint"));
        lab.end_request(Ended::Failed("refused".to_owned()));
        let told = told_of_calls(&lab);
        let failed = told.iter().filter(|it| it.contains("failed"));
        assert_eq!(failed.count(), 1, "{told:?}");
        let others = [
            "f result: called function `f`",
            "f result: call of function `f` answered",
            "f error: called function `f`",
            "f error: call of function `f` answered with an error",
            "endpoint request: called function `endpoint`",
            "endpoint request: call of function `endpoint` answered with an error",
        ];
        for line in others {
            assert_eq!(told.iter().any(|it| it == line), report_calls, "{told:?}");
        }
        assert!(!told.iter().any(|it| it.contains("payload")), "{told:?}");
    }
}
