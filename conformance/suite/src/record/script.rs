//! What happened, as the steps of a case.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{
    http::Body,
    ids::Ids,
    kinds::of_type,
    notes::{Event, Noted},
    together::together,
    wire::Said,
};
use crate::{
    frame::Frame,
    template::InReadingOrder,
    transcript::{Requested, Served},
};

/// Something that becomes a part of a case.
#[derive(Clone, Debug)]
pub(super) enum Scene {
    Session(Noted),
    /// A session was fenced.
    Fence(usize),
    /// A session was sent a WebSocket ping, and answered it.
    Ping(usize),
    /// The suite serves an endpoint of this name.
    Serve(String, Served),
    /// The endpoint of this name got a request.
    Asked(String, Frame),
    /// The suite sends a request of this name.
    Ask(String, Requested),
    /// That request was answered.
    Answered(String, Frame),
}

impl Scene {
    /// The frame of a session's that it is, and whether it is the client's.
    pub(super) fn frame(&self) -> Option<(bool, Frame)> {
        match self {
            Self::Session(noted) => match &noted.event {
                Event::FromClient(said) => Some((true, frame(said)?)),
                Event::FromEngine(said) => Some((false, frame(said)?)),
                Event::Connected | Event::ClientGone => None,
            },
            _ => None,
        }
    }

    /// What ids are learnt from, and whether it is the client's.
    fn values(&self) -> Vec<(bool, Frame)> {
        let own = |value: Value| Frame::read(&value.to_string()).ok();
        match self {
            Self::Asked(_, frame) | Self::Answered(_, frame) => vec![(false, frame.clone())],
            Self::Serve(_, served) => {
                let answers = served.answers.iter().flatten();
                let values = answers.map(|it| {
                    let body = it.body().and_then(Body::value);
                    json!({"headers": it.headers, "body": body})
                });
                values.filter_map(own).map(|it| (true, it)).collect()
            }
            Self::Ask(_, asked) => {
                let body = asked.body().and_then(Body::value);
                let value = json!({"target": asked.target, "headers": asked.headers, "body": body});
                own(value).map(|it| (true, it)).into_iter().collect()
            }
            _ => self.frame().into_iter().collect(),
        }
    }

    /// What is sent byte for byte.
    fn bytes(&self) -> Vec<String> {
        match self {
            Self::Session(Noted {
                event: Event::FromClient(said @ Said::Message { payload, .. }),
                ..
            }) if frame(said).is_none() => vec![String::from_utf8_lossy(payload).into_owned()],
            Self::Serve(_, served) => {
                let answers = served.answers.iter().flatten();
                let bodies = answers.filter_map(|it| it.body()?.bytes());
                let raw = served.raw.iter().map(|it| json!(it).to_string());
                bodies.chain(raw).collect()
            }
            Self::Ask(_, asked) => {
                let hex = asked.hex.iter().filter_map(|it| hex::decode(it).ok());
                let hex = hex.map(|it| String::from_utf8_lossy(&it).into_owned());
                hex.chain(asked.body().and_then(Body::bytes)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A step, as it is written.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) on: String,
    pub(super) verb: &'static str,
    pub(super) value: Value,
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut step = serializer.serialize_map(Some(2))?;
        step.serialize_entry("on", &self.on)?;
        step.serialize_entry(self.verb, &InReadingOrder(self.value.clone()))?;
        step.end()
    }
}

/// The steps while they are written, and what else the case has.
#[derive(Debug)]
pub(super) struct Script {
    ids: Ids,
    pub(super) steps: Vec<Step>,
    pub(super) endpoints: BTreeMap<String, InReadingOrder>,
    /// The variables of the environment that requests gave away.
    pub(super) variables: BTreeSet<String>,
    /// Requests that ask for more than the recording knows of.
    lookups: BTreeSet<String>,
    /// Sessions that have sent what nobody has yet waited for.
    unfenced: BTreeSet<usize>,
    /// Sessions that are closed, or about to be: nothing more is expected on them.
    over: BTreeSet<usize>,
}

impl Script {
    pub(super) fn of(scenes: &[Scene]) -> Self {
        let learnt: Vec<(bool, Frame)> = scenes.iter().flat_map(Scene::values).collect();
        let mut ids = Ids::of(learnt.iter().map(|(of_client, it)| (*of_client, it)));
        for scene in scenes {
            scene.bytes().iter().for_each(|it| ids.keep(it));
            match scene {
                Scene::Serve(name, served) => ids.endpoint(&served.url, &named(name)),
                Scene::Ask(_, asked) => ids.place(&asked.url),
                _ => {}
            }
        }
        let mut script = Self {
            ids,
            steps: Vec::new(),
            endpoints: BTreeMap::new(),
            variables: BTreeSet::new(),
            lookups: BTreeSet::new(),
            unfenced: BTreeSet::new(),
            over: BTreeSet::new(),
        };
        for scene in scenes {
            script.add(scene);
        }
        script.steps = together(script.steps);
        script
    }

    fn add(&mut self, scene: &Scene) {
        match scene {
            Scene::Session(noted) => self.noted(noted),
            Scene::Fence(session) if !self.over.contains(session) => {
                self.step(name(*session), "alive", true.into());
                self.unfenced.remove(session);
            }
            Scene::Ping(session) if !self.over.contains(session) => {
                self.step(name(*session), "ping", true.into());
            }
            Scene::Fence(_) | Scene::Ping(_) => {}
            Scene::Serve(name, served) => {
                let endpoint = InReadingOrder(self.ids.serving(served));
                self.endpoints.insert(named(name), endpoint);
            }
            Scene::Asked(name, frame) => {
                self.variables.extend(variables(frame));
                let template = self.ids.expecting_http(frame);
                self.step(named(name), "expect_request", template);
            }
            Scene::Ask(name, asked) => {
                self.fence_others(None);
                if self.ids.looks_up(&asked.target) {
                    self.lookups.insert(name.clone());
                }
                let request = self.ids.requesting(asked);
                self.step(named(name), "request", request);
            }
            Scene::Answered(name, frame) => {
                let mut template = self.ids.expecting_http(frame);
                let looked_up = frame
                    .value
                    .get("body")
                    .filter(|_| self.lookups.contains(name));
                if let (Some(found), Some(body)) = (looked_up, template.get_mut("body")) {
                    *body = of_type(found);
                }
                self.step(named(name), "expect_response", template);
            }
        }
    }

    fn noted(&mut self, noted: &Noted) {
        let session = noted.session;
        if self.over.contains(&session) {
            return;
        }
        let on = name(session);
        match &noted.event {
            Event::Connected if session > 0 => self.step(on, "connect", true.into()),
            Event::Connected => {}
            Event::FromClient(Said::Message { text, payload }) => {
                self.sent(session, *text, payload);
            }
            Event::FromClient(Said::Close(code)) => {
                self.fence_others(Some(session));
                let code = code.filter(is_code).unwrap_or(1000);
                self.step(on, "close", code.into());
                self.end(session);
            }
            Event::FromClient(Said::Unreadable) | Event::ClientGone => {
                self.fence_others(Some(session));
                self.step(on, "drop", true.into());
                self.end(session);
            }
            Event::FromEngine(said @ Said::Message { .. }) => {
                if let Some(frame) = frame(said) {
                    let template = self.ids.expecting(&frame);
                    self.step(on, "expect", template);
                }
            }
            Event::FromEngine(Said::Close(code)) => {
                if let Some(code) = code.filter(is_code) {
                    self.step(on, "expect_close", json!([code]));
                }
                self.end(session);
            }
            Event::FromEngine(Said::Unreadable) => self.end(session),
        }
    }

    fn sent(&mut self, session: usize, text: bool, payload: &[u8]) {
        let as_text = std::str::from_utf8(payload).ok().filter(|_| text);
        let (verb, value) = match as_text.map(|it| (it, Frame::read(it))) {
            Some((_, Ok(frame))) => ("send", self.ids.sending(&frame)),
            Some((text, Err(_))) => ("send_text", text.into()),
            None => {
                let opcode = if text { "text" } else { "binary" };
                let raw = json!({"opcode": opcode, "hex": hex::encode(payload)});
                ("send_raw", raw)
            }
        };
        self.fence_others(Some(session));
        self.step(name(session), verb, value);
        self.unfenced.insert(session);
    }

    /// Between two sessions nothing is known of the order, and a case is played faster than
    /// people and programs act: what the others have sent is waited for.
    fn fence_others(&mut self, session: Option<usize>) {
        let others = self.unfenced.iter().copied();
        let others: Vec<usize> = others.filter(|it| Some(*it) != session).collect();
        for other in others {
            self.step(name(other), "alive", true.into());
            self.unfenced.remove(&other);
        }
    }

    fn step(&mut self, on: String, verb: &'static str, value: Value) {
        self.steps.push(Step { on, verb, value });
    }

    fn end(&mut self, session: usize) {
        self.over.insert(session);
        self.unfenced.remove(&session);
    }
}

/// Sessions are called after the order of their connection.
pub(super) fn name(session: usize) -> String {
    format!("session-{}", session + 1)
}

/// The name of an endpoint or of a request, which no session has.
fn named(name: &str) -> String {
    match name.starts_with("session-") {
        true => format!("http-{name}"),
        false => name.to_owned(),
    }
}

/// Pings and pongs.
pub(super) fn is_ping(frame: &Frame) -> bool {
    matches!(frame.kind(), "ping" | "pong")
}

fn frame(said: &Said) -> Option<Frame> {
    match said {
        Said::Message {
            text: true,
            payload,
        } => Frame::read(std::str::from_utf8(payload).ok()?).ok(),
        _ => None,
    }
}

/// The variables that a request proves, or reveals.
fn variables(request: &Frame) -> impl Iterator<Item = String> {
    let list = |field: &str| request.value.get(field).and_then(Value::as_array);
    let proven = list("signed_by").into_iter().flatten();
    let proven = proven.filter_map(|it| it.get("variable"));
    let revealed = list("reveals").into_iter().flatten();
    let names = iter::chain(proven, revealed).filter_map(Value::as_str);
    names.map(str::to_owned).collect::<Vec<_>>().into_iter()
}

/// Whether a case can have this code.
fn is_code(code: &u16) -> bool {
    (1000..=4999).contains(code)
}
