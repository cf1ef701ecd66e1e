//! Many calls at once: each is answered, once, with what is its own.

use std::collections::BTreeSet;

use reference::{Options, Server};
use serde_json::{Value, json};

use crate::client::Client;

const CALLS: usize = 10_000;

/// Sends all calls before any of them is answered, on a connection of its own.
async fn call(url: &str, calls: std::ops::Range<usize>) -> Client {
    let mut caller = Client::connect(url).await;
    for number in calls {
        let id = format!("c{number}");
        let frame = json!({
            "type": "invokefunction", "invocation_id": id, "function_id": "f", "data": number,
        });
        caller.send(&frame.to_string()).await;
    }
    caller
}

/// Answers so many calls, the last one first.
async fn serve(mut worker: Client, calls: usize) {
    let mut taken = Vec::new();
    while taken.len() < calls {
        taken.push(worker.frame().await);
    }
    for frame in taken.into_iter().rev() {
        let answer = json!({
            "type": "invocationresult", "invocation_id": frame["invocation_id"],
            "function_id": "f", "result": {"of": frame["data"]},
        });
        worker.send(&answer.to_string()).await;
    }
    worker.fence().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_in_flight_are_all_answered() {
    let server = Server::bind("127.0.0.1:0", Options::default())
        .await
        .unwrap();
    let url = server.url();
    // Two workers take turns.
    let mut workers = Vec::new();
    for _ in 0..2 {
        let mut worker = Client::connect(&url).await;
        worker.register("f").await;
        workers.push(worker);
    }
    let serving: Vec<_> = workers
        .into_iter()
        .map(|worker| tokio::spawn(serve(worker, CALLS / 2)))
        .collect();
    let mut caller = call(&url, 0..CALLS).await;
    let mut answered = BTreeSet::new();
    while answered.len() < CALLS {
        let answer = caller.frame().await;
        let number = answer["result"]["of"].as_u64().unwrap();
        assert_eq!(answer["invocation_id"], Value::from(format!("c{number}")));
        assert!(answered.insert(number), "answered once");
    }
    caller.fence().await;
    for worker in serving {
        worker.await.unwrap();
    }
}
