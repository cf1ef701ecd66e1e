//! How fast a provider is told of triggers (D-17 to D-19, D-28).

use std::{collections::BTreeSet, time::Duration};

use reference_core::SessionId;
use serde_json::{Value, json};

use crate::{
    support::{Lab, invoke, register_trigger, seconds, unregister},
    trigger_types::{accept, accepted, blob, provided, refused_with},
};

/// How many triggers a new provider is sent at once.
const AT_ONCE: usize = 64;
const PERIOD: Duration = Duration::from_millis(100);

fn name(number: usize) -> String {
    format!("t{number:05}")
}

fn names(frames: &[Value], kind: &str) -> Vec<String> {
    let of_kind = frames.iter().map(|frame| {
        assert_eq!(frame["type"], kind);
        frame["id"].as_str().unwrap().to_owned()
    });
    of_kind.collect()
}

/// Triggers that their provider has accepted, all of one registrar.
fn with_triggers(count: usize) -> (Lab, SessionId, SessionId) {
    let (mut lab, provider, registrar) = provided();
    for number in 0..count {
        accepted(&mut lab, provider, registrar, &name(number));
    }
    lab.history.clear();
    (lab, provider, registrar)
}

/// The provider goes, and another one comes.
fn succeeded(lab: &mut Lab, provider: SessionId) -> SessionId {
    lab.disconnect(provider);
    let successor = lab.connect();
    lab.send(
        successor,
        json!({"type": "registertriggertype", "id": "blob"}),
    );
    successor
}

fn triggers(lab: &mut Lab) -> usize {
    let asker = lab.connect();
    let list = lab.ask(asker, invoke("c", "engine::registered-triggers::list"));
    lab.disconnect(asker);
    list["result"]["registered_triggers"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn a_provider_that_comes_back_is_sent_a_portion_and_more_with_each_answer() {
    let (mut lab, provider, registrar) = with_triggers(200);
    let successor = succeeded(&mut lab, provider);
    let mut sent = names(&lab.frames(successor), "registertrigger");
    assert_eq!(sent, (0..AT_ONCE).map(name).collect::<Vec<_>>());
    // What goes before its turn is never sent, and what comes does not wait for it.
    lab.quietly(registrar, unregister("trigger", &name(100)));
    lab.assert_silent(successor);
    lab.send(registrar, blob("t00099x"));
    assert_eq!(lab.only_frame(successor)["id"], "t00099x");
    lab.send(successor, accept("t00099x"));
    lab.assert_silent(successor);
    let mut answered = 0;
    while answered < sent.len() {
        lab.send(successor, accept(&sent[answered]));
        answered += 1;
        let more = names(&lab.frames(successor), "registertrigger");
        assert!(more.len() <= 1);
        sent.extend(more);
    }
    let all = (0..200).filter(|it| *it != 100).map(name);
    assert_eq!(sent, all.collect::<Vec<_>>());
    assert_eq!(lab.next_deadline(), None);
    assert_eq!(lab.frames(registrar), [accept("t00099x")]);
    assert_eq!(triggers(&mut lab), 200);
}

#[test]
fn a_silent_provider_is_sent_the_next_portion_when_the_time_of_the_first_is_over() {
    let (mut lab, provider, _) = with_triggers(200);
    let successor = succeeded(&mut lab, provider);
    for portion in [64, 64, 64, 8] {
        assert_eq!(
            lab.frames_of_type(successor, "registertrigger").len(),
            portion
        );
        lab.frames(successor);
        lab.advance(seconds(10));
        let withdrawn = lab.frames_of_type(successor, "unregistertrigger");
        assert_eq!(withdrawn.len(), portion);
    }
    lab.assert_silent(successor);
    assert_eq!(triggers(&mut lab), 0);
}

#[test]
fn a_registrar_that_goes_meanwhile_takes_back_only_what_was_announced() {
    let (mut lab, provider, registrar) = with_triggers(200);
    let successor = succeeded(&mut lab, provider);
    let sent = names(&lab.frames(successor), "registertrigger");
    assert_eq!(sent.len(), AT_ONCE);
    lab.disconnect(registrar);
    let withdrawn = names(&lab.frames(successor), "unregistertrigger");
    assert_eq!(withdrawn, sent);
    lab.advance(seconds(20));
    lab.assert_silent(successor);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_provider_that_gives_up_its_types_meanwhile_is_sent_the_rest_of_the_others() {
    let (mut lab, provider, registrar) = with_triggers(100);
    lab.trigger_type(provider, "clob");
    let config = json!({"bucket": "in"});
    lab.send(registrar, register_trigger("c", "clob", "f", config));
    lab.only_frame(provider);
    let mut answer = accept("c");
    answer["trigger_type"] = json!("clob");
    lab.send(provider, answer);
    lab.disconnect(provider);
    let successor = lab.connect();
    for trigger_type in ["blob", "clob"] {
        let frame = json!({"type": "registertriggertype", "id": trigger_type});
        lab.send(successor, frame);
    }
    assert_eq!(lab.frames(successor).len(), AT_ONCE);
    lab.send(successor, unregister("triggertype", "blob"));
    assert_eq!(lab.only_frame(successor)["id"], "c");
    lab.send(
        successor,
        json!({"type": "registertriggertype", "id": "blob"}),
    );
    assert_eq!(lab.frames(successor).len(), AT_ONCE - 1);
}

/// A trigger that takes a megabyte.
fn large(id: &str) -> Value {
    let config = json!({"x": "x".repeat(1_000_000)});
    register_trigger(id, "blob", "f", config)
}

#[test]
fn large_triggers_are_announced_as_the_provider_has_room_for_them() {
    let (mut lab, provider, registrar) = provided();
    for number in 0..20 {
        lab.send(registrar, large(&name(number)));
        lab.send(provider, accept(&name(number)));
    }
    let successor = succeeded(&mut lab, provider);
    let mut sent = names(&lab.frames(successor), "registertrigger");
    assert_eq!(sent.len(), 8);
    for answered in 0..20 {
        lab.send(successor, accept(&sent[answered]));
        sent.extend(names(&lab.frames(successor), "registertrigger"));
    }
    assert_eq!(sent, (0..20).map(name).collect::<Vec<_>>());
}

#[test]
fn a_provider_is_asked_for_so_much_before_it_answers() {
    let (mut lab, provider, registrar) = provided();
    for number in 0..8 {
        lab.quietly(registrar, large(&name(number)));
    }
    let too_many = |lab: &mut Lab| {
        let refusal = lab.ask(registrar, large("more"));
        assert_eq!(refusal["error"]["code"], "too_many_registrations");
        let message = refusal["error"]["message"].as_str().unwrap();
        assert!(message.contains("the provider of 'blob'"), "{message}");
        assert_eq!(lab.frames_of_type(provider, "registertrigger").len(), 0);
    };
    assert_eq!(lab.frames(provider).len(), 8);
    too_many(&mut lab);
    // Small ones still find room, and so does another type's provider.
    accepted(&mut lab, provider, registrar, "small");
    lab.send(provider, accept(&name(0)));
    lab.frames(registrar);
    let register_and_give_up = |lab: &mut Lab| {
        lab.quietly(registrar, large("more"));
        lab.send(registrar, unregister("trigger", "more"));
        lab.frames(registrar);
        lab.frames(provider);
    };
    register_and_give_up(&mut lab);
    // What was given up may still wait for the provider, until it answers or its time is over.
    too_many(&mut lab);
    lab.quietly(provider, accept("more"));
    register_and_give_up(&mut lab);
    too_many(&mut lab);
    lab.advance(seconds(10));
    for refusal in lab.frames(registrar) {
        let id = refusal["id"].as_str().unwrap();
        refused_with(id, "trigger_registration_timeout", &refusal);
    }
    lab.frames(provider);
    // By then it is too late to make room.
    lab.quietly(provider, accept("more"));
    for number in 8..16 {
        lab.quietly(registrar, large(&name(number)));
    }
    assert_eq!(lab.frames(provider).len(), 8);
    too_many(&mut lab);
}

#[test]
fn a_provider_is_told_in_portions_of_many_triggers_that_go() {
    const COUNT: usize = 3_000;
    let (mut lab, provider, registrar) = with_triggers(COUNT);
    lab.disconnect(registrar);
    let mut told = names(&lab.frames(provider), "unregistertrigger");
    assert!(told.len() < 1_000, "{}", told.len());
    let registrar = lab.connect();
    lab.function(registrar, "f");
    // An id is taken until the provider has been told that it is free.
    lab.send(registrar, blob(&name(0)));
    assert_eq!(lab.only_frame(provider)["id"], name(0).as_str());
    lab.send(registrar, blob(&name(COUNT - 1)));
    let alias = lab.only_frame(provider)["id"].take();
    assert_ne!(alias, name(COUNT - 1).as_str());
    // The answer of somebody who has not heard of it yet is late.
    lab.quietly(provider, accept(&name(COUNT - 1)));
    lab.assert_silent(registrar);
    let mut portions = 1;
    while told.len() < COUNT {
        lab.advance(PERIOD - Duration::from_nanos(1));
        lab.assert_silent(provider);
        lab.advance(Duration::from_nanos(1));
        let more = names(&lab.frames(provider), "unregistertrigger");
        assert!((1..1_000).contains(&more.len()), "{}", more.len());
        told.extend(more);
        portions += 1;
    }
    assert!((4..10).contains(&portions), "{portions}");
    assert_eq!(told, (0..COUNT).map(name).collect::<Vec<_>>());
    lab.send(provider, accept(&name(0)));
    lab.send(provider, accept(alias.as_str().unwrap()));
    assert_eq!(lab.frames(registrar).len(), 2);
    // As before, at once.
    lab.advance(seconds(1));
    lab.disconnect(registrar);
    assert_eq!(lab.frames(provider).len(), 2);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_provider_that_gives_up_its_type_is_told_no_more_of_it() {
    let (mut lab, provider, registrar) = with_triggers(2_000);
    lab.disconnect(registrar);
    let told = names(&lab.frames(provider), "unregistertrigger");
    assert!(told.len() < 1_000);
    let again: [fn(&mut Lab, SessionId); 2] = [
        |lab, provider| lab.quietly(provider, unregister("triggertype", "blob")),
        |lab, provider| lab.trigger_type(provider, "blob"),
    ];
    for act in again {
        act(&mut lab, provider);
        lab.advance(seconds(1));
        lab.assert_silent(provider);
    }
    assert_eq!(lab.next_deadline(), None);
    let registrar = lab.connect();
    lab.function(registrar, "f");
    accepted(&mut lab, provider, registrar, &name(1_999));
}

#[test]
fn who_provided_a_type_before_is_told_nothing_of_its_successors() {
    let (mut lab, provider, registrar) = with_triggers(2_000);
    lab.disconnect(registrar);
    lab.frames(provider);
    lab.quietly(provider, unregister("triggertype", "blob"));
    let (successor, registrar) = (lab.connect(), lab.connect());
    lab.trigger_type(successor, "blob");
    lab.function(registrar, "f");
    for number in 0..2_000 {
        accepted(&mut lab, successor, registrar, &name(number));
    }
    lab.disconnect(registrar);
    lab.advance(seconds(1));
    lab.assert_silent(provider);
    let told = names(&lab.frames(successor), "unregistertrigger");
    assert_eq!(told, (0..2_000).map(name).collect::<Vec<_>>());
}

#[test]
fn a_portion_of_withdrawals_has_64_kib() {
    let (mut lab, provider, registrar) = provided();
    // With the type's name and what counts beside both ids, 128 bytes each.
    let ids: Vec<String> = (0..1_600).map(|number| format!("{number:060}")).collect();
    for id in &ids {
        accepted(&mut lab, provider, registrar, id);
    }
    lab.disconnect(registrar);
    for portion in [512, 512, 512, 64] {
        assert_eq!(lab.frames(provider).len(), portion);
        lab.advance(PERIOD);
    }
    lab.assert_silent(provider);
}

#[test]
fn triggers_that_are_unregistered_one_by_one_are_told_in_portions_too() {
    let (mut lab, provider, registrar) = with_triggers(2_000);
    for number in 0..2_000 {
        lab.quietly(registrar, unregister("trigger", &name(number)));
    }
    let mut told = names(&lab.frames(provider), "unregistertrigger");
    assert!(told.len() < 1_000);
    lab.advance(seconds(1));
    told.extend(names(&lab.frames(provider), "unregistertrigger"));
    assert_eq!(told.len(), 2_000);
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 2_000);
    lab.disconnect(provider);
    assert_eq!(lab.next_deadline(), None);
}
