//! Requests for http triggers, and what functions answer them with.

use std::{collections::BTreeMap, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reference_core::{
    Effect, ExchangeId, HttpAnswer, HttpTriggerRequest, Input, SessionId, Settings, wire::Message,
};
use serde_json::{Value, json, value::RawValue};

use super::lab::{Lab, frames};

const ROUTES: [(&str, &str); 7] = [
    ("GET", "/"),
    ("GET", "/users/:id"),
    ("POST", "/users/:id/items/:item"),
    ("PUT", "/caf%C3%A9/a%2Fb"),
    ("DELETE", "/users/me"),
    ("POST", "/f"),
    ("OPTIONS", "/f"),
];
const WORKER: SessionId = SessionId(1);
const EXCHANGE: ExchangeId = ExchangeId(1);
/// Between the request and the result of its function.
const RESULT: &[u8] = b"\n--\n";

/// The input is a request as HTTP has it, with line feeds alone: a method and a target, headers
/// a line each, an empty line, the body. What follows a line `--` is the function's result.
pub fn target(input: &[u8]) {
    let end = input.windows(RESULT.len()).position(|it| it == RESULT);
    let (request, result) = match end {
        Some(end) => (&input[..end], &input[end + RESULT.len()..]),
        None => (input, &b"null"[..]),
    };
    let Some((method, target, headers, body)) = read(request) else {
        return;
    };
    let request = HttpTriggerRequest {
        method,
        target,
        headers: &headers,
        body,
    };
    let mut lab = routed();
    let effects = lab.input(Input::HttpRequest {
        exchange: EXCHANGE,
        request,
    });
    let call = frames(&effects).next();
    match (call, answers(&effects).as_slice()) {
        (Some((_, Message::InvokeFunction(call))), []) => {
            check_call(call.data, &request);
            answer(&mut lab, call.invocation_id.as_deref().unwrap(), result);
        }
        (None, [answer]) => check_answer(answer),
        other => panic!("neither called nor answered once: {other:?}"),
    }
}

type Head<'a> = (&'a str, &'a str, Vec<(&'a str, &'a [u8])>, &'a [u8]);

/// A request that a reader of HTTP lets pass: names are tokens, and values hold no line feed.
fn read(request: &[u8]) -> Option<Head<'_>> {
    let line = request.split(|byte| *byte == b'\n').next()?;
    let (method, target) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    let mut rest = request.get(line.len() + 1..).unwrap_or_default();
    let mut headers = Vec::new();
    while !rest.is_empty() {
        let line = rest.split(|byte| *byte == b'\n').next()?;
        rest = rest.get(line.len() + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        if !is_token(name) {
            return None;
        }
        headers.push((name, line[colon + 1..].trim_ascii()));
    }
    is_token(method).then_some((method, target, headers, rest))
}

fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

fn routed() -> Lab {
    static FRAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
        let trigger = |(method, path): (&str, &str)| {
            json!({
                "type": "registertrigger", "id": format!("{method} {path}"),
                "trigger_type": "http", "function_id": "f",
                "config": {"path": path, "method": method},
            })
        };
        let function = json!({"type": "registerfunction", "id": "f"});
        let frames = [function].into_iter().chain(ROUTES.map(trigger));
        frames.map(|frame| frame.to_string()).collect()
    });
    let mut lab = Lab::new(Settings::default());
    let session = lab.connect(WORKER.0);
    for frame in FRAMES.iter() {
        lab.send(session, frame);
    }
    lab
}

fn answers(effects: &[Effect]) -> Vec<&HttpAnswer> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Respond { exchange, answer } => {
            assert_eq!(*exchange, EXCHANGE);
            Some(&**answer)
        }
        _ => None,
    });
    answers.collect()
}

/// The payload says what was asked.
fn check_call(data: &RawValue, request: &HttpTriggerRequest<'_>) {
    let fields: BTreeMap<&str, &RawValue> = serde_json::from_str(data.get()).unwrap();
    let field = |name: &str| -> Value { serde_json::from_str(fields[name].get()).unwrap() };
    let (path, _) = request
        .target
        .split_once('?')
        .unwrap_or((request.target, ""));
    assert_eq!(field("path"), path);
    assert_eq!(field("method"), request.method);
    let trigger = field("trigger");
    let route = (
        trigger["method"].as_str().unwrap(),
        trigger["path"].as_str().unwrap(),
    );
    assert!(ROUTES.contains(&route), "{trigger}");
    let parameters = field("path_params");
    let parameters = parameters.as_object().unwrap();
    assert_eq!(parameters.len(), route.1.matches(':').count());
    assert!(parameters.values().all(|it| it.as_str() != Some("")));
    assert!(field("query_params").is_object() && field("headers").is_object());
    // A body of JSON is passed on as it stands (D-09).
    let body = fields["body"].get();
    let is_json = body.as_bytes() == request.body.trim_ascii();
    let text = serde_json::from_str::<String>(body).ok();
    match (text, fields.contains_key("body_encoding")) {
        (Some(text), true) => assert_eq!(BASE64_STANDARD.decode(text).unwrap(), request.body),
        (Some(text), false) => assert!(is_json || text.as_bytes() == request.body, "{body}"),
        (None, _) => assert!(
            is_json || body == "null" && request.body.is_empty(),
            "{body}"
        ),
    }
}

/// The function answers; whoever has asked is answered, once.
fn answer(lab: &mut Lab, id: &str, result: &[u8]) {
    let Ok(result) = serde_json::from_slice::<&RawValue>(result) else {
        return;
    };
    let frame =
        format!(r#"{{"type":"invocationresult","invocation_id":"{id}","result":{result}}}"#);
    for answered in [1, 0] {
        let effects = lab.send(WORKER, &frame);
        let answers = answers(&effects);
        assert_eq!(answers.len(), answered);
        answers.into_iter().for_each(check_answer);
    }
}

/// An answer can be sent, and nothing in it is taken for another header or another message.
fn check_answer(answer: &HttpAnswer) {
    assert!((200..600).contains(&answer.status), "{answer:?}");
    for (name, value) in &answer.headers {
        assert!(is_token(name), "{answer:?}");
        let control = |c: char| c.is_ascii_control() && c != '\t';
        assert!(!value.contains(control), "{answer:?}");
        let framing = [
            "connection",
            "content-length",
            "transfer-encoding",
            "upgrade",
        ];
        assert!(
            !framing.iter().any(|it| name.eq_ignore_ascii_case(it)),
            "{answer:?}"
        );
    }
    let bodiless = matches!(answer.status, 204 | 205 | 304);
    assert!(answer.body.is_empty() || !bodiless, "{answer:?}");
}
