//! The steps of a case, and how they read in JSON: an object with one verb.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One step.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawStep")]
pub struct Step {
    /// The session that acts, or the endpoint.
    pub on: String,
    /// What the step is for, where that is not plain.
    pub note: Option<String>,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Opens a session that is not open from the start.
    Connect,
    /// Sends a frame made from a template.
    Send(Value),
    /// Sends a text frame as it stands, which need not be JSON.
    SendText(Value),
    /// Sends a frame of any kind, byte by byte.
    SendRaw(RawFrame),
    /// Takes the frame that the template names, and compares it.
    Expect(Value),
    /// Takes a frame for each template, in any order.
    ExpectAll(Vec<Value>),
    /// Takes what comes first of several things, and reports which.
    ExpectOne(Vec<Alternative>),
    /// No frame like the template arrives before a fence is answered, nor shortly after.
    Quiet(Value),
    /// The session still answers.
    Alive,
    /// Sends a WebSocket ping, which must be answered by a pong with its payload.
    Ping,
    /// Sends a Close frame with this code and waits until the connection has ended.
    Close(u16),
    /// Lets the connection go without a Close frame.
    Drop,
    /// The engine closes the session with one of these codes.
    ExpectClose(Vec<u16>),
    /// Takes the endpoint's oldest request and compares it.
    ExpectRequest(Value),
    /// No request is there that was not taken, nor does one arrive shortly after.
    NoRequest,
    /// Sends an HTTP request for an http trigger, and does not wait.
    Request(Request),
    /// Waits for the answer to that request, and compares it.
    ExpectResponse(Value),
}

/// An HTTP request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET` if left out.
    #[serde(default = "get")]
    pub method: String,
    /// The template of path and query.
    pub target: Value,
    /// Templates of the values.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The template of a JSON body.
    pub json: Option<Value>,
    /// A body as it stands.
    pub text: Option<String>,
    /// A body in hexadecimal.
    pub hex: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

impl Request {
    /// The templates in it.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Value> {
        let others = self.headers.values().chain(&self.json);
        std::iter::once(&self.target).chain(others)
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let bodies = [self.json.is_some(), self.text.is_some(), self.hex.is_some()];
        if bodies.into_iter().filter(|it| *it).count() > 1 {
            return Err("a request has one of `json`, `text` and `hex`".to_owned());
        }
        match &self.hex {
            Some(hex) => hex::decode(hex)
                .map(|_| ())
                .map_err(|error| format!("bad hex: {error}")),
            None => Ok(()),
        }
    }
}

impl Action {
    /// Whether it is an HTTP exchange's, and not a session's.
    #[must_use]
    pub fn is_of_exchange(&self) -> bool {
        matches!(self, Self::Request(_) | Self::ExpectResponse(_))
    }

    /// Whether it is an endpoint's, and not a session's.
    #[must_use]
    pub fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::ExpectRequest(_) | Self::NoRequest)
    }
}

/// A frame given byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RawFrame {
    /// Its kind.
    pub opcode: RawOpcode,
    /// Its payload, in hexadecimal.
    pub hex: String,
}

/// The kind of a [`RawFrame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RawOpcode {
    /// A text frame, also where its payload is not UTF-8.
    Text,
    /// A binary frame.
    Binary,
}

/// One of several things that may happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawAlternative")]
pub struct Alternative {
    /// Its name in reports.
    pub label: String,
    /// What has to happen.
    pub kind: AlternativeKind,
}

/// What may happen.
#[derive(Clone, Debug)]
pub enum AlternativeKind {
    /// A frame arrives.
    Expect(Value),
    /// The engine closes the session with one of these codes.
    Close(Vec<u16>),
    /// No frame like this arrives, up to a fence.
    Quiet(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAlternative {
    label: String,
    expect: Option<Value>,
    expect_close: Option<Vec<u16>>,
    quiet: Option<Value>,
}

impl TryFrom<RawAlternative> for Alternative {
    type Error = String;

    fn try_from(raw: RawAlternative) -> Result<Self, String> {
        let kind = match (raw.expect, raw.expect_close, raw.quiet) {
            (Some(template), None, None) => AlternativeKind::Expect(template),
            (None, Some(codes), None) => AlternativeKind::Close(codes),
            (None, None, Some(template)) => AlternativeKind::Quiet(template),
            _ => {
                return Err(format!(
                    "alternative `{}` must have one of expect, expect_close and quiet",
                    raw.label
                ));
            }
        };
        Ok(Self {
            label: raw.label,
            kind,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    on: String,
    note: Option<String>,
    connect: Option<Yes>,
    send: Option<Value>,
    send_text: Option<Value>,
    send_raw: Option<RawFrame>,
    expect: Option<Value>,
    expect_all: Option<Vec<Value>>,
    expect_one: Option<Vec<Alternative>>,
    quiet: Option<Value>,
    alive: Option<Yes>,
    ping: Option<Yes>,
    close: Option<u16>,
    drop: Option<Yes>,
    expect_close: Option<Vec<u16>>,
    expect_request: Option<Value>,
    no_request: Option<Yes>,
    request: Option<Request>,
    expect_response: Option<Value>,
}

/// The value of a verb that takes none: `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "bool", into = "bool")]
pub struct Yes;

impl From<Yes> for bool {
    fn from(Yes: Yes) -> Self {
        true
    }
}

impl TryFrom<bool> for Yes {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, &'static str> {
        value.then_some(Self).ok_or("must be true, or left out")
    }
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let actions = [
            raw.connect.map(|Yes| Action::Connect),
            raw.send.map(Action::Send),
            raw.send_text.map(Action::SendText),
            raw.send_raw.map(Action::SendRaw),
            raw.expect.map(Action::Expect),
            raw.expect_all.map(Action::ExpectAll),
            raw.expect_one.map(Action::ExpectOne),
            raw.quiet.map(Action::Quiet),
            raw.alive.map(|Yes| Action::Alive),
            raw.ping.map(|Yes| Action::Ping),
            raw.close.map(Action::Close),
            raw.drop.map(|Yes| Action::Drop),
            raw.expect_close.map(Action::ExpectClose),
            raw.expect_request.map(Action::ExpectRequest),
            raw.no_request.map(|Yes| Action::NoRequest),
            raw.request.map(Action::Request),
            raw.expect_response.map(Action::ExpectResponse),
        ];
        let mut given = actions.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(action), None) => Ok(Self {
                on: raw.on,
                note: raw.note,
                action,
            }),
            (None, _) => Err("a step needs a verb, such as send or expect".to_owned()),
            (Some(_), Some(_)) => Err("a step has one verb, not several".to_owned()),
        }
    }
}
