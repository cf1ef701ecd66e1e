//! Engines whose http, cron and queue triggers fire wrongly.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engines::{Fate, Faulty, Part, judge};

/// The ids of the cases that fail at level must, of those that judge what fires.
async fn failed(machine: Faulty) -> BTreeSet<String> {
    let clauses = ["RT-03", "RT-04", "RT-05", "RT-06"];
    let outcomes = judge(machine, Part::Clauses(&clauses)).await;
    let guilty = outcomes.iter().filter(|it| it.decides_against(false));
    guilty.map(|it| it.case.clone()).collect()
}

/// The faulty engine fails this case among others.
async fn fails(machine: Faulty, case: &str) {
    let failed = failed(machine).await;
    assert!(failed.contains(case), "{case} is not among {failed:?}");
}

fn is_trigger(frame: &Value, kind: &str) -> bool {
    frame["type"] == "registertrigger" && frame["trigger_type"] == kind
}

fn is_call(frame: &Value) -> bool {
    frame["type"] == "invokefunction"
}

#[tokio::test]
async fn http_triggers_that_are_registered_and_never_fire_fail() {
    let dead =
        Faulty::outgoing(
            |frame| match is_call(frame) && !frame["data"]["trigger"].is_null() {
                true => Fate::Drop,
                false => Fate::Keep,
            },
        );
    let failed = failed(dead).await;
    // What depends on a request that is served is untestable, not failed.
    assert!(
        failed.contains("http-trigger-calls-its-function"),
        "{failed:?}"
    );
    assert!(
        !failed.contains("http-trigger-fires-more-than-once"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn routes_that_ignore_the_method_fail() {
    let ignores_method = || {
        Faulty::incoming(|frame| {
            if is_trigger(frame, "http") {
                frame["config"]["method"] = json!("GET");
            }
            true
        })
        .and_http(|_, target| ("GET".to_owned(), target.to_owned()))
    };
    fails(
        ignores_method(),
        "http-trigger-is-not-fired-by-another-method",
    )
    .await;
    fails(
        ignores_method(),
        "http-trigger-of-one-path-tells-methods-apart",
    )
    .await;
}

#[tokio::test]
async fn routes_that_are_taken_by_their_beginning_fail() {
    let by_beginning = Faulty::incoming(|_| true).and_http(|method, target| {
        let target = target.strip_suffix("-other").unwrap_or(target);
        (method.to_owned(), target.to_owned())
    });
    fails(by_beginning, "http-trigger-is-not-fired-by-another-path").await;
}

#[tokio::test]
async fn triggers_that_call_another_function_fail() {
    let mut first: Option<Value> = None;
    let misrouted = Faulty::incoming(move |frame| {
        if frame["type"] == "registertrigger" {
            let first = first.get_or_insert_with(|| frame["function_id"].clone());
            // All triggers are for the function of the first.
            frame["function_id"] = first.clone();
        }
        true
    });
    let failed = failed(misrouted).await;
    assert!(!failed.is_empty());
}

#[tokio::test]
async fn schedules_that_are_not_read_fail() {
    let each_second = Faulty::incoming(|frame| {
        if is_trigger(frame, "cron") {
            frame["config"]["schedule"] = json!("* * * * * *");
        }
        true
    });
    fails(each_second, "cron-trigger-calls-its-own-function").await;
}

#[tokio::test]
async fn schedules_that_fire_once_fail() {
    let mut fired: Vec<Value> = Vec::new();
    let once = Faulty::outgoing(move |frame| {
        if !is_call(frame) || frame["data"]["trigger"] != "cron" {
            return Fate::Keep;
        }
        let job = frame["data"]["job_id"].clone();
        if fired.contains(&job) {
            return Fate::Drop;
        }
        fired.push(job);
        Fate::Keep
    });
    fails(once, "cron-trigger-fires-again-and-again").await;
}

#[tokio::test]
async fn queues_that_are_mixed_up_fail() {
    let one_queue = Faulty::incoming(|frame| {
        if is_trigger(frame, "queue")
            && let Some(Value::String(name)) = frame.pointer_mut("/config/queue_name")
        {
            *name = name.replace("-other", "");
        }
        if frame["function_id"] == "enqueue"
            && let Some(Value::String(name)) = frame.pointer_mut("/data/queue_name")
        {
            *name = name.replace("-other", "");
        }
        true
    });
    fails(one_queue, "queue-trigger-is-of-its-queue").await;
}

/// The ids of the cases of a clause that fail when every level decides.
async fn differing(machine: Faulty, clause: &str) -> BTreeSet<String> {
    let outcomes = judge(machine, Part::Clause(clause)).await;
    let guilty = outcomes.iter().filter(|it| it.decides_against(true));
    guilty.map(|it| it.case.clone()).collect()
}

#[tokio::test]
async fn messages_that_are_dropped_when_their_call_fails_differ() {
    let forgetful = Faulty::incoming(|frame| {
        if frame["type"] == "invocationresult" && frame.get("error").is_some() {
            frame["result"] = Value::Null;
            if let Some(frame) = frame.as_object_mut() {
                frame.remove("error");
            }
        }
        true
    });
    let differing = differing(forgetful, "D-13").await;
    for case in [
        "failed-message-is-handed-out-again",
        "message-that-fails-ten-times-is-a-dead-letter",
        "enqueued-call-that-fails-is-made-again",
    ] {
        assert!(differing.contains(case), "{case}: {differing:?}");
    }
}

#[tokio::test]
async fn batches_that_are_too_large_differ() {
    let greedy = Faulty::incoming(|frame| {
        if let Some(config) = frame.get_mut("config").and_then(Value::as_object_mut) {
            config.remove("batch_size");
        }
        true
    });
    let differing = differing(greedy, "D-13").await;
    let case = "queue-hands-out-no-more-than-a-batch";
    assert!(differing.contains(case), "{differing:?}");
}

#[tokio::test]
async fn visibility_that_is_not_kept_differs() {
    let patient = Faulty::incoming(|frame| {
        if let Some(config) = frame.get_mut("config").and_then(Value::as_object_mut) {
            config.remove("visibility_timeout");
        }
        true
    });
    let differing = differing(patient, "D-13").await;
    let case = "message-without-an-answer-is-visible-again";
    assert!(differing.contains(case), "{differing:?}");
}

#[tokio::test]
async fn http_payloads_that_are_altered_differ() {
    for field in [
        "path",
        "path_params",
        "query_params",
        "headers",
        "body",
        "trigger",
    ] {
        let altered = Faulty::outgoing(move |frame| {
            if is_call(frame) && frame["data"]["trigger"]["type"] == "http" {
                frame["data"][field] = json!("altered");
            }
            Fate::Keep
        });
        let differing = differing(altered, "CO-22").await;
        let case = "http-payload-is-the-companions";
        assert!(differing.contains(case), "{field}: {differing:?}");
    }
}
