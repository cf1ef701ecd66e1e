//! Driving an engine through a history over real sockets, and comparing it with the model.

use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    SESSIONS, Step, TriggerStep, Type,
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
    pub(super) expected: String,
    pub(super) problem: String,
}

/// Why a step went wrong, before it is known which step it was.
struct Wrong {
    expected: String,
    problem: String,
}

impl Wrong {
    fn new(expected: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            problem: problem.into(),
        }
    }
}

/// What an engine sends only because something was asked for. Whatever else it sends is its own
/// affair.
const ANSWERS: [&str; 4] = [
    "triggerregistrationresult",
    "invocationresult",
    "invokefunction",
    "registertrigger",
];

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

struct Drive<'c> {
    context: &'c Context,
    in_protocol: bool,
    /// Keeps the ids of histories apart.
    suffix: String,
    model: Model,
    sessions: Vec<Session>,
    transcript: &'c Transcript,
}

impl Drive<'_> {
    async fn play(&mut self, history: &[Step]) -> Result<(), Deviation> {
        let at = |step: usize| {
            move |wrong: Wrong| Deviation {
                step,
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
                self.accept_returning(session).await?;
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
                closed.map_err(|stop| self.stopped("the end of the connection", stop))?;
                self.model.end_session(session);
                let fresh = self.connect(session).await?;
                *self.session(session)? = fresh;
            }
        }
        Ok(())
    }

    async fn register_trigger(&mut self, step: TriggerStep) -> Result<(), Wrong> {
        let id = self.name("trigger", step.trigger);
        let allowed = self.model.trigger(&step);
        let frame = json!({
            "type": "registertrigger",
            "id": id,
            "trigger_type": self.type_name(step.trigger_type),
            "function_id": self.name("function", step.function),
            "config": self.config(&step),
        });
        self.send(step.session, &frame).await?;
        let provider = match step.trigger_type {
            Type::OfWorker(it) if allowed.acceptance => self.model.provider(it),
            _ => None,
        };
        let asked = match provider {
            Some(_) if !allowed.codes.is_empty() => {
                self.fence(step.session).await?;
                self.settle().await?;
                provider.filter(|it| self.kept(*it, |frame| frame.kind() == "registertrigger"))
            }
            certain => certain,
        };
        if let Some(provider) = asked {
            self.answer_as_provider(provider, step.acceptable).await?;
        }
        let refused_by_provider = asked.is_some() && !step.acceptable;
        let mut expected = Vec::new();
        if allowed.acceptance && !refused_by_provider {
            expected.push("success".to_owned());
        }
        if refused_by_provider {
            expected.push("the provider's error `refused`".to_owned());
        }
        expected.extend(
            allowed
                .codes
                .iter()
                .map(|code| format!("the error `{code}`")),
        );
        let expected = format!("the result of trigger `{id}`: {}", expected.join(" or "));
        let result = self
            .take(step.session, &expected, |frame| {
                frame.kind() == "triggerregistrationresult" && frame.text_field("id") == Some(&id)
            })
            .await?;
        let error = result.value.get("error");
        match error.map(|error| error.get("code").and_then(Value::as_str)) {
            None if allowed.acceptance && !refused_by_provider => {
                self.model.trigger_registered(&step);
                Ok(())
            }
            Some(Some("refused")) if refused_by_provider => Ok(()),
            Some(Some(code)) if allowed.codes.contains(&code) => Ok(()),
            _ => Err(Wrong::new(expected, format!("got {}", result.text))),
        }
    }

    /// Answers the registration that an engine hands on to a type's provider.
    async fn answer_as_provider(&mut self, provider: usize, accept: bool) -> Result<(), Wrong> {
        let asked = |frame: &Frame| frame.kind() == "registertrigger";
        let request = self
            .take(provider, "the provider is asked for the trigger", asked)
            .await?;
        let mut answer = json!({
            "type": "triggerregistrationresult",
            "id": request.value.get("id"),
            "trigger_type": request.value.get("trigger_type"),
            "function_id": request.value.get("function_id"),
        });
        if let (false, Some(answer)) = (accept, answer.as_object_mut()) {
            let error = json!({"code": "refused", "message": "not this one"});
            answer.insert("error".to_owned(), error);
        }
        self.send(provider, &answer).await
    }

    /// A type that comes back may bring its standing triggers to its new provider (D-17).
    async fn accept_returning(&mut self, provider: usize) -> Result<(), Wrong> {
        while self.kept(provider, |frame| frame.kind() == "registertrigger") {
            self.answer_as_provider(provider, true).await?;
            self.fence(provider).await?;
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
            if let Some(worker) = self.find_call(&function_id) {
                if presence == Presence::Present && !servers.contains(&worker) {
                    let expected = format!("a call of `{function_id}` at one of its workers");
                    return Err(Wrong::new(expected, "it reached another session"));
                }
                self.answer_as_worker(worker, &function_id).await?;
            } else if presence == Presence::Present {
                let expected = format!("a call of `{function_id}` reaches its worker");
                return Err(Wrong::new(expected, "it reached no session"));
            }
        }
        let expected = format!("the answer to the call of `{function_id}`");
        let answer = self
            .take(caller, &expected, |frame| {
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
            _ => Err(Wrong::new(expected, format!("got {}", answer.text))),
        }
    }

    fn find_call(&self, function_id: &str) -> Option<usize> {
        let called = |frame: &Frame| {
            frame.kind() == "invokefunction" && frame.text_field("function_id") == Some(function_id)
        };
        let holds = |session: &Session| session.kept().iter().any(called);
        self.sessions.iter().position(holds)
    }

    async fn answer_as_worker(&mut self, worker: usize, function_id: &str) -> Result<(), Wrong> {
        let called = |frame: &Frame| frame.kind() == "invokefunction";
        let call = self.take(worker, "a call", called).await?;
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
            let odd = session
                .kept()
                .iter()
                .find(|it| ANSWERS.contains(&it.kind()));
            if let Some(frame) = odd {
                let expected = format!("nothing more for session {index}");
                return Err(Wrong::new(expected, format!("got {}", frame.text)));
            }
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), Wrong> {
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

    async fn send(&mut self, session: usize, frame: &Value) -> Result<(), Wrong> {
        let text = crate::template::frame_in_reading_order(frame);
        self.session(session)?.send_text(&text).await;
        Ok(())
    }

    async fn fence(&mut self, session: usize) -> Result<(), Wrong> {
        let (in_protocol, deadline) = (self.in_protocol, self.deadline());
        let answered = self.session(session)?.fence(in_protocol, deadline).await;
        answered.map_err(|stop| self.stopped("the session still answers", stop))
    }

    async fn take(
        &mut self,
        session: usize,
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
            Err(stop) => Err(self.stopped(expected, stop)),
        }
    }

    fn kept(&self, session: usize, wanted: impl Fn(&Frame) -> bool) -> bool {
        let session = self.sessions.get(session);
        session.is_some_and(|it| it.kept().iter().any(wanted))
    }

    async fn connect(&self, index: usize) -> Result<Session, Wrong> {
        let (target, patience) = (&self.context.target, self.context.pace.patience);
        let name = format!("session-{index}");
        Session::connect(&target.url, &name, target.hello, patience, self.transcript)
            .await
            .map_err(|error| Wrong::new("a session", error.to_string()))
    }

    fn session(&mut self, index: usize) -> Result<&mut Session, Wrong> {
        let session = self.sessions.get_mut(index);
        session.ok_or_else(|| Wrong::new("an open session", "there is none"))
    }

    fn stopped(&self, expected: &str, stop: Stop) -> Wrong {
        let patience_ms = self.context.pace.patience.as_millis();
        Wrong::new(expected, describe_stop(stop, patience_ms))
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.context.pace.patience
    }

    fn name(&self, kind: &str, index: usize) -> String {
        format!("{kind}-{index}-{}", self.suffix)
    }

    fn type_name(&self, trigger_type: Type) -> String {
        match trigger_type {
            Type::Http => "http".to_owned(),
            Type::Cron => "cron".to_owned(),
            Type::Queue => "queue".to_owned(),
            Type::OfWorker(index) => self.name("type", index),
        }
    }

    /// One of the document's configs, or one that cannot be right.
    fn config(&self, step: &TriggerStep) -> Value {
        let route = format!("/{}/{}", self.name("trigger", step.trigger), step.session);
        match (step.trigger_type, step.acceptable) {
            (Type::Http, true) => json!({"path": route, "method": "POST"}),
            (Type::Cron, true) => json!({"schedule": "0 9 * * *", "timezone": "America/New_York"}),
            (Type::Queue, true) => json!({"queue_name": "email_queue", "batch_size": 10}),
            (Type::OfWorker(_), _) => json!({"any": "thing"}),
            (_, false) => json!({"schedule": "invalid cron expression"}),
        }
    }
}
