//! The headers that a function gives its answer.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::clipped;
use crate::{
    credentials::{is_header_name, is_header_value},
    wire::kind_of,
};

/// What a function may give an answer.
const HEADERS_MAX: usize = 100;
const HEADERS_BYTES_MAX: usize = 32 << 10;

/// Headers that frame the message or belong to the connection: these the engine sets itself,
/// and all that begin with `proxy-`.
const RESERVED: [&str; 8] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads `headers`: an object, or an array of `Name: value`.
///
/// # Errors
///
/// What is wrong with them, naming the field.
pub(super) fn read(raw: &RawValue) -> Result<Vec<(String, String)>, String> {
    let mut headers = Headers::default();
    match kind_of(raw) {
        "an object" => {
            let Pairs(pairs) = parsed(raw)?;
            for (name, value) in pairs {
                headers.add_values(&name, value)?;
            }
        }
        "an array" => {
            for line in parsed::<Vec<&RawValue>>(raw)? {
                headers.add_line(line)?;
            }
        }
        "null" => {}
        kind => {
            return Err(format!(
                "`headers` must be an object or an array of 'Name: value', got {kind}"
            ));
        }
    }
    Ok(headers.all)
}

#[derive(Default)]
struct Headers {
    all: Vec<(String, String)>,
    bytes: usize,
}

impl Headers {
    /// A value of the object: an array stands for several headers of the name.
    fn add_values(&mut self, name: &str, raw: &RawValue) -> Result<(), String> {
        let wrong = || {
            format!(
                "`headers`: '{}' must be a string, a number, a boolean or an array of strings",
                clipped(name)
            )
        };
        match kind_of(raw) {
            "a string" => self.add(name, &parsed::<Text<'_>>(raw)?.0),
            "a number" | "a boolean" => self.add(name, raw.get()),
            "an array" => {
                let values: Vec<Text<'_>> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
                values.iter().try_for_each(|value| self.add(name, &value.0))
            }
            kind => Err(format!("{}, got {kind}", wrong())),
        }
    }

    fn add_line(&mut self, raw: &RawValue) -> Result<(), String> {
        if !raw.get().starts_with('"') {
            let kind = kind_of(raw);
            return Err(format!("`headers` must hold 'Name: value', got {kind}"));
        }
        let line = parsed::<Text<'_>>(raw)?.0;
        let Some((name, value)) = line.split_once(':') else {
            let line = clipped(&line);
            return Err(format!("`headers` must hold 'Name: value', got '{line}'"));
        };
        self.add(name, value)
    }

    /// Takes nothing that could end a header, begin another, or contradict the engine's own.
    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let shown = clipped(name);
        if !is_header_name(name) {
            return Err(format!("`headers`: '{shown}' is not a header name"));
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&&*lower) || lower.starts_with("proxy-") {
            return Err(format!(
                "`headers`: '{shown}' is set by the engine and cannot be given"
            ));
        }
        let value = value.trim_matches([' ', '\t']);
        if !is_header_value(value) {
            return Err(format!(
                "`headers`: '{shown}' has a value that an HTTP header cannot carry"
            ));
        }
        let named = |(name, _): &(String, String)| name.eq_ignore_ascii_case(&lower);
        if lower == "content-type" && self.all.iter().any(named) {
            return Err(format!("`headers`: '{shown}' is given twice"));
        }
        self.bytes += name.len() + value.len();
        if self.all.len() == HEADERS_MAX || self.bytes > HEADERS_BYTES_MAX {
            return Err(format!(
                "`headers` must not be more than {HEADERS_MAX}, \
                 nor more than {HEADERS_BYTES_MAX} bytes together"
            ));
        }
        self.all.push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}

/// Fails on strings that hold half a surrogate pair alone.
fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, String> {
    serde_json::from_str(raw.get()).map_err(|error| format!("`headers`: {error}"))
}

/// A string, without a copy if it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object in their order, and each of those with the same name.
struct Pairs<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), value)) = map.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The headers as lines, or what is wrong with them.
    fn lines(headers: &str) -> Result<Vec<String>, String> {
        let raw = serde_json::from_str(headers).expect("the test's headers are JSON");
        let headers = read(raw)?.into_iter();
        Ok(headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect())
    }

    #[test]
    fn both_forms_in_their_order() {
        for (headers, expected) in [
            ("null", &[][..]),
            ("{}", &[]),
            ("[]", &[]),
            (
                r#"{"X-N":1.50,"X-B":true,"X-U":"é","X-\u004e":"\tagain "}"#,
                &["X-N: 1.50", "X-B: true", "X-U: é", "X-N: again"],
            ),
            (
                r#"{"Set-Cookie":["a=1","b=2"],"set-cookie":"c=3","none":[]}"#,
                &["Set-Cookie: a=1", "Set-Cookie: b=2", "set-cookie: c=3"],
            ),
            (
                r#"["X-A:b: c ","X-A:","x-a:\t\u0064"]"#,
                &["X-A: b: c", "X-A: ", "x-a: d"],
            ),
        ] {
            assert_eq!(lines(headers).unwrap(), expected, "{headers}");
        }
    }

    #[test]
    fn what_cannot_be_sent() {
        let cannot = "`headers`: 'a' has a value that an HTTP header cannot carry";
        let kinds = "`headers`: 'a' must be a string, a number, a boolean or an array of strings";
        for (headers, expected) in [
            (
                "true",
                "`headers` must be an object or an array of 'Name: value', got a boolean",
            ),
            (r#"{"a b":"c"}"#, "`headers`: 'a b' is not a header name"),
            (r#"{"":"c"}"#, "`headers`: '' is not a header name"),
            (r#"{"é":"c"}"#, "`headers`: 'é' is not a header name"),
            (
                r#"{"a\r\nb":"c"}"#,
                "`headers`: 'a\r\nb' is not a header name",
            ),
            (r#"{"a":"b\r\nset-cookie: c"}"#, cannot),
            (r#"{"a":"b\r\n"}"#, cannot),
            (r#"{"a":"b\u0000"}"#, cannot),
            (r#"{"a":"\u007f"}"#, cannot),
            (r#"{"a":["b","c\n"]}"#, cannot),
            (r#"["a: b\r\nc: d"]"#, cannot),
            (r#"{"a":null}"#, &*format!("{kinds}, got null")),
            (r#"{"a":{}}"#, &format!("{kinds}, got an object")),
            (r#"{"a":["b",1]}"#, kinds),
            ("[1]", "`headers` must hold 'Name: value', got a number"),
            (r#"["a b"]"#, "`headers` must hold 'Name: value', got 'a b'"),
            (r#"["a : b"]"#, "`headers`: 'a ' is not a header name"),
            (
                r#"["content-type: a","Content-Type: b"]"#,
                "`headers`: 'Content-Type' is given twice",
            ),
        ] {
            assert_eq!(lines(headers).unwrap_err(), expected, "{headers}");
        }
        for half in [r#"{"a":"\ud800"}"#, r#"{"\ud800":"a"}"#, r#"["a: \ud800"]"#] {
            assert!(lines(half).is_err(), "{half}");
        }
    }

    #[test]
    fn what_the_engine_sets_itself() {
        for name in [
            "Connection",
            "content-length",
            "HOST",
            "keep-alive",
            "Proxy-Authenticate",
            "proxy-",
            "te",
            "trailer",
            "Transfer-Encoding",
            "upgrade",
        ] {
            let expected = format!("`headers`: '{name}' is set by the engine and cannot be given");
            for headers in [json!({name: "x"}), json!([format!("{name}: x")])] {
                assert_eq!(lines(&headers.to_string()).unwrap_err(), expected);
            }
        }
    }

    #[test]
    fn bounds() {
        let count = |headers: Value| lines(&headers.to_string()).map(|it| it.len());
        let too_many = "`headers` must not be more than 100, nor more than 32768 bytes together";
        for (headers, expected) in [
            (json!(vec!["a: b"; 100]), Ok(100)),
            (json!(vec!["a: b"; 101]), Err(too_many)),
            (json!({"a": vec!["b"; 101]}), Err(too_many)),
            (json!({"a": "b".repeat((32 << 10) - 1)}), Ok(1)),
            (json!({"a": "b".repeat(32 << 10)}), Err(too_many)),
        ] {
            assert_eq!(count(headers), expected.map_err(str::to_owned));
        }
    }
}
