//! What happens to an engine under observation.

use std::time::Duration;

use reference_core::ExchangeId;
use serde_json::json;

use super::{ENDPOINT_TIME, Happens, How, Watch, visibility};
use crate::{
    functions::{URL, http_function},
    support::{
        Asked, Ended, Step, invoke, register_function, register_trigger, seconds, unregister,
    },
};

impl Watch {
    pub fn happen(&mut self, happens: &Happens) {
        use Happens as H;
        match *happens {
            H::Comes(slot) if self.workers[slot].is_none() => {
                let session = self.lab.next_session();
                self.step(Step::Connected(session));
                self.workers[slot] = Some(session);
            }
            H::Goes(slot) => self.goes(slot),
            H::Elapsed(time) => self.wait(seconds(time)),
            H::Answered(nth_last, how, by) => self.answer(nth_last, how, by),
            H::Enqueued(queue) => self.put("enqueue", queue),
            H::EnqueuedCall(function, queue) => self.put(function, queue),
            H::Called(function) => {
                self.calls += 1;
                self.send(self.sender, invoke("call", function));
            }
            H::Requested => self.request(),
            H::Abandoned(nth) if nth < self.waiting.len() => {
                let exchange = self.waiting.remove(nth);
                self.fail(|call| call.exchange == Some(exchange));
                self.step(Step::HttpAbandoned(exchange));
            }
            H::Serves(slot, id) => {
                if let Some(session) = self.workers[slot] {
                    self.served.insert((slot, id));
                    let time = u64::try_from(ENDPOINT_TIME.as_millis()).unwrap();
                    self.send(
                        session,
                        match id {
                            "h" => http_function(id, json!({"url": URL, "timeout_ms": time})),
                            _ => register_function(id),
                        },
                    );
                }
            }
            H::ServesNoMore(slot, id) => {
                if let Some(session) = self.workers[slot] {
                    self.served.remove(&(slot, id));
                    self.send(session, unregister("function", id));
                }
            }
            H::Listens {
                by,
                id,
                queue,
                function,
                batch_size,
            } => {
                if let Some(session) = self.workers[by] {
                    if self.is_served(function) {
                        self.triggers.entry((by, id)).or_insert((queue, function));
                    }
                    let visible_again = visibility(queue).as_secs();
                    let config = json!({
                        "queue_name": queue, "batch_size": batch_size,
                        "visibility_timeout": visible_again,
                    });
                    self.send(session, register_trigger(id, "queue", function, config));
                }
            }
            H::Routes(slot, function) => {
                if let Some(session) = self.workers[slot] {
                    let config = json!({"path": "/"});
                    self.send(session, register_trigger("route", "http", function, config));
                }
            }
            H::Unlistens(slot, id) => {
                if let Some(session) = self.workers[slot] {
                    self.triggers.remove(&(slot, id));
                    self.send(session, unregister("trigger", id));
                }
            }
            H::Comes(_) | H::Abandoned(_) => {}
        }
    }

    pub(super) fn goes(&mut self, slot: usize) {
        if let Some(session) = self.workers[slot].take() {
            self.served.retain(|(by, _)| *by != slot);
            self.triggers.retain(|(by, _), _| *by != slot);
            self.fail(|call| call.worker == Some(session));
            self.step(Step::Disconnected(session));
        }
    }

    fn put(&mut self, function: &str, queue: &'static str) {
        self.messages += 1;
        let number = self.messages;
        let mut call = json!({
            "type": "invokefunction", "invocation_id": number.to_string(), "function_id": function,
        });
        if function == "enqueue" {
            call["data"] = json!({"queue_name": queue, "data": number});
        } else {
            call["data"] = json!(number);
            call["action"] = json!({"type": "enqueue", "queue": queue});
            self.lanes.insert(number, queue);
        }
        let held = self.held.len();
        self.send(self.sender, call);
        let taken = function == "enqueue" || self.is_served(function);
        assert_eq!(self.held.len(), held + usize::from(taken));
    }

    fn request(&mut self) {
        let exchange = ExchangeId(self.lab.history.len() as u64);
        self.waiting.push(exchange);
        let asked = Asked {
            method: "GET",
            target: format!("/?exchange={}", exchange.0),
            ..Asked::default()
        };
        self.step(Step::HttpRequest(exchange, asked));
    }

    /// Answers a call, perhaps from a session that it was not sent to.
    pub(super) fn answer(&mut self, nth_last: usize, how: How, by: Option<usize>) {
        let Some(index) = self.open.len().checked_sub(nth_last + 1) else {
            return;
        };
        let by = by.map(|slot| self.workers[slot]);
        let call = self.open[index].clone();
        if by.is_some_and(|by| by.is_none() || by != call.worker) {
            if let Some(session) = by.flatten() {
                self.send(
                    session,
                    json!({"type": "invocationresult", "invocation_id": call.id.to_string()}),
                );
            }
            return;
        }
        self.open.remove(index);
        self.ended.insert(call.id);
        let fails = |nth: usize| match how {
            How::Success => false,
            How::Failure => true,
            How::InPart(bits) => call.in_batch && bits & (1 << (nth % 8)) != 0,
        };
        let mut failed = Vec::new();
        for (nth, message) in call.messages.iter().enumerate() {
            let mut held = self.held.iter();
            let id = held.find(|(_, it)| *it == message).unwrap().0.clone();
            if fails(nth) {
                failed.push(id);
            } else {
                self.held.remove(&id);
            }
        }
        let result = json!({"failed_message_ids": failed});
        let Some(worker) = call.worker else {
            self.lab.requests.retain(|request| request.call != call.id);
            let ended = match how {
                How::Failure => Ended::Failed("broken".to_owned()),
                How::Success | How::InPart(_) => Ended::Answer(200, result.to_string()),
            };
            return self.step(Step::RequestEnded(call.id, ended));
        };
        let mut frame = json!({"type": "invocationresult", "invocation_id": call.id.to_string()});
        match how {
            How::Failure => frame["error"] = json!({"message": "broken"}),
            How::Success | How::InPart(_) => frame["result"] = result,
        }
        self.send(worker, frame);
        // A second answer is nothing to anybody.
        self.send(
            worker,
            json!({"type": "invocationresult", "invocation_id": call.id.to_string()}),
        );
    }

    /// Time passes, from one deadline to the next.
    pub(super) fn wait(&mut self, duration: Duration) {
        let until = self.lab.clock + duration;
        while self.lab.clock < until {
            let next = self.lab.next_deadline().unwrap_or(until).min(until);
            self.lab.clock = next;
            self.fail(|call| call.ends <= next);
            self.step(Step::Tick);
            self.check_deadline();
        }
    }
}
