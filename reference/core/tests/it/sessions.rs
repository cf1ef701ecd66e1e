//! Sessions: CO-02, CO-14 to CO-16, D-07, D-23.

use reference_core::{CloseCode, EventKind, SessionId, Unreadable};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Lab, Step, answer, invoke, register_function, register_trigger, registered, seconds, unregister,
};

fn reattach(greeting: &Value) -> Value {
    json!({
        "type": "reattach", "previous_worker_id": greeting["worker_id"],
        "reattach_token": greeting["reattach_token"],
    })
}

#[test]
fn a_session_is_greeted_with_an_id_and_a_token_of_its_own() {
    let mut lab = Lab::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (_, greeting) = lab.connect_greeted();
        assert_eq!(greeting.as_object().unwrap().len(), 3);
        for field in ["worker_id", "reattach_token"] {
            seen.push(Uuid::try_parse(greeting[field].as_str().unwrap()).unwrap());
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

/// Gives a session one of everything: a function, a trigger of each kind, a type.
fn furnish(lab: &mut Lab, session: SessionId, provider: SessionId) {
    lab.function(session, "f");
    lab.trigger_type(session, &format!("type of {}", session.0));
    let http = register_trigger("h", "http", "f", json!({"path": "/"}));
    assert_eq!(lab.ask(session, http), registered("h", "http", "f"));
    lab.send(session, register_trigger("b", "blob", "f", json!({})));
    let id = lab.only_frame(provider)["id"].clone();
    lab.send(provider, registered(id.as_str().unwrap(), "blob", "f"));
    assert_eq!(lab.only_frame(session), registered("b", "blob", "f"));
}

fn listed(lab: &mut Lab, session: SessionId, what: &str, field: &str) -> usize {
    let list = lab.ask(session, invoke("list", &format!("engine::{what}::list")));
    list["result"][field].as_array().unwrap().len()
}

#[test]
fn the_end_of_a_session_removes_all_and_only_what_is_its_own() {
    let mut lab = Lab::new();
    let provider = lab.connect();
    lab.trigger_type(provider, "blob");
    let (leaving, staying) = (lab.connect(), lab.connect());
    for session in [leaving, staying] {
        furnish(&mut lab, session, provider);
    }
    lab.function(leaving, "only here");
    assert_eq!(
        listed(
            &mut lab,
            provider,
            "registered-triggers",
            "registered_triggers"
        ),
        4
    );
    assert_eq!(listed(&mut lab, provider, "triggers", "triggers"), 3 + 3);
    lab.events();
    lab.disconnect(leaving);
    let ended = lab.events().remove(0);
    assert!(
        matches!(
            ended,
            EventKind::Ended {
                functions: 2,
                triggers: 2,
                trigger_types: 1,
                ..
            }
        ),
        "{ended}"
    );
    assert_eq!(lab.only_frame(provider)["type"], "unregistertrigger");
    assert_eq!(
        listed(
            &mut lab,
            provider,
            "registered-triggers",
            "registered_triggers"
        ),
        2
    );
    assert_eq!(listed(&mut lab, provider, "triggers", "triggers"), 3 + 2);
    assert!(!lab.serves("only here"));
    assert!(lab.serves("f"));
    assert_eq!(lab.only_frame(staying)["function_id"], "f");
    for id in ["h", "b"] {
        let again = register_trigger(id, "http", "f", json!({"path": "/"}));
        assert_eq!(
            lab.ask(staying, again)["error"]["code"],
            "duplicate_trigger_id"
        );
    }
}

#[test]
fn ids_of_an_ended_session_are_free_for_the_next() {
    let mut lab = Lab::new();
    let provider = lab.connect();
    lab.trigger_type(provider, "blob");
    for _ in 0..3 {
        let session = lab.connect();
        furnish(&mut lab, session, provider);
        lab.disconnect(session);
        assert_eq!(lab.only_frame(provider)["id"], "b");
    }
}

#[test]
fn frames_after_the_end_of_a_session_are_ignored() {
    let mut lab = Lab::new();
    let (session, caller) = (lab.connect(), lab.connect());
    lab.function(session, "f");
    lab.send(caller, invoke("c", "f"));
    let call = lab.only_frame(session);
    lab.disconnect(session);
    assert_eq!(lab.frames(caller).len(), 1);
    for step in [
        Step::Text(session, answer(&call, json!(1)).to_string()),
        Step::Text(session, register_function("f").to_string()),
        Step::Text(session, "?".to_owned()),
        Step::Binary(session, vec![0]),
        Step::Unreadable(session, Unreadable::NotUtf8),
        Step::Overflowed(session),
        Step::Disconnected(session),
        Step::Text(SessionId(999), r#"{"type":"ping"}"#.to_owned()),
    ] {
        lab.input(step);
        assert_eq!(lab.history.last().unwrap().effects, []);
    }
    assert!(!lab.serves("f"), "registered after the end");
}

#[test]
fn a_session_that_reads_too_slowly_is_closed_and_ends() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    lab.input(Step::Overflowed(worker));
    let closes = lab.closes();
    assert_eq!(closes, [(worker, CloseCode::TryAgainLater)]);
    assert_eq!(closes[0].1.number(), 1013);
    lab.assert_silent(worker);
    assert!(!lab.serves("f"));
}

#[test]
fn the_token_that_retires_a_session_is_not_printed() {
    let mut lab = Lab::new();
    let (_, greeting) = lab.connect_greeted();
    let token = greeting["reattach_token"].as_str().unwrap();
    let printed = format!("{:?}", lab.engine);
    assert!(printed.contains("Token(redacted)"), "{printed}");
    assert!(!printed.contains(token), "{printed}");
}

#[test]
fn the_right_token_retires_the_older_session_with_all_that_is_its_own() {
    let mut lab = Lab::new();
    let (older, greeting) = lab.connect_greeted();
    let (caller, other) = (lab.connect(), lab.connect());
    lab.function(older, "f");
    lab.function(other, "g");
    lab.send(caller, invoke("c", "f"));
    lab.frames(older);
    let newer = lab.connect();
    lab.quietly(newer, reattach(&greeting));
    assert_eq!(lab.closes(), [(older, CloseCode::Normal)]);
    lab.assert_silent(older);
    assert_eq!(
        lab.only_frame(caller)["error"]["code"],
        "invocation_stopped"
    );
    assert!(!lab.serves("f"));
    assert!(lab.serves("g"));
    lab.function(newer, "f");
    // The token was good once.
    lab.quietly(newer, reattach(&greeting));
    assert_eq!(lab.closes(), []);
    assert!(lab.serves("f"));
}

#[test]
fn a_wrong_token_is_ignored_and_logged() {
    let mut lab = Lab::new();
    let (older, greeting) = lab.connect_greeted();
    let (newer, own_greeting) = lab.connect_greeted();
    lab.function(older, "f");
    lab.events();
    let with = |field: &str, value: Value| {
        let mut frame = reattach(&greeting);
        frame[field] = value;
        frame
    };
    let wrong = [
        with("reattach_token", own_greeting["reattach_token"].clone()),
        with("reattach_token", greeting["worker_id"].clone()),
        with("reattach_token", json!("")),
        with("reattach_token", json!("no uuid")),
        with("previous_worker_id", json!("no uuid")),
        with("previous_worker_id", own_greeting["worker_id"].clone()),
        reattach(&own_greeting),
    ];
    for frame in wrong {
        lab.quietly(newer, frame);
        assert_eq!(lab.events(), [EventKind::ReattachIgnored]);
    }
    assert_eq!(lab.closes(), []);
    assert!(lab.serves("f"));
}

#[test]
fn the_token_of_an_ended_session_retires_nothing() {
    let mut lab = Lab::new();
    let (older, greeting) = lab.connect_greeted();
    lab.disconnect(older);
    let newer = lab.connect();
    lab.quietly(newer, reattach(&greeting));
    assert_eq!(lab.closes(), []);
}

#[test]
fn the_triggers_of_a_retired_provider_stay_for_its_next_session() {
    let mut lab = Lab::new();
    let (older, greeting) = lab.connect_greeted();
    lab.trigger_type(older, "blob");
    let registrar = lab.connect();
    furnish(&mut lab, registrar, older);
    let newer = lab.connect();
    lab.quietly(newer, reattach(&greeting));
    let announced = lab.ask(newer, json!({"type": "registertriggertype", "id": "blob"}));
    assert_eq!(announced["id"], "b");
    lab.assert_silent(registrar);
}

#[test]
fn a_stop_answers_the_calls_and_then_closes_every_session() {
    let mut lab = Lab::new();
    let (worker, caller, idle) = (lab.connect(), lab.connect(), lab.connect());
    lab.function(worker, "f");
    for id in ["a", "b"] {
        lab.send(caller, invoke(id, "f"));
    }
    lab.frames(worker);
    lab.input(Step::Shutdown);
    let answers = lab.frames(caller);
    for (frame, id) in answers.iter().zip(["a", "b"]) {
        assert_eq!(frame["invocation_id"], id);
        assert_eq!(frame["error"]["code"], "invocation_stopped");
    }
    assert_eq!(answers.len(), 2);
    let closes = lab.closes();
    assert_eq!(
        closes,
        [worker, caller, idle].map(|it| (it, CloseCode::ServiceRestart))
    );
    assert_eq!(closes[0].1.number(), 1012);
    let effects = &lab.history.last().unwrap().effects;
    let kinds: Vec<bool> = effects
        .iter()
        .filter(|it| !format!("{it:?}").starts_with("Report"))
        .map(|it| format!("{it:?}").starts_with("Close"))
        .collect();
    assert!(kinds.is_sorted(), "answers first: {effects:?}");
    assert_eq!(lab.next_deadline(), None);
    lab.send(worker, r#"{"type":"ping"}"#);
    lab.assert_silent(worker);
}

#[test]
fn a_stop_without_sessions_does_nothing() {
    let mut lab = Lab::new();
    lab.input(Step::Shutdown);
    assert_eq!(lab.history.last().unwrap().effects, []);
}

#[test]
fn an_introduction_may_come_in_any_form_and_is_never_needed() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let mut introduction = json!({
        "type": "invokefunction", "function_id": "engine::workers::register",
        "data": {"name": "orders-1", "runtime": "rust", "pid": 7},
    });
    lab.events();
    lab.quietly(worker, &introduction);
    let name = "orders-1".to_owned();
    assert_eq!(lab.events(), [EventKind::Described { name }]);
    introduction["action"] = json!({"type": "void"});
    lab.quietly(worker, &introduction);
    introduction["invocation_id"] = json!("c");
    lab.quietly(worker, &introduction);
    introduction["action"] = Value::Null;
    assert_eq!(lab.ask(worker, &introduction)["result"], Value::Null);
    for data in [json!(null), json!([]), json!({"name": 7}), json!("x")] {
        introduction["data"] = data;
        assert_eq!(lab.ask(worker, &introduction)["result"], Value::Null);
    }
}

#[test]
fn a_service_is_accepted_without_an_answer_and_takes_no_id() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    let service = json!({
        "type": "registerservice", "id": "orders", "name": "Orders",
        "description": "d", "parent_service_id": "shop",
    });
    lab.quietly(worker, &service);
    lab.quietly(worker, &service);
    lab.quietly(worker, json!({"type": "registerservice", "id": "orders"}));
    lab.function(worker, "orders");
    lab.quietly(worker, unregister("function", "orders"));
}

#[test]
fn time_alone_changes_nothing() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    assert_eq!(lab.next_deadline(), None);
    lab.advance(seconds(1_000_000));
    assert_eq!(lab.history.last().unwrap().effects, []);
    assert!(lab.serves("f"));
}
