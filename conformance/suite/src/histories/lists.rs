//! What an engine says that it has, once a history is over (CO-17).

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    drive::Drive,
    judge::Wrong,
    model::{Listed, Model},
    step::{NUMBERS, Type},
};
use crate::{frame::Frame, runner::Features};

/// A list that an engine may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Functions,
    Triggers,
    Types,
}

impl List {
    /// Those that an engine serves.
    pub(super) fn served(features: &Features) -> Vec<Self> {
        let mut all = vec![Self::Functions, Self::Triggers, Self::Types];
        all.retain(|it| features.has(it.feature()));
        all
    }

    pub(super) fn feature(self) -> &'static str {
        match self {
            Self::Functions => "functions-list",
            Self::Triggers => "registered-triggers-list",
            Self::Types => "trigger-types-list",
        }
    }

    pub(super) fn function_id(self) -> &'static str {
        match self {
            Self::Functions => "engine::functions::list",
            Self::Triggers => "engine::registered-triggers::list",
            Self::Types => "engine::triggers::list",
        }
    }

    /// The field of the result.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Triggers => "registered_triggers",
            Self::Types => "triggers",
        }
    }

    /// What a model says of it.
    pub(super) fn of(self, model: &Model) -> Vec<Listed> {
        match self {
            Self::Functions => model.listed_functions(),
            Self::Triggers => model.listed_triggers(),
            Self::Types => model.listed_types(),
        }
    }
}

impl Drive<'_> {
    /// Holds the lists against the models that are left. That there are lists, and what is in
    /// them, no document says: they are asked for under `strict` only.
    pub(super) async fn judge_lists(&mut self) -> Result<(), Wrong> {
        let manner = self.manner;
        if !manner.strict {
            return Ok(());
        }
        for list in List::served(manner.features) {
            let listed = self.listed(list).await?;
            let explains = |model: &&Model| matches(&list.of(model), &listed);
            if !self.models.iter().any(|it| explains(&it)) {
                let expected = self.models.first().map(|it| list.of(it));
                return Err(Wrong::new(
                    "CO-17",
                    format!(
                        "`{}` has {}",
                        list.function_id(),
                        in_words(&expected.unwrap_or_default())
                    ),
                    format!("it has {}", in_words(&listed)),
                ));
            }
            self.models.retain(|it| explains(&it));
        }
        Ok(())
    }

    /// What there is of this history's.
    async fn listed(&mut self, list: List) -> Result<Vec<Listed>, Wrong> {
        let id = Uuid::new_v4().to_string();
        let call = json!({
            "type": "invokefunction",
            "invocation_id": id,
            "function_id": list.function_id(),
            "data": {},
        });
        self.send(0, &call).await;
        let deadline = self.deadline();
        let result = |frame: &Frame| {
            (frame.kind() == "invocationresult" && frame.text_field("invocation_id") == Some(&id))
                .then_some(())
        };
        let Some(session) = self.sessions.first_mut() else {
            return Ok(Vec::new());
        };
        let taken = session.take(deadline, result).await;
        let expected = format!("the result of `{}`", list.function_id());
        let (frame, ()) = taken.map_err(|stop| self.stopped("CO-17", &expected, stop))?;
        let items = frame
            .value
            .get("result")
            .and_then(|it| it.get(list.field()));
        let Some(items) = items.and_then(Value::as_array) else {
            let problem = format!("got {}", frame.text);
            return Err(Wrong::new("CO-17", expected, problem));
        };
        let own = items.iter().filter_map(|it| self.own_item(list, it));
        Ok(own.collect())
    }

    fn own_item(&self, list: List, item: &Value) -> Option<Listed> {
        let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
        let numbered =
            |kind: &str, id: &str| (0..NUMBERS).find(|number| self.name(kind, *number) == id);
        Some(match list {
            List::Functions => Listed::certain(numbered("function", text("function_id"))?),
            List::Types => Listed::certain(numbered("type", text("id"))?),
            List::Triggers => {
                let types = [Type::Http, Type::Cron, Type::Queue];
                let mut types = types.into_iter().chain((0..NUMBERS).map(Type::OfWorker));
                let trigger_type = types.find(|it| self.type_name(*it) == text("trigger_type"))?;
                let function = numbered("function", text("function_id"))?;
                let number = numbered("trigger", text("id"))?;
                Listed {
                    of: Some((trigger_type, function)),
                    ..Listed::certain(number)
                }
            }
        })
    }
}

/// Whether what was listed is what a model says, as far as it is certain of it.
fn matches(expected: &[Listed], listed: &[Listed]) -> bool {
    let open = |number: usize| expected.iter().any(|it| it.is_open && it.number == number);
    let sorted = |items: &[Listed]| {
        let mut items: Vec<Listed> = items.to_vec();
        items.retain(|it| !open(it.number));
        items.sort_unstable();
        items
    };
    sorted(expected) == sorted(listed)
}

fn in_words(items: &[Listed]) -> String {
    let words = items.iter().filter(|it| !it.is_open).map(|it| match it.of {
        None => it.number.to_string(),
        Some((trigger_type, function)) => {
            format!("{} of {trigger_type} for function {function}", it.number)
        }
    });
    match words.collect::<Vec<_>>() {
        none if none.is_empty() => "nothing of the history's".to_owned(),
        words => format!("number {}", words.join(", and ")),
    }
}
