//! A suite is software too: these engines are wrong, and it has to say so, for the right reason.

use std::sync::{Arc, Mutex};

use conformance::{
    histories,
    ledger::Ledger,
    verdict::{Outcome, Status, Unrun, Verdict},
};
use serde_json::{Value, json};

use crate::engines::{Fate, Faulty, Part, judge, wander};

fn failed_musts(outcomes: &[Outcome]) -> Vec<&str> {
    outcomes
        .iter()
        .filter(|it| it.decides_against(false))
        .map(|it| it.case.as_str())
        .collect()
}

/// Judges a faulty engine by the cases of a clause, and by random histories.
async fn must_fail(machine: Faulty, clause: &str) {
    let outcomes = judge(machine, Part::Clause(clause)).await;
    let guilty = outcomes
        .iter()
        .any(|it| it.decides_against(false) && it.clauses.iter().any(|judged| judged == clause));
    assert!(guilty, "{clause} holds: {:?}", failed_musts(&outcomes));
}

fn is(frame: &Value, kind: &str) -> bool {
    frame["type"] == kind
}

fn is_result(frame: &Value) -> bool {
    is(frame, "triggerregistrationresult")
}

/// Replaces the code of every error.
fn wrong_code(from: &'static str) -> Faulty {
    Faulty::outgoing(move |frame| {
        if frame["error"]["code"] == from {
            frame["error"]["code"] = json!("registration_failed");
        }
        Fate::Keep
    })
}

#[tokio::test]
async fn wrong_codes_fail_their_clauses() {
    for (code, clause) in [
        ("missing_env_var", "RF-08"),
        ("trigger_type_not_found", "RT-07"),
        ("function_not_found", "RT-08"),
        ("invalid_config", "RT-09"),
        ("duplicate_trigger_id", "RT-10"),
    ] {
        must_fail(wrong_code(code), clause).await;
    }
}

#[tokio::test]
async fn one_wrong_character_in_a_text_differs_without_deciding() {
    for clause in ["RF-08", "RT-07", "RT-08", "RT-09", "RT-10"] {
        let machine = Faulty::outgoing(|frame| {
            if let Some(Value::String(message)) = frame.pointer_mut("/error/message") {
                *message = message.replace('\'', "\"");
            }
            Fate::Keep
        });
        let outcomes = judge(machine, Part::Clause(clause)).await;
        assert_eq!(failed_musts(&outcomes), [""; 0], "{clause}");
        assert!(
            outcomes.iter().any(|it| it.decides_against(true)),
            "{clause} under --strict"
        );
    }
}

#[tokio::test]
async fn results_that_are_missing_doubled_or_misnamed_fail() {
    let drop = || {
        Faulty::outgoing(|frame| match is_result(frame) {
            true => Fate::Drop,
            false => Fate::Keep,
        })
    };
    must_fail(drop(), "RT-02").await;
    let twice = || {
        Faulty::outgoing(|frame| match is_result(frame) {
            true => Fate::Twice,
            false => Fate::Keep,
        })
    };
    must_fail(twice(), "RT-02").await;
    for field in ["id", "trigger_type", "function_id"] {
        let misnamed = Faulty::outgoing(move |frame| {
            if is_result(frame) {
                frame[field] = json!("something else");
            }
            Fate::Keep
        });
        must_fail(misnamed, "RT-02").await;
    }
}

#[tokio::test]
async fn null_for_an_absent_error_fails() {
    let null = || {
        Faulty::outgoing(|frame| {
            if is_result(frame) && frame.get("error").is_none() {
                frame["error"] = Value::Null;
            }
            Fate::Keep
        })
    };
    must_fail(null(), "RT-15").await;
    must_fail(null(), "RF-12").await;
}

#[tokio::test]
async fn checks_that_are_left_out_fail() {
    // Refusals of one kind come out as successes.
    for (code, clause) in [
        ("trigger_type_not_found", "RT-13"),
        ("function_not_found", "RT-12"),
        ("invalid_config", "RT-09"),
        ("duplicate_trigger_id", "RT-11"),
    ] {
        let unchecked = Faulty::outgoing(move |frame| {
            if is_result(frame)
                && frame["error"]["code"] == code
                && let Some(frame) = frame.as_object_mut()
            {
                frame.remove("error");
            }
            Fate::Keep
        });
        must_fail(unchecked, clause).await;
    }
}

#[tokio::test]
async fn an_engine_that_is_silent_on_failure_fails() {
    let silent = || {
        Faulty::outgoing(|frame| match frame.get("error") {
            Some(_) => Fate::Drop,
            None => Fate::Keep,
        })
    };
    for clause in ["RF-08", "RT-07", "RT-16"] {
        must_fail(silent(), clause).await;
    }
}

#[tokio::test]
async fn an_engine_that_forgets_to_unregister_fails() {
    // It answers as if it had understood.
    let forgetful = Faulty::incoming(|frame| !is(frame, "unregisterfunction"));
    let outcomes = judge(forgetful, Part::Clause("RF-10")).await;
    let ledger = Ledger::embedded().unwrap();
    let verdict = Verdict::of(
        ledger.clause("RF-10").unwrap(),
        &outcomes,
        &Unrun::default(),
        true,
        false,
    );
    assert!(
        matches!(verdict, Verdict::InPart(_) | Verdict::Failed),
        "RF-10 is {verdict:?}"
    );
}

#[tokio::test]
async fn a_duplicate_that_replaces_the_first_fails() {
    let mut known: Vec<Value> = Vec::new();
    let replacing = Faulty::incoming(move |frame| {
        let replaced = is(frame, "registerfunction") && known.contains(&frame["id"]);
        if is(frame, "registerfunction") {
            known.push(frame["id"].clone());
        }
        // What took the first one's place is not this worker: its calls go nowhere.
        if replaced {
            frame["type"] = json!("unregisterfunction");
        }
        true
    });
    must_fail(replacing, "RF-09").await;
}

#[tokio::test]
async fn altered_payloads_fail() {
    let adding = Faulty::outgoing(|frame| {
        if is(frame, "invokefunction")
            && let Some(Value::Object(data)) = frame.get_mut("data")
        {
            data.insert("_caller_worker_id".to_owned(), json!("w"));
        }
        Fate::Keep
    });
    let outcomes = judge(adding, Part::Clause("D-15")).await;
    assert!(
        outcomes.iter().any(|it| it.decides_against(true)),
        "added fields"
    );
    let swapped = Faulty::outgoing(|frame| {
        if is(frame, "invocationresult")
            && let Some(result) = frame.get_mut("result")
        {
            *result = Value::Null;
        }
        Fate::Keep
    });
    must_fail(swapped, "RF-13").await;
}

/// One session's trigger ids are taken for all sessions.
fn ids_shared_between_sessions() -> Faulty {
    let taken: Arc<Mutex<Vec<Value>>> = Arc::default();
    let freed = Arc::clone(&taken);
    Faulty::outgoing(move |frame| {
        let mut taken = taken.lock().unwrap();
        if is_result(frame) && frame.get("error").is_none() {
            if taken.contains(&frame["id"]) {
                frame["error"] = json!({"code": "duplicate_trigger_id", "message": ""});
            } else {
                taken.push(frame["id"].clone());
            }
        }
        Fate::Keep
    })
    .and_incoming(move |frame| {
        if is(frame, "unregistertrigger") {
            freed.lock().unwrap().retain(|id| *id != frame["id"]);
        }
        true
    })
}

#[tokio::test]
async fn what_leaks_between_sessions_is_found_by_a_case_and_by_random_histories() {
    let outcomes = judge(ids_shared_between_sessions(), Part::Clause("RT-11")).await;
    // The documents do not say it plainly enough to fail an engine for it.
    assert_eq!(failed_musts(&outcomes), [""; 0]);
    assert!(outcomes.iter().any(|it| it.decides_against(true)));
    let outcomes = judge(ids_shared_between_sessions(), Part::Histories).await;
    let wandered = outcomes.iter().find(|it| it.case == histories::ID).unwrap();
    let Status::Failed(failure) = &wandered.status else {
        panic!("random histories pass: {:?}", wandered.status);
    };
    // Two sessions, a function and two triggers: shrunk to what it takes.
    let history = failure.history.join("\n");
    assert_eq!(history.matches("RegisterTrigger").count(), 2, "{history}");
    assert_eq!(wandered.clauses, ["RT-11"]);
}

#[tokio::test]
async fn sessions_whose_end_goes_unnoticed_are_noticed() {
    let outcomes = judge(Faulty::deaf_to_endings(), Part::Clause("D-07")).await;
    assert!(
        outcomes.iter().any(|it| it.decides_against(true)),
        "D-07 holds"
    );
}

#[tokio::test]
async fn a_mute_engine_passes_nothing_that_decides() {
    let outcomes = judge(Faulty::outgoing(|_| Fate::Drop), Part::Everything).await;
    for outcome in &outcomes {
        let green = outcome.status == Status::Passed && outcome.level.decides(false);
        assert!(!green, "{} passes against a mute engine", outcome.case);
    }
}

#[tokio::test]
async fn an_engine_that_says_yes_to_everything_is_found_out() {
    for clause in ["RF-08", "RT-07", "RT-08", "RT-09", "RT-10", "RT-16"] {
        let yes = Faulty::outgoing(|frame| {
            if let Some(frame) = frame.as_object_mut() {
                frame.remove("error");
            }
            Fate::Keep
        });
        must_fail(yes, clause).await;
    }
}

/// An engine that does all that the documents demand, and everything else in its own way.
fn odd_but_correct() -> Faulty {
    let mut sent = 0;
    Faulty::outgoing(move |frame| {
        sent += 1;
        // Other fields, and other frames in between, are nobody's business.
        frame["x_sequence"] = json!(sent);
        match frame["type"].as_str() {
            // Where the documents are silent.
            Some("functionregistrationresult") => frame["type"] = json!("functionrejected"),
            Some("error" | "triggertyperegistrationresult") => return Fate::Drop,
            // Texts are judged apart.
            Some("triggerregistrationresult") => {
                if let Some(message) = frame.pointer_mut("/error/message") {
                    *message = json!("no");
                }
            }
            _ => {}
        }
        Fate::Keep
    })
    .and_incoming(|frame| {
        // It has no lists and knows no reattaching.
        !is(frame, "reattach")
            && !frame["function_id"]
                .as_str()
                .is_some_and(|it| it.ends_with("::list"))
    })
}

#[tokio::test]
async fn an_odd_but_correct_engine_fails_no_must() {
    let outcomes = judge(odd_but_correct(), Part::Everything).await;
    assert_eq!(failed_musts(&outcomes), [""; 0]);
}

#[tokio::test]
async fn histories_hold_nothing_against_an_engine_that_decided_otherwise() {
    // Ids are taken for all sessions, and a session's end is noticed by nobody.
    for seed in 0..20 {
        let outcomes = wander(ids_shared_between_sessions(), seed).await;
        assert_eq!(failed_musts(&outcomes), [""; 0], "seed {seed}");
    }
}
