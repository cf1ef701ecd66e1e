//! Triggers, their types and their providers, as lines of a case.

use serde_json::{Value, json};

use super::{
    super::{
        judge::REFUSED,
        model::{Allowed, Presence},
        sending::add,
        step::{TriggerStep, Type},
    },
    Script, type_name, unique,
};

impl Script {
    pub(super) fn trigger(
        &mut self,
        step: &TriggerStep,
        certain: &Allowed,
        held_to: &Allowed,
        decides: bool,
    ) {
        self.numbered += 1;
        let id = unique("trigger", step.trigger);
        let function = unique("function", step.function);
        let trigger_type = type_name(step.trigger_type);
        self.send(
            step.session,
            json!({
                "type": "registertrigger",
                "id": id,
                "trigger_type": trigger_type,
                "function_id": function,
                "config": self.config(step),
            }),
        );
        let provider = match step.trigger_type {
            Type::OfWorker(of_type) => self.certain.provider(of_type),
            Type::Http | Type::Cron | Type::Queue => None,
        };
        let asked = certain.acceptance && certain.codes.is_empty();
        if let Some(provider) = provider.filter(|_| asked) {
            self.provide(provider, &trigger_type, &function, step.acceptable);
        }
        let refused = provider.is_some() && asked && !step.acceptable;
        let mut allowed: Vec<Value> = Vec::new();
        if held_to.acceptance && !refused {
            allowed.push(json!({"$absent": true}));
        }
        let codes = held_to.codes.iter().copied();
        let codes = codes.chain(refused.then_some(REFUSED));
        allowed.extend(codes.map(|code| json!({"code": code})));
        let mut result = json!({
            "type": "triggerregistrationresult",
            "id": id,
            "trigger_type": trigger_type,
            "function_id": function,
        });
        // Before the last turn it only has to be over.
        if decides {
            let error = match allowed.as_slice() {
                [only] => only.clone(),
                several => json!({"$one_of": several}),
            };
            add(&mut result, "error", error);
        }
        self.expect(step.session, result);
        if asked && !refused {
            self.both(|it| it.trigger_registered(step));
        }
    }

    /// A provider is asked for a trigger, and answers.
    fn provide(&mut self, provider: usize, trigger_type: &Value, function: &Value, accepts: bool) {
        self.numbered += 1;
        let asked = format!("asked-{}", self.numbered);
        self.expect(
            provider,
            json!({
                "type": "registertrigger",
                "id": {"$capture": asked},
                "trigger_type": trigger_type,
                "function_id": function,
            }),
        );
        let mut answer = json!({
            "type": "triggerregistrationresult",
            "id": {"$ref": asked},
            "trigger_type": trigger_type,
            "function_id": function,
        });
        if !accepts {
            let error = json!({"code": REFUSED, "message": "not this one"});
            add(&mut answer, "error", error);
        }
        self.send(provider, answer);
    }

    pub(super) fn provided_type(&mut self, session: usize, trigger_type: usize) {
        let id = unique("type", trigger_type);
        self.send(
            session,
            json!({"type": "registertriggertype", "id": id, "description": ""}),
        );
        let has = self.certain.of_worker(trigger_type);
        let standing = self
            .certain
            .standing(trigger_type)
            .filter(|_| has == Presence::Absent);
        for (_, function) in standing.into_iter().flatten() {
            self.provide(session, &id, &unique("function", function), true);
        }
        self.refusal(
            session,
            "triggertyperegistrationresult",
            id,
            has,
            "duplicate_trigger_type_id",
        );
        self.both(|it| it.register_type(session, trigger_type));
    }

    /// Providers are told of triggers that go (CO-08).
    pub(super) fn withdrawn(&mut self, told: impl Iterator<Item = usize>) {
        if self.strict {
            for provider in told {
                let frame =
                    json!({"type": "unregistertrigger", "trigger_type": {"$type": "string"}});
                self.expect(provider, frame);
            }
        }
    }

    fn config(&self, step: &TriggerStep) -> Value {
        let number = self.numbered;
        let route = format!("/{{trigger-{}}}/{}", step.trigger, step.session);
        match (step.trigger_type, step.acceptable) {
            (Type::Http, true) => json!({"path": {"$text": route}, "method": "POST"}),
            (Type::Cron, true) => json!({"schedule": "0 9 * * *", "timezone": "America/New_York"}),
            (Type::Queue, true) => json!({"queue_name": "email_queue", "batch_size": 10}),
            (Type::OfWorker(_), _) => json!({"registration": number}),
            (_, false) => json!({"schedule": "invalid cron expression"}),
        }
    }
}
