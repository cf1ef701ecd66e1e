//! Formats that are enforced: compiled and checked within bounds, whatever they say.

use reference_core::Settings;
use serde_json::{Value, json, value::RawValue};

use super::lab::Lab;

/// The input is a JSON Schema and data, a line each.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (format, data) = text.split_once('\n').unwrap_or((text, "null"));
    let [Ok(format), Ok(data)] = [format, data].map(serde_json::from_str::<&RawValue>) else {
        return;
    };
    let mut lab = Lab::new(Settings {
        enforce_formats: true,
        ..Settings::default()
    });
    let worker = lab.connect(1);
    let register = format!(
        r#"{{"type":"registerfunction","id":"f","request_format":{format},"response_format":{format}}}"#
    );
    if let [(_, refused)] = lab.send(worker, &register).as_slice() {
        // A frame's result, or a fault of its shape.
        assert!(refused["error"]["message"].is_string(), "{refused}");
        return;
    }
    let caller = lab.connect(2);
    let call = format!(
        r#"{{"type":"invokefunction","invocation_id":"c","function_id":"f","data":{data}}}"#
    );
    let sent = lab.send(caller, &call);
    let [(to, frame)] = sent.as_slice() else {
        panic!("one frame expected: {sent:?}");
    };
    if *to == caller {
        assert_eq!(frame["error"]["code"], "invalid_request", "{frame}");
        return;
    }
    // What is taken is also given: the formats are the same.
    let answer = json!({
        "type": "invocationresult", "invocation_id": frame["invocation_id"], "result": 0,
    });
    let answer = answer
        .to_string()
        .replace(r#""result":0"#, &format!(r#""result":{data}"#));
    let sent = lab.send(worker, &answer);
    let [(_, answered)] = sent.as_slice() else {
        panic!("one answer expected: {sent:?}");
    };
    assert_eq!(answered["error"], Value::Null, "{answered}");
}
