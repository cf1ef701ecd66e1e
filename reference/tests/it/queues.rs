//! Queues, over real sessions.

use std::time::Duration;

use reference::{
    Options, Server,
    core::{Engine, QueueLimits, Settings},
};
use serde_json::{Value, json};

use crate::{client::Client, http_client::serve};

const QUEUE: &str = "mail";

/// A worker whose function `send` takes the messages of the queue.
async fn consumer(server: &Server, config: Value) -> Client {
    let mut worker = Client::connect(&server.url()).await;
    worker.register("send").await;
    worker.trigger("queue", "t", "send", config).await;
    worker
}

async fn enqueue(client: &mut Client, data: Value) -> String {
    let answer = client
        .call("enqueue", json!({"queue_name": QUEUE, "data": data}))
        .await;
    receipt(&answer)
}

fn receipt(answer: &Value) -> String {
    let receipt = answer["result"]["messageReceiptId"].as_str();
    receipt.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn stats(client: &mut Client, queue: &str) -> Value {
    let answer = client
        .call("engine::queue::stats", json!({"queue_name": queue}))
        .await;
    answer["result"]["queues"].clone()
}

/// The messages of a delivery: id, data and attempt of each.
fn messages(call: &Value) -> Vec<(String, Value, u64)> {
    let data = &call["data"];
    assert_eq!(data["queue_name"], QUEUE);
    let messages = data["messages"].as_array().unwrap().iter();
    messages
        .map(|message| {
            assert!(message["enqueued_at"].as_str().unwrap().ends_with('Z'));
            (
                message["message_id"].as_str().unwrap().to_owned(),
                message["data"].clone(),
                message["attempt"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn messages_wait_are_delivered_and_are_gone() {
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    let first = enqueue(&mut client, json!({"to": 1})).await;
    let second = enqueue(&mut client, json!("two")).await;
    let peeked = client
        .call(
            "engine::queue::peek",
            json!({"queue_name": QUEUE, "count": 1}),
        )
        .await;
    let peeked = &peeked["result"]["messages"];
    assert_eq!(peeked.as_array().unwrap().len(), 1);
    assert_eq!(peeked[0]["message_id"], first);
    assert_eq!(peeked[0]["data"], json!({"to": 1}));
    let waiting = stats(&mut client, QUEUE).await;
    assert_eq!(
        (&waiting[0]["visible"], &waiting[0]["triggers"]),
        (&json!(2), &json!(0))
    );
    let mut worker = consumer(&server, json!({"queue_name": QUEUE})).await;
    let call = worker.served().await;
    assert_eq!(call["function_id"], "send");
    assert_eq!(
        messages(&call),
        [(first, json!({"to": 1}), 1), (second, json!("two"), 1)]
    );
    let busy = stats(&mut client, QUEUE).await;
    assert_eq!(
        (&busy[0]["visible"], &busy[0]["in_flight"]),
        (&json!(0), &json!(2))
    );
    worker.answer(&call, json!(null)).await;
    worker.fence().await;
    let done = stats(&mut client, QUEUE).await;
    assert_eq!(
        (&done[0]["visible"], &done[0]["in_flight"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn what_fails_is_delivered_again_and_then_kept_apart() {
    let settings = Settings {
        queues: QueueLimits {
            attempts_max: 2,
            ..QueueLimits::default()
        },
        ..Settings::default()
    };
    let server = serve(Options {
        machine: Box::new(Engine::new(settings)),
        ..Options::default()
    })
    .await;
    let mut client = Client::connect(&server.url()).await;
    let config = json!({"queue_name": QUEUE, "batch_size": 2});
    let mut worker = consumer(&server, config).await;
    let first = enqueue(&mut client, json!(1)).await;
    let call = worker.served().await;
    let second = enqueue(&mut client, json!(2)).await;
    worker.fail(&call, "no connection").await;
    let call = worker.served().await;
    let mut again = messages(&call);
    again.sort_by_key(|(_, data, _)| data.as_u64());
    assert_eq!(again, [(first, json!(1), 2), (second.clone(), json!(2), 1)]);
    // The first is done, and the second has failed for once.
    worker
        .answer(&call, json!({"failed_message_ids": [second]}))
        .await;
    let call = worker.served().await;
    assert_eq!(messages(&call), [(second.clone(), json!(2), 2)]);
    worker.fail(&call, "no connection").await;
    worker.fence().await;
    let apart = format!("{QUEUE}::dead_letter");
    let peeked = client
        .call("engine::queue::peek", json!({"queue_name": apart}))
        .await;
    assert_eq!(peeked["result"]["messages"][0]["message_id"], second);
    assert_eq!(stats(&mut client, QUEUE).await[0]["dead_letters"], 1);
}

#[tokio::test]
async fn what_a_worker_had_when_it_left_goes_to_another() {
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    let config = json!({"queue_name": QUEUE});
    let mut leaving = consumer(&server, config.clone()).await;
    let id = enqueue(&mut client, json!("m")).await;
    let call = leaving.served().await;
    assert_eq!(messages(&call), [(id.clone(), json!("m"), 1)]);
    let mut staying = consumer(&server, config).await;
    drop(leaving);
    let call = staying.served().await;
    assert_eq!(messages(&call), [(id, json!("m"), 2)]);
    staying.answer(&call, json!(null)).await;
    staying.fence().await;
    assert_eq!(stats(&mut client, QUEUE).await[0]["in_flight"], 0);
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_delivered_again() {
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    let config = json!({"queue_name": QUEUE, "visibility_timeout": 0.02});
    let mut worker = consumer(&server, config).await;
    let id = enqueue(&mut client, json!("m")).await;
    let late = worker.served().await;
    let call = worker.served().await;
    assert_eq!(messages(&call), [(id, json!("m"), 2)]);
    assert_ne!(late["invocation_id"], call["invocation_id"]);
}

#[tokio::test]
async fn a_call_through_a_queue_is_made_later_until_it_succeeds() {
    let server = serve(Options::default()).await;
    let mut caller = Client::connect(&server.url()).await;
    let mut worker = Client::connect(&server.url()).await;
    worker.register("send").await;
    let frame = json!({
        "type": "invokefunction", "invocation_id": "i", "function_id": "send",
        "data": {"to": 7}, "action": {"type": "enqueue", "queue": QUEUE},
    });
    caller.send(&frame.to_string()).await;
    receipt(&caller.frame().await);
    let call = worker.served().await;
    assert_eq!(call["data"], json!({"to": 7}));
    let listed = stats(&mut caller, QUEUE).await;
    assert_eq!(listed[0]["function_id"], "send");
    worker.fail(&call, "not now").await;
    let call = worker.served().await;
    assert_eq!(call["data"], json!({"to": 7}));
    worker.answer(&call, json!("sent")).await;
    worker.fence().await;
    // The caller has its receipt, and is told nothing more.
    caller.fence().await;
}

#[tokio::test]
async fn what_cannot_be_enqueued_is_refused() {
    let settings = Settings {
        call_timeout: Duration::from_secs(5),
        queues: QueueLimits {
            message_bytes_max: 100,
            ..QueueLimits::default()
        },
        ..Settings::default()
    };
    let server = serve(Options {
        machine: Box::new(Engine::new(settings)),
        ..Options::default()
    })
    .await;
    let mut client = Client::connect(&server.url()).await;
    for (data, code) in [
        (json!({"data": 1}), "invalid_request"),
        (json!({"queue_name": "", "data": 1}), "invalid_request"),
        (
            json!({"queue_name": "q", "data": "x".repeat(100)}),
            "payload_too_large",
        ),
    ] {
        let answer = client.call("enqueue", data).await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
}
