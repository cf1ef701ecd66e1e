//! How requests to endpoints are written: the documents name no scheme of signing.

use std::{cell::RefCell, collections::BTreeSet};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use reference::core::{HeaderText, HttpRequest, Variable};
use ring::hmac;

use crate::{Alter, Other, with::requesting};

pub(super) fn engines() -> Vec<Other> {
    vec![
        Other::altered(
            "signs-the-body",
            "Signs the body alone, in a header of its own",
            || {
                Signing::new(|request, key| {
                    let signature = hex::encode(hmac::sign(key, request.body.as_bytes()));
                    vec![("X-Hub-Signature-256", format!("sha256={signature}"))]
                })
            },
        ),
        Other::altered(
            "signs-as-standard-webhooks",
            "Signs as Standard Webhooks says",
            || {
                Signing::new(|request, key| {
                    let signed = format!("msg_1.1700000000.{}", request.body);
                    let signature = BASE64_STANDARD.encode(hmac::sign(key, signed.as_bytes()));
                    vec![
                        ("webhook-id", "msg_1".to_owned()),
                        ("webhook-timestamp", "1700000000".to_owned()),
                        ("webhook-signature", format!("v1,{signature}")),
                    ]
                })
            },
        ),
        Other::altered(
            "signs-a-time-and-the-body",
            "Signs a time and the body",
            || {
                Signing::new(|request, key| {
                    let signed = format!("1700000000.{}", request.body);
                    let signature = hex::encode_upper(hmac::sign(key, signed.as_bytes()));
                    vec![("Webhook-Proof", format!("t=1700000000,v1={signature}"))]
                })
            },
        ),
        Other::altered(
            "own-headers",
            "Sends headers of its own, and not the usual ones",
            || {
                requesting(|request| {
                    request
                        .headers
                        .retain(|(name, _)| !name.eq_ignore_ascii_case("x-iii-invocation-id"));
                    let agent = HeaderText::Plain("an engine".to_owned());
                    request.headers.push(("X-Agent".to_owned(), agent));
                    true
                })
            },
        ),
    ]
}

type Sign = fn(&HttpRequest, &hmac::Key) -> Vec<(&'static str, String)>;

/// Signs requests in another way than the reference does.
struct Signing {
    sign: Sign,
    /// The values of all variables that were looked up. Which of them a request is signed with is
    /// found by trying.
    values: RefCell<BTreeSet<String>>,
}

impl Signing {
    fn new(sign: Sign) -> Self {
        Self {
            sign,
            values: RefCell::default(),
        }
    }

    fn key_of(&self, request: &HttpRequest) -> Option<hmac::Key> {
        let signature = plain(request, "x-iii-signature")?;
        let time = plain(request, "x-iii-timestamp")?;
        let signed = format!("{time}:{}", BASE64_STANDARD.encode(&request.body));
        let given = hex::decode(signature.strip_prefix("sha256=")?).ok()?;
        let values = self.values.borrow();
        let keys = values
            .iter()
            .map(|it| hmac::Key::new(hmac::HMAC_SHA256, it.as_bytes()));
        keys.into_iter()
            .find(|key| hmac::verify(key, signed.as_bytes(), &given).is_ok())
    }
}

impl Alter for Signing {
    fn looks_up(&self, _: &str, found: Variable) -> Variable {
        if let Variable::Value(value) = &found {
            self.values.borrow_mut().insert(value.clone());
        }
        found
    }

    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        if let Some(key) = self.key_of(request) {
            let own = (self.sign)(request, &key);
            request
                .headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("x-iii-signature"));
            let own = own
                .into_iter()
                .map(|(name, value)| (name.to_owned(), HeaderText::Plain(value)));
            request.headers.extend(own);
        }
        true
    }
}

fn plain<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let mut headers = request.headers.iter();
    match headers.find(|(it, _)| it.eq_ignore_ascii_case(name)) {
        Some((_, HeaderText::Plain(value))) => Some(value),
        _ => None,
    }
}
