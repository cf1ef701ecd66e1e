//! Driving an engine through a history over real sockets, and comparing it with the model.

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    SESSIONS, Step,
    model::{Model, Presence},
};
use crate::{
    frame::Frame,
    runner::{Context, Features, describe_stop},
    session::{Session, Stop},
    transcript::Transcript,
};

/// Where an engine left what the model allows.
#[derive(Clone, Debug)]
pub(super) struct Deviation {
    /// Counted from 0.
    pub(super) step: usize,
    pub(super) clause: &'static str,
    pub(super) expected: String,
    pub(super) problem: String,
}

/// Why a step went wrong, before it is known which step it was.
pub(super) struct Wrong {
    clause: &'static str,
    expected: String,
    problem: String,
}

impl Wrong {
    pub(super) fn new(
        clause: &'static str,
        expected: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self {
            clause,
            expected: expected.into(),
            problem: problem.into(),
        }
    }
}

pub(super) async fn drive(
    context: &Context,
    features: &Features,
    strict: bool,
    history: &[Step],
    attempt: u64,
    transcript: &Transcript,
) -> Result<(), Deviation> {
    let mut drive = Drive {
        context,
        in_protocol: features.has("ping"),
        suffix: format!("{}-{attempt}", context.run),
        model: Model::new(SESSIONS, strict),
        sessions: Vec::new(),
        transcript,
    };
    let outcome = drive.play(history).await;
    let deadline = drive.deadline();
    for session in &mut drive.sessions {
        // The history has been judged; the cases judge how an engine closes.
        let _ = session.close(1000, deadline).await;
    }
    outcome
}

pub(super) struct Drive<'c> {
    context: &'c Context,
    in_protocol: bool,
    /// Keeps the ids of histories apart.
    suffix: String,
    pub(super) model: Model,
    sessions: Vec<Session>,
    transcript: &'c Transcript,
}

impl Drive<'_> {
    async fn play(&mut self, history: &[Step]) -> Result<(), Deviation> {
        let at = |step: usize| {
            move |wrong: Wrong| Deviation {
                step,
                clause: wrong.clause,
                expected: wrong.expected,
                problem: wrong.problem,
            }
        };
        for index in 0..SESSIONS {
            let session = self.connect(index).await.map_err(at(0))?;
            self.sessions.push(session);
        }
        for (index, step) in history.iter().enumerate() {
            self.step(*step).await.map_err(at(index))?;
            self.accept_returning().await.map_err(at(index))?;
            self.nothing_left_over().map_err(at(index))?;
        }
        let last = history.len().saturating_sub(1);
        for index in 0..SESSIONS {
            self.fence(index).await.map_err(at(last))?;
        }
        self.nothing_left_over().map_err(at(last))
    }

    async fn step(&mut self, step: Step) -> Result<(), Wrong> {
        match step {
            Step::RegisterFunction { session, function } => {
                let id = self.name("function", function);
                self.tell(session, json!({"type": "registerfunction", "id": id}))
                    .await?;
                self.model.register_function(session, function);
            }
            Step::UnregisterFunction { session, function } => {
                let id = self.name("function", function);
                self.tell(session, json!({"type": "unregisterfunction", "id": id}))
                    .await?;
                self.model.unregister_function(session, function);
            }
            Step::RegisterTrigger(step) => self.register_trigger(step).await?,
            Step::UnregisterTrigger { session, trigger } => {
                let id = self.name("trigger", trigger);
                self.tell(session, json!({"type": "unregistertrigger", "id": id}))
                    .await?;
                self.model.unregister_trigger(session, trigger);
            }
            Step::RegisterType {
                session,
                trigger_type,
            } => {
                let id = self.name("type", trigger_type);
                let frame = json!({"type": "registertriggertype", "id": id, "description": ""});
                self.tell(session, frame).await?;
                self.model.register_type(session, trigger_type);
                self.settle().await?;
                self.accept_returning().await?;
            }
            Step::UnregisterType {
                session,
                trigger_type,
            } => {
                let id = self.name("type", trigger_type);
                self.tell(session, json!({"type": "unregistertriggertype", "id": id}))
                    .await?;
                self.model.unregister_type(session, trigger_type);
            }
            Step::Call { session, function } => self.call(session, function).await?,
            Step::Reconnect { session } => {
                let deadline = self.deadline();
                let closed = self.session(session)?.close(1000, deadline).await;
                closed.map_err(|stop| self.stopped("RT-16", "the end of the connection", stop))?;
                self.model.end_session(session);
                let fresh = self.connect(session).await?;
                *self.session(session)? = fresh;
            }
        }
        Ok(())
    }

    async fn call(&mut self, caller: usize, function: usize) -> Result<(), Wrong> {
        let function_id = self.name("function", function);
        let invocation_id = Uuid::new_v4().to_string();
        let data = json!({"call": invocation_id});
        let frame = json!({
            "type": "invokefunction",
            "invocation_id": invocation_id,
            "function_id": function_id,
            "data": data,
        });
        self.send(caller, &frame).await?;
        let presence = self.model.function(function);
        let servers = self.model.servers(function);
        if presence != Presence::Absent {
            // Once the engine has handled the call, whoever serves it has been sent it.
            self.fence(caller).await?;
            self.settle().await?;
            let called = |frame: &Frame| {
                frame.kind() == "invokefunction"
                    && frame.text_field("function_id") == Some(&function_id)
            };
            if let Some(worker) = self.holder_of(called) {
                if presence == Presence::Present && !servers.contains(&worker) {
                    let expected = format!("a call of `{function_id}` at one of its workers");
                    return Err(Wrong::new("RF-13", expected, "it reached another session"));
                }
                self.answer_as_worker(worker, &function_id).await?;
            } else if presence == Presence::Present {
                let expected = format!("a call of `{function_id}` reaches its worker");
                return Err(Wrong::new("RF-13", expected, "it reached no session"));
            }
        }
        let expected = format!("the answer to the call of `{function_id}`");
        let answer = self
            .take(caller, "RF-02", &expected, |frame| {
                frame.kind() == "invocationresult"
                    && frame.text_field("invocation_id") == Some(&invocation_id)
            })
            .await?;
        let code = answer.value.pointer("/error/code").and_then(Value::as_str);
        let answered = answer.value.get("result") == Some(&data);
        match presence {
            Presence::Present if answered => Ok(()),
            Presence::Absent if code == Some("function_not_found") => Ok(()),
            Presence::Either if answered || code.is_some() => Ok(()),
            _ => Err(Wrong::new(
                "RF-02",
                expected,
                format!("got {}", answer.text),
            )),
        }
    }

    async fn answer_as_worker(&mut self, worker: usize, function_id: &str) -> Result<(), Wrong> {
        let called = |frame: &Frame| frame.kind() == "invokefunction";
        let call = self.take(worker, "RF-13", "a call", called).await?;
        let answer = json!({
            "type": "invocationresult",
            "invocation_id": call.value.get("invocation_id"),
            "function_id": function_id,
            "result": call.value.get("data"),
        });
        self.send(worker, &answer).await
    }

    /// No session has an answer that nobody asked it for.
    fn nothing_left_over(&self) -> Result<(), Wrong> {
        for (index, session) in self.sessions.iter().enumerate() {
            for frame in session.kept() {
                let clause = match frame.kind() {
                    "triggerregistrationresult" => "RT-02",
                    "invocationresult" | "invokefunction" => "RF-02",
                    _ => continue,
                };
                let expected = format!("nothing more for session {index}");
                return Err(Wrong::new(clause, expected, format!("got {}", frame.text)));
            }
        }
        Ok(())
    }

    pub(super) async fn settle(&mut self) -> Result<(), Wrong> {
        for index in 0..SESSIONS {
            self.fence(index).await?;
        }
        Ok(())
    }

    /// Sends something whose effect is in force when this returns.
    async fn tell(&mut self, session: usize, frame: Value) -> Result<(), Wrong> {
        self.send(session, &frame).await?;
        self.fence(session).await
    }

    pub(super) async fn send(&mut self, session: usize, frame: &Value) -> Result<(), Wrong> {
        let text = crate::template::frame_in_reading_order(frame);
        self.session(session)?.send_text(&text).await;
        Ok(())
    }

    pub(super) async fn fence(&mut self, session: usize) -> Result<(), Wrong> {
        let (in_protocol, deadline) = (self.in_protocol, self.deadline());
        let answered = self.session(session)?.fence(in_protocol, deadline).await;
        answered.map_err(|stop| self.stopped("RT-16", "the session still answers", stop))
    }

    pub(super) async fn take(
        &mut self,
        session: usize,
        clause: &'static str,
        expected: &str,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Result<Frame, Wrong> {
        let deadline = self.deadline();
        let taken = self
            .session(session)?
            .take(deadline, |frame| wanted(frame).then_some(()))
            .await;
        match taken {
            Ok((frame, ())) => Ok(frame),
            Err(stop) => Err(self.stopped(clause, expected, stop)),
        }
    }

    /// A session that has been sent such a frame.
    pub(super) fn holder_of(&self, wanted: impl Fn(&Frame) -> bool) -> Option<usize> {
        let holds = |session: &Session| session.kept().iter().any(&wanted);
        self.sessions.iter().position(holds)
    }

    async fn connect(&self, index: usize) -> Result<Session, Wrong> {
        let (target, patience) = (&self.context.target, self.context.pace.patience);
        let (name, presence) = (format!("session-{index}"), &self.context.presence);
        let opened =
            Session::connect(&target.url, &name, target.hello, patience, self.transcript).await;
        presence.attempted(&opened);
        match &opened {
            Ok(_) => presence.opened(super::ID),
            Err(_) => drop(presence.find_out(self.context, super::ID).await),
        }
        opened.map_err(|error| Wrong::new("RT-16", "a session", error.to_string()))
    }

    fn session(&mut self, index: usize) -> Result<&mut Session, Wrong> {
        let session = self.sessions.get_mut(index);
        session.ok_or_else(|| Wrong::new("RT-16", "an open session", "there is none"))
    }

    fn stopped(&self, clause: &'static str, expected: &str, stop: Stop) -> Wrong {
        let patience_ms = self.context.pace.patience.as_millis();
        Wrong::new(clause, expected, describe_stop(stop, patience_ms))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.context.pace.patience
    }

    pub(super) fn name(&self, kind: &str, index: usize) -> String {
        format!("{kind}-{index}-{}", self.suffix)
    }
}
