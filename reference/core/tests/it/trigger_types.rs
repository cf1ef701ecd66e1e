//! Trigger types that workers provide: CO-05, CO-06, CO-08, D-05, D-17, D-18.

use reference_core::{EventKind, SessionId, Subject};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Lab, answer, invoke, parse, refused, register_trigger, registered, unregister,
};

/// A provider of the type `blob`, and a registrar that serves `f`.
pub fn provided() -> (Lab, SessionId, SessionId) {
    let mut lab = Lab::new();
    let (provider, registrar) = (lab.connect(), lab.connect());
    lab.trigger_type(provider, "blob");
    lab.function(registrar, "f");
    (lab, provider, registrar)
}

pub fn blob(id: &str) -> Value {
    register_trigger(id, "blob", "f", json!({"bucket": "in"}))
}

pub fn accept(id: &str) -> Value {
    registered(id, "blob", "f")
}

pub fn withdrawn(id: &str) -> Value {
    json!({"type": "unregistertrigger", "id": id, "trigger_type": "blob"})
}

pub fn refused_with(id: &str, code: &str, frame: &Value) {
    let message = &frame["error"]["message"];
    assert!(message.is_string(), "{frame}");
    let error = json!({"code": code, "message": message});
    assert_eq!(*frame, refused(id, "blob", "f", error));
}

/// A trigger that the provider has accepted.
pub fn accepted(lab: &mut Lab, provider: SessionId, registrar: SessionId, id: &str) {
    lab.send(registrar, blob(id));
    let known_as = lab.only_frame(provider)["id"].clone();
    lab.send(provider, accept(known_as.as_str().unwrap()));
    assert_eq!(lab.only_frame(registrar), accept(id));
}

#[test]
fn a_registration_is_forwarded_and_the_providers_success_goes_to_the_registrar() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("t"));
    lab.assert_silent(registrar);
    assert_eq!(lab.only_frame(provider), blob("t"));
    lab.send(provider, accept("t"));
    lab.assert_silent(provider);
    assert_eq!(lab.only_frame(registrar), accept("t"));
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn the_config_is_forwarded_byte_for_byte_and_a_missing_one_is_null() {
    let (mut lab, provider, registrar) = provided();
    let start = r#"{"type":"registertrigger","id":"t","trigger_type":"blob","function_id":"f""#;
    let config = "{\"b\":1e400, \"a\" : [-0.0,\"\\u00e9\\/\"],\"b\":null}";
    lab.send(registrar, format!("{start},\"config\": {config}  }}"));
    let forwarded = lab.only_text(provider);
    assert!(
        forwarded.contains(&format!(r#""config":{config}}}"#)),
        "{forwarded}"
    );
    lab.send(registrar, unregister("trigger", "t"));
    lab.frames(provider);
    lab.send(registrar, format!("{start}}}"));
    assert_eq!(lab.only_frame(provider)["config"], Value::Null);
}

#[test]
fn a_providers_error_passes_to_the_registrar_unchanged() {
    let (mut lab, provider, registrar) = provided();
    for error in [
        r#"{"message":"no such bucket", "code":"bucket_not_found","hint":1e400}"#,
        r#"{"code":  "no message"}"#,
        "{}",
    ] {
        lab.send(registrar, blob("t"));
        lab.frames(provider);
        let refusal = format!(
            r#"{{"error":{error},"type":"triggerregistrationresult","id":"t","trigger_type":"blob","function_id":"other"}}"#
        );
        lab.send(provider, refusal);
        let result = lab.only_text(registrar);
        assert!(result.contains(&format!(r#""error":{error}"#)), "{result}");
        // The registrar's own function, whatever the provider says.
        assert!(result.contains(r#""function_id":"f""#), "{result}");
        lab.assert_silent(provider);
    }
    // Each refusal has freed the id, on both sides.
    accepted(&mut lab, provider, registrar, "t");
}

#[test]
fn a_null_error_of_a_provider_is_a_success() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("t"));
    lab.frames(provider);
    lab.send(provider, refused("t", "blob", "f", Value::Null));
    assert_eq!(lab.only_frame(registrar), accept("t"));
}

#[test]
fn the_provider_fires_by_calling_the_function() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    lab.send(provider, invoke("fired", "f"));
    let call = lab.only_frame(registrar);
    lab.send(registrar, answer(&call, json!("done")));
    assert_eq!(lab.only_frame(provider)["result"], "done");
    // The function goes and comes back; the trigger stays.
    lab.quietly(registrar, unregister("function", "f"));
    lab.assert_silent(provider);
    let failed = lab.ask(provider, invoke("fired", "f"));
    assert_eq!(failed["error"]["code"], "function_not_found");
    lab.function(registrar, "f");
    lab.send(provider, invoke("fired", "f"));
    assert_eq!(lab.only_frame(registrar)["function_id"], "f");
}

#[test]
fn a_type_is_registered_before_it_is_used() {
    let mut lab = Lab::new();
    let (provider, registrar) = (lab.connect(), lab.connect());
    lab.function(registrar, "f");
    refused_with(
        "t",
        "trigger_type_not_found",
        &lab.ask(registrar, blob("t")),
    );
    lab.trigger_type(provider, "blob");
    lab.send(registrar, blob("t"));
    assert_eq!(lab.only_frame(provider), blob("t"));
}

#[test]
fn a_provided_type_is_checked_for_function_and_duplicate_but_not_for_config() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    let result = lab.ask(registrar, register_trigger("t", "blob", "none", json!(1)));
    assert_eq!(result["error"]["code"], "function_not_found");
    refused_with("t", "duplicate_trigger_id", &lab.ask(registrar, blob("t")));
    lab.assert_silent(provider);
}

#[test]
fn one_who_is_both_registrar_and_provider_is_treated_as_both() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.trigger_type(worker, "blob");
    lab.function(worker, "f");
    assert_eq!(lab.ask(worker, blob("t")), blob("t"));
    assert_eq!(lab.ask(worker, accept("t")), accept("t"));
    assert_eq!(lab.ask(worker, unregister("trigger", "t")), withdrawn("t"));
}

#[test]
fn unregistering_an_accepted_trigger_tells_the_provider_the_type_as_well() {
    let (mut lab, provider, registrar) = provided();
    accepted(&mut lab, provider, registrar, "t");
    lab.quietly(registrar, unregister("trigger", "t"));
    assert_eq!(lab.only_frame(provider), withdrawn("t"));
    accepted(&mut lab, provider, registrar, "t");
}

#[test]
fn two_registrars_of_one_id_are_told_apart_at_the_provider_only() {
    let (mut lab, provider, first) = provided();
    let second = lab.connect();
    lab.function(second, "f");
    lab.send(first, blob("t"));
    assert_eq!(lab.only_frame(provider), blob("t"));
    lab.send(second, blob("t"));
    let forwarded = lab.only_frame(provider);
    let alias = forwarded["id"].as_str().unwrap().to_owned();
    let uuid = alias.strip_prefix("t@").unwrap();
    assert!(Uuid::try_parse(uuid).is_ok(), "{alias}");
    assert_eq!(forwarded, blob(&alias));

    lab.send(provider, accept(&alias));
    assert_eq!(lab.only_frame(second), accept("t"));
    lab.assert_silent(first);
    lab.send(provider, accept("t"));
    assert_eq!(lab.only_frame(first), accept("t"));

    lab.quietly(second, unregister("trigger", "t"));
    assert_eq!(lab.only_frame(provider), withdrawn(&alias));
    lab.disconnect(first);
    assert_eq!(lab.only_frame(provider), withdrawn("t"));
    accepted(&mut lab, provider, second, "t");
    lab.disconnect(second);
    assert_eq!(
        lab.only_frame(provider),
        withdrawn("t"),
        "its own id, free again"
    );
}

#[test]
fn the_alias_of_the_longest_id_is_understood_and_no_longer_one() {
    let (mut lab, provider, registrar) = provided();
    let other = lab.connect();
    let id = "i".repeat(1_024);
    accepted(&mut lab, provider, registrar, &id);
    accepted(&mut lab, provider, other, &id);
    for too_long in [accept(&"i".repeat(1_024 + 37 + 1)), blob(&format!("{id}i"))] {
        let error = &lab.ask(provider, too_long)["error"];
        assert_eq!(error["code"], "invalid_message");
    }
}

#[test]
fn one_id_under_two_types_of_one_provider_needs_no_alias() {
    let (mut lab, provider, registrar) = provided();
    let other = lab.connect();
    lab.trigger_type(provider, "file");
    lab.function(other, "f");
    lab.send(registrar, blob("t"));
    lab.send(other, register_trigger("t", "file", "f", json!({})));
    let frames = lab.frames(provider);
    assert_eq!(
        (&frames[0]["id"], &frames[1]["id"]),
        (&json!("t"), &json!("t"))
    );
    lab.send(provider, registered("t", "file", "f"));
    assert_eq!(lab.only_frame(other), registered("t", "file", "f"));
    lab.assert_silent(registrar);
}

#[test]
fn a_type_has_one_provider_and_the_engines_own_cannot_be_replaced() {
    let (mut lab, provider, other) = provided();
    for (session, id) in [
        (other, "blob"),
        (provider, "blob"),
        (other, "http"),
        (other, "cron"),
        (other, "queue"),
    ] {
        assert_eq!(
            lab.ask(
                session,
                json!({"type": "registertriggertype", "id": id, "description": "mine"})
            ),
            json!({
                "type": "triggertyperegistrationresult", "id": id,
                "error": {
                    "code": "duplicate_trigger_type_id",
                    "message": format!("A trigger type with ID '{id}' is already registered"),
                },
            })
        );
    }
    lab.send(other, blob("t"));
    assert_eq!(lab.only_frame(provider), blob("t"));
}

#[test]
fn a_type_is_withdrawn_by_its_provider_only() {
    let (mut lab, provider, other) = provided();
    lab.events();
    for id in ["blob", "http", "unknown"] {
        lab.quietly(other, unregister("triggertype", id));
        let (subject, id) = (Subject::TriggerType, id.to_owned());
        assert_eq!(lab.events(), [EventKind::NotItsOwn { subject, id }]);
    }
    lab.send(other, blob("t"));
    assert_eq!(lab.only_frame(provider), blob("t"));
    lab.quietly(provider, unregister("triggertype", "blob"));
    assert_eq!(lab.frames(other).len(), 1);
    lab.trigger_type(other, "blob");
}

#[test]
fn what_a_provider_is_sent_has_its_type_first_and_no_null_but_the_config() {
    let (mut lab, provider, registrar) = provided();
    lab.send(
        registrar,
        json!({"type": "registertrigger", "id": "t", "trigger_type": "blob", "function_id": "f"}),
    );
    lab.send(registrar, unregister("trigger", "t"));
    let texts = lab.texts(provider);
    assert!(
        texts[0].starts_with(r#"{"type":"registertrigger","#),
        "{}",
        texts[0]
    );
    assert_eq!(parse(&texts[1]), withdrawn("t"));
    lab.frames(registrar);
}

#[test]
fn an_answer_from_before_a_type_was_given_up_is_not_taken_for_a_later_one() {
    let (mut lab, provider, registrar) = provided();
    lab.send(registrar, blob("t"));
    lab.frames(provider);
    lab.send(
        provider,
        json!({"type": "unregistertriggertype", "id": "blob"}),
    );
    assert_eq!(
        lab.only_frame(registrar)["error"]["code"],
        "trigger_type_not_found"
    );
    lab.send(
        provider,
        json!({"type": "registertriggertype", "id": "blob"}),
    );
    lab.send(registrar, blob("t"));
    let asked = lab.only_frame(provider);
    assert_ne!(asked["id"], "t", "it has still to answer for that one");
    let late = r#"{"type":"triggerregistrationresult","id":"t","trigger_type":"blob","function_id":"f","error":{"code":"late","message":""}}"#;
    lab.send(provider, late);
    lab.assert_silent(registrar);
    let id = &asked["id"];
    let right = format!(
        r#"{{"type":"triggerregistrationresult","id":{id},"trigger_type":"blob","function_id":"f"}}"#
    );
    lab.send(provider, right);
    assert_eq!(lab.only_frame(registrar).get("error"), None);
}
