//! Random requests against a payload that is built value by value, and random results against
//! what headers may hold.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use proptest::{collection::vec, prelude::*, sample::select, strategy::Union, test_runner::Config};
use serde_json::{Map, Value, json, value::to_raw_value};

use super::{CallOutcome, HttpAnswer, HttpTriggerRequest, Routes};

/// Bytes that mean something, among others.
fn odd_text() -> impl Strategy<Value = String> {
    let special = select(&[
        "\r\n",
        "\0",
        ":",
        " ",
        "\"",
        "\\",
        "set-cookie",
        "é",
        "\u{85}",
        "&",
        "=",
        "+",
        "%",
        "%41",
        "?",
    ]);
    let part = Union::new([
        special.prop_map(str::to_owned).boxed(),
        any::<char>().prop_map(String::from).boxed(),
        "[a-c]".boxed(),
    ]);
    vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        odd_text().prop_map(Value::from),
        (0..700u16).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((odd_text(), inner), 0..4).prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

fn object(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec((select(names), odd_json()), 0..4).prop_map(|members| {
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    })
}

fn result() -> impl Strategy<Value = Value> {
    let headers = prop_oneof![
        odd_json(),
        object(&["x-a", "content-type", "set-cookie", "te"]),
        vec(
            (odd_text(), odd_text()).prop_map(|(a, b)| format!("x-{a}:{b}")),
            0..4
        )
        .prop_map(Value::from),
        vec(odd_text().prop_map(|it| format!("x-a: {it}")), 0..4).prop_map(Value::from),
    ];
    let reply = (
        headers,
        odd_json(),
        proptest::option::of(190..610u16),
        any::<bool>(),
    );
    let reply = reply.prop_map(|(headers, body, status, bytes)| {
        let mut reply = json!({"headers": headers, "body": body, "status_code": status});
        if bytes {
            reply["body_encoding"] = json!("base64");
        }
        reply
    });
    prop_oneof![odd_json(), reply]
}

/// The payload, but for the trigger, value by value.
fn naive_payload(request: &HttpTriggerRequest<'_>) -> Option<Value> {
    let (path, query) = request
        .target
        .split_once('?')
        .unwrap_or((request.target, ""));
    let mut params = Map::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let [name, value] = [name, value].map(|it| {
            let spaced = it.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        });
        match params.get_mut(&name) {
            None => drop(params.insert(name, json!(value))),
            Some(Value::Array(values)) => values.push(json!(value)),
            Some(first) => *first = json!([first, value]),
        }
    }
    let mut headers = Map::new();
    for (name, value) in request.headers {
        let name = name.to_lowercase();
        let value = String::from_utf8(value.to_vec())
            .unwrap_or_else(|_| value.iter().map(|byte| *byte as char).collect());
        let value = match headers.get(&name).and_then(Value::as_str) {
            None => value,
            Some(before) if name == "cookie" => format!("{before}; {value}"),
            Some(before) => format!("{before}, {value}"),
        };
        headers.insert(name, json!(value));
    }
    let content_type = headers.get("content-type").and_then(Value::as_str);
    let text = std::str::from_utf8(request.body).ok();
    let mut bytes = false;
    let body = match content_type {
        _ if request.body.is_empty() => Value::Null,
        Some("application/json" | "a/b+json") => serde_json::from_slice(request.body).ok()?,
        None | Some("text/plain") if text.is_some() => json!(text),
        _ => {
            bytes = true;
            json!(BASE64_STANDARD.encode(request.body))
        }
    };
    let mut payload = json!({
        "path": path, "method": request.method, "path_params": {}, "query_params": params,
        "headers": headers, "body": body,
        "trigger": {"type": "http", "path": "/", "method": "POST"},
    });
    if bytes {
        payload["body_encoding"] = json!("base64");
    }
    Some(payload)
}

const CONTENT_TYPES: [Option<&str>; 5] = [
    None,
    Some("application/json"),
    Some("a/b+json"),
    Some("text/plain"),
    Some("a/b"),
];

proptest! {
    #![proptest_config(Config { cases: 512, failure_persistence: None, ..Config::default() })]

    #[test]
    fn payloads_are_json(
        query in odd_text(),
        headers in vec((select(&["Cookie", "x-a", "X-A"]), vec(any::<u8>(), 0..6)), 0..5),
        content_type in select(&CONTENT_TYPES),
        body in prop_oneof![
            vec(any::<u8>(), 0..12),
            odd_json().prop_map(|it| it.to_string().into_bytes()),
            odd_text().prop_map(String::into_bytes),
        ],
    ) {
        let mut table = Routes::default();
        table.insert("/", "POST", 1u8).unwrap();
        let target = format!("/?{query}");
        let content_type = content_type.map(|it| ("Content-Type", it.as_bytes()));
        let headers = headers.iter().map(|(name, value)| (*name, &**value));
        let headers: Vec<(&str, &[u8])> = headers.chain(content_type).collect();
        let request = HttpTriggerRequest {
            method: "POST",
            target: &target,
            headers: &headers,
            body: &body,
        };
        let matched = table.find(request.path(), request.method).unwrap();
        let payload = request.payload(&matched).ok();
        let payload = payload.map(|it| serde_json::from_str::<Value>(it.get()).unwrap());
        prop_assert_eq!(payload, naive_payload(&request));
    }

    #[test]
    fn no_answer_can_be_split(result in result(), error in odd_json()) {
        let raw = |value: &Value| to_raw_value(value).unwrap();
        let (result, error) = (raw(&result), raw(&error));
        for outcome in [CallOutcome::Result(&result), CallOutcome::Error(&error)] {
            let answer = HttpAnswer::of_call(outcome, "f");
            prop_assert!((200..600).contains(&answer.status));
            prop_assert!(answer.headers.len() <= 101);
            for (name, value) in &answer.headers {
                let token = |c: char| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c);
                prop_assert!(!name.is_empty() && name.chars().all(token), "{:?}", name);
                let control = |c: char| c.is_ascii_control() && c != '\t';
                prop_assert!(!value.contains(control), "{:?}", value);
            }
        }
    }
}
