//! What the result of a function says about the HTTP answer.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{HttpAnswer, clipped, headers};
use crate::wire::{kind_of, whole_number};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// Reads a result: an object with a `status_code`, `headers` or a `body` describes the answer,
/// and anything else is the body of one.
///
/// # Errors
///
/// What is wrong with the description, naming the field.
pub(super) fn read(result: &RawValue) -> Result<HttpAnswer, String> {
    match Reply::of(result)? {
        Some(reply) => reply.answer(),
        None => Ok(HttpAnswer {
            status: 200,
            headers: vec![content_type(JSON)],
            body: result.get().into(),
        }),
    }
}

pub(super) fn content_type(of: &str) -> (String, String) {
    ("content-type".to_owned(), of.to_owned())
}

/// The fields that describe an answer. A null stands for a field that is not given.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    status_code: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    body: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    body_encoding: Option<&'a RawValue>,
}

/// A null, too, shows that an answer is described.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Reply<'a> {
    fn of(result: &'a RawValue) -> Result<Option<Self>, String> {
        if !result.get().starts_with('{') {
            return Ok(None);
        }
        match serde_json::from_str::<Self>(result.get()) {
            Ok(reply) => {
                let described = [reply.status_code, reply.headers, reply.body];
                let described = described.iter().any(Option::is_some);
                Ok(described.then_some(reply))
            }
            // A field that is given twice (D-20).
            Err(error) if error.is_data() => Err(error.to_string()),
            // A key that is no text: JSON all the same, and none of these fields is meant.
            Err(_) => Ok(None),
        }
    }

    fn answer(&self) -> Result<HttpAnswer, String> {
        let status = self.status()?;
        let mut headers = self.headers.map_or(Ok(Vec::new()), headers::read)?;
        let (body, default_type) = self.body()?;
        if !body.is_empty() {
            if matches!(status, 204 | 205 | 304) {
                return Err(format!("`body` must be left out with status {status}"));
            }
            let typed = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-type");
            if !headers.iter().any(typed) {
                headers.push(content_type(default_type));
            }
        }
        Ok(HttpAnswer {
            status,
            headers,
            body,
        })
    }

    fn status(&self) -> Result<u16, String> {
        let Some(raw) = present(self.status_code) else {
            return Ok(200);
        };
        let number = whole_number(raw).and_then(|number| u16::try_from(number).ok());
        number
            .filter(|number| (200..600).contains(number))
            .ok_or_else(|| {
                let got = match kind_of(raw) {
                    "a number" => clipped(raw.get()),
                    kind => kind.to_owned(),
                };
                format!("`status_code` must be a whole number from 200 to 599, got {got}")
            })
    }

    /// The bytes to send, and their content type if the function gives none.
    fn body(&self) -> Result<(Vec<u8>, &'static str), String> {
        let body = present(self.body);
        let text = body.filter(|raw| raw.get().starts_with('"')).map(text_of);
        match (body, text.transpose()?, self.in_base64()?) {
            (None, ..) => Ok((Vec::new(), TEXT)),
            (Some(_), Some(text), false) => Ok((text.into_owned().into_bytes(), TEXT)),
            (Some(_), Some(text), true) => {
                let bytes = BASE64_STANDARD.decode(&*text);
                let bytes = bytes.map_err(|error| format!("`body` is not base64: {error}"))?;
                Ok((bytes, BYTES))
            }
            (Some(json), None, false) => Ok((json.get().into(), JSON)),
            (Some(json), None, true) => Err(format!(
                "`body` must be a string where `body_encoding` is base64, got {}",
                kind_of(json)
            )),
        }
    }

    fn in_base64(&self) -> Result<bool, String> {
        match present(self.body_encoding) {
            None => Ok(false),
            Some(raw) if text_of(raw).is_ok_and(|text| text == "base64") => Ok(true),
            Some(raw) => Err(format!(
                "`body_encoding` must be base64 if it is given, got {}",
                clipped(raw.get())
            )),
        }
    }
}

fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

fn text_of(raw: &RawValue) -> Result<Cow<'_, str>, String> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text: Result<Text<'_>, _> = serde_json::from_str(raw.get());
    text.map(|Text(text)| text)
        .map_err(|error| format!("`body` is a string that cannot be sent: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, content type and body of the answer, or what is wrong.
    fn answer(result: &str) -> String {
        let raw = serde_json::from_str(result).expect("the test's value is JSON");
        match read(raw) {
            Ok(answer) => {
                let typed = |(name, value): &(String, String)| {
                    name.eq_ignore_ascii_case("content-type")
                        .then(|| value.clone())
                };
                let content_type = answer.headers.iter().find_map(typed);
                let content_type = content_type.unwrap_or_else(|| "untyped".to_owned());
                let body = String::from_utf8(answer.body).expect("the test's body is text");
                format!("{} {content_type} {body}", answer.status)
            }
            Err(problem) => problem,
        }
    }

    #[test]
    fn results_that_are_bodies() {
        for result in [
            "null",
            "0",
            r#""text""#,
            r#"[{"status_code":201}]"#,
            "[200,null,null,null]",
            "{}",
            r#"{"status":404,"body_encoding":"base64"}"#,
            r#"{"a": 1.0,"a":1e400,"\ud800":2}"#,
        ] {
            assert_eq!(answer(result), format!("200 application/json {result}"));
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(answer(&deep), format!("200 application/json {deep}"));
    }

    #[test]
    fn results_that_describe_an_answer() {
        for (result, expected) in [
            (r#"{"status_code":204}"#, "204 untyped "),
            (r#"{"status_code":404.0,"more":1}"#, "404 untyped "),
            (r#"{"status_code":599,"body":null}"#, "599 untyped "),
            (r#"{"status_code":null}"#, "200 untyped "),
            (r#"{"headers":null}"#, "200 untyped "),
            (r#"{"body":null,"body_encoding":null}"#, "200 untyped "),
            (r#"{"body":""}"#, "200 untyped "),
            (
                r#"{"body":"a\u00e9\r"}"#,
                "200 text/plain; charset=utf-8 aé\r",
            ),
            (
                r#"{"st\u0061tus_code":201,"body":{"a": 1.0,"a":1e400}}"#,
                r#"201 application/json {"a": 1.0,"a":1e400}"#,
            ),
            (r#"{"body":false}"#, "200 application/json false"),
            (
                r#"{"body":"aGk=","body_encoding":"base64"}"#,
                "200 application/octet-stream hi",
            ),
            (
                r#"{"body":"aGk=","body_encoding":"b\u0061se64","headers":["content-type: a/b"]}"#,
                "200 a/b hi",
            ),
            (
                r#"{"headers":{"Content-Type":"application/json"},"body":"{\"a\":1}"}"#,
                r#"200 application/json {"a":1}"#,
            ),
            (
                r#"{"status_code":204,"headers":{"content-type":"a/b"},"body":""}"#,
                "204 a/b ",
            ),
        ] {
            assert_eq!(answer(result), expected, "{result}");
        }
    }

    #[test]
    fn results_that_describe_no_answer() {
        let range = "`status_code` must be a whole number from 200 to 599, got";
        for (result, expected) in [
            (r#"{"status_code":199}"#, &*format!("{range} 199")),
            (r#"{"status_code":600}"#, &format!("{range} 600")),
            (r#"{"status_code":65736}"#, &format!("{range} 65736")),
            (r#"{"status_code":200.5}"#, &format!("{range} 200.5")),
            (r#"{"status_code":-200}"#, &format!("{range} -200")),
            (r#"{"status_code":"200"}"#, &format!("{range} a string")),
            (
                r#"{"body":"?","body_encoding":"base64"}"#,
                "`body` is not base64: Invalid symbol 63, offset 0.",
            ),
            (
                r#"{"body":1,"body_encoding":"base64"}"#,
                "`body` must be a string where `body_encoding` is base64, got a number",
            ),
            (
                r#"{"body":"x","body_encoding":"hex"}"#,
                "`body_encoding` must be base64 if it is given, got \"hex\"",
            ),
            (
                r#"{"body":"\ud800"}"#,
                "`body` is a string that cannot be sent: \
                 unexpected end of hex escape at line 1 column 8",
            ),
            (
                r#"{"status_code":204,"body":"x"}"#,
                "`body` must be left out with status 204",
            ),
            (
                r#"{"status_code":304,"body":{}}"#,
                "`body` must be left out with status 304",
            ),
            (
                r#"{"body":1,"body":2}"#,
                "duplicate field `body` at line 1 column 16",
            ),
            (
                r#"{"headers":7}"#,
                "`headers` must be an object or an array of 'Name: value', got a number",
            ),
        ] {
            assert_eq!(answer(result), expected, "{result}");
        }
    }
}
