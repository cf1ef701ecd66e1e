//! What sessions of a history send.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    awaited::Awaited,
    drive::Drive,
    judge::Seen,
    step::{Served, Step, TriggerStep, Type},
};

/// What is sent for a step.
#[derive(Default)]
struct Sent {
    /// The id of what it registers, or of the call.
    id: String,
    /// What tells it from others where it arrives.
    data: Value,
    frame: Value,
}

impl Drive<'_> {
    /// Sends what a step is.
    pub(super) async fn take_step(&mut self, step: Step) {
        let Some(session) = step.session() else {
            return self.answer_held(step).await;
        };
        let Sent { id, data, frame } = self.frame_of(step);
        let returned = matches!(step, Step::RegisterType { .. }).then(Vec::new);
        self.awaited.push(Awaited {
            step,
            session,
            id,
            data,
            seen: Seen {
                returned,
                ..Seen::default()
            },
            of_held: None,
        });
        match step {
            Step::Nonsense { kind, .. } => self.send_text(session, kind.text()).await,
            _ => self.send(session, &frame).await,
        }
    }

    fn frame_of(&mut self, step: Step) -> Sent {
        let named = |kind: &str, id: String| Sent {
            frame: json!({"type": kind, "id": id}),
            id,
            ..Sent::default()
        };
        match step {
            Step::RegisterFunction {
                function, served, ..
            } => {
                let mut sent = named("registerfunction", self.name("function", function));
                let variable = self.name("CONFORMANCE_UNSET", function).replace('-', "_");
                if let Some(invocation) = invocation(served, variable.into()) {
                    add(&mut sent.frame, "invocation", invocation);
                }
                sent
            }
            Step::UnregisterFunction { function, .. } => {
                named("unregisterfunction", self.name("function", function))
            }
            Step::RegisterTrigger(step) => self.trigger_frame(&step),
            Step::UnregisterTrigger { trigger, .. } => {
                named("unregistertrigger", self.name("trigger", trigger))
            }
            Step::RegisterType { trigger_type, .. } => {
                let mut sent = named("registertriggertype", self.name("type", trigger_type));
                add(&mut sent.frame, "description", "".into());
                sent
            }
            Step::UnregisterType { trigger_type, .. } => {
                named("unregistertriggertype", self.name("type", trigger_type))
            }
            Step::Call { function, .. } => self.call_frame(function, true, false),
            Step::Tell {
                function, with_id, ..
            } => self.call_frame(function, with_id, with_id),
            Step::Nonsense { .. } | Step::AnswerHeld { .. } | Step::Leave { .. } => Sent::default(),
        }
    }

    fn trigger_frame(&mut self, step: &TriggerStep) -> Sent {
        self.numbered += 1;
        let id = self.name("trigger", step.trigger);
        Sent {
            frame: json!({
                "type": "registertrigger",
                "id": id,
                "trigger_type": self.type_name(step.trigger_type),
                "function_id": self.name("function", step.function),
                "config": self.config(step),
            }),
            id,
            data: self.numbered.into(),
        }
    }

    fn call_frame(&self, function: usize, with_id: bool, is_void: bool) -> Sent {
        let id = Uuid::new_v4().to_string();
        let data = json!({"call": id});
        let function_id = self.name("function", function);
        let mut frame = json!({"type": "invokefunction", "function_id": function_id, "data": data});
        if with_id {
            add(&mut frame, "invocation_id", id.clone().into());
        }
        if is_void {
            add(&mut frame, "action", json!({"type": "void"}));
        }
        Sent { id, data, frame }
    }

    async fn answer_held(&mut self, step: Step) {
        let Step::AnswerHeld { twice } = step else {
            return;
        };
        if self.held.is_empty() {
            return;
        }
        let held = self.held.remove(0);
        if held.loose {
            self.forgiven.insert(held.invocation_id.clone());
        }
        for _ in 0..=usize::from(twice) {
            self.send(held.worker, &held.answer).await;
        }
        self.awaited.push(Awaited {
            step,
            session: held.caller.unwrap_or(held.worker),
            id: held.invocation_id.clone(),
            data: held.data.clone(),
            seen: Seen::default(),
            of_held: Some(held),
        });
    }

    pub(super) fn type_name(&self, trigger_type: Type) -> String {
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
            (Type::OfWorker(_), _) => json!({"registration": self.numbered}),
            (_, false) => json!({"schedule": "invalid cron expression"}),
        }
    }
}

/// Gives a frame another field.
pub(super) fn add(frame: &mut Value, field: &str, value: Value) {
    if let Some(fields) = frame.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

/// How a function is invoked that no worker serves.
pub(super) fn invocation(served: Served, variable: Value) -> Option<Value> {
    match served {
        Served::ByWorker => None,
        Served::OverHttp => Some(json!({"url": NOBODYS_URL, "timeout_ms": 1_000})),
        Served::WithoutVariable => Some(json!({
            "url": NOBODYS_URL,
            "auth": {"type": "bearer", "token_key": variable},
        })),
    }
}

/// Nobody listens at the discard service's port nowadays, and nobody else is asked.
const NOBODYS_URL: &str = "http://127.0.0.1:9/function";
