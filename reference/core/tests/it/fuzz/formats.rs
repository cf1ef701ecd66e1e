//! Formats that are enforced: compiled and checked within bounds, whatever they say.

use reference_core::{Settings, wire::Message};
use serde_json::value::RawValue;

use super::lab::{Lab, frames};

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
    let effects = lab.send(worker, &register);
    match frames(&effects).next() {
        None => {}
        // Its own result, or a fault of its shape.
        Some((_, Message::FunctionRegistrationResult(_) | Message::Error(_))) => return,
        Some(other) => panic!("{other:?}"),
    }
    let caller = lab.connect(2);
    let call = format!(
        r#"{{"type":"invokefunction","invocation_id":"c","function_id":"f","data":{data}}}"#
    );
    let effects = lab.send(caller, &call);
    let sent: Vec<_> = frames(&effects).collect();
    let id = match sent.as_slice() {
        [(to, Message::InvokeFunction(call))] if *to == worker => {
            assert_eq!(call.data.get(), data.get());
            call.invocation_id.as_deref().unwrap_or_default()
        }
        [(to, Message::InvocationResult(refused))] if *to == caller => {
            let error = refused.error.as_deref().map_or("", RawValue::get);
            return assert!(error.contains(r#""code":"invalid_request""#), "{error}");
        }
        other => panic!("{other:?}"),
    };
    // What is taken is also given: the formats are the same.
    let answer = format!(r#"{{"type":"invocationresult","invocation_id":"{id}","result":{data}}}"#);
    let effects = lab.send(worker, &answer);
    let sent: Vec<_> = frames(&effects).collect();
    let [(_, Message::InvocationResult(answered))] = sent.as_slice() else {
        panic!("one answer expected: {sent:?}");
    };
    assert!(answered.error.is_none(), "{answered:?}");
    assert_eq!(answered.result.map(RawValue::get), answer_as_read(data));
}

/// A null is the same as nothing (CO-19).
fn answer_as_read(data: &RawValue) -> Option<&str> {
    Some(data.get()).filter(|data| *data != "null")
}
