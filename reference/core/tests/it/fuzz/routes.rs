//! Routes of http triggers, against a model that looks at one after another.

use std::cmp::Reverse;

use reference_core::{
    Effect, ExchangeId, HttpTriggerRequest, Input, SessionId, Settings, wire::Message,
};
use serde_json::{Value, json, value::RawValue};

use super::lab::{Lab, frames};

const WORKER: SessionId = SessionId(1);
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// The input is lines: `+GET /path` registers a route, `-1` removes the one of that number, and
/// `GET /path` is a request.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut world = World::new();
    for (number, line) in text.split('\n').enumerate() {
        match (line.strip_prefix('+'), line.strip_prefix('-')) {
            (Some(route), _) => world.register(route),
            (_, Some(id)) => world.unregister(id),
            _ => world.request(line, number as u64),
        }
    }
}

struct World {
    lab: Lab,
    /// From the oldest to the youngest.
    routes: Vec<Route>,
    registered: usize,
}

struct Route {
    id: String,
    method: String,
    segments: Vec<Segment>,
}

#[derive(PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

impl World {
    fn new() -> Self {
        let mut lab = Lab::new(Settings::default());
        lab.connect(WORKER.0);
        lab.send(WORKER, r#"{"type":"registerfunction","id":"f"}"#);
        Self {
            lab,
            routes: Vec::new(),
            registered: 0,
        }
    }

    fn register(&mut self, route: &str) {
        let Some((method, path)) = route.split_once(' ') else {
            return;
        };
        self.registered += 1;
        let id = self.registered.to_string();
        let frame = json!({
            "type": "registertrigger", "id": id, "trigger_type": "http", "function_id": "f",
            "config": {"path": path, "method": method},
        });
        let effects = self.lab.send(WORKER, &frame.to_string());
        let sent: Vec<_> = frames(&effects).collect();
        let [(_, Message::TriggerRegistrationResult(result))] = sent.as_slice() else {
            panic!("one result expected: {sent:?}");
        };
        let segments = Route::segments(path).filter(|segments| !self.is_named_otherwise(segments));
        let expected = segments.filter(|_| METHODS.contains(&method));
        let refused = result.error.as_deref().map_or("", RawValue::get);
        assert_eq!(expected.is_some(), refused.is_empty(), "{route}: {refused}");
        if let Some(segments) = expected {
            let method = method.to_owned();
            self.routes.push(Route {
                id,
                method,
                segments,
            });
        } else {
            assert!(refused.contains(r#""code":"invalid_config""#), "{refused}");
        }
    }

    /// Whether a route differs from these segments in the names of parameters alone.
    fn is_named_otherwise(&self, segments: &[Segment]) -> bool {
        self.routes.iter().any(|route| {
            let alike = |(a, b): (&Segment, &Segment)| match (a, b) {
                (Segment::Parameter(_), Segment::Parameter(_)) => true,
                (a, b) => a == b,
            };
            route.segments.len() == segments.len()
                && route.segments.iter().zip(segments).all(alike)
                && route.segments != segments
        })
    }

    fn unregister(&mut self, id: &str) {
        let frame = json!({"type": "unregistertrigger", "id": id}).to_string();
        self.lab.send(WORKER, &frame);
        self.routes.retain(|route| route.id != id);
    }

    fn request(&mut self, line: &str, number: u64) {
        let Some((method, path)) = line.split_once(' ') else {
            return;
        };
        if path.contains('?') || ["/healthz", "/metrics"].contains(&path) {
            return;
        }
        let effects = self.lab.input(Input::HttpRequest {
            exchange: ExchangeId(number),
            request: HttpTriggerRequest {
                method,
                target: path,
                headers: &[],
                body: b"",
            },
        });
        let status = effects.iter().find_map(|effect| match effect {
            Effect::Respond { answer, .. } => Some(answer.status),
            _ => None,
        });
        let called = frames(&effects).next().map(|(_, message)| match message {
            Message::InvokeFunction(call) => serde_json::from_str(call.data.get()).unwrap(),
            other => panic!("{other:?}"),
        });
        self.check(line, method, path, status, called.as_ref());
    }

    fn check(
        &self,
        line: &str,
        method: &str,
        path: &str,
        status: Option<u16>,
        called: Option<&Value>,
    ) {
        let segments = path.strip_prefix('/').map(|it| it.split('/').map(decoded));
        let Some(segments) = segments.and_then(|it| it.collect::<Option<Vec<_>>>()) else {
            assert!(matches!(status, Some(400 | 404)), "{line:?}: {status:?}");
            return;
        };
        let Some(best) = self.best(&segments) else {
            let dots = segments.iter().any(|it| it == "." || it == "..");
            let expected = if dots { 400 } else { 404 };
            let long = segments.len() > 64 && status == Some(404);
            assert!(long || status == Some(expected), "{line:?}: {status:?}");
            return;
        };
        let serves = |method: &str| {
            let mut same = self.routes.iter();
            same.find(|it| it.segments == best.segments && it.method == method)
        };
        let head = || (method == "HEAD").then(|| serves("GET")).flatten();
        match serves(method).or_else(head) {
            Some(route) => {
                let trigger = called.map(|data| &data["trigger"]["method"]);
                assert_eq!(trigger, Some(&json!(route.method)), "{line:?}: {status:?}");
                let parameters = called.map(|data| &data["path_params"]);
                assert_eq!(parameters, Some(&route.parameters(&segments)), "{line:?}");
            }
            None => {
                let expected = if method == "OPTIONS" { 204 } else { 405 };
                assert_eq!(status, Some(expected), "{line:?}");
            }
        }
    }

    /// A route that matches, with literal segments as far to the left as can be.
    fn best(&self, path: &[String]) -> Option<&Route> {
        let matching = self.routes.iter().filter(|route| route.matches(path));
        matching.max_by_key(|route| {
            let parameter = |it: &Segment| Reverse(matches!(it, Segment::Parameter(_)));
            route.segments.iter().map(parameter).collect::<Vec<_>>()
        })
    }
}

impl Route {
    /// Absent for a path that no route may have (RT-04).
    fn segments(path: &str) -> Option<Vec<Segment>> {
        let inside = path.strip_prefix('/')?;
        let odd = |c: char| matches!(c, '?' | '#') || c.is_whitespace() || c.is_control();
        if path.contains(odd) || path.len() > 2_048 {
            return None;
        }
        let segments = inside.split('/').map(|raw| match raw.strip_prefix(':') {
            Some(name) => decoded(name)
                .filter(|it| !it.is_empty())
                .map(Segment::Parameter),
            None => decoded(raw)
                .filter(|it| it != "." && it != "..")
                .map(Segment::Literal),
        });
        let segments = segments.collect::<Option<Vec<_>>>()?;
        let twice = |(index, it): (usize, &Segment)| {
            matches!(it, Segment::Parameter(_)) && segments[..index].contains(it)
        };
        let fits = segments.len() <= 64 && !segments.iter().enumerate().any(twice);
        fits.then_some(segments)
    }

    fn matches(&self, path: &[String]) -> bool {
        let one = |(segment, text): (&Segment, &String)| match segment {
            Segment::Literal(literal) => literal == text,
            Segment::Parameter(_) => !text.is_empty() && text != "." && text != "..",
        };
        self.segments.len() == path.len()
            && !path.iter().any(|it| it == "." || it == "..")
            && self.segments.iter().zip(path).all(one)
    }

    fn parameters(&self, path: &[String]) -> Value {
        let values = self.segments.iter().zip(path);
        let values = values.filter_map(|(segment, text)| match segment {
            Segment::Parameter(name) => Some((name.clone(), json!(text))),
            Segment::Literal(_) => None,
        });
        Value::Object(values.collect())
    }
}

/// A segment without its escapes; absent if one is malformed, or if what comes out is not UTF-8.
fn decoded(raw: &str) -> Option<String> {
    let mut bytes = raw.bytes();
    let mut text = Vec::new();
    while let Some(byte) = bytes.next() {
        text.push(match byte {
            b'%' => {
                let mut digit = || (bytes.next()? as char).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(text).ok()
}
