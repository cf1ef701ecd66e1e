//! Providers that are slow, silent, gone or back, and those who pose as one: D-10, D-17, D-19.

use reference_core::{EventKind, SessionId, Settings};
use serde_json::{Value, json};

use crate::{
    support::{Lab, Step, invoke, refused, register_trigger, registered, seconds, unregister},
    trigger_types::{accept, accepted, blob, provided, refused_with, withdrawn},
};

#[test]
fn the_id_is_taken_while_the_provider_is_awaited() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("t"));
    refused_with("t", "duplicate_trigger_id", &lab.ask(registrar, blob("t")));
    lab.send(provider, accept("t"));
    assert_eq!(lab.only_frame(registrar), accept("t"));
}

#[test]
fn waiting_for_a_provider_holds_nothing_else_back() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("slow"));
    let quick = register_trigger("quick", "http", "f", json!({"path": "/"}));
    assert_eq!(lab.ask(registrar, quick), registered("quick", "http", "f"));
    assert_eq!(
        lab.ask(registrar, json!({"type": "ping"})),
        json!({"type": "pong"})
    );
    // Answers come in the provider's order, not in that of the requests.
    lab.send(registrar, blob("slower"));
    lab.send(provider, accept("slower"));
    lab.send(provider, accept("slow"));
    assert_eq!(lab.frames(registrar), [accept("slower"), accept("slow")]);
}

#[test]
fn a_silent_provider_ends_the_registration_after_ten_seconds() {
    let (mut lab, provider, registrar) = provided();
    lab.advance(seconds(3));
    lab.send(registrar, blob("t"));
    lab.frames(provider);
    assert_eq!(lab.next_deadline(), Some(seconds(13)));
    lab.tick_at(seconds(13) - std::time::Duration::from_nanos(1));
    lab.assert_silent(registrar);
    lab.tick_at(seconds(13));
    refused_with(
        "t",
        "trigger_registration_timeout",
        &lab.only_frame(registrar),
    );
    assert_eq!(lab.only_frame(provider), withdrawn("t"));
    // The late answer reaches nobody.
    lab.events();
    lab.quietly(provider, accept("t"));
    lab.assert_silent(registrar);
    let frame = "triggerregistrationresult";
    let id = "t".to_owned();
    assert_eq!(lab.events(), [EventKind::AnswerDropped { frame, id }]);
    accepted(&mut lab, provider, registrar, "t");
}

#[test]
fn the_time_for_a_registration_can_be_set() {
    let mut lab = Lab::with(Settings {
        trigger_registration_timeout: seconds(1),
        ..Settings::default()
    });
    let worker = lab.connect();
    lab.trigger_type(worker, "blob");
    lab.function(worker, "f");
    lab.send(worker, blob("t"));
    assert_eq!(lab.next_deadline(), Some(seconds(1)));
}

#[test]
fn a_late_answer_is_not_taken_for_that_of_a_newer_trigger_of_the_same_id() {
    let give_up: [fn(&mut Lab, SessionId); 2] = [
        |lab, _| lab.advance(seconds(10)),
        |lab, registrar| lab.send(registrar, unregister("trigger", "t")),
    ];
    for give_up in give_up {
        let (mut lab, provider, registrar) = provided();
        lab.send(registrar, blob("t"));
        give_up(&mut lab, registrar);
        assert_eq!(lab.frames(registrar).len(), 1);
        lab.frames(provider);
        lab.send(registrar, blob("t"));
        let known_as = lab.only_frame(provider)["id"].clone();
        assert_ne!(known_as, "t", "the first one is still to be answered");
        let error = json!({"code": "late", "message": "first"});
        lab.quietly(provider, refused("t", "blob", "f", error));
        lab.assert_silent(registrar);
        lab.send(provider, accept(known_as.as_str().unwrap()));
        assert_eq!(lab.only_frame(registrar), accept("t"));
    }
}

#[test]
fn a_registrar_that_unregisters_meanwhile_is_told_exactly_once() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("t"));
    lab.frames(provider);
    let result = lab.ask(registrar, unregister("trigger", "t"));
    refused_with("t", "trigger_registration_cancelled", &result);
    assert_eq!(lab.only_frame(provider), withdrawn("t"));
    lab.quietly(provider, accept("t"));
    lab.advance(seconds(60));
    lab.assert_silent(registrar);
    lab.assert_silent(provider);
}

#[test]
fn a_provider_that_goes_ends_the_registrations_that_await_it() {
    for leave in [Lab::disconnect, |lab: &mut Lab, provider| {
        lab.quietly(provider, unregister("triggertype", "blob"));
    }] {
        let (mut lab, provider, registrar) = provided();
        lab.send(registrar, blob("t"));
        lab.frames(provider);
        leave(&mut lab, provider);
        let error = json!({
            "code": "trigger_type_not_found",
            "message": "No trigger type registered with ID 'blob'",
        });
        assert_eq!(
            lab.only_frame(registrar),
            refused("t", "blob", "f", error.clone())
        );
        assert_eq!(lab.next_deadline(), None);
        lab.send(provider, accept("t"));
        lab.assert_silent(registrar);
        // The id is free, the type unknown.
        assert_eq!(
            lab.ask(registrar, blob("t")),
            refused("t", "blob", "f", error)
        );
    }
}

#[test]
fn a_registrar_that_goes_takes_its_triggers_from_the_provider() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "accepted");
    lab.send(registrar, blob("awaited"));
    lab.frames(provider);
    lab.disconnect(registrar);
    assert_eq!(
        lab.frames(provider),
        [withdrawn("accepted"), withdrawn("awaited")]
    );
    lab.quietly(provider, accept("awaited"));
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_provider_that_comes_back_is_sent_the_triggers_that_stayed() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "kept");
    accepted(&mut lab, provider, registrar, "unwanted");
    accepted(&mut lab, provider, registrar, "ignored");
    lab.disconnect(provider);
    lab.assert_silent(registrar);
    refused_with(
        "new",
        "trigger_type_not_found",
        &lab.ask(registrar, blob("new")),
    );
    refused_with(
        "kept",
        "trigger_type_not_found",
        &lab.ask(registrar, blob("kept")),
    );

    let successor = lab.connect();
    lab.send(
        successor,
        json!({"type": "registertriggertype", "id": "blob"}),
    );
    let mut announced = lab.frames(successor);
    announced.sort_by_key(|frame| frame["id"].to_string());
    assert_eq!(announced, [blob("ignored"), blob("kept"), blob("unwanted")]);

    // The registrar had its answers long ago: none is forwarded.
    lab.quietly(successor, accept("kept"));
    let error = json!({"code": "full", "message": "no room"});
    lab.quietly(successor, refused("unwanted", "blob", "f", error));
    lab.advance(seconds(10));
    assert_eq!(lab.only_frame(successor), withdrawn("ignored"));
    lab.assert_silent(registrar);
    let list = lab.ask(registrar, invoke("c", "engine::registered-triggers::list"));
    let triggers = list["result"]["registered_triggers"].as_array().unwrap();
    assert_eq!(triggers.len(), 1, "{triggers:?}");
    assert_eq!(triggers[0]["id"], "kept");
}

#[test]
fn a_trigger_that_is_unregistered_without_a_provider_is_not_announced_again() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    lab.quietly(provider, unregister("triggertype", "blob"));
    lab.quietly(registrar, unregister("trigger", "t"));
    lab.trigger_type(provider, "blob");
    accepted(&mut lab, provider, registrar, "t");
}

#[test]
fn a_trigger_that_is_unregistered_while_announced_again_has_no_second_result() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    lab.quietly(provider, unregister("triggertype", "blob"));
    assert_eq!(
        lab.ask(
            provider,
            json!({"type": "registertriggertype", "id": "blob"})
        ),
        blob("t")
    );
    lab.quietly(registrar, unregister("trigger", "t"));
    assert_eq!(lab.only_frame(provider), withdrawn("t"));
    lab.quietly(provider, accept("t"));
    lab.assert_silent(registrar);
}

#[test]
fn the_answers_of_a_stranger_are_dropped_and_logged() {
    let (mut lab, provider, registrar) = provided();
    let stranger = lab.connect();
    lab.trigger_type(stranger, "other");
    lab.send(registrar, blob("t"));
    lab.frames(provider);
    lab.events();
    for session in [stranger, registrar] {
        lab.quietly(session, accept("t"));
        lab.quietly(
            session,
            refused("t", "blob", "f", json!({"code": "x", "message": "x"})),
        );
    }
    lab.quietly(provider, accept("unknown"));
    lab.quietly(provider, registered("t", "unknown", "f"));
    assert_eq!(lab.events().len(), 6);
    lab.assert_silent(registrar);
    lab.send(provider, accept("t"));
    assert_eq!(lab.only_frame(registrar), accept("t"));
    // A second answer is as late as any.
    lab.quietly(provider, accept("t"));
    lab.quietly(
        provider,
        refused("t", "blob", "f", json!({"code": "x", "message": "x"})),
    );
    lab.assert_silent(registrar);
    refused_with("t", "duplicate_trigger_id", &lab.ask(registrar, blob("t")));
}

#[test]
fn a_stop_answers_the_registrations_that_are_waited_for_and_no_others() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "accepted");
    accepted(&mut lab, provider, registrar, "announced again");
    lab.quietly(provider, unregister("triggertype", "blob"));
    lab.send(
        provider,
        json!({"type": "registertriggertype", "id": "blob"}),
    );
    lab.frames(provider);
    lab.quietly(provider, accept("accepted"));
    lab.send(registrar, blob("awaited"));
    lab.input(Step::Shutdown);
    refused_with(
        "awaited",
        "trigger_registration_cancelled",
        &lab.only_frame(registrar),
    );
}

/// The id under which the provider is asked for a trigger, which is then given up unanswered.
fn abandon(lab: &mut Lab, provider: SessionId, registrar: SessionId, id: &str) -> Value {
    lab.send(registrar, blob(id));
    lab.send(registrar, unregister("trigger", id));
    lab.frames(registrar);
    lab.frames(provider)[0]["id"].take()
}

#[test]
fn an_id_is_kept_for_a_late_answer_until_a_thousand_newer_ones_are() {
    let (mut lab, provider, registrar) = provided();
    let ids: Vec<String> = (0..1_000).map(|number| format!("t{number}")).collect();
    for id in &ids {
        assert_eq!(abandon(&mut lab, provider, registrar, id), *id);
    }
    let known_as = abandon(&mut lab, provider, registrar, "t0");
    assert_ne!(known_as, "t0", "a thousand are remembered");
    // With this alias the oldest id was one too many, and the provider may be asked for it again.
    assert_eq!(abandon(&mut lab, provider, registrar, "t0"), "t0");
    assert_ne!(abandon(&mut lab, provider, registrar, "t999"), "t999");
}

#[test]
fn a_thousand_late_answers_are_waited_for_in_all_whatever_types_were_given_up() {
    let (mut lab, provider, registrar) = provided();
    let types = ["one", "two", "three"];
    for trigger_type in types {
        lab.trigger_type(provider, trigger_type);
        for number in 0..600 {
            let id = format!("t{number:03}");
            lab.send(
                registrar,
                register_trigger(&id, trigger_type, "f", json!({})),
            );
        }
        lab.send(provider, unregister("triggertype", trigger_type));
        lab.frames(provider);
        lab.frames(registrar);
    }
    let mut known_as = |trigger_type, id| {
        lab.trigger_type(provider, trigger_type);
        lab.frames(provider);
        lab.send(
            registrar,
            register_trigger(id, trigger_type, "f", json!({})),
        );
        let asked = lab.only_frame(provider)["id"].take();
        lab.frames(registrar);
        asked
    };
    assert_eq!(known_as("one", "t599"), "t599");
    assert_ne!(known_as("two", "t598"), "t598");
    assert_ne!(known_as("three", "t000"), "t000");
}

#[test]
fn a_late_answer_for_a_type_that_was_given_up_settles_that_trigger_alone() {
    let (mut lab, provider, registrar) = provided();
    for id in ["answered", "owed"] {
        lab.send(registrar, blob(id));
    }
    lab.frames(provider);
    lab.quietly(provider, unregister("triggertype", "blob"));
    lab.quietly(provider, accept("answered"));
    lab.trigger_type(provider, "blob");
    lab.frames(registrar);
    assert_eq!(
        abandon(&mut lab, provider, registrar, "answered"),
        "answered"
    );
    assert_ne!(abandon(&mut lab, provider, registrar, "owed"), "owed");
}

#[test]
fn a_trigger_that_is_of_another_type_now_is_not_announced_with_its_old_one() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    lab.quietly(registrar, unregister("trigger", "t"));
    lab.frames(provider);
    let other = lab.connect();
    lab.trigger_type(other, "file");
    lab.send(registrar, register_trigger("t", "file", "f", json!({})));
    assert_eq!(lab.only_frame(other)["id"], "t");
    lab.quietly(provider, unregister("triggertype", "blob"));
    lab.trigger_type(provider, "blob");
    lab.assert_silent(other);
}
