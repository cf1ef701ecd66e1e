//! Templates of what is said over HTTP: the suite's endpoints, and its requests for http triggers.

use serde_json::{Map, Value, json};

use super::{
    ids::Ids,
    kinds::{escaped, faithful, of_type},
};
use crate::{
    frame::Frame,
    transcript::{Answered, Requested, Served},
};

/// Headers of the transport, which speak of how something was sent and not of what.
const TRANSPORT: [&str; 6] = [
    "connection",
    "content-length",
    "date",
    "host",
    "keep-alive",
    "transfer-encoding",
];
/// Headers that name a program and its version.
const PROGRAMS: [&str; 2] = ["server", "user-agent"];
/// From so many digits on a number in a header is taken for a time.
const TIME_DIGITS_MIN: usize = 9;

/// A body, as something that ids are learnt from and as what is sent byte for byte.
pub(super) enum Body<'b> {
    Json(Value),
    Bytes(&'b str),
}

impl<'b> Body<'b> {
    fn of(text: &'b str, is_json: bool) -> Self {
        let value = serde_json::from_str(text).ok();
        let value = value.filter(|it| is_json && faithful(text, it));
        value.map_or(Self::Bytes(text), Self::Json)
    }

    pub(super) fn value(self) -> Option<Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Bytes(_) => None,
        }
    }

    pub(super) fn bytes(self) -> Option<String> {
        match self {
            Self::Json(_) => None,
            Self::Bytes(text) => Some(text.to_owned()),
        }
    }
}

impl Requested {
    /// The body, if it is text.
    pub(super) fn body(&self) -> Option<Body<'_>> {
        let mut headers = self.headers.iter();
        let is_json = headers.any(|(name, value)| {
            name.eq_ignore_ascii_case("content-type") && value.starts_with("application/json")
        });
        Some(Body::of(self.text.as_deref()?, is_json))
    }
}

impl Answered {
    /// The body, if there is one.
    pub(super) fn body(&self) -> Option<Body<'_>> {
        Some(Body::of(self.body.as_deref()?, self.json))
    }
}

impl Ids {
    /// Learns where an endpoint of the suite was.
    pub(super) fn endpoint(&mut self, url: &str, name: &str) {
        self.endpoints.insert(url.to_owned(), name.to_owned());
        self.place(url);
    }

    /// Learns of a place that is another one each time.
    pub(super) fn place(&mut self, url: &str) {
        let place = url.split_once("://").map_or(url, |(_, rest)| rest);
        self.places
            .extend(place.split('/').next().map(str::to_owned));
    }

    /// Whether the request for an http trigger calls a function of the engine's own, whose answer
    /// tells of more than the recording.
    pub(super) fn looks_up(&self, target: &str) -> bool {
        let mut paths = self.lookup_paths.iter();
        paths.any(|it| target.trim_start_matches('/').starts_with(it))
    }

    /// The URL of an endpoint, or one below it.
    pub(super) fn located(&self, text: &str) -> Option<Value> {
        let below = |(url, name): (&String, &String)| {
            let rest = text.strip_prefix(url.as_str())?;
            let is_below = rest.is_empty() || rest.starts_with(['/', '?']);
            is_below.then(|| json!({ "$endpoint": format!("{name}{rest}") }))
        };
        self.endpoints.iter().find_map(below)
    }

    /// The endpoint of a case that does as this one did.
    pub(super) fn serving(&self, served: &Served) -> Value {
        if let Some(parts) = &served.raw {
            return json!({ "raw": parts });
        }
        let answers = served.answers.iter().flatten();
        let answers: Vec<Value> = answers.map(|it| self.answering(it)).collect();
        json!({ "answers": answers })
    }

    fn answering(&self, answered: &Answered) -> Value {
        let mut answer = Map::new();
        answer.insert("status".to_owned(), answered.status.into());
        answer.insert("headers".to_owned(), self.sent(&json!(answered.headers)));
        answer.insert("delay_ms".to_owned(), answered.delay_ms.into());
        match answered.body() {
            Some(Body::Json(value)) => {
                answer.insert("json".to_owned(), self.sent(&value));
            }
            Some(Body::Bytes(text)) if answered.json => {
                answer.insert("json".to_owned(), json!({ "$raw": text }));
            }
            Some(Body::Bytes(text)) => {
                answer.insert("text".to_owned(), text.into());
            }
            None => {}
        }
        Value::Object(answer)
    }

    /// The step's request that asks the same.
    pub(super) fn requesting(&self, requested: &Requested) -> Value {
        let mut request = Map::new();
        request.insert("method".to_owned(), requested.method.clone().into());
        let target = Value::from(requested.target.as_str());
        request.insert("target".to_owned(), self.sent(&target));
        request.insert("headers".to_owned(), self.sent(&json!(requested.headers)));
        match (requested.body(), &requested.hex) {
            (Some(Body::Json(value)), _) => {
                request.insert("json".to_owned(), self.sent(&value));
            }
            (Some(Body::Bytes(text)), _) => {
                request.insert("text".to_owned(), text.into());
            }
            (None, Some(hex)) => {
                request.insert("hex".to_owned(), hex.as_str().into());
            }
            (None, None) => {}
        }
        Value::Object(request)
    }

    /// The template that a request to an endpoint, or an answer of an http trigger's, is compared
    /// with.
    pub(super) fn expecting_http(&mut self, frame: &Frame) -> Value {
        let fields = frame.value.as_object().into_iter().flatten();
        let has_body = frame.value.get("body").is_some();
        let mut template = Map::new();
        for (name, value) in fields {
            let compared = match (name.as_str(), value) {
                ("headers", Value::Object(headers)) => self.headers(headers),
                // The same body, with its white space and its numbers as they were written.
                ("body_text", _) if has_body => continue,
                // Names of the suite's own.
                ("signed_by" | "reveals", _) => value.clone(),
                _ => self.compared(name, value),
            };
            template.insert(name.clone(), compared);
        }
        escaped(Value::Object(template))
    }

    fn headers(&mut self, headers: &Map<String, Value>) -> Value {
        let compared = headers.iter().filter_map(|(name, value)| {
            if TRANSPORT.contains(&name.as_str()) {
                return None;
            }
            let is_time = value.as_str().is_some_and(|it| {
                it.len() >= TIME_DIGITS_MIN && it.bytes().all(|it| it.is_ascii_digit())
            });
            let template = match value {
                Value::String(_) if is_time || PROGRAMS.contains(&name.as_str()) => of_type(value),
                Value::String(_) => self.compared(name, value),
                // A token already.
                other => other.clone(),
            };
            Some((name.clone(), template))
        });
        let compared: Map<String, Value> = compared.collect();
        escaped(Value::Object(compared))
    }
}
