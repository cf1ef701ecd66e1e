//! The calls of a history, and the ends of sessions, as lines of a case.

use serde_json::{Value, json};

use super::{
    super::{
        judge::WORKERS_CODE,
        parts::STRANGERS,
        sending::add,
        step::{Answer, SESSIONS},
    },
    Held, Script, unique, unique_uuid,
};

impl Script {
    pub(super) fn call(&mut self, caller: usize, function: usize, answer: Answer) {
        self.numbered += 1;
        let call = format!("call-{}", self.numbered);
        self.send(
            caller,
            json!({
                "type": "invokefunction",
                "invocation_id": unique_uuid(&call),
                "function_id": unique("function", function),
                "data": {"call": unique_uuid(&call)},
            }),
        );
        let next = self.turns.take(function);
        let Some(worker) = next.filter(|it| self.certain.workers(function).contains(it)) else {
            let error = match (self.strict, next) {
                (true, None) => json!({"code": "function_not_found"}),
                (true, Some(_)) => json!({"code": "http_request_failed"}),
                (false, _) => json!({"$type": "object"}),
            };
            let result = json!({
                "type": "invocationresult", "invocation_id": unique_uuid(&call), "error": error,
            });
            return self.expect(caller, result);
        };
        self.expect(
            worker,
            json!({
                "type": "invokefunction",
                "invocation_id": {"$capture": format!("at-worker-{call}")},
                "function_id": unique("function", function),
                "data": {"call": unique_uuid(&call)},
            }),
        );
        let held = Held {
            caller: Some(caller),
            worker,
            function,
            call,
        };
        match answer {
            Answer::Held => return self.held.push(held),
            Answer::Leaves { abruptly } => {
                self.held.push(held);
                return self.leave(worker, abruptly);
            }
            Answer::BehindAStranger => {
                let stranger = (0..SESSIONS).find(|it| *it != worker && *it != caller);
                let stranger = stranger.unwrap_or(caller);
                self.answer(stranger, &held, "result", STRANGERS.into());
                self.line(stranger, "alive", true.into());
            }
            Answer::Result | Answer::Error | Answer::Twice => {}
        }
        if answer == Answer::Error {
            let error = json!({"code": WORKERS_CODE, "message": "there is none left"});
            self.answer(worker, &held, "error", error);
            let error = match self.strict {
                true => json!({"code": WORKERS_CODE}),
                false => json!({"$type": "object"}),
            };
            return self.expect_end(&held, json!({"error": error}));
        }
        for _ in 0..=usize::from(answer == Answer::Twice) {
            let data = json!({"call": unique_uuid(&held.call)});
            self.answer(worker, &held, "result", data);
        }
        let open = answer == Answer::BehindAStranger && !self.strict;
        let result = match open {
            true => json!({"$any": true}),
            false => json!({"call": unique_uuid(&held.call)}),
        };
        self.expect_end(&held, json!({"result": result}));
        // What comes twice comes before this is answered.
        self.line(worker, "alive", true.into());
        self.line(caller, "alive", true.into());
    }

    fn answer(&mut self, on: usize, held: &Held, field: &str, value: Value) {
        self.send(
            on,
            json!({
                "type": "invocationresult",
                "invocation_id": {"$ref": format!("at-worker-{}", held.call)},
                "function_id": unique("function", held.function),
                field: value,
            }),
        );
    }

    fn expect_end(&mut self, held: &Held, fields: Value) {
        let Some(caller) = held.caller else {
            return;
        };
        let mut result = json!({
            "type": "invocationresult", "invocation_id": unique_uuid(&held.call),
        });
        if let (Value::Object(result), Value::Object(fields)) = (&mut result, fields) {
            result.extend(fields);
        }
        self.expect(caller, result);
    }

    pub(super) fn void_call(&mut self, caller: usize, function: usize, with_id: bool) {
        self.numbered += 1;
        let call = format!("call-{}", self.numbered);
        let mut frame = json!({
            "type": "invokefunction",
            "function_id": unique("function", function),
            "data": {"call": unique_uuid(&call)},
        });
        if with_id {
            add(&mut frame, "invocation_id", unique_uuid(&call));
            add(&mut frame, "action", json!({"type": "void"}));
        }
        self.send(caller, frame);
        let worker = self.turns.take(function);
        let worker = worker.filter(|it| self.certain.workers(function).contains(it));
        if let Some(worker) = worker {
            self.expect(
                worker,
                json!({
                    "type": "invokefunction",
                    "function_id": unique("function", function),
                    "data": {"call": unique_uuid(&call)},
                }),
            );
        }
        match self.strict {
            true => self.line(caller, "quiet", json!({"type": "invocationresult"})),
            false => self.line(caller, "alive", true.into()),
        }
    }

    pub(super) fn answer_held(&mut self, twice: bool) {
        if self.held.is_empty() {
            return;
        }
        let held = self.held.remove(0);
        for _ in 0..=usize::from(twice) {
            let data = json!({"call": unique_uuid(&held.call)});
            self.answer(held.worker, &held, "result", data);
        }
        self.expect_end(&held, json!({"result": {"call": unique_uuid(&held.call)}}));
        self.line(held.worker, "alive", true.into());
        if let Some(caller) = held.caller {
            self.line(caller, "alive", true.into());
        }
    }

    /// A session ends and is opened anew.
    pub(super) fn leave(&mut self, session: usize, abruptly: bool) {
        match abruptly {
            true => self.line(session, "drop", true.into()),
            false => self.line(session, "close", 1000.into()),
        }
        self.line(session, "connect", true.into());
        let held = std::mem::take(&mut self.held).into_iter().map(|it| Held {
            caller: it.caller.filter(|caller| *caller != session),
            ..it
        });
        let (left, kept): (Vec<Held>, Vec<Held>) = held.partition(|it| it.worker == session);
        self.held = kept;
        for held in left {
            if self.strict {
                let error = json!({"code": "invocation_stopped"});
                self.expect_end(&held, json!({"error": error}));
            }
            let data = json!({"call": unique_uuid(&held.call)});
            self.answer(session, &held, "result", data);
        }
        self.line(session, "alive", true.into());
        let told = self.certain.told_of_ended(session).into_iter();
        self.withdrawn(told.flat_map(|(_, told)| told.into_iter().flatten()));
        self.turns.end(session);
        self.both(|it| it.end_session(session, true));
    }
}
