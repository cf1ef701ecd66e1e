//! Triggers and their types.

use std::time::Duration;

use reference_core::SessionId;
use serde_json::{Value, json};

use super::{Awaited, Expected, Key, Model, Provided, Trigger};
use crate::support::{refused, registered, seconds};

const BUILT_IN: &str = "http";
const REGISTRATION_TIMEOUT: Duration = seconds(10);

impl Model {
    /// RT-07 to RT-13, with the first fault in the documents' order (D-04).
    pub fn register_trigger(
        &mut self,
        session: SessionId,
        (id, trigger_type, function): (&str, &str, &str),
        config: &Value,
        config_is_good: bool,
    ) {
        let key = (session, id.to_owned());
        let built_in = trigger_type == BUILT_IN;
        let fault = if !built_in && !self.types.contains_key(trigger_type) {
            Some(type_not_found(trigger_type))
        } else if self.workers_of(function).is_empty() {
            let message = format!("No function registered with ID '{function}'");
            Some(json!({"code": "function_not_found", "message": message}))
        } else if built_in && !config_is_good {
            Some(json!({"code": "invalid_config", "message": "*"}))
        } else if self.triggers.contains_key(&key) {
            let message = format!("A trigger with ID '{id}' is already registered");
            Some(json!({"code": "duplicate_trigger_id", "message": message}))
        } else {
            None
        };
        if let Some(error) = fault {
            return self.expect(session, [refused(id, trigger_type, function, error)]);
        }
        let trigger = Trigger {
            trigger_type: trigger_type.to_owned(),
            function: function.to_owned(),
            config: config.clone(),
            provider_id: None,
            awaited: None,
        };
        self.triggers.insert(key.clone(), trigger);
        if built_in {
            self.expect(session, [registered(id, trigger_type, function)]);
        } else {
            self.announce(key, true);
        }
    }

    /// RT-10, CO-08, D-19.
    pub fn unregister_trigger(&mut self, session: SessionId, id: &str) {
        self.take_trigger(&(session, id.to_owned()));
    }

    /// CO-05, D-05, D-17.
    pub fn register_type(&mut self, session: SessionId, id: &str) {
        if id == BUILT_IN || self.types.contains_key(id) {
            let message = format!("A trigger type with ID '{id}' is already registered");
            let error = json!({"code": "duplicate_trigger_type_id", "message": message});
            let answer = json!({"type": "triggertyperegistrationresult", "id": id, "error": error});
            return self.expect(session, [answer]);
        }
        let owed = self.owed.remove(&(session, id.to_owned()));
        let provided = Provided {
            provider: session,
            taken: owed.into_iter().flatten().map(|it| (it, None)).collect(),
        };
        self.types.insert(id.to_owned(), provided);
        let stayed: Vec<Key> = self
            .triggers
            .iter()
            .filter(|(_, trigger)| trigger.trigger_type == id)
            .map(|(key, _)| key.clone())
            .collect();
        for key in stayed {
            self.announce(key, false);
        }
    }

    pub fn unregister_type(&mut self, session: SessionId, id: &str) {
        if self.types.get(id).is_some_and(|it| it.provider == session) {
            self.withdraw_type(id);
        }
    }

    /// CO-05, D-15, D-17, D-19: only the provider's first answer counts.
    pub fn answer_trigger(
        &mut self,
        session: SessionId,
        (id, trigger_type): (&str, &str),
        error: Option<&Value>,
    ) {
        let names = (session, trigger_type.to_owned(), id.to_owned());
        self.in_vain.remove(&names);
        let provided = self.types.get_mut(trigger_type);
        let Some(provided) = provided.filter(|it| it.provider == session) else {
            if let Some(owed) = self.owed.get_mut(&(session, trigger_type.to_owned())) {
                owed.remove(id);
            }
            return;
        };
        let Some(holder) = provided.taken.get(id).cloned() else {
            return;
        };
        let Some(key) = holder else {
            provided.taken.remove(id);
            return;
        };
        let trigger = self.triggers.get_mut(&key).unwrap();
        let Some(awaited) = trigger.awaited.take() else {
            return;
        };
        let mut result = registered(&key.1, trigger_type, &trigger.function);
        if let Some(error) = error {
            result["error"] = error.clone();
            provided.taken.remove(id);
            self.triggers.remove(&key);
        }
        if awaited.registrar_waits {
            self.expect(key.0, [result]);
        }
    }

    fn announce(&mut self, key: Key, registrar_waits: bool) {
        let trigger = self.triggers.get_mut(&key).unwrap();
        trigger.awaited = Some(Awaited {
            until: self.now + REGISTRATION_TIMEOUT,
            registrar_waits,
        });
        let provider = self.types[&trigger.trigger_type].provider;
        self.expected.push(Expected::Announcement(provider, key));
    }

    /// A trigger goes at its registrar's wish, or with its session.
    pub(super) fn take_trigger(&mut self, key: &Key) {
        match self.triggers.get(key).map(|trigger| trigger.awaited) {
            Some(Some(_)) => self.end_awaited(key, "trigger_registration_cancelled"),
            Some(None) => {
                let trigger = self.triggers.remove(key).unwrap();
                if let Some(id) = &trigger.provider_id {
                    let provided = self.types.get_mut(&trigger.trigger_type).unwrap();
                    provided.taken.remove(id);
                    self.withdraw_from_provider(&trigger);
                }
            }
            None => {}
        }
    }

    /// A registration is given up: the provider is told, and so is a registrar that waits.
    pub(super) fn end_awaited(&mut self, key: &Key, code: &str) {
        let trigger = self.triggers.remove(key).unwrap();
        let provided = self.types.get_mut(&trigger.trigger_type).unwrap();
        let id = trigger.provider_id.clone().unwrap();
        let until = trigger.awaited.unwrap().until;
        if until > self.now && self.live.contains(&provided.provider) {
            let names = (provided.provider, trigger.trigger_type.clone(), id.clone());
            self.in_vain.insert(names, until);
        }
        provided.taken.insert(id, None);
        self.withdraw_from_provider(&trigger);
        if trigger.awaited.is_some_and(|it| it.registrar_waits) {
            let error = json!({"code": code, "message": "*"});
            let (trigger_type, function) = (&trigger.trigger_type, &trigger.function);
            self.expect(key.0, [refused(&key.1, trigger_type, function, error)]);
        }
    }

    fn withdraw_from_provider(&mut self, trigger: &Trigger) {
        let trigger_type = &trigger.trigger_type;
        let frame = json!({
            "type": "unregistertrigger", "id": trigger.provider_id, "trigger_type": trigger_type,
        });
        self.expect(self.types[trigger_type].provider, [frame]);
    }

    /// Accepted triggers stay (D-17); who waits is told (D-19).
    pub(super) fn withdraw_type(&mut self, id: &str) {
        let withdrawn = self.types.remove(id).unwrap();
        let unanswered = |key: &Option<Key>| match key {
            Some(key) => self.triggers[key].awaited.is_some(),
            None => true,
        };
        let taken = withdrawn.taken.iter();
        let owed = taken
            .filter(|(_, key)| unanswered(key))
            .map(|(id, _)| id.clone());
        self.owed
            .insert((withdrawn.provider, id.to_owned()), owed.collect());
        for key in withdrawn.taken.into_values().flatten() {
            let trigger = self.triggers.get_mut(&key).unwrap();
            trigger.provider_id = None;
            if trigger.awaited.take().is_some_and(|it| it.registrar_waits) {
                let trigger = self.triggers.remove(&key).unwrap();
                let result = refused(&key.1, id, &trigger.function, type_not_found(id));
                self.expect(key.0, [result]);
            }
        }
    }
}

fn type_not_found(id: &str) -> Value {
    let message = format!("No trigger type registered with ID '{id}'");
    json!({"code": "trigger_type_not_found", "message": message})
}
