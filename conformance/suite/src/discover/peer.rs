//! A session that finds something out, and takes back what it has registered.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::Engine;
use crate::{
    frame::Frame,
    report::printable,
    session::{ConnectError, Session, Stop},
    transcript::Transcript,
};

/// How much is told of an engine's own words.
const CODE_CHARACTERS_MAX: usize = 80;

/// One session, and what it has registered.
pub(super) struct Peer {
    session: Session,
    /// The frames that take everything back.
    undo: Vec<Value>,
}

impl Peer {
    pub(super) async fn connect(engine: &Engine, hello: bool) -> Result<Self, ConnectError> {
        let transcript = Transcript::default();
        let session =
            Session::connect(&engine.url, "init", hello, engine.patience, &transcript).await?;
        let undo = Vec::new();
        Ok(Self { session, undo })
    }

    pub(super) async fn send(&mut self, frame: &Value) {
        self.session.send_text(&frame.to_string()).await;
    }

    /// Registers a function, served by this session if there is no `invocation`.
    pub(super) async fn register_function(&mut self, id: &str, invocation: Option<Value>) {
        let mut frame = json!({"type": "registerfunction", "id": id});
        if let (Some(invocation), Some(fields)) = (invocation, frame.as_object_mut()) {
            fields.insert("invocation".to_owned(), invocation);
        }
        self.send(&frame).await;
        self.undo
            .push(json!({"type": "unregisterfunction", "id": id}));
    }

    pub(super) async fn register_trigger(
        &mut self,
        id: &str,
        kind: &str,
        function: &str,
        config: Value,
    ) {
        self.send(&json!({
            "type": "registertrigger",
            "id": id,
            "trigger_type": kind,
            "function_id": function,
            "config": config,
        }))
        .await;
        self.undo
            .push(json!({"type": "unregistertrigger", "id": id, "trigger_type": kind}));
    }

    /// Calls a function; the id of the call.
    pub(super) async fn call(&mut self, function: &str, data: Value) -> String {
        let id = Uuid::new_v4().to_string();
        self.send(&json!({
            "type": "invokefunction",
            "invocation_id": id,
            "function_id": function,
            "data": data,
        }))
        .await;
        id
    }

    /// Answers a call that the engine has made.
    pub(super) async fn answer(&mut self, call: &Frame, result: Value) {
        let field = |name: &str| call.text_field(name).unwrap_or_default().to_owned();
        self.send(&json!({
            "type": "invocationresult",
            "invocation_id": field("invocation_id"),
            "function_id": field("function_id"),
            "result": result,
        }))
        .await;
    }

    /// The first frame that is wanted.
    pub(super) async fn take<T>(
        &mut self,
        deadline: Instant,
        wanted: impl FnMut(&Frame) -> Option<T>,
    ) -> Result<(Frame, T), Stop> {
        self.session.take(deadline, wanted).await
    }

    /// How long a ping takes there and back.
    pub(super) async fn ping(&mut self, in_protocol: bool, deadline: Instant) -> Option<Duration> {
        let began = Instant::now();
        let answered = self.session.fence(in_protocol, deadline).await;
        answered.ok().map(|()| began.elapsed())
    }

    /// Takes back what was registered, last first, and ends the session.
    pub(super) async fn leave(mut self, engine: &Engine) {
        for frame in std::mem::take(&mut self.undo).iter().rev() {
            self.send(frame).await;
        }
        // Whether the engine closes in good order is for the suite to judge.
        let _ = self.session.close(1000, engine.soon()).await;
    }
}

/// The code of the error that a frame brings, if it brings one, fit for a terminal.
pub(super) fn error_of(frame: &Frame) -> Option<String> {
    let error = frame.value.get("error").filter(|it| !it.is_null())?;
    let code = error.get("code").and_then(Value::as_str);
    let code = code.unwrap_or("without a code");
    Some(printable(code, CODE_CHARACTERS_MAX))
}
