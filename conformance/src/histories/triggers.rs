//! The steps of a history that register triggers, and the provider's part in them.

use serde_json::{Value, json};

use super::{
    TriggerStep, Type,
    drive::{Drive, Wrong},
    model::Allowed,
};
use crate::frame::Frame;

impl Drive<'_> {
    pub(super) async fn register_trigger(&mut self, step: TriggerStep) -> Result<(), Wrong> {
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
        let asked = self.provider_asked(&step, &allowed).await?;
        if let Some(provider) = asked {
            self.answer_as_provider(provider, step.acceptable).await?;
        }
        let refused_by_provider = asked.is_some() && !step.acceptable;
        let accepted = allowed.acceptance && !refused_by_provider;
        let expected = describe(&id, &allowed, accepted, refused_by_provider);
        let result = self
            .take(step.session, "RT-02", &expected, |frame| {
                frame.kind() == "triggerregistrationresult" && frame.text_field("id") == Some(&id)
            })
            .await?;
        let error = result.value.get("error");
        match error.map(|error| error.get("code").and_then(Value::as_str)) {
            None if accepted => {
                self.model.trigger_registered(&step);
                Ok(())
            }
            Some(Some("refused")) if refused_by_provider => Ok(()),
            Some(Some(code)) if allowed.codes.contains(&code) => Ok(()),
            code => {
                let clause = guilty_clause(&allowed, code.flatten());
                Err(Wrong::new(clause, expected, format!("got {}", result.text)))
            }
        }
    }

    /// The session that is asked for the trigger as its type's provider. Where the documents
    /// leave open who that is, or whether anybody is, whoever has been asked.
    async fn provider_asked(
        &mut self,
        step: &TriggerStep,
        allowed: &Allowed,
    ) -> Result<Option<usize>, Wrong> {
        let Type::OfWorker(trigger_type) = step.trigger_type else {
            return Ok(None);
        };
        if !allowed.acceptance {
            return Ok(None);
        }
        let certain = self.model.provider(trigger_type);
        if certain.is_some() && allowed.codes.is_empty() {
            return Ok(certain);
        }
        self.fence(step.session).await?;
        self.settle().await?;
        Ok(self.holder_of(|frame| frame.kind() == "registertrigger"))
    }

    /// Answers the registration that an engine hands on to a type's provider.
    async fn answer_as_provider(&mut self, provider: usize, accept: bool) -> Result<(), Wrong> {
        let asked = |frame: &Frame| frame.kind() == "registertrigger";
        let expected = "the provider is asked for the trigger";
        let request = self.take(provider, "RT-13", expected, asked).await?;
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
    pub(super) async fn accept_returning(&mut self) -> Result<(), Wrong> {
        while let Some(provider) = self.holder_of(|frame| frame.kind() == "registertrigger") {
            self.answer_as_provider(provider, true).await?;
            self.fence(provider).await?;
        }
        Ok(())
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

fn describe(id: &str, allowed: &Allowed, accepted: bool, refused_by_provider: bool) -> String {
    let mut expected = Vec::new();
    if accepted {
        expected.push("success".to_owned());
    }
    if refused_by_provider {
        expected.push("the provider's error `refused`".to_owned());
    }
    let codes = allowed
        .codes
        .iter()
        .map(|code| format!("the error `{code}`"));
    expected.extend(codes);
    format!("the result of trigger `{id}`: {}", expected.join(" or "))
}

/// The clause that a wrong result breaks.
fn guilty_clause(allowed: &Allowed, received: Option<&str>) -> &'static str {
    match (allowed.codes.first(), received) {
        (Some(&"trigger_type_not_found"), _) => "RT-07",
        (Some(&"function_not_found"), _) => "RT-08",
        (Some(&"invalid_config"), _) => "RT-09",
        (Some(&"duplicate_trigger_id"), _) => "RT-10",
        (_, Some("trigger_type_not_found")) => "RT-13",
        (_, Some("function_not_found")) => "RT-12",
        (_, Some("duplicate_trigger_id")) => "RT-11",
        _ => "RT-15",
    }
}
