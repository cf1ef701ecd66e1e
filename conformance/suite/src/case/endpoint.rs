//! The HTTP endpoints of a case: what the suite answers when the engine calls one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::step::Yes;

/// How an endpoint answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub enum Endpoint {
    /// As HTTP: an answer a request, in order; the last one is for all that follow.
    Answers(Vec<Answer>),
    /// Byte by byte, on each connection anew once a request has arrived whole; then the
    /// connection is closed. For what is no proper HTTP.
    Raw(Vec<RawPart>),
}

/// An HTTP answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// 200 if left out.
    #[serde(default = "ok")]
    pub status: u16,
    /// Templates of the values.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The template of a JSON body.
    pub json: Option<Value>,
    /// A body as it stands.
    pub text: Option<String>,
    /// How long to think before answering, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// A part of what a raw endpoint does.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RawPart {
    /// Sends text.
    Send(String),
    /// Sends text again and again.
    Repeat(Repeat),
    /// Says no more, and waits until the engine leaves.
    Hold(Yes),
    /// Ends the connection by a reset.
    Reset(Yes),
}

/// See [`RawPart::Repeat`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// What is sent.
    pub text: String,
    /// How often.
    pub times: u32,
    /// How long to wait after each time, in milliseconds.
    #[serde(default)]
    pub every_ms: u64,
}

fn ok() -> u16 {
    200
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    answers: Option<Vec<Answer>>,
    raw: Option<Vec<RawPart>>,
}

impl TryFrom<Written> for Endpoint {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written {
                answers: Some(answers),
                raw: None,
            } => {
                if answers.is_empty() {
                    return Err("`answers` must hold one at least".to_owned());
                }
                answers.iter().try_for_each(Answer::check)?;
                Ok(Self::Answers(answers))
            }
            Written {
                answers: None,
                raw: Some(parts),
            } => Ok(Self::Raw(parts)),
            _ => Err("an endpoint has one of `answers` and `raw`".to_owned()),
        }
    }
}

impl Answer {
    fn check(&self) -> Result<(), String> {
        if self.json.is_some() && self.text.is_some() {
            return Err("an answer has `json` or `text`, not both".to_owned());
        }
        if !(200..=599).contains(&self.status) {
            return Err(format!("{} is no status of an answer", self.status));
        }
        Ok(())
    }
}

impl Endpoint {
    /// The templates in it.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &Value> {
        let answers = match self {
            Self::Answers(answers) => answers.as_slice(),
            Self::Raw(_) => &[],
        };
        answers
            .iter()
            .flat_map(|answer| answer.headers.values().chain(&answer.json))
    }
}
