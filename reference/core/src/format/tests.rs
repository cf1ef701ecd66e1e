//! What formats refuse, in which words, and what they may cost.

use serde_json::{Value, json, value::to_raw_value};

use super::*;

fn compile(schema: &Value) -> Result<Format, String> {
    Format::compile(&to_raw_value(schema).expect("a value is JSON"))
}

fn check(schema: &Value, payload: &Value) -> Result<(), String> {
    let format = compile(schema).expect("the test's schema can be enforced");
    format.check(&to_raw_value(payload).expect("a value is JSON"))
}

fn payment() -> Value {
    json!({
        "type": "object",
        "properties": {
            "amount": { "type": "number", "description": "Payment amount" },
            "currency": { "type": "string", "description": "Currency code" },
        },
        "required": ["amount", "currency"],
    })
}

#[test]
fn a_refusal_names_the_place() {
    for (schema, payload, expected) in [
        (payment(), json!({"amount": 1, "currency": "EUR"}), Ok(())),
        (
            payment(),
            json!({"amount": "1", "currency": "EUR"}),
            Err("at '/amount': it is not of type \"number\""),
        ),
        (
            payment(),
            json!({"amount": 1}),
            Err("\"currency\" is a required property"),
        ),
        (payment(), json!(null), Err("it is not of type \"object\"")),
        (
            json!({"items": {"properties": {"a/b": {"enum": [1, "two"]}}}}),
            json!([{}, {"a/b": "secret"}]),
            Err("at '/1/a~1b': it is not one of 1 or \"two\""),
        ),
        (
            json!({"items": {"pattern": "^[a-z]+$"}}),
            json!(["a", "B"]),
            Err("at '/1': it does not match \"^[a-z]+$\""),
        ),
        (
            json!({"properties": {"a": false}}),
            json!({"a": 1}),
            Err("at '/a': nothing is allowed there"),
        ),
    ] {
        let checked = check(&schema, &payload);
        assert_eq!(
            checked,
            expected.map_err(str::to_owned),
            "{schema} {payload}"
        );
    }
}

#[test]
fn what_is_long_is_cut() {
    let schema = json!({"const": "ü".repeat(SHOWN_BYTES_MAX)});
    let problem = check(&schema, &json!(1)).expect_err("1 is another value");
    assert!(problem.ends_with('…'), "{problem}");
    assert!(problem.len() <= SHOWN_BYTES_MAX + '…'.len_utf8());
}

#[test]
fn what_is_no_format_is_refused() {
    let chain = |length: usize| {
        let links = (0..length).map(|it| {
            (
                it.to_string(),
                json!({"$ref": format!("#/$defs/{}", it + 1)}),
            )
        });
        let mut defs: serde_json::Map<String, Value> = links.collect();
        defs.insert(length.to_string(), json!(true));
        json!({"$ref": "#/$defs/0", "$defs": defs})
    };
    let patterns: Vec<Value> = (0..65)
        .map(|it| json!({"pattern": it.to_string()}))
        .collect();
    let schemas = vec![json!({}); 2_048];
    for (schema, expected) in [
        (json!([]), "it is not of types \"boolean\", \"object\""),
        (
            json!({"properties": {"a": {"type": "sum"}}}),
            "at '/properties/a/type': it is not valid under any of the schemas listed in the 'anyOf' keyword",
        ),
        (
            json!({"$ref": "https://example.com/s"}),
            "at '/$ref': must be `#` or begin with `#/`: nothing outside the format is read",
        ),
        (
            json!({"items": {"$ref": "#/$defs/a"}}),
            "at '/items/$ref': there is nothing at '/$defs/a'",
        ),
        (
            json!({"$dynamicRef": "#a"}),
            "at '/$dynamicRef': only `$ref` is followed",
        ),
        (
            json!({"items": {"$id": "b"}}),
            "at '/items/$id': a schema inside a format has no address of its own",
        ),
        (
            json!({"properties": {"a/b~": {"$ref": "b"}}}),
            "at '/properties/a~1b~0/$ref': must be `#` or begin with `#/`: nothing outside the format is read",
        ),
        (
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "$id": "%"}),
            "at '/$id': it is not a \"uri-reference\"",
        ),
        (
            json!({"$ref": "#"}),
            "more than 16 schemas apply to one value through each other, or one to itself",
        ),
        (
            json!({"allOf": [{"anyOf": [{"$ref": "#"}]}]}),
            "more than 16 schemas apply to one value through each other, or one to itself",
        ),
        (
            chain(15),
            "more than 16 schemas apply to one value through each other, or one to itself",
        ),
        (
            json!({"allOf": patterns}),
            "must not have more than 64 patterns",
        ),
        (
            json!({"allOf": schemas}),
            "must not have more than 2048 schemas",
        ),
        (
            json!({"title": "a".repeat(FORMAT_BYTES_MAX)}),
            "must not be larger than 65536 bytes to be enforced",
        ),
    ] {
        let refused = compile(&schema).map(|_| ()).expect_err(expected);
        assert_eq!(refused, expected);
    }
    let title = "a".repeat(FORMAT_BYTES_MAX - r#"{"title":""}"#.len());
    for largest in [
        chain(14),
        json!({"allOf": patterns[1..]}),
        json!({"allOf": schemas[1..]}),
        json!({"title": title}),
    ] {
        assert_eq!(compile(&largest).map(|_| ()), Ok(()));
    }
    for pattern in ["(", "(?=a)b", "(a{1000}){1000}"] {
        let refused = compile(&json!({"pattern": pattern})).map(|_| ());
        let problem = "at '/pattern': it is no regular expression, too large a one, or one with \
                       what cannot be matched in linear time";
        assert_eq!(refused, Err(problem.to_owned()), "{pattern}");
    }
}

#[test]
fn formats_may_come_back_to_themselves_below() {
    let tree = json!({
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "value": {"type": "integer"}},
        "additionalProperties": false,
    });
    let grown = |leaf: Value| {
        (0..12).fold(
            leaf,
            |below, _| json!({"left": below, "right": {"value": 1}}),
        )
    };
    assert_eq!(check(&tree, &grown(json!({"value": 1}))), Ok(()));
    let problem = check(&tree, &grown(json!({"value": "1"}))).expect_err("a leaf is no integer");
    assert_eq!(
        problem,
        format!(
            "at '{}/value': it is not of type \"integer\"",
            "/left".repeat(12)
        )
    );
}

#[test]
fn an_address_may_stand_at_the_top_and_a_field_may_be_called_id() {
    let schema = json!({
        "$id": "https://example.com/a",
        "properties": {"id": {"type": "string", "id": 7}},
    });
    assert_eq!(check(&schema, &json!({"id": "a"})), Ok(()));
}

/// Formats and payloads that would take the engine's time are told before they are checked.
#[test]
fn what_would_take_too_long_is_not_checked() {
    let deep = (0..60).fold(json!(1), |below, _| json!([below]));
    let long: Vec<u32> = (0..500_000).collect();
    let bush = json!({"allOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]});
    let twigs = (0..40).fold(json!(1), |below, _| json!([below]));
    for (schema, payload, expected) in [
        (
            json!({"items": {"$ref": "#"}}),
            deep.clone(),
            "it is nested more than 48 deep, and cannot be checked",
        ),
        (
            payment(),
            json!({"amount": "a".repeat(PAYLOAD_BYTES_MAX)}),
            "it is larger than 4194304 bytes, and cannot be checked",
        ),
        (
            json!({"items": {"oneOf": vec![json!({"const": 1}); 9]}}),
            json!(long),
            "it is too large to be checked against this format",
        ),
        (
            bush,
            twigs,
            "it is too large to be checked against this format",
        ),
    ] {
        assert_eq!(
            check(&schema, &payload),
            Err(expected.to_owned()),
            "{schema}"
        );
    }
    let largest = json!("a".repeat(PAYLOAD_BYTES_MAX - 2));
    assert_eq!(check(&json!(true), &largest), Ok(()));
    assert_eq!(
        check(
            &payment(),
            &json!({"amount": 1, "currency": "", "else": deep})
        ),
        Ok(())
    );
}
