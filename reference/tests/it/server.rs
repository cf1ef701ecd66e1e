//! What the shell adds to the core: limits, handshakes, the ends of connections.

use std::time::Duration;

use futures_util::SinkExt;
use reference::{
    Access, FixedEnvironment, Limits, Options, Server,
    core::{Engine, Settings},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode},
        protocol::CloseFrame,
    },
};

use crate::client::Client;

async fn serve(options: Options) -> Server {
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

fn small_frames() -> Options {
    Options {
        limits: Limits {
            frame_bytes_max: 1_000,
            ..Limits::default()
        },
        ..Options::default()
    }
}

/// The ids of the workers that the engine lists.
async fn workers(client: &mut Client) -> usize {
    let call = r#"{"type":"invokefunction","invocation_id":"i","function_id":"engine::workers::list","data":null}"#;
    client.send(call).await;
    let answer = client.frame().await;
    answer["result"]["workers"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_frame_over_the_limit_is_answered_and_then_closed_1009() {
    let server = serve(small_frames()).await;
    let mut client = Client::connect(&server.url()).await;
    client.send(&"x".repeat(1_001)).await;
    let answer = client.frame().await;
    assert_eq!(answer["error"]["code"], "invalid_message");
    assert_eq!(
        answer["error"]["message"],
        "a frame must not be larger than 1000 bytes"
    );
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn a_frame_far_over_the_limit_is_answered_although_it_is_still_being_sent() {
    let server = serve(small_frames()).await;
    let mut client = Client::connect(&server.url()).await;
    // More than the buffers between the two take: the client is writing when it is refused.
    client.send(&"x".repeat(8 << 20)).await;
    assert_eq!(client.frame().await["error"]["code"], "invalid_message");
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn a_frame_at_the_limit_is_read() {
    let server = serve(small_frames()).await;
    let mut client = Client::connect(&server.url()).await;
    let head = r#"{"type":"ping","x":""#;
    let frame = format!("{head}{}\"}}", "x".repeat(1_000 - head.len() - 2));
    assert_eq!(frame.len(), 1_000);
    client.send(&frame).await;
    assert_eq!(client.frame().await["type"], "pong");
}

#[tokio::test]
async fn a_message_in_fragments_is_held_to_the_limit_as_a_whole() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let server = serve(small_frames()).await;
    let mut client = Client::connect(&server.url()).await;
    let part = |opcode, last| Message::Frame(Frame::message(vec![b'x'; 600], opcode, last));
    let first = part(OpCode::Data(Data::Text), false);
    client.socket.send(first).await.unwrap();
    let second = part(OpCode::Data(Data::Continue), true);
    client.socket.send(second).await.unwrap();
    assert_eq!(client.frame().await["error"]["code"], "invalid_message");
    assert_eq!(client.close_code().await, 1009);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_answered_and_then_closed_1007() {
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    client.send_as_text(vec![b'{', 0xff, b'}']).await;
    let answer = client.frame().await;
    assert_eq!(answer["error"]["code"], "invalid_message");
    assert_eq!(client.close_code().await, 1007);
    let mut other = Client::connect(&server.url()).await;
    assert_eq!(workers(&mut other).await, 1, "the session has ended");
}

#[tokio::test]
async fn binary_frames_never_cost_the_session() {
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    client
        .socket
        .send(Message::binary(vec![0xff, 0x00]))
        .await
        .unwrap();
    assert_eq!(client.frame().await["error"]["code"], "invalid_message");
    for telemetry in ["OTLP…", "MTRC…", "LOGS…"] {
        client
            .socket
            .send(Message::binary(telemetry))
            .await
            .unwrap();
    }
    client.fence().await;
}

#[tokio::test]
async fn a_web_page_is_refused_unless_its_origin_is_allowed() {
    let options = Options {
        access: Access {
            origins: vec!["http://localhost:3000".to_owned()],
            ..Access::default()
        },
        ..Options::default()
    };
    let server = serve(options).await;
    let from = |origin: &'static str| {
        let mut request = server.url().into_client_request().unwrap();
        let origin = HeaderValue::from_static(origin);
        request.headers_mut().insert("origin", origin);
        connect_async(request)
    };
    match from("http://evil.example").await {
        Err(Error::Http(response)) => assert_eq!(response.status(), StatusCode::FORBIDDEN),
        other => panic!("expected 403, got {other:?}"),
    }
    assert!(from("http://localhost:3000").await.is_ok());
    assert!(connect_async(server.url()).await.is_ok(), "no origin");
}

#[tokio::test]
async fn telemetry_sockets_are_no_workers() {
    let server = serve(Options::default()).await;
    let mut telemetry = Client::connect_silently(&format!("{}/otel", server.url())).await;
    telemetry.send(r#"{"type":"ping"}"#).await;
    telemetry
        .socket
        .send(Message::binary("OTLP…"))
        .await
        .unwrap();
    let mut client = Client::connect(&server.url()).await;
    assert_eq!(workers(&mut client).await, 1);
    let close = CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    };
    telemetry.socket.close(Some(close)).await.unwrap();
    assert_eq!(telemetry.close_code().await, 1000, "nothing else was sent");
}

#[tokio::test]
async fn a_session_ends_with_its_close_frame_before_the_connection_does() {
    let server = serve(Options::default()).await;
    let mut leaving = Client::connect(&server.url()).await;
    let mut staying = Client::connect(&server.url()).await;
    leaving
        .send(r#"{"type":"registerfunction","id":"f"}"#)
        .await;
    leaving.fence().await;
    leaving.socket.close(None).await.unwrap();
    // The reply to the Close frame comes after the end of the session.
    while leaving.next().await.is_some() {}
    let call = r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":null}"#;
    staying.send(call).await;
    assert_eq!(staying.frame().await["error"]["code"], "function_not_found");
}

#[tokio::test]
async fn a_call_that_is_never_answered_ends_timeout() {
    let settings = Settings {
        call_timeout: Duration::from_millis(20),
        ..Settings::default()
    };
    let options = Options {
        machine: Box::new(Engine::new(settings)),
        ..Options::default()
    };
    let server = serve(options).await;
    let mut client = Client::connect(&server.url()).await;
    client.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    client
        .send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":null}"#)
        .await;
    assert_eq!(client.frame().await["type"], "invokefunction");
    let answer = client.frame().await;
    assert_eq!(answer["error"]["code"], "timeout");
    assert_eq!(
        answer["error"]["message"],
        "Function 'f' did not answer within 20 ms"
    );
}

#[tokio::test]
async fn a_session_that_does_not_read_is_given_up_and_others_are_served() {
    let options = Options {
        limits: Limits {
            outbox_bytes_max: 100_000,
            close_time_max: Duration::from_millis(50),
            ..Limits::default()
        },
        ..Options::default()
    };
    let server = serve(options).await;
    let mut deaf = Client::connect(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    deaf.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    deaf.fence().await;
    let payload = "x".repeat(50_000);
    let call = format!(
        r#"{{"type":"invokefunction","invocation_id":"i","function_id":"f","data":"{payload}"}}"#
    );
    // Enough to fill what lies between the engine and a peer that has stopped reading.
    let mut calls = 0;
    let code = loop {
        assert!(calls < 2_000, "the outbox has no bound");
        caller.send(&call).await;
        calls += 1;
        caller.send(r#"{"type":"ping"}"#).await;
        let answer = caller.frame().await;
        if answer["type"] != "pong" {
            break answer["error"]["code"].clone();
        }
    };
    assert_eq!(code, "invocation_stopped");
}

#[tokio::test]
async fn a_session_that_takes_nothing_for_too_long_is_given_up_though_it_says_that_it_is_there() {
    let options = Options {
        limits: Limits {
            stall_time_max: Duration::from_millis(300),
            close_time_max: Duration::from_millis(50),
            ..Limits::default()
        },
        ..Options::default()
    };
    let server = serve(options).await;
    let mut deaf = Client::connect(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    deaf.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    deaf.fence().await;
    // More than lies between the engine and a peer that has stopped reading, and less than may
    // wait.
    let payload = "x".repeat(14 << 20);
    for id in 0..3 {
        caller
            .send(&format!(
                r#"{{"type":"invokefunction","invocation_id":"{id}","function_id":"f","data":"{payload}"}}"#
            ))
            .await;
    }
    let talking = async {
        loop {
            deaf.send(r#"{"type":"pong"}"#).await;
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        biased;
        answer = caller.frame() => answer,
        () = talking => unreachable!(),
    };
    assert_eq!(answer["error"]["code"], "invocation_stopped");
}

#[tokio::test]
async fn credentials_come_from_the_environment_that_the_server_was_given() {
    let options = Options {
        environment: Box::new(FixedEnvironment::new([("HAS_IT", "secret")])),
        ..Options::default()
    };
    let server = serve(options).await;
    let mut client = Client::connect(&server.url()).await;
    for (variable, refused) in [("HAS_IT", false), ("HAS_IT_NOT", true)] {
        let auth = format!(r#"{{"type":"bearer","token_key":"{variable}"}}"#);
        client
            .send(&format!(
                r#"{{"type":"registerfunction","id":"{variable}","invocation":{{"url":"http://127.0.0.1:9/","auth":{auth}}}}}"#
            ))
            .await;
        if refused {
            let answer = client.frame().await;
            assert_eq!(answer["error"]["code"], "missing_env_var");
        }
        client.fence().await;
    }
}

#[tokio::test]
async fn a_close_frame_is_answered_with_its_code() {
    let server = serve(Options::default()).await;
    for code in [1000, 1001, 4001] {
        let mut client = Client::connect(&server.url()).await;
        client.fence().await;
        client.close(code).await;
        assert_eq!(client.close_code().await, code);
    }
}

#[tokio::test]
async fn shutting_down_answers_calls_in_flight_and_then_closes_1012() {
    let server = serve(Options::default()).await;
    let mut worker = Client::connect(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    worker.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    worker.fence().await;
    caller
        .send(r#"{"type":"invokefunction","invocation_id":"i","function_id":"f","data":1}"#)
        .await;
    assert_eq!(worker.frame().await["type"], "invokefunction");
    let url = server.url();
    let (code, worker_code, ()) = tokio::join!(
        async {
            assert_eq!(caller.frame().await["error"]["code"], "invocation_stopped");
            caller.close_code().await
        },
        worker.close_code(),
        server.shutdown(),
    );
    assert_eq!((code, worker_code), (1012, 1012));
    assert!(connect_async(url).await.is_err(), "it no longer listens");
}

#[tokio::test]
async fn a_worker_that_writes_before_it_reads_is_served() {
    let server = serve(Options::default()).await;
    let mut worker = Client::connect(&server.url()).await;
    let mut caller = Client::connect(&server.url()).await;
    worker
        .send(r#"{"type":"registerfunction","id":"echo"}"#)
        .await;
    worker.fence().await;
    // More calls than the buffers between the two take, before the worker reads the first one;
    // and it writes each answer whole before it reads on.
    let (calls, payload) = (40, "x".repeat(1 << 20));
    for index in 0..calls {
        caller
            .send(&format!(
                r#"{{"type":"invokefunction","invocation_id":"{index}","function_id":"echo","data":"{payload}"}}"#
            ))
            .await;
    }
    caller.send(r#"{"type":"ping"}"#).await;
    assert_eq!(caller.frame().await["type"], "pong", "all calls are queued");
    let working = async {
        for _ in 0..calls {
            let call = worker.frame().await;
            let (id, data) = (&call["invocation_id"], &call["data"]);
            let answer =
                format!(r#"{{"type":"invocationresult","invocation_id":{id},"result":{data}}}"#);
            worker.send(&answer).await;
        }
    };
    let calling = async {
        for _ in 0..calls {
            assert_eq!(caller.frame().await["result"], payload);
        }
    };
    tokio::join!(working, calling);
}

#[tokio::test]
async fn what_was_asked_before_a_close_is_answered_before_it() {
    let server = serve(Options::default()).await;
    for _ in 0..50 {
        let mut client = Client::connect(&server.url()).await;
        for _ in 0..3 {
            let ping = Message::text(r#"{"type":"ping"}"#);
            client.socket.feed(ping).await.unwrap();
        }
        client.socket.feed(Message::Close(None)).await.unwrap();
        client.socket.flush().await.unwrap();
        let mut pongs = 0;
        while let Some(message) = client.next().await {
            pongs += usize::from(message.is_text());
        }
        assert_eq!(pongs, 3);
    }
}

#[tokio::test]
async fn bytes_that_are_no_websocket_frames_close_the_session_1002() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    let server = serve(Options::default()).await;
    let mut client = Client::connect(&server.url()).await;
    let mut compressed = Frame::message(vec![b'x'], OpCode::Data(Data::Text), true);
    compressed.header_mut().rsv1 = true;
    client
        .socket
        .send(Message::Frame(compressed))
        .await
        .unwrap();
    let answer = client.frame().await;
    assert_eq!(answer["error"]["code"], "invalid_message");
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn a_session_that_is_retired_while_it_does_not_read_is_let_go() {
    let options = Options {
        limits: Limits {
            close_time_max: Duration::from_millis(100),
            ..Limits::default()
        },
        ..Options::default()
    };
    let server = serve(options).await;
    let mut deaf = Client::connect_silently(&server.url()).await;
    let greeting = deaf.frame().await;
    let mut caller = Client::connect(&server.url()).await;
    deaf.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    deaf.fence().await;
    let payload = "x".repeat(8 << 20);
    caller
        .send(&format!(
            r#"{{"type":"invokefunction","function_id":"f","data":"{payload}"}}"#
        ))
        .await;
    caller.fence().await;
    let (id, token) = (&greeting["worker_id"], &greeting["reattach_token"]);
    caller
        .send(&format!(
            r#"{{"type":"reattach","previous_worker_id":{id},"reattach_token":{token}}}"#
        ))
        .await;
    caller.fence().await;
    // Neither the call nor a Close frame can be written, so the connection ends without.
    tokio::time::timeout(Duration::from_secs(20), async {
        while deaf.next().await.is_some() {}
    })
    .await
    .expect("the connection is let go");
}

#[tokio::test]
async fn the_largest_frame_fits_however_small_the_outbox() {
    let options = Options {
        limits: Limits {
            outbox_bytes_max: 1_000,
            ..Limits::default()
        },
        ..Options::default()
    };
    let server = serve(options).await;
    let mut client = Client::connect(&server.url()).await;
    client.send(r#"{"type":"registerfunction","id":"f"}"#).await;
    client.fence().await;
    let payload = "x".repeat(100_000);
    client
        .send(&format!(
            r#"{{"type":"invokefunction","function_id":"f","data":"{payload}"}}"#
        ))
        .await;
    assert_eq!(client.frame().await["data"], payload);
    client.fence().await;
}
