//! A worker with one function behind one http trigger, to try a running engine with:
//! `cargo run -p reference --example orders [ws://127.0.0.1:49134]`, and then
//! `curl -i 'http://127.0.0.1:3111/orders/7?fields=total'`.

#![allow(clippy::print_stdout, reason = "it is for people")]
#![allow(clippy::indexing_slicing, reason = "what a Value has not is null")]

use std::error::Error;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let engine = std::env::args().nth(1);
    let engine = engine.unwrap_or_else(|| "ws://127.0.0.1:49134".to_owned());
    let (mut socket, _) = connect_async(&engine).await?;
    for frame in [
        json!({"type": "registerfunction", "id": "orders.get"}),
        json!({
            "type": "registertrigger", "id": "get-order", "trigger_type": "http",
            "function_id": "orders.get", "config": {"path": "/orders/:id", "method": "GET"},
        }),
    ] {
        socket.send(Message::text(frame.to_string())).await?;
    }
    while let Some(message) = socket.next().await {
        let Message::Text(text) = message? else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text)?;
        println!("{frame}");
        if frame["type"] == "invokefunction" {
            let data = &frame["data"];
            let order = json!({"id": data["path_params"]["id"], "query": data["query_params"]});
            let answer = json!({
                "type": "invocationresult",
                "invocation_id": frame["invocation_id"],
                "function_id": frame["function_id"],
                "result": {"status_code": 200, "headers": {"X-Worker": "orders"}, "body": order},
            });
            socket.send(Message::text(answer.to_string())).await?;
        }
    }
    Ok(())
}
