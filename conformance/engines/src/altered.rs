//! The reference engine with something around it that alters what goes in and what comes out.

use std::time::Duration;

use reference::core::{
    CloseCode, Deadline, DeadlineReason, Effect, Engine, Environment, HttpAnswer, HttpRequest,
    HttpTriggerRequest, Input, Machine, SessionId, Settings, Variable, World,
};
use serde_json::Value;

/// A frame that the engine is about to get.
#[derive(Debug)]
pub struct Heard {
    /// Whose it is.
    pub from: SessionId,
    /// The frame, an object.
    pub frame: Value,
    /// Whether the engine gets it at all.
    pub keep: bool,
    /// Frames that the engine gets before it, as if the same session had sent them.
    pub before: Vec<Value>,
    /// Frames that sessions are sent before the engine's own.
    pub said: Vec<(SessionId, Value)>,
}

/// A frame that the engine is about to send.
#[derive(Debug)]
pub struct Sent {
    /// To whom.
    pub to: SessionId,
    /// When: on the clock that never jumps.
    pub now: Duration,
    /// The frame, an object.
    pub frame: Value,
    /// How often it is sent.
    pub copies: usize,
    /// How long it is held back.
    pub delay: Duration,
    /// Frames that sessions are sent after it.
    pub after: Vec<(SessionId, Value)>,
    /// Whether the session is closed after it.
    pub close: bool,
}

/// A request for an http trigger that the engine is about to get.
#[derive(Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What becomes of a binary frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The engine gets it.
    Kept,
    /// The engine gets a text frame in its place.
    Read(String),
    /// It ends its session.
    Fatal,
}

/// What is altered. Everything that is not is as in the reference.
pub trait Alter: Send {
    /// A text frame is about to go in, before it is looked at; `false` keeps it from the engine.
    fn reads(&mut self, _text: &mut String) -> bool {
        true
    }

    /// A binary frame is about to go in.
    fn takes(&mut self, _bytes: &[u8]) -> Binary {
        Binary::Kept
    }

    /// A frame is about to go in.
    fn hears(&mut self, _heard: &mut Heard) {}

    /// A frame is about to go out.
    fn sends(&mut self, _sent: &mut Sent) {}

    /// A frame is about to go out, as text.
    fn writes(&mut self, _text: &mut String) {}

    /// A request to an endpoint is about to be made; `false` keeps it from being made.
    fn requests(&mut self, _request: &mut HttpRequest) -> bool {
        true
    }

    /// A request for an http trigger is about to go in.
    fn is_asked(&mut self, _asked: &mut Asked) {}

    /// A request for an http trigger is about to be answered.
    fn answers(&mut self, _answer: &mut HttpAnswer) {}

    /// A variable of the environment is looked up.
    fn looks_up(&self, _name: &str, found: Variable) -> Variable {
        found
    }

    /// A session has ended; `false` keeps it from the engine.
    fn notices_end(&mut self, _session: SessionId) -> bool {
        true
    }
}

/// A frame that is held back.
#[derive(Debug)]
struct Late {
    at: Duration,
    to: SessionId,
    text: String,
}

/// The reference engine, altered.
pub struct Altered {
    engine: Engine,
    alter: Box<dyn Alter>,
    late: Vec<Late>,
    /// Sessions that were closed, which the engine does not know yet.
    closed: Vec<SessionId>,
}

/// The environment as the altered engine sees it.
struct LookedUp<'a> {
    environment: &'a dyn Environment,
    alter: &'a dyn Alter,
}

impl Environment for LookedUp<'_> {
    fn variable(&self, name: &str) -> Variable {
        self.alter.looks_up(name, self.environment.variable(name))
    }
}

impl Altered {
    /// The reference with its usual settings.
    pub fn new(alter: impl Alter + 'static) -> Self {
        Self::with(Settings::default(), alter)
    }

    /// The reference with some settings.
    pub fn with(settings: Settings, alter: impl Alter + 'static) -> Self {
        Self {
            engine: Engine::new(settings),
            alter: Box::new(alter),
            late: Vec::new(),
            closed: Vec::new(),
        }
    }

    fn hear(
        &mut self,
        from: SessionId,
        text: &str,
        world: &mut World<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let mut read = text.to_owned();
        if !self.alter.reads(&mut read) {
            return;
        }
        let mut unaltered = Input::Text {
            session: from,
            frame: &read,
        };
        let text;
        if let Input::Text { frame, .. } = unaltered
            && let Some(object) = object(frame)
        {
            let mut heard = Heard {
                from,
                frame: object.clone(),
                keep: true,
                before: Vec::new(),
                said: Vec::new(),
            };
            self.alter.hears(&mut heard);
            for (to, frame) in heard.said {
                effects.push(self.written(to, frame.to_string()));
            }
            for frame in heard.before {
                let frame = frame.to_string();
                let input = Input::Text {
                    session: from,
                    frame: &frame,
                };
                self.drive(input, world, effects);
            }
            if !heard.keep {
                return;
            }
            // What is not altered keeps its spelling.
            if heard.frame != object {
                text = heard.frame.to_string();
                unaltered = Input::Text {
                    session: from,
                    frame: &text,
                };
            }
        }
        self.drive(unaltered, world, effects);
    }

    fn drive(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        let mut own = Vec::new();
        let looked_up = LookedUp {
            environment: world.environment,
            alter: &*self.alter,
        };
        let mut altered = World {
            now: world.now,
            ids: &mut *world.ids,
            environment: &looked_up,
        };
        self.engine.handle(input, &mut altered, &mut own);
        for effect in own {
            match effect {
                Effect::Send { session, frame } => {
                    self.send(session, frame, world.now.monotonic, effects);
                }
                Effect::Request(mut request) => {
                    if self.alter.requests(&mut request) {
                        effects.push(Effect::Request(request));
                    }
                }
                Effect::Respond {
                    exchange,
                    mut answer,
                } => {
                    self.alter.answers(&mut answer);
                    effects.push(Effect::Respond { exchange, answer });
                }
                effect => effects.push(effect),
            }
        }
        for session in std::mem::take(&mut self.closed) {
            self.drive(Input::Disconnected { session }, world, effects);
        }
    }

    fn send(&mut self, to: SessionId, text: String, now: Duration, effects: &mut Vec<Effect>) {
        let Some(object) = object(&text) else {
            return effects.push(Effect::Send {
                session: to,
                frame: text,
            });
        };
        let mut sent = Sent {
            to,
            now,
            frame: object.clone(),
            copies: 1,
            delay: Duration::ZERO,
            after: Vec::new(),
            close: false,
        };
        self.alter.sends(&mut sent);
        let text = match sent.frame == object {
            true => text,
            false => sent.frame.to_string(),
        };
        for _ in 0..sent.copies {
            if sent.delay.is_zero() {
                effects.push(self.written(sent.to, text.clone()));
            } else {
                self.late.push(Late {
                    at: now + sent.delay,
                    to: sent.to,
                    text: text.clone(),
                });
            }
        }
        for (to, frame) in sent.after {
            effects.push(self.written(to, frame.to_string()));
        }
        if sent.close {
            effects.push(closed(sent.to));
            self.closed.push(sent.to);
        }
    }

    fn written(&mut self, session: SessionId, mut frame: String) -> Effect {
        self.alter.writes(&mut frame);
        Effect::Send { session, frame }
    }

    fn send_what_is_due(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let (mut due, late): (Vec<Late>, Vec<Late>) =
            self.late.drain(..).partition(|it| it.at <= now);
        self.late = late;
        due.sort_by_key(|it| it.at);
        for late in due {
            effects.push(self.written(late.to, late.text));
        }
    }
}

fn closed(session: SessionId) -> Effect {
    Effect::Close {
        session,
        code: CloseCode::Normal,
        reason: "",
    }
}

fn object(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.is_object().then_some(value)
}

impl Machine for Altered {
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>) {
        self.send_what_is_due(world.now.monotonic, effects);
        match input {
            Input::Text { session, frame } => self.hear(session, frame, world, effects),
            Input::Binary { session, frame } => match self.alter.takes(frame) {
                Binary::Kept => self.drive(input, world, effects),
                Binary::Read(text) => self.hear(session, &text, world, effects),
                Binary::Fatal => {
                    effects.push(closed(session));
                    self.drive(Input::Disconnected { session }, world, effects);
                }
            },
            Input::HttpRequest { exchange, request } => {
                let mut asked = Asked {
                    method: request.method.to_owned(),
                    target: request.target.to_owned(),
                    body: request.body.to_owned(),
                };
                self.alter.is_asked(&mut asked);
                let request = HttpTriggerRequest {
                    method: &asked.method,
                    target: &asked.target,
                    body: &asked.body,
                    ..request
                };
                self.drive(Input::HttpRequest { exchange, request }, world, effects);
            }
            Input::Disconnected { session } => {
                if self.alter.notices_end(session) {
                    self.drive(input, world, effects);
                }
            }
            other => self.drive(other, world, effects),
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let late = self.late.iter().map(|late| Deadline {
            at: late.at,
            reason: DeadlineReason::CallTimeout,
            watches_wall_clock: false,
        });
        late.chain(self.engine.next_deadline())
            .min_by_key(|it| it.at)
    }
}
