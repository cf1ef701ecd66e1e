//! Peers that are gone without a word, and those that merely have nothing to say (D-30).

use std::time::Duration;

use reference::{Limits, Options, Server};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::Client;

async fn impatient() -> Server {
    let options = Options {
        limits: Limits {
            silence_time_max: Duration::from_secs(3),
            ..Limits::default()
        },
        ..Options::default()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

#[tokio::test]
async fn a_worker_that_answers_no_ping_is_given_up_and_its_calls_end() {
    let server = impatient().await;
    // It is not read from any more, so that it answers nothing either.
    let mut lost = Client::connect(&server.url()).await;
    lost.register("f").await;
    let mut caller = Client::connect(&server.url()).await;
    let answer = caller.call("f", Value::Null).await;
    assert_eq!(answer["error"]["code"], "invocation_stopped", "{answer}");
    let answer = caller.call("f", Value::Null).await;
    assert_eq!(answer["error"]["code"], "function_not_found", "{answer}");
}

#[tokio::test]
async fn a_worker_that_answers_pings_stays() {
    let server = impatient().await;
    let mut idle = Client::connect(&server.url()).await;
    idle.register("f").await;
    for _ in 0..4 {
        let message = idle.next().await;
        assert!(matches!(message, Some(Message::Ping(_))), "{message:?}");
    }
    let mut caller = Client::connect(&server.url()).await;
    let call = json!({
        "type": "invokefunction", "invocation_id": "i", "function_id": "f", "data": 1,
    });
    caller.send(&call.to_string()).await;
    let call = idle.served().await;
    idle.answer(&call, json!(2)).await;
    assert_eq!(caller.frame().await["result"], 2);
}
