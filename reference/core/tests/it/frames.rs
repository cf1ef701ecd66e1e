//! Frames that the engine cannot understand, and odd ones that it must.

use reference_core::{CloseCode, EventKind, Unreadable};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Lab, Step, invoke, read_fixture, unregister};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadFrame {
    name: String,
    text: Option<String>,
    hex: Option<String>,
    mentions: Vec<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap();
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).unwrap())
        .collect()
}

#[test]
fn each_bad_frame_gets_one_error_and_the_session_goes_on() {
    let bad_frames: Vec<BadFrame> =
        serde_json::from_str(&read_fixture("frames/refused.json")).unwrap();
    assert!(bad_frames.len() > 150);
    let mut lab = Lab::new();
    let (sender, bystander) = (lab.connect(), lab.connect());
    lab.events();
    for BadFrame {
        name,
        text,
        hex,
        mentions,
    } in bad_frames
    {
        match (text, hex) {
            (Some(text), None) => lab.send(sender, text),
            (None, Some(hex)) => lab.input(Step::Binary(sender, bytes(&hex))),
            _ => panic!("{name}: either text or hex"),
        }
        lab.send(sender, r#"{"type":"ping"}"#);
        let frames = lab.frames(sender);
        assert_eq!(frames.len(), 2, "{name}: {frames:?}");
        let message = frames[0]["error"]["message"].as_str().unwrap();
        let expected = json!({
            "type": "error", "error": {"code": "invalid_message", "message": message},
        });
        assert_eq!(frames[0], expected, "{name}");
        for mention in mentions {
            assert!(message.contains(&mention), "{name}: {mention}: {message}");
        }
        assert_eq!(frames[1], json!({"type": "pong"}), "{name}");
        lab.assert_silent(bystander);
        let message = message.to_owned();
        assert_eq!(lab.events(), [EventKind::BadFrame { message }], "{name}");
    }
    assert_eq!(lab.closes(), []);
}

#[test]
fn telemetry_is_discarded() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for telemetry in [&b"OTLP"[..], b"OTLP\x00\x01\xff", b"MTRC{}", b"LOGS\n"] {
        lab.input(Step::Binary(worker, telemetry.to_vec()));
        assert_eq!(lab.history.last().unwrap().effects, []);
    }
}

#[test]
fn errors_and_pongs_are_not_answered() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for frame in [
        json!({"type": "error", "error": {"code": "invalid_message", "message": "no"}}),
        json!({"type": "error", "error": "no"}),
        json!({"type": "error", "error": []}),
        json!({"type": "pong"}),
    ] {
        lab.send(worker, frame);
        assert_eq!(lab.history.last().unwrap().effects, []);
    }
}

#[test]
fn a_ping_is_answered_with_a_pong_wherever_its_type_stands() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for ping in [
        r#"{"type":"ping"}"#,
        r#"  { "type" : "ping" }  "#,
        r#"{"id":5,"unknown":{"type":"pong"},"type":"ping"}"#,
        r#"{"\u0074ype":"\u0070ing"}"#,
        r#"{"unknown":1,"unknown":2,"type":"ping"}"#,
    ] {
        assert_eq!(lab.ask(worker, ping), json!({"type": "pong"}), "{ping}");
    }
}

/// `frame` with `@` replaced by 10,000 arrays, one in the other.
fn deep(frame: &str) -> String {
    let depth = 10_000;
    frame.replace('@', &format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}

#[test]
fn deep_payloads_pass_through() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.function(worker, "f");
    let call = r#"{"type":"invokefunction","invocation_id":"c","function_id":"f","data":@}"#;
    lab.send(caller, deep(call));
    let call = lab.only_text(worker);
    assert!(call.contains(&deep(r#""data":@"#)));
    let id = call.split('"').nth(7).unwrap();
    for value in [r#""result":@"#, r#""error":{"details":@}"#] {
        lab.send(caller, invoke("d", "f"));
        let id = lab.only_frame(worker)["invocation_id"].clone();
        let answer = format!(r#"{{"type":"invocationresult","invocation_id":{id},{value}}}"#);
        lab.send(worker, deep(&answer));
        assert!(lab.only_text(caller).contains(&deep(value)));
    }
    assert!(uuid::Uuid::try_parse(id).is_ok(), "{id}");
}

#[test]
fn deep_values_elsewhere_do_no_harm() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for frame in [
        r#"{"type":"ping","unknown":@}"#,
        r#"{"type":"registerfunction","id":"a","metadata":@}"#,
        r#"{"type":"registerfunction","id":"b","request_format":{"x":@}}"#,
        r#"{"type":"registerfunction","id":"c","invocation":{"url":"https://a/","x":@}}"#,
        r#"{"type":"registertrigger","id":"t","trigger_type":"http","function_id":"a","config":{"path":"/","x":@}}"#,
        r#"{"type":"registertrigger","id":"u","trigger_type":"http","function_id":"a","config":{"path":@}}"#,
        r#"{"type":"invokefunction","function_id":"engine::workers::register","data":{"name":@}}"#,
        r#"{"type":"invokefunction","function_id":"engine::workers::register","data":@}"#,
        r#"{"type":@}"#,
        r"@",
    ] {
        let whole = deep(frame);
        lab.send(worker, &whole);
        lab.send(worker, whole.split_at(whole.len() / 2).0);
        lab.send(worker, r#"{"type":"ping"}"#);
        let texts = lab.texts(worker);
        assert!(texts.last().unwrap().contains("pong"), "{frame}: {texts:?}");
    }
}

#[test]
fn ids_may_hold_any_character() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    for id in [
        "a\0b",
        "\u{1}",
        "\n",
        "\u{7f}",
        "\"",
        "\\",
        "'",
        "`",
        " ",
        "é",
        "日本",
        "🦀",
        "\u{202e}x",
        "\u{2028}",
        "a::b",
        "../x",
    ] {
        lab.quietly(worker, json!({"type": "registerfunction", "id": id}));
        let again = lab.ask(worker, json!({"type": "registerfunction", "id": id}));
        assert_eq!(again["id"], id);
        let text = format!("A function with ID '{id}' is already registered");
        assert_eq!(again["error"]["message"], text);
        assert!(lab.serves(id), "{id:?}");
        lab.frames(worker);
        lab.quietly(worker, unregister("function", id));
    }
}

#[test]
fn ids_are_told_apart_by_their_exact_text() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    // Composed and decomposed, small and large, with and without spaces, long and longer.
    let long = "x".repeat(1_023);
    let longer = format!("{long}x");
    for id in ["é", "e\u{301}", "a", "A", "a ", " a", &long, &longer] {
        lab.function(worker, id);
    }
    // One text in two spellings is one id.
    let again = lab.ask(worker, r#"{"type":"registerfunction","id":"\u0061"}"#);
    assert_eq!(again["error"]["code"], "duplicate_function_id");
}

#[test]
fn null_for_an_optional_field_counts_as_absence() {
    let mut lab = Lab::new();
    let (worker, caller) = (lab.connect(), lab.connect());
    lab.quietly(
        worker,
        json!({
            "type": "registerfunction", "id": "f", "description": null, "request_format": null,
            "response_format": null, "metadata": null, "invocation": null,
        }),
    );
    lab.send(
        caller,
        json!({
            "type": "invokefunction", "invocation_id": null, "function_id": "f", "data": null,
            "metadata": null, "traceparent": null, "baggage": null, "action": null,
        }),
    );
    let call = lab.only_frame(worker);
    let id = &call["invocation_id"];
    assert_eq!(
        call,
        json!({"type": "invokefunction", "invocation_id": id, "function_id": "f", "data": null})
    );
}

#[test]
fn a_frame_that_the_transport_cannot_hand_over_is_answered_and_ends_the_session() {
    let too_large = Unreadable::TooLarge { bytes_max: 1234 };
    for (reason, mention, code) in [
        (too_large, "1234 bytes", CloseCode::TooLarge),
        (Unreadable::NotUtf8, "UTF-8", CloseCode::InvalidPayload),
    ] {
        let mut lab = Lab::new();
        let (worker, caller) = (lab.connect(), lab.connect());
        lab.function(worker, "f");
        lab.send(caller, invoke("c", "f"));
        lab.frames(worker);
        lab.input(Step::Unreadable(worker, reason));
        let error = lab.only_frame(worker);
        assert_eq!(error["error"]["code"], "invalid_message");
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(mention), "{message}");
        assert_eq!(lab.closes(), [(worker, code)]);
        assert!(matches!(code.number(), 1007 | 1009));
        assert_eq!(
            lab.only_frame(caller)["error"]["code"],
            "invocation_stopped"
        );
        assert!(!lab.serves("f"));
    }
}

#[test]
fn an_error_frame_comes_before_the_close() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.input(Step::Unreadable(worker, Unreadable::NotUtf8));
    let effects = &lab.history.last().unwrap().effects;
    let place = |wanted: &str| {
        let found = effects
            .iter()
            .position(|it| format!("{it:?}").starts_with(wanted));
        found.unwrap()
    };
    assert!(place("Send") < place("Close"));
}

#[test]
fn no_field_of_a_frame_that_the_engine_sends_is_null_but_a_payload() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    lab.send(worker, invoke("c", "f"));
    lab.send(worker, json!({"type": "registerfunction", "id": "f"}));
    lab.send(worker, "?");
    for frame in lab.frames(worker) {
        let fields = frame.as_object().unwrap();
        let nulls = fields.iter().filter(|(_, value)| **value == Value::Null);
        assert_eq!(nulls.count(), 0, "{frame}");
    }
}
