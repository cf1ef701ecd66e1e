//! What a request becomes as the payload of a call.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use url::form_urlencoded;

use super::{Matched, body::Body};
use crate::error::{Code, Failure};

/// A request to the engine's own HTTP side, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpTriggerRequest<'a> {
    /// As it was sent: `GET`, `POST` …
    pub method: &'a str,
    /// The path and the query, as they were sent.
    pub target: &'a str,
    /// Names and values in the order in which they came. Names may be in any case.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// Decoded from its transfer, and from nothing else.
    pub body: &'a [u8],
}

/// What the function of an http trigger is called with.
#[derive(Serialize)]
struct Payload<'a> {
    path: &'a str,
    method: &'a str,
    path_params: BTreeMap<&'a str, &'a str>,
    query_params: BTreeMap<Cow<'a, str>, Values<'a>>,
    headers: BTreeMap<String, String>,
    body: &'a Body<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_encoding: Option<&'static str>,
    trigger: Fired<'a>,
}

#[derive(Serialize)]
struct Fired<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    path: &'a str,
    method: &'a str,
}

/// A string if there is one, an array in the order of the query if there are several.
#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    One(Cow<'a, str>),
    Several(Vec<Cow<'a, str>>),
}

impl<'a> HttpTriggerRequest<'a> {
    /// The path, as it was sent.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.parts().0
    }

    /// The call's `data`.
    ///
    /// # Errors
    ///
    /// `bad_request` if the body is not what its content type says.
    pub(crate) fn payload<K>(&self, matched: &Matched<'_, K>) -> Result<Box<RawValue>, Failure> {
        let (path, query) = self.parts();
        let headers = joined(self.headers);
        let body = Body::read(self.body, &headers)?;
        let parameters = matched.parameters.iter();
        let payload = Payload {
            path,
            method: self.method,
            path_params: parameters.map(|(name, value)| (*name, &**value)).collect(),
            query_params: parsed(query),
            body_encoding: body.encoding(),
            body: &body,
            headers,
            trigger: Fired {
                kind: "http",
                path: matched.path,
                method: matched.method,
            },
        };
        // Strings, raw JSON and maps with string keys: serializing them cannot fail.
        to_raw_value(&payload).map_err(|error| Failure::new(Code::BadRequest, error.to_string()))
    }

    fn parts(&self) -> (&'a str, &'a str) {
        self.target.split_once('?').unwrap_or((self.target, ""))
    }
}

/// As browsers send forms: `+` is a space, escapes are decoded, and what is no UTF-8 then, or no
/// escape at all, is replaced or left alone rather than refused.
fn parsed(query: &str) -> BTreeMap<Cow<'_, str>, Values<'_>> {
    let mut parameters = BTreeMap::<_, Values<'_>>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match parameters.get_mut(&name) {
            Some(values) => values.push(value),
            None => {
                parameters.insert(name, Values::One(value));
            }
        }
    }
    parameters
}

impl<'a> Values<'a> {
    fn push(&mut self, value: Cow<'a, str>) {
        match self {
            Self::One(first) => *self = Self::Several(vec![std::mem::take(first), value]),
            Self::Several(values) => values.push(value),
        }
    }
}

/// One value for each name in lower case, as RFC 9110, section 5.3, and RFC 6265 join them.
fn joined(headers: &[(&str, &[u8])]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let separator = if name == "cookie" { "; " } else { ", " };
        let value = text_of(value);
        all.entry(name)
            .and_modify(|values| {
                values.push_str(separator);
                values.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    all
}

/// A header has no encoding: UTF-8 if it can be, else Latin-1, which loses no byte.
fn text_of(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload(request: &HttpTriggerRequest<'_>) -> Result<String, String> {
        let matched = Matched {
            key: &(),
            path: "/users/:id",
            method: "GET",
            parameters: vec![("id", "7".to_owned())],
        };
        let payload = request.payload(&matched);
        payload
            .map(|raw| raw.get().to_owned())
            .map_err(|failure| format!("{}: {}", failure.code().as_str(), failure.message()))
    }

    const PLAIN: HttpTriggerRequest<'_> = HttpTriggerRequest {
        method: "HEAD",
        target: "/users/%37?a=1",
        headers: &[],
        body: &[],
    };

    #[test]
    fn the_whole_payload() {
        assert_eq!(
            payload(&PLAIN).unwrap(),
            r#"{"path":"/users/%37","method":"HEAD","path_params":{"id":"7"},"#.to_owned()
                + r#""query_params":{"a":"1"},"headers":{},"body":null,"#
                + r#""trigger":{"type":"http","path":"/users/:id","method":"GET"}}"#
        );
    }

    #[test]
    fn queries() {
        for (query, expected) in [
            ("/", json!({})),
            ("/?", json!({})),
            ("/?a=1&b=2", json!({"a": "1", "b": "2"})),
            ("/?b=2&a=1&b=1&b=2", json!({"a": "1", "b": ["2", "1", "2"]})),
            ("/?a&=x&&a=", json!({"a": ["", ""], "": "x"})),
            ("/?a=b=c?d", json!({"a": "b=c?d"})),
            ("/?a+b=c%20d%2B", json!({"a b": "c d+"})),
            ("/?%61=%zz&a=%", json!({"a": ["%zz", "%"]})),
            ("/?a=%ff%C3%A9", json!({"a": "\u{fffd}é"})),
            (
                "/?__proto__=x&constructor=%00",
                json!({"__proto__": "x", "constructor": "\0"}),
            ),
            ("/?a[]=1&a[]=2", json!({"a[]": ["1", "2"]})),
        ] {
            let request = HttpTriggerRequest {
                target: query,
                ..PLAIN
            };
            let seen: Value = serde_json::from_str(&payload(&request).unwrap()).unwrap();
            assert_eq!(seen["query_params"], expected, "{query}");
            assert_eq!(seen["path"], "/", "{query}");
        }
    }

    #[test]
    fn headers_have_one_value_a_name() {
        let request = HttpTriggerRequest {
            headers: &[
                ("Accept", b"a"),
                ("COOKIE", b"a=1"),
                ("accept", b"b, c"),
                ("cookie", b"b=2"),
                ("X-Utf-8", "é".as_bytes()),
                ("X-Latin-1", b"\xe9\xff"),
                ("X-Empty", b""),
            ],
            ..PLAIN
        };
        let seen: Value = serde_json::from_str(&payload(&request).unwrap()).unwrap();
        assert_eq!(
            seen["headers"],
            json!({
                "accept": "a, b, c",
                "cookie": "a=1; b=2",
                "x-utf-8": "é",
                "x-latin-1": "éÿ",
                "x-empty": "",
            })
        );
    }

    /// The end of the payload, from the body on, without the trigger.
    fn body(content_type: Option<&str>, more: &[(&str, &[u8])], body: &[u8]) -> String {
        let mut headers = more.to_vec();
        headers.extend(content_type.map(|it| ("Content-Type", it.as_bytes())));
        let request = HttpTriggerRequest {
            headers: &headers,
            body,
            ..PLAIN
        };
        match payload(&request) {
            Err(problem) => problem,
            Ok(payload) => {
                let (_, rest) = payload.split_once(r#","body":"#).unwrap();
                let (body, _) = rest.rsplit_once(r#","trigger""#).unwrap();
                body.to_owned()
            }
        }
    }

    #[test]
    fn bodies() {
        let json = "application/json";
        let odd = r#"{ "a":1.0,"a":1e400,"\ud800":[9007199254740993] }"#;
        for (content_type, sent, expected) in [
            (Some(json), &b""[..], "null"),
            (None, b"", "null"),
            (Some(json), odd.as_bytes(), odd),
            (Some("Application/JSON; charset=utf-8"), b" [1]\n", "[1]"),
            (Some("application/vnd.api+json"), b"null", "null"),
            (
                Some(json),
                b"{\"a\":\n x}",
                "bad_request: The body is not JSON, as its content type 'application/json' says: \
                 expected value at line 2 column 2",
            ),
            (
                Some("application/ld+json;x"),
                b"\xff",
                "bad_request: The body is not JSON, as its content type 'application/ld+json;x' \
                 says: expected value at line 1 column 1",
            ),
            (Some("text/plain"), b"{\"a\":1}", r#""{\"a\":1}""#),
            (
                Some("text/html; charset=utf-8"),
                "é\n".as_bytes(),
                r#""é\n""#,
            ),
            (
                Some("text/plain; charset=iso-8859-1"),
                b"\xe9",
                r#""6Q==","body_encoding":"base64""#,
            ),
            (
                Some("application/x-www-form-urlencoded"),
                b"a=1&b=+",
                r#""a=1&b=+""#,
            ),
            (None, b"text", r#""text""#),
            (None, b"\xff\xfe", r#""//4=","body_encoding":"base64""#),
            (
                Some("image/png"),
                b"png",
                r#""cG5n","body_encoding":"base64""#,
            ),
            (
                Some("application/xml"),
                b"<a/>",
                r#""PGEvPg==","body_encoding":"base64""#,
            ),
            (Some("json"), b"1", r#""MQ==","body_encoding":"base64""#),
            (Some(""), b"1", r#""MQ==","body_encoding":"base64""#),
        ] {
            assert_eq!(
                body(content_type, &[], sent),
                expected,
                "{content_type:?} {sent:?}"
            );
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(body(Some(json), &[], deep.as_bytes()), deep);
    }

    #[test]
    fn headers_can_make_a_body_no_text() {
        let in_base64 = r#""MQ==","body_encoding":"base64""#;
        for (content_type, more, expected) in [
            (
                "application/json",
                ("content-type", &b"text/plain"[..]),
                in_base64,
            ),
            ("text/plain", ("content-type", b"text/plain"), in_base64),
            ("application/json", ("Content-Encoding", b"gzip"), in_base64),
            ("text/plain", ("content-encoding", b"br, gzip"), in_base64),
            ("application/json", ("content-encoding", b"Identity"), "1"),
            ("text/plain", ("content-encoding", b" identity"), r#""1""#),
        ] {
            assert_eq!(
                body(Some(content_type), &[more], b"1"),
                expected,
                "{more:?}"
            );
        }
    }
}
