//! One trigger: how its registration is answered, and whether it calls its function.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    Engine,
    peer::{Peer, error_of},
};
use crate::{
    exchange::{self, Asked, Client, Exchange},
    frame::Frame,
    transcript::Transcript,
};

/// How long one address is given before the next is asked.
const TURN: Duration = Duration::from_millis(200);

/// What is to be registered, and how it is made to fire.
pub(super) struct Attempt<'a> {
    pub(super) engine: &'a Engine,
    /// Of the trigger, of its function, of its queue, and the path of its requests.
    pub(super) id: &'a str,
    /// The trigger type, as it is called there.
    pub(super) kind: &'a str,
    /// Where its requests may be served.
    pub(super) bases: &'a [String],
    /// By which key its queue is named.
    pub(super) queue_key: Option<&'a str>,
    /// Whether nothing can be done for it to fire.
    pub(super) by_itself: bool,
}

/// How a registration was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    Accepted,
    /// With a code.
    Refused(String),
    #[default]
    None,
}

/// What an attempt led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) answer: Answer,
    /// Whether the trigger has called its function.
    pub(super) fired: bool,
    /// Where the request was served that made it do so.
    pub(super) base: Option<String>,
}

enum Heard {
    Answer(Answer),
    /// The trigger calls its function.
    Call,
    /// No message can be put into a queue.
    NoQueue,
}

impl Attempt<'_> {
    pub(super) async fn perform(&self, config: Value) -> Seen {
        let Ok(mut peer) = Peer::connect(self.engine, self.engine.hello).await else {
            return Seen::default();
        };
        peer.register_function(self.id, None).await;
        peer.register_trigger(self.id, self.kind, self.id, config)
            .await;
        let seen = self.watch(&mut peer).await;
        peer.leave(self.engine).await;
        seen
    }

    async fn watch(&self, peer: &mut Peer) -> Seen {
        let deadline = self.engine.deadline();
        // A message for a trigger that is refused would stay in its queue.
        let ask_from = Instant::now() + self.engine.patience / 4;
        let client = exchange::client();
        let mut seen = Seen::default();
        let mut requests = Vec::new();
        let mut bases = self.bases.iter().cycle();
        let (mut message, mut can_fire) = (None, !self.by_itself);
        loop {
            let settled = match seen.answer {
                Answer::Refused(_) => true,
                Answer::Accepted => !can_fire,
                Answer::None => false,
            };
            if seen.fired || settled || Instant::now() >= deadline {
                return seen;
            }
            let may_ask = seen.answer == Answer::Accepted || Instant::now() >= ask_from;
            if may_ask && let Some(base) = bases.next() {
                requests.push((base, self.request(&client, base)));
            }
            if may_ask && let (None, Some(key)) = (&message, self.queue_key) {
                let data = json!({key: self.id, "data": {"found": true}});
                message = Some(peer.call("enqueue", data).await);
            }
            let turn = deadline.min(Instant::now() + TURN);
            let heard = peer
                .take(turn, |frame| self.hear(frame, message.as_deref()))
                .await;
            match heard {
                Ok((_, Heard::Answer(answer))) => seen.answer = answer,
                Ok((_, Heard::NoQueue)) => can_fire = false,
                Ok((call, Heard::Call)) => {
                    let result = json!({"status_code": 200, "body": {"found": self.id}});
                    peer.answer(&call, result).await;
                    seen.fired = true;
                    seen.base = self.served(requests.drain(..)).await;
                }
                Err(crate::session::Stop::Patience) => {}
                Err(_) => return seen,
            }
        }
    }

    fn hear(&self, frame: &Frame, message: Option<&str>) -> Option<Heard> {
        let is = |field: &str, value: &str| frame.text_field(field) == Some(value);
        match frame.kind() {
            "triggerregistrationresult" if is("id", self.id) => {
                Some(Heard::Answer(match error_of(frame) {
                    Some(code) => Answer::Refused(code),
                    None => Answer::Accepted,
                }))
            }
            "invokefunction" if is("function_id", self.id) => Some(Heard::Call),
            "invocationresult" if message.is_some_and(|it| is("invocation_id", it)) => {
                error_of(frame).map(|_| Heard::NoQueue)
            }
            _ => None,
        }
    }

    fn request(&self, client: &Client, base: &str) -> Exchange {
        let asked = Asked {
            method: "POST".to_owned(),
            base: base.to_owned(),
            target: format!("/{}", self.id),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: b"{}".to_vec(),
        };
        Exchange::begin(client.clone(), asked, "init", &Transcript::default())
    }

    /// Which of the requests was answered with what the function said; if none was, the last one
    /// has called it nevertheless.
    async fn served<'b>(
        &self,
        requests: impl DoubleEndedIterator<Item = (&'b String, Exchange)>,
    ) -> Option<String> {
        let (deadline, mut last) = (self.engine.soon(), None);
        for (base, mut exchange) in requests.rev() {
            let answer = timeout_at(deadline, exchange.answer()).await;
            if answer.is_ok_and(|it| it.is_ok_and(|frame| frame.text.contains(self.id))) {
                return Some(base.clone());
            }
            last = last.or(Some(base.clone()));
        }
        last
    }
}
