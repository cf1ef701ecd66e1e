//! What sessions do not read, and what they do not send to its end, is bounded (D-28).

use std::time::Duration;

use futures_util::SinkExt;
use reference::{Limits, Options, Server};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::client::Client;

const MIB: usize = 1 << 20;

async fn serve(limits: Limits) -> Server {
    let options = Options {
        limits,
        ..Options::default()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

fn invoke(id: usize, function_id: &str, data: &str) -> String {
    let id = id.to_string();
    let frame = json!({
        "type": "invokefunction", "invocation_id": id, "function_id": function_id, "data": data,
    });
    frame.to_string()
}

/// A worker whose function `echo` answers with what it is called with.
async fn echo(url: &str) {
    let mut worker = Client::connect(url).await;
    worker.register("echo").await;
    tokio::spawn(async move {
        while let Some(message) = worker.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let call: Value = serde_json::from_str(&text).unwrap();
            worker.answer(&call, call["data"].clone()).await;
        }
    });
}

/// Calls `echo` until nothing more is taken, or all calls are made; gives how many were, and
/// watches how much waits meanwhile.
async fn call_until_held(
    caller: &mut Client,
    calls: usize,
    data: &str,
    server: &Server,
    most: &mut usize,
) -> usize {
    let mut other = Client::connect(&server.url()).await;
    for made in 0..calls {
        let call = invoke(made, "echo", data);
        let mut sending = Box::pin(caller.send(&call));
        // So often in a row the engine has served another one and not taken the call.
        let mut turns = 0;
        loop {
            tokio::select! {
                biased;
                () = &mut sending => break,
                () = other.fence() => {}
            }
            let waiting = server.waiting_bytes();
            *most = waiting.max(*most);
            turns = if waiting > MIB { turns + 1 } else { 0 };
            if turns == 200 {
                // The rest of it has still to be sent.
                drop(sending);
                return made + 1;
            }
        }
    }
    calls
}

/// Reads the answers to so many calls, of which the last has still to be sent in part.
async fn read_answers(caller: &mut Client, made: usize, data: &str) {
    for id in 0..made {
        if id == made - 1 {
            caller.socket.flush().await.unwrap();
        }
        let answer = caller.frame().await;
        assert_eq!(answer["invocation_id"], id.to_string());
        assert_eq!(answer["result"], data);
    }
}

#[tokio::test]
async fn a_session_that_does_not_read_its_answers_is_not_read_from_until_it_does() {
    let (calls, data) = (3_000, "x".repeat(32 << 10));
    let server = serve(Limits {
        answer_bytes_max: MIB,
        ..Limits::default()
    })
    .await;
    echo(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    let mut most = 0;
    let made = call_until_held(&mut caller, calls, &data, &server, &mut most).await;
    assert!(made < calls, "all calls were taken");
    // What was under way when the bound was crossed is still answered.
    assert!(most > MIB && most < 32 * MIB, "{most} bytes waited");
    read_answers(&mut caller, made, &data).await;
    caller.fence().await;
    assert_eq!(server.waiting_bytes(), 0);
}

#[tokio::test]
async fn a_session_that_is_not_read_from_is_not_taken_for_a_silent_one() {
    let (calls, data) = (3_000, "x".repeat(32 << 10));
    let server = serve(Limits {
        answer_bytes_max: MIB,
        silence_time_max: Duration::from_secs(2),
        ..Limits::default()
    })
    .await;
    echo(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    let made = call_until_held(&mut caller, calls, &data, &server, &mut 0).await;
    assert!(made < calls, "all calls were taken");
    // A silent session is given up after two pings.
    let mut idle = Client::connect(&server.url()).await;
    for _ in 0..4 {
        let message = idle.next().await;
        assert!(matches!(message, Some(Message::Ping(_))), "{message:?}");
    }
    read_answers(&mut caller, made, &data).await;
    caller.fence().await;
}

/// Calls a function of a worker that does not read, until so much waits; says whether a call
/// has ended meanwhile, and how.
async fn fill(caller: &mut Client, function_id: &str, server: &Server, bytes: usize) -> Value {
    let call = invoke(0, function_id, &"x".repeat(50_000));
    for _ in 0..2_000 {
        if server.waiting_bytes() >= bytes {
            return Value::Null;
        }
        let ping = r#"{"type":"ping"}"#;
        caller
            .socket
            .feed(Message::text(call.as_str()))
            .await
            .unwrap();
        caller.send(ping).await;
        let answer = caller.frame().await;
        if answer["type"] != "pong" {
            return answer["error"]["code"].clone();
        }
    }
    panic!("what waits has no bound");
}

#[tokio::test]
async fn when_too_much_waits_for_all_the_session_with_the_most_is_given_up() {
    let server = serve(Limits {
        outboxes_bytes_max: 2 * MIB,
        close_time_max: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut little = Client::connect(&server.url()).await;
    little.register("little").await;
    let mut much = Client::connect(&server.url()).await;
    much.register("much").await;
    let mut caller = Client::connect(&server.url()).await;
    assert_eq!(
        fill(&mut caller, "little", &server, MIB / 2).await,
        Value::Null
    );
    let code = fill(&mut caller, "much", &server, usize::MAX).await;
    assert_eq!(code, "invocation_stopped");
    assert!(server.waiting_bytes() <= 2 * MIB + 100_000);
    // The other one is still there, and gets what has waited for it.
    little.send(r#"{"type":"ping"}"#).await;
    let mut served = 0;
    while little.frame().await["type"] == "invokefunction" {
        served += 1;
    }
    assert!(served > MIB / 2 / 50_000, "{served}");
}

#[tokio::test]
async fn a_session_that_takes_nothing_for_too_long_is_given_up_with_what_it_was_to_serve() {
    let server = serve(Limits {
        stall_time_max: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let mut deaf = Client::connect(&server.url()).await;
    deaf.register("f").await;
    let mut caller = Client::connect(&server.url()).await;
    // Far less than may wait for it.
    let mut code = fill(&mut caller, "f", &server, MIB).await;
    if code == Value::Null {
        code = caller.frame().await["error"]["code"].take();
    }
    assert_eq!(code, "invocation_stopped");
    assert_eq!(deaf.close_code().await, 1013);
}

/// Sends a part of a message, and waits until the engine has read it.
async fn send_part(client: &mut Client, part: &str, opcode: Data, is_last: bool) {
    let frame = Frame::message(part.to_owned(), OpCode::Data(opcode), is_last);
    for message in [Message::Frame(frame), Message::Ping("read?".into())] {
        client.socket.send(message).await.unwrap();
    }
}

#[tokio::test]
async fn when_too_much_has_come_of_messages_the_session_with_the_largest_is_given_up() {
    let server = serve(Limits {
        unfinished_bytes_max: MIB,
        ..Limits::default()
    })
    .await;
    let mut small = Client::connect(&server.url()).await;
    let mut large = Client::connect(&server.url()).await;
    let is_read = Some(Message::Pong("read?".into()));
    let begin = |bytes: usize| format!(r#"{{"type":"ping","more":"{}"#, "x".repeat(bytes));
    send_part(&mut small, &begin(300_000), Data::Text, false).await;
    assert_eq!(small.next().await, is_read);
    send_part(&mut large, &begin(650_000), Data::Text, false).await;
    assert_eq!(large.next().await, is_read);
    // Pings between the parts do not make it less.
    send_part(&mut small, &"x".repeat(50_000), Data::Continue, false).await;
    assert_eq!(small.next().await, is_read);
    send_part(&mut small, &"x".repeat(100_000), Data::Continue, false).await;
    assert_eq!(large.close_code().await, 1013);
    assert_eq!(small.next().await, is_read);
    send_part(&mut small, r#""}"#, Data::Continue, true).await;
    assert_eq!(small.text().await, r#"{"type":"pong"}"#);
    assert_eq!(small.next().await, is_read);
    // What has been handled does not count any more.
    let mut other = Client::connect(&server.url()).await;
    send_part(&mut other, &begin(900_000), Data::Text, false).await;
    assert_eq!(other.next().await, is_read);
    small.fence().await;
}

#[tokio::test]
async fn pings_are_no_part_of_a_message() {
    let server = serve(Limits {
        unfinished_bytes_max: 64 << 10,
        ..Limits::default()
    })
    .await;
    let mut idle = Client::connect(&server.url()).await;
    let ping = "x".repeat(125);
    // As many as come of themselves in some hours, and together more than may come of messages.
    for _ in 0..1_000 {
        idle.socket
            .send(Message::Ping(ping.clone().into()))
            .await
            .unwrap();
        assert_eq!(idle.next().await, Some(Message::Pong(ping.clone().into())));
    }
    idle.fence().await;
}

#[tokio::test]
async fn telemetry_takes_no_more_room_than_sessions_may() {
    let server = serve(Limits {
        unfinished_bytes_max: 64 << 10,
        ..Limits::default()
    })
    .await;
    let mut telemetry = Client::connect_silently(&format!("{}/otel", server.url())).await;
    // Messages that are whole, and pings, do not add up.
    for _ in 0..10 {
        telemetry.send(&"x".repeat(60_000)).await;
        send_part(&mut telemetry, "", Data::Text, true).await;
        assert_eq!(telemetry.next().await, Some(Message::Pong("read?".into())));
    }
    let part = "x".repeat(100_000);
    let frame = Frame::message(part, OpCode::Data(Data::Text), false);
    telemetry.socket.send(Message::Frame(frame)).await.unwrap();
    assert_eq!(telemetry.next().await, None, "it is ended");
    Client::connect(&server.url()).await.fence().await;
}
