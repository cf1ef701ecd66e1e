//! What an engine lists in the end, as lines of a case.

use serde_json::{Value, json};

use super::{
    super::{lists::List, model::Listed, step::NUMBERS},
    Script, type_name, unique, unique_uuid,
};

impl Script {
    /// Asks for a list: once for each item that it has, or has not.
    pub(super) fn list(&mut self, list: List) {
        let session = self.used.first().copied().unwrap_or_default();
        let listed = list.of(&self.certain);
        for number in 0..NUMBERS {
            let mut items: Vec<&Listed> = listed.iter().collect();
            items.retain(|it| it.number == number);
            if items.iter().any(|it| it.is_open) {
                continue;
            }
            let kind = match list {
                List::Functions => "function",
                List::Triggers => "trigger",
                List::Types => "type",
            };
            let id = unique(kind, number);
            let key = if list == List::Functions {
                "function_id"
            } else {
                "id"
            };
            let item = |item: &Listed| match item.of {
                None => json!({key: id}),
                Some((trigger_type, function)) => json!({
                    key: id,
                    "trigger_type": type_name(trigger_type),
                    "function_id": unique("function", function),
                }),
            };
            let mut wanted: Vec<Value> = items
                .iter()
                .map(|it| json!({"$includes": item(it)}))
                .collect();
            if wanted.is_empty() {
                wanted.push(json!({"$excludes": {key: id}}));
            }
            for items in wanted {
                self.ask_for(session, list, &items);
            }
        }
    }

    fn ask_for(&mut self, session: usize, list: List, items: &Value) {
        self.numbered += 1;
        let call = unique_uuid(&format!("list-{}", self.numbered));
        let function_id = list.function_id();
        self.send(
            session,
            json!({"type": "invokefunction", "invocation_id": call, "function_id": function_id, "data": {}}),
        );
        self.expect(
            session,
            json!({"type": "invocationresult", "invocation_id": call, "result": {list.field(): items}}),
        );
    }
}
