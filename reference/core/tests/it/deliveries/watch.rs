//! What is seen of an engine, and what must follow from it.

mod inputs;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use reference_core::{
    DeadlineReason, Effect, ExchangeId, Machine, QueueLimits, SessionId, Settings,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{FUNCTIONS, Happens, How, WORKERS};
use crate::support::{Lab, Step, parse, seconds};

const ATTEMPTS_MAX: u32 = 3;
const ENDPOINT_TIME: Duration = seconds(20);
const CALL_TIME: Duration = seconds(30);
/// How many calls of a function through one queue are under way at once.
const LANE_CALLS_MAX: u64 = 10;

/// A call that a worker, or an endpoint, was given.
#[derive(Clone, Debug)]
struct Call {
    id: Uuid,
    /// Absent if it is an endpoint's.
    worker: Option<SessionId>,
    /// The queue that its messages are from; absent if it has none.
    queue: Option<String>,
    /// The messages that it hands out, by what is in them.
    messages: Vec<u64>,
    /// It is one of the queue's triggers that hands them out.
    in_batch: bool,
    exchange: Option<ExchangeId>,
    ends: Duration,
}

/// An engine under observation.
pub struct Watch {
    lab: Lab,
    sender: SessionId,
    workers: [Option<SessionId>; WORKERS],
    served: BTreeSet<(usize, &'static str)>,
    /// Queue and function of each trigger.
    triggers: BTreeMap<(usize, &'static str), (&'static str, &'static str)>,
    open: Vec<Call>,
    ended: BTreeSet<Uuid>,
    /// Which messages there are, by their ids, until they are acknowledged.
    held: BTreeMap<String, u64>,
    /// Of calls through queues, the queue.
    lanes: BTreeMap<u64, &'static str>,
    /// How often each message was handed out from each queue.
    attempts: BTreeMap<(u64, String), u32>,
    messages: u64,
    calls: u64,
    answers: u64,
    waiting: Vec<ExchangeId>,
}

impl Watch {
    pub fn new() -> Self {
        let mut lab = Lab::with(Settings {
            requests_max: 2,
            queues: QueueLimits {
                attempts_max: ATTEMPTS_MAX,
                ..QueueLimits::default()
            },
            ..Settings::default()
        });
        let sender = lab.connect();
        Self {
            lab,
            sender,
            workers: [None; WORKERS],
            served: BTreeSet::new(),
            triggers: BTreeMap::new(),
            open: Vec::new(),
            ended: BTreeSet::new(),
            held: BTreeMap::new(),
            lanes: BTreeMap::new(),
            attempts: BTreeMap::new(),
            messages: 0,
            calls: 0,
            answers: 0,
            waiting: Vec::new(),
        }
    }

    fn is_served(&self, function: &str) -> bool {
        self.served.iter().any(|(_, id)| *id == function)
    }

    /// Gives an input, and looks at what it has led to.
    fn step(&mut self, step: Step) {
        self.lab.input(step);
        let effects = self.lab.history.last().unwrap().effects.clone();
        for effect in effects {
            match effect {
                Effect::Send { session, frame } => {
                    let frame = parse(&frame);
                    match frame["type"].as_str().unwrap() {
                        "invokefunction" => {
                            let id = frame["invocation_id"].as_str().unwrap().parse().unwrap();
                            self.opened(id, Some(session), &frame["data"]);
                        }
                        "invocationresult" if session == self.sender => self.answered(&frame),
                        _ => {}
                    }
                }
                Effect::Request(request) => {
                    self.opened(request.call, None, &parse(&request.body));
                }
                Effect::Respond { exchange, .. } => {
                    // Nobody is answered who does not wait, nor twice.
                    let place = self.waiting.iter().position(|it| *it == exchange);
                    self.waiting.remove(place.unwrap());
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, session: SessionId, frame: Value) {
        self.step(Step::Text(session, frame.to_string()));
    }

    fn answered(&mut self, frame: &Value) {
        match frame["invocation_id"].as_str().unwrap() {
            "call" => self.answers += 1,
            number => {
                if let Some(id) = frame["result"]["messageReceiptId"].as_str() {
                    self.held.insert(id.to_owned(), number.parse().unwrap());
                }
            }
        }
    }

    /// A call has begun: no message of it is in another, or acknowledged.
    fn opened(&mut self, id: Uuid, worker: Option<SessionId>, data: &Value) {
        let mut call = Call {
            id,
            worker,
            queue: None,
            messages: Vec::new(),
            in_batch: false,
            exchange: None,
            ends: self.lab.clock + worker.map_or(ENDPOINT_TIME, |_| CALL_TIME),
        };
        if let Some(messages) = data["messages"].as_array() {
            let queue = data["queue_name"].as_str().unwrap();
            call.messages = messages
                .iter()
                .map(|it| it["data"].as_u64().unwrap())
                .collect();
            for message in messages {
                let (data, attempt) = (message["data"].as_u64(), message["attempt"].as_u64());
                self.check_attempt(data.unwrap(), queue, attempt.unwrap());
            }
            let visible_again = self.lab.clock + visibility(queue);
            call.ends = match worker {
                Some(_) => visible_again,
                None => call.ends.min(visible_again),
            };
            call.queue = Some(queue.to_owned());
            call.in_batch = true;
        } else if let Some(message) = data.as_u64() {
            call.messages = vec![message];
            call.queue = Some(self.lanes[&message].to_owned());
        } else if data["trigger"]["type"] == "http" {
            let exchange = data["query_params"]["exchange"].as_str().unwrap();
            call.exchange = Some(ExchangeId(exchange.parse().unwrap()));
        }
        assert!(!self.ended.contains(&id) && self.open.iter().all(|it| it.id != id));
        for message in &call.messages {
            assert!(
                self.open.iter().all(|it| !it.messages.contains(message)),
                "twice: {message}"
            );
            assert!(
                self.held.values().any(|it| it == message),
                "is gone: {message}"
            );
        }
        for message in &call.messages {
            let from = (*message, call.queue.clone().unwrap());
            *self.attempts.entry(from).or_default() += 1;
        }
        self.open.push(call);
    }

    /// An attempt is one more than there were, and a dead letter has had all of them.
    fn check_attempt(&self, message: u64, queue: &str, attempt: u64) {
        let before = |queue: &str| self.attempts.get(&(message, queue.to_owned())).copied();
        let before_this = before(queue).unwrap_or_default();
        assert_eq!(attempt, u64::from(before_this) + 1);
        assert!(attempt <= u64::from(ATTEMPTS_MAX));
        if let Some(origin) = queue.strip_suffix("::dead_letter") {
            assert_eq!(
                before(origin),
                Some(ATTEMPTS_MAX),
                "given up too soon: {message}"
            );
        }
    }

    /// Calls have ended in failure: what they held may be handed out again.
    fn fail(&mut self, which: impl Fn(&Call) -> bool) {
        let (ended, open) = std::mem::take(&mut self.open).into_iter().partition(which);
        self.open = open;
        let ended: Vec<Call> = ended;
        self.ended.extend(ended.iter().map(|call| call.id));
    }

    fn check_deadline(&self) {
        let first = self.open.iter().map(|call| call.ends).min();
        match self.lab.engine.next_deadline() {
            Some(deadline) if deadline.reason == DeadlineReason::QueueRetry => {
                assert!(first.is_none_or(|first| deadline.at <= first));
                assert!(deadline.at > self.lab.clock);
                assert!(deadline.at <= self.lab.clock + seconds(1));
            }
            Some(deadline) if deadline.reason == DeadlineReason::LateAnswer => {
                assert!(first.is_none_or(|first| deadline.at <= first));
                assert!(deadline.at > self.lab.clock);
                assert!(deadline.at <= self.lab.clock + CALL_TIME);
            }
            deadline => assert_eq!(deadline.map(|it| it.at), first),
        }
    }

    /// What `engine::queue::stats` says.
    fn stats(&mut self) -> Vec<Value> {
        let call = json!({
            "type": "invokefunction", "invocation_id": "stats",
            "function_id": "engine::queue::stats", "data": {},
        });
        self.lab.texts(self.sender);
        let answer = self.lab.ask(self.sender, call);
        answer["result"]["queues"].as_array().unwrap().clone()
    }

    /// Every message that was taken is somewhere, and whoever can be given some has been.
    pub fn check(&mut self) {
        self.check_deadline();
        let stats = self.stats();
        let number = |queue: &Value, field: &str| queue[field].as_u64().unwrap();
        let sum = |field| stats.iter().map(|it| number(it, field)).sum::<u64>();
        let in_flight: usize = self.open.iter().map(|call| call.messages.len()).sum();
        assert_eq!(sum("in_flight"), in_flight as u64);
        let all = sum("visible") + sum("in_flight") + sum("parked");
        assert_eq!(all, self.held.len() as u64);
        for queue in stats.iter().filter(|it| number(it, "visible") > 0) {
            match queue["function_id"].as_str() {
                Some("h") => {}
                Some(function) => {
                    let full = number(queue, "in_flight") == LANE_CALLS_MAX;
                    assert!(
                        full || !self.is_served(function),
                        "waits for nothing: {queue}"
                    );
                }
                None => {
                    let name = queue["queue_name"].as_str().unwrap();
                    let triggers = self.triggers.values().filter(|(queue, function)| {
                        *queue == name && *function != "h" && self.is_served(function)
                    });
                    let calls = self.open.iter();
                    let calls = calls.filter(|it| it.in_batch && it.queue.as_deref() == Some(name));
                    assert!(
                        triggers.count() <= calls.count(),
                        "waits for nothing: {queue}"
                    );
                }
            }
        }
    }

    /// Whatever is under way succeeds, until nothing is.
    fn drain(&mut self) {
        for _ in 0..2_000 {
            if self.open.is_empty() && self.lab.next_deadline().is_none() {
                return self.check();
            }
            self.answer(0, How::Success, None);
            if self.open.is_empty() && self.lab.next_deadline().is_some() {
                self.wait(seconds(1));
            }
        }
        panic!("something is under way without end");
    }

    /// Somebody serves everything and works on everything. Then nothing is left but what was
    /// given up.
    pub fn finish(mut self) {
        self.drain();
        for queue in self.stats() {
            let waits = queue["visible"].as_u64() > Some(0);
            let function = queue["function_id"].as_str();
            let is_served = function.is_some_and(|it| self.is_served(it));
            assert!(!(waits && is_served), "waits for nothing: {queue}");
        }
        (0..WORKERS).for_each(|slot| self.goes(slot));
        self.happen(&Happens::Comes(0));
        for function in FUNCTIONS {
            self.happen(&Happens::Serves(0, function));
        }
        let own = ["a", "b", "a::dead_letter", "b::dead_letter"];
        for (queue, id) in own.into_iter().zip(["1", "2", "3", "4"]) {
            let (by, function, batch_size) = (0, "f", 1);
            self.happen(&Happens::Listens {
                by,
                id,
                queue,
                function,
                batch_size,
            });
        }
        self.drain();
        self.goes(0);
        let stats = self.stats();
        let rest = stats.iter().map(|it| it["parked"].as_u64().unwrap());
        assert_eq!(rest.sum::<u64>(), self.held.len() as u64);
        for queue in &stats {
            assert!(
                queue["parked"].as_u64() > Some(0),
                "is left behind: {queue}"
            );
        }
        self.check_answers();
    }

    /// The engine is told to stop: whoever waits is answered, and nothing is under way.
    pub fn stop(mut self) {
        self.step(Step::Shutdown);
        assert_eq!(self.lab.next_deadline(), None);
        assert!(self.lab.requests.is_empty());
        self.check_answers();
    }

    fn check_answers(&self) {
        assert_eq!(self.answers, self.calls);
        assert_eq!(self.waiting, []);
    }
}

/// Of each trigger of a queue.
fn visibility(queue: &str) -> Duration {
    match queue {
        "a" => seconds(5),
        "b" => seconds(40),
        _ => seconds(7),
    }
}
