//! Engines that mean harm, byte by byte.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::yield_now,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// What acts on a terminal, on a page or on whoever reads: an escape, C1 controls, marks that turn
/// text around, the end of a line, and markup.
pub(super) const WORDS: &str = "</pre><script>alert(1)</script><b onclick='x'>\u{1b}]0;owned\u{7}\
                                \u{1b}[2J\u{9b}31m\u{85}\u{7f}\u{202e}\u{2066}\u{2028}\r\n::error::x";

/// What an engine does with a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// Sends small frames, each of them sound, without end.
    EndlessFrames,
    /// Likewise, and answers pings beside it.
    EndlessFramesAndPongs,
    /// Begins each session with thousands of frames, each of them wrong in a way of its own.
    ManyFaults,
    /// Sends frames that nobody sees, without end.
    EndlessPings,
    /// Announces a frame of 1 GiB, and sends bytes of it without end.
    HugeFrame,
    /// Sends fragments of one message, without end.
    EndlessMessage,
    /// Sends text that is no UTF-8.
    NoUtf8,
    /// Sends frames of so many bytes that take a hundred times as many once they are read.
    DenseFrames(usize),
    /// Sends frames of lists in lists, deeper than any reader can follow by calling itself.
    DeepFrames,
    /// Keeps the connection open, whatever it is sent, and answers each piece of it with a frame.
    NeverCloses,
    /// Reads nothing after the handshake.
    StopsReading,
    /// Answers one call of a session, and reads nothing after it.
    ReadsOneCall,
    /// Takes a connection, and says nothing.
    NoHandshake,
    /// Begins to answer a handshake, and never ends.
    EndlessHandshake,
    /// Refuses the handshake in words that mean harm.
    RefusesInWords,
    /// Answers everything in such words, and closes with them.
    Words,
    /// Likewise, also where a frame's type should be.
    WordsForTypes,
}

/// Listens on a port of its own; what workers connect to.
pub(super) async fn engine(manner: Manner) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    if matches!(manner, Manner::StopsReading | Manner::ReadsOneCall) {
        // So little that it is soon full.
        socket.set_recv_buffer_size(4 << 10).unwrap();
    }
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1_024).unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Whoever is harmed may leave.
            tokio::spawn(serve(tcp, manner));
        }
    });
    url
}

async fn serve(mut tcp: TcpStream, manner: Manner) -> Option<()> {
    match manner {
        Manner::NoHandshake => return hold(tcp).await,
        Manner::EndlessHandshake => {
            let head = b"HTTP/1.1 101 Switching Protocols\r\nx: ";
            return endless(tcp, head, b"y").await;
        }
        Manner::RefusesInWords => {
            let answer = format!("HTTP/1.1 404 {WORDS}\r\nx-{WORDS}: {WORDS}\r\n\r\n{WORDS}");
            tcp.write_all(answer.as_bytes()).await.ok()?;
            return hold(tcp).await;
        }
        _ => {}
    }
    let socket = accept_async(tcp).await.ok()?;
    match manner {
        Manner::Words => return words(socket, "pong").await,
        Manner::WordsForTypes => return words(socket, WORDS).await,
        Manner::EndlessFramesAndPongs => return talks_on(socket).await,
        Manner::ReadsOneCall => return reads_one_call(socket).await,
        _ => {}
    }
    let tcp = socket.into_inner();
    match manner {
        Manner::EndlessFrames => {
            endless(tcp, b"", &frame(0x81, br#"{"type":"workerregistered"}"#)).await
        }
        Manner::ManyFaults => many_faults(tcp).await,
        Manner::EndlessPings => endless(tcp, b"", &frame(0x89, b"")).await,
        Manner::EndlessMessage => endless(tcp, &frame(0x01, b"{"), &frame(0x00, b" ")).await,
        Manner::NoUtf8 => endless(tcp, b"", &frame(0x81, &[b'"', 0xff, 0x80, b'"'])).await,
        Manner::HugeFrame => {
            let head = [&[0x81, 0x7f][..], &(1_u64 << 30).to_be_bytes()].concat();
            endless(tcp, &head, b"x").await
        }
        Manner::DenseFrames(bytes) => {
            let dense = r#"{"":0},"#.repeat(bytes / 8);
            let dense = format!(r#"{{"type":"workerregistered","data":[{dense}0]}}"#);
            endless(tcp, b"", &frame(0x81, dense.as_bytes())).await
        }
        Manner::DeepFrames => {
            let deep = format!(r#"{{"type":"workerregistered","data":{}}}"#, deep());
            endless(tcp, b"", &frame(0x81, deep.as_bytes())).await
        }
        Manner::NeverCloses => answers_on(tcp).await,
        _ => hold(tcp).await,
    }
}

/// Lists in lists.
pub(super) fn deep() -> String {
    const DEPTH: usize = 200_000;
    "[".repeat(DEPTH) + &"]".repeat(DEPTH)
}

/// A frame of the engine's, which are not masked.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64).to_be_bytes();
    let length = match payload.len() {
        short @ 0..126 => vec![short as u8],
        126..65_536 => [&[126][..], &length[6..]].concat(),
        _ => [&[127][..], &length].concat(),
    };
    [&[head][..], &length, payload].concat()
}

/// Sends the one, and then the other for as long as somebody reads it.
pub(super) async fn endless(mut tcp: TcpStream, first: &[u8], again: &[u8]) -> Option<()> {
    const PIECE_BYTES: usize = 64 << 10;
    tcp.write_all(first).await.ok()?;
    let piece = again.repeat(PIECE_BYTES.div_ceil(again.len()));
    loop {
        tcp.write_all(&piece).await.ok()?;
        // There are others on this thread.
        yield_now().await;
    }
}

async fn many_faults(mut tcp: TcpStream) -> Option<()> {
    static FAULTS: AtomicU64 = AtomicU64::new(0);
    const OF_A_SESSION: usize = 2_000;
    let wrong = |_| {
        let id = FAULTS.fetch_add(1, Ordering::Relaxed);
        let text = json!({"type": "functionregistrationresult", "id": id, "function_id": "f"});
        frame(0x81, text.to_string().as_bytes())
    };
    let all: Vec<u8> = (0..OF_A_SESSION).flat_map(wrong).collect();
    tcp.write_all(&all).await.ok()?;
    hold(tcp).await
}

/// Reads nothing, for as long as the connection is there.
pub(super) async fn hold(tcp: TcpStream) -> Option<()> {
    let _open = tcp;
    std::future::pending().await
}

async fn answers_on(mut tcp: TcpStream) -> Option<()> {
    let answer = frame(0x81, br#"{"type":"pong"}"#);
    let mut read = [0; 1_024];
    while tcp.read(&mut read).await.ok()? > 0 {
        tcp.write_all(&answer).await.ok()?;
    }
    Some(())
}

async fn talks_on(mut socket: WebSocketStream<TcpStream>) -> Option<()> {
    loop {
        for _ in 0..100 {
            let frame = Message::text(r#"{"type":"workerregistered"}"#);
            socket.feed(frame).await.ok()?;
        }
        socket.flush().await.ok()?;
        // Pings are answered by reading.
        while let Some(read) = socket.next().now_or_never() {
            read?.ok()?;
        }
        yield_now().await;
    }
}

async fn reads_one_call(mut socket: WebSocketStream<TcpStream>) -> Option<()> {
    loop {
        let Message::Text(text) = socket.next().await?.ok()? else {
            continue;
        };
        let asked: Value = serde_json::from_str(&text).ok()?;
        if asked["invocation_id"].is_null() {
            continue;
        }
        let result = json!({
            "type": "invocationresult",
            "invocation_id": asked["invocation_id"],
            "function_id": asked["function_id"],
            "result": null,
        });
        socket.send(Message::text(result.to_string())).await.ok()?;
        return hold(socket.into_inner()).await;
    }
}

async fn words(mut socket: WebSocketStream<TcpStream>, pong: &str) -> Option<()> {
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        let asked: Value = serde_json::from_str(&text).unwrap_or_default();
        let error = json!({"code": WORDS, "message": WORDS, (WORDS): WORDS});
        let answer = match asked["type"].as_str() {
            Some("ping") => json!({"type": pong, (WORDS): WORDS}),
            Some("registertrigger") => json!({
                "type": "triggerregistrationresult",
                "id": asked["id"],
                "trigger_type": asked["trigger_type"],
                "function_id": asked["function_id"],
                "error": error,
            }),
            Some("invokefunction") => json!({
                "type": "invocationresult",
                "invocation_id": asked["invocation_id"],
                "function_id": asked["function_id"],
                "error": error,
            }),
            Some("registerfunction") => continue,
            _ => {
                let code = CloseCode::Library(4_000);
                let reason = "<b>\u{1b}[2J\u{9b}\u{202e}".into();
                let close = socket.close(Some(CloseFrame { code, reason })).await;
                return close.ok();
            }
        };
        let said = [answer.to_string(), WORDS.to_owned()];
        for text in said {
            socket.send(Message::text(text)).await.ok()?;
        }
    }
    Some(())
}
