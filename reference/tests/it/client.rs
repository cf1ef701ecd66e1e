//! A worker that says exactly what it is told to.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Message,
        protocol::{
            CloseFrame,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client<S = MaybeTlsStream<TcpStream>> {
    pub(crate) socket: WebSocketStream<S>,
}

impl Client {
    /// Connects and takes the greeting.
    pub(crate) async fn connect(url: &str) -> Self {
        let mut client = Self::connect_silently(url).await;
        assert_eq!(client.frame().await["type"], "workerregistered");
        client
    }

    pub(crate) async fn connect_silently(url: &str) -> Self {
        let (socket, _) = timeout(PATIENCE, connect_async(url))
            .await
            .unwrap()
            .unwrap();
        Self { socket }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// A text frame of any bytes.
    pub(crate) async fn send_as_text(&mut self, payload: Vec<u8>) {
        let frame = Frame::message(payload, OpCode::Data(Data::Text), true);
        self.socket.send(Message::Frame(frame)).await.unwrap();
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.socket.next())
            .await
            .expect("patience");
        message.and_then(Result::ok)
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.next().await {
                Some(Message::Text(text)) => return text.to_string(),
                // By reading it, it has been answered.
                Some(Message::Ping(_)) => {}
                other => panic!("expected a text frame, got {other:?}"),
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Reads on to the end of the connection, and gives the code of the Close frame.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let mut code = None;
        while let Some(message) = self.next().await {
            if let Message::Close(Some(frame)) = message {
                code = Some(frame.code.into());
            }
        }
        code.expect("a Close frame with a code")
    }

    /// Sends a Close frame.
    pub(crate) async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
    }

    pub(crate) async fn register(&mut self, function_id: &str) {
        let frame = json!({"type": "registerfunction", "id": function_id});
        self.send(&frame.to_string()).await;
        self.fence().await;
    }

    pub(crate) async fn unregister(&mut self, function_id: &str) {
        let frame = json!({"type": "unregisterfunction", "id": function_id});
        self.send(&frame.to_string()).await;
        self.fence().await;
    }

    /// Registers a trigger, which must succeed.
    pub(crate) async fn trigger(&mut self, kind: &str, id: &str, function_id: &str, config: Value) {
        let frame = json!({
            "type": "registertrigger", "id": id, "trigger_type": kind,
            "function_id": function_id, "config": config,
        });
        self.send(&frame.to_string()).await;
        let result = self.frame().await;
        assert_eq!(result["type"], "triggerregistrationresult", "{result}");
        assert_eq!(result.get("error"), None, "{result}");
    }

    /// The next call that this worker is to serve.
    pub(crate) async fn served(&mut self) -> Value {
        let call = self.frame().await;
        assert_eq!(call["type"], "invokefunction", "{call}");
        call
    }

    pub(crate) async fn answer(&mut self, call: &Value, result: Value) {
        self.end(call, "result", result).await;
    }

    pub(crate) async fn fail(&mut self, call: &Value, message: &str) {
        let error = json!({"code": "it_failed", "message": message});
        self.end(call, "error", error).await;
    }

    async fn end(&mut self, call: &Value, how: &str, value: Value) {
        let frame = json!({
            "type": "invocationresult", "invocation_id": call["invocation_id"],
            "function_id": call["function_id"], how: value,
        });
        self.send(&frame.to_string()).await;
    }

    /// Calls a function, and gives the answer to it.
    pub(crate) async fn call(&mut self, function_id: &str, data: Value) -> Value {
        let frame = json!({
            "type": "invokefunction", "invocation_id": "i", "function_id": function_id,
            "data": data,
        });
        self.send(&frame.to_string()).await;
        let answer = self.frame().await;
        assert_eq!(answer["type"], "invocationresult", "{answer}");
        answer
    }

    /// Everything that was sent before has been handled when this returns.
    pub(crate) async fn fence(&mut self) {
        self.send(r#"{"type":"ping"}"#).await;
        assert_eq!(self.frame().await["type"], "pong");
    }
}
