//! A request as it arrived, and as templates see it.

use std::collections::BTreeMap;

use serde_json::{Value, json, value::RawValue};

use super::proof;
use crate::{frame::Frame, held::BODY_MEMORY_MAX};

/// A request that has arrived whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// What follows the endpoint's own URL: path and query.
    pub(crate) below: String,
    /// By names in lower case; the values of a header that came several times joined with `, `.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(super) fn new<'h>(
        method: &str,
        below: &str,
        headers: impl Iterator<Item = (&'h str, &'h [u8])>,
        body: Vec<u8>,
    ) -> Self {
        let mut joined: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value);
            joined
                .entry(name.to_ascii_lowercase())
                .and_modify(|all| {
                    all.push_str(", ");
                    all.push_str(&value);
                })
                .or_insert_with(|| value.clone().into_owned());
        }
        Self {
            method: method.to_owned(),
            below: below.to_owned(),
            headers: joined,
            body,
        }
    }

    /// The object that a template is compared with. `body` is there if it is JSON, with the
    /// sender's own bytes; `signed_by` and `reveals` speak of the engine's variables.
    ///
    /// # Errors
    ///
    /// For one that would take too much memory.
    pub(crate) fn frame(&self, variables: &BTreeMap<String, String>) -> Result<Frame, String> {
        let signed_by: Vec<Value> = proof::proofs(self, variables)
            .into_iter()
            .map(|it| json!({"variable": it.variable, "scheme": it.scheme, "header": it.header}))
            .collect();
        let mut fields = vec![
            ("method", Value::from(self.method.as_str()).to_string()),
            ("target", Value::from(self.below.as_str()).to_string()),
            ("headers", json!(self.headers).to_string()),
            ("signed_by", Value::from(signed_by).to_string()),
            (
                "reveals",
                json!(proof::reveals(self, variables)).to_string(),
            ),
        ];
        if let Ok(text) = std::str::from_utf8(&self.body) {
            fields.push(("body_text", Value::from(text).to_string()));
        }
        if let Ok(body) = serde_json::from_slice::<&RawValue>(&self.body) {
            fields.push(("body", body.get().to_owned()));
        }
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        Frame::read_within(BODY_MEMORY_MAX, &format!("{{{}}}", fields.join(",")))
    }

    /// Likewise, without the values of the variables: a header that holds one, or a proof of one,
    /// is the token that it is compared with another time.
    pub(super) fn whole(&self, variables: &BTreeMap<String, String>) -> Option<Value> {
        let mut value = self.frame(variables).ok()?.value;
        let proofs: Vec<String> = proof::proofs(self, variables)
            .into_iter()
            .map(|it| it.header)
            .collect();
        let headers = value.get_mut("headers").and_then(Value::as_object_mut);
        for (name, header) in headers.into_iter().flatten() {
            if proofs.contains(name) {
                *header = json!({"$type": "string"});
            } else if let Some(text) = header.as_str().and_then(|it| veiled(it, variables)) {
                *header = json!({ "$text": text });
            }
        }
        Some(value)
    }

    /// How much of it is kept.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
        self.body.len() + self.below.len() + headers
    }

    /// For people: the request's line, headers and body.
    pub(crate) fn describe(&self) -> String {
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        format!(
            "{} ‹endpoint›{} | {} | {}",
            self.method,
            self.below,
            headers.join(" | "),
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// The text of a `$text` in which names stand for the values of variables, if there are any.
fn veiled(text: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let braces = |it: &str| it.replace('{', "{{").replace('}', "}}");
    let mut veiled = braces(text);
    for (name, value) in variables {
        if value.len() >= proof::VALUE_BYTES_MIN {
            veiled = veiled.replace(&braces(value), &format!("{{${name}}}"));
        }
    }
    (veiled != braces(text)).then_some(veiled)
}

#[cfg(test)]
mod tests {
    use ring::hmac;

    use super::*;

    #[test]
    fn a_request_is_kept_without_what_the_variables_hold() {
        let token = "to{k}en-1";
        let variables = BTreeMap::from([("TOKEN".to_owned(), token.to_owned())]);
        let authorization = format!("Bearer {token}");
        let body = b"{}".to_vec();
        let key = hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes());
        let signature = hex::encode(hmac::sign(&key, &body));
        let headers = [
            ("authorization", authorization.as_bytes()),
            ("x-plain", b"{p}".as_slice()),
            ("x-signature", signature.as_bytes()),
        ];
        let request = Received::new("POST", "", headers.into_iter(), body);
        let whole = request.whole(&variables).unwrap();
        assert_eq!(
            whole["headers"],
            json!({
                "authorization": {"$text": "Bearer {$TOKEN}"},
                "x-plain": "{p}",
                "x-signature": {"$type": "string"},
            })
        );
        assert_eq!(whole["reveals"], json!(["TOKEN"]));
        assert_eq!(whole["signed_by"][0]["variable"], "TOKEN");
        assert_eq!(whole["body"], json!({}));
    }

    #[test]
    fn a_request_as_templates_see_it() {
        let headers: [(&str, &[u8]); 3] = [("X-A", b"1"), ("x-a", b"2"), ("Host", b"h")];
        let body = br#"{ "n":1.0 }"#.to_vec();
        let request = Received::new("POST", "/sub?x=1", headers.into_iter(), body);
        let frame = request.frame(&BTreeMap::new()).unwrap();
        assert_eq!(frame.value["method"], "POST");
        assert_eq!(frame.value["target"], "/sub?x=1");
        assert_eq!(frame.value["headers"], json!({"x-a": "1, 2", "host": "h"}));
        assert_eq!(frame.raw("body"), Some(r#"{ "n":1.0 }"#));
        let request = Received {
            body: b"no json".to_vec(),
            ..Received::default()
        };
        let frame = request.frame(&BTreeMap::new()).unwrap();
        assert_eq!(frame.value["body_text"], "no json");
        assert_eq!(frame.raw("body"), None);
    }
}
