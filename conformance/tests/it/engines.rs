//! Engines that are wrong on purpose: the reference behind a machine that alters what comes
//! out of it, or what goes in.

use std::{sync::Arc, time::Duration};

use conformance::{
    case::Cases,
    endpoint::Callback,
    histories,
    ledger::Ledger,
    mapping::ConfigKeys,
    runner::{self, Context, Pace, Target},
    verdict::Outcome,
};
use reference::{
    Options, Server,
    core::{
        Deadline, Effect, Engine, HttpRequest, HttpTriggerRequest, Input, Machine, Settings, World,
    },
};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::embedded;

/// What becomes of a frame that the engine is about to send.
pub(crate) enum Fate {
    Keep,
    Drop,
    Twice,
}

type Outgoing = Box<dyn FnMut(&mut Value) -> Fate + Send>;
type Incoming = Box<dyn FnMut(&mut Value) -> bool + Send>;
type Http = Box<dyn FnMut(&str, &str) -> (String, String) + Send>;
type Requests = Box<dyn FnMut(&mut HttpRequest) -> bool + Send>;

/// The reference with a fault around it.
pub(crate) struct Faulty {
    engine: Engine,
    outgoing: Outgoing,
    incoming: Incoming,
    requests: Requests,
    http: Http,
    deaf_to_endings: bool,
}

impl Faulty {
    /// Alters the frames that the engine sends.
    pub(crate) fn outgoing(alter: impl FnMut(&mut Value) -> Fate + Send + 'static) -> Self {
        Self {
            engine: Engine::new(Settings::default()),
            outgoing: Box::new(alter),
            incoming: Box::new(|_| true),
            requests: Box::new(|_| true),
            http: Box::new(|method, target| (method.to_owned(), target.to_owned())),
            deaf_to_endings: false,
        }
    }

    /// Alters the frames that the engine gets; `false` keeps one from it.
    pub(crate) fn incoming(alter: impl FnMut(&mut Value) -> bool + Send + 'static) -> Self {
        Self::outgoing(|_| Fate::Keep).and_incoming(alter)
    }

    pub(crate) fn and_incoming(
        self,
        alter: impl FnMut(&mut Value) -> bool + Send + 'static,
    ) -> Self {
        Self {
            incoming: Box::new(alter),
            ..self
        }
    }

    /// Alters the requests that the engine makes; `false` keeps one from being made.
    pub(crate) fn requests(alter: impl FnMut(&mut HttpRequest) -> bool + Send + 'static) -> Self {
        Self {
            requests: Box::new(alter),
            ..Self::outgoing(|_| Fate::Keep)
        }
    }

    /// Alters the methods and targets of requests for http triggers.
    pub(crate) fn and_http(
        self,
        alter: impl FnMut(&str, &str) -> (String, String) + Send + 'static,
    ) -> Self {
        Self {
            http: Box::new(alter),
            ..self
        }
    }

    /// Does not notice when sessions end.
    pub(crate) fn deaf_to_endings() -> Self {
        Self {
            deaf_to_endings: true,
            ..Self::outgoing(|_| Fate::Keep)
        }
    }
}

impl Machine for Faulty {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        let (altered, method, target);
        let input = match input {
            Input::HttpRequest { exchange, request } => {
                (method, target) = (self.http)(request.method, request.target);
                let request = HttpTriggerRequest {
                    method: &method,
                    target: &target,
                    ..request
                };
                Input::HttpRequest { exchange, request }
            }
            Input::Disconnected { .. } if self.deaf_to_endings => return,
            Input::Text { session, frame } => match serde_json::from_str::<Value>(frame) {
                Ok(mut value) if value.is_object() => {
                    let before = value.clone();
                    if !(self.incoming)(&mut value) {
                        return;
                    }
                    if value == before {
                        Input::Text { session, frame }
                    } else {
                        altered = value.to_string();
                        Input::Text {
                            session,
                            frame: &altered,
                        }
                    }
                }
                _ => Input::Text { session, frame },
            },
            other => other,
        };
        let mut own = Vec::new();
        self.engine.handle(input, world, &mut own);
        for effect in own {
            let (session, frame) = match effect {
                Effect::Send { session, frame } => (session, frame),
                Effect::Request(mut request) => {
                    if (self.requests)(&mut request) {
                        effects.push(Effect::Request(request));
                    }
                    continue;
                }
                effect => {
                    effects.push(effect);
                    continue;
                }
            };
            let mut value: Value = serde_json::from_str(&frame).unwrap();
            let before = value.clone();
            let fate = (self.outgoing)(&mut value);
            let frame = if value == before {
                frame
            } else {
                value.to_string()
            };
            let copies = match fate {
                Fate::Keep => 1,
                Fate::Drop => 0,
                Fate::Twice => 2,
            };
            for _ in 0..copies {
                let frame = frame.clone();
                effects.push(Effect::Send { session, frame });
            }
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        self.engine.next_deadline()
    }
}

/// The reference, served with what the documents' examples need of the environment.
pub(crate) async fn serve(machine: impl Machine + Send + 'static) -> Server {
    let options = Options {
        machine: Box::new(machine),
        ..embedded::options()
    };
    Server::bind("127.0.0.1:0", options).await.unwrap()
}

/// What of the suite is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'p> {
    Everything,
    /// The cases that judge a clause.
    Clause(&'p str),
    /// Those that judge any of several.
    Clauses(&'p [&'p str]),
    /// Random histories, and the probes that they need.
    Histories,
}

/// What the suite says of a machine.
pub(crate) async fn judge(machine: impl Machine + Send + 'static, part: Part<'_>) -> Vec<Outcome> {
    let plan = histories::Plan {
        histories: 20,
        steps_max: 40,
        seed: 7,
        strict: matches!(part, Part::Histories),
    };
    let wandering = !matches!(part, Part::Clause(_) | Part::Clauses(_));
    run(machine, part, wandering.then_some(plan)).await
}

/// What random histories of a seed say of a machine, held to the documents alone.
pub(crate) async fn wander(machine: impl Machine + Send + 'static, seed: u64) -> Vec<Outcome> {
    let plan = histories::Plan {
        histories: 10,
        steps_max: 40,
        seed,
        strict: false,
    };
    run(machine, Part::Histories, Some(plan)).await
}

async fn run(
    machine: impl Machine + Send + 'static,
    part: Part<'_>,
    plan: Option<histories::Plan>,
) -> Vec<Outcome> {
    let server = serve(machine).await;
    let target = Target {
        url: server.url(),
        variables: embedded::variables(),
        hello: true,
        callback: Callback::default(),
        http_url: server.http_url(),
        config_keys: ConfigKeys::default(),
        not_applicable: Vec::new(),
    };
    // A fault shows as a frame that does not come: what is waited for in vain is the time of
    // these tests. It has to be long enough for a busy machine all the same.
    let pace = Pace {
        jobs: 32,
        patience: Duration::from_millis(700),
        ..Pace::default()
    };
    let context = Arc::new(Context::new(target, pace).unwrap());
    let ledger = Ledger::embedded().unwrap();
    let cases = Cases::embedded(&ledger).unwrap();
    let mut selected = match part {
        Part::Everything => cases.select(&[]),
        Part::Clause(clause) => cases.select(&[clause.to_owned()]),
        Part::Clauses(clauses) => {
            let selectors: Vec<String> = clauses.iter().map(|it| (*it).to_owned()).collect();
            cases.select(&selectors)
        }
        Part::Histories => cases
            .iter()
            .filter(|it| it.probes.is_some() && it.clock_s == 0)
            .cloned()
            .collect(),
    };
    // What takes a minute is not for tests that are run all the time.
    selected.retain(|case| !case.is_slow());
    let (events, _) = mpsc::unbounded_channel();
    runner::run(&context, selected, plan, &events).await
}
