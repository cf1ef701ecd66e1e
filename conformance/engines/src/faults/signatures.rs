//! How requests are signed (RF-06, RF-15).

use std::{collections::BTreeMap, sync::Mutex};

use reference::core::{HttpRequest, Variable};

use super::{
    credentials::variable_of_the_first,
    requests::{called, first_only, remove_header, set_header, with_header},
};
use crate::{
    Alter, Fault, Heard,
    frames::{id, text},
    with::looking_up,
};

const HMAC: &str = "x-iii-Signature";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault::new("signature-not-sent", "Signs no request", &["RF-06"], || {
            with_header(HMAC, |request, _| remove_header(request, HMAC))
        }),
        Fault::new(
            "signature-over-another-body",
            "Adds a line end to the body once it has signed it",
            &["RF-06"],
            || with_header(HMAC, |request, _| request.body.push('\n')),
        ),
        Fault::new(
            "signature-of-the-first-request",
            "Sends the first signature of a function with every one of its requests",
            &["RF-06", "RF-15"],
            || {
                let mut first: BTreeMap<String, String> = BTreeMap::new();
                with_header(HMAC, move |request, own| {
                    let value = first.entry(called(request)).or_insert(own).clone();
                    set_header(request, HMAC, value);
                })
            },
        ),
        Fault::new(
            "signature-on-the-first-request",
            "Signs the first request of a function alone",
            &["RF-06", "RF-15"],
            || first_only(HMAC),
        ),
        Fault::new(
            "signature-constant",
            "Sends one signature with all requests",
            &["RF-06"],
            || {
                with_header(HMAC, |request, _| {
                    set_header(request, HMAC, format!("sha256={}", "5a".repeat(32)));
                })
            },
        ),
        Fault::new(
            "signature-with-one-digit-off",
            "Sends a signature whose last digit is another",
            &["RF-06"],
            || {
                with_header(HMAC, |request, mut value| {
                    let last = if value.pop() == Some('0') { '1' } else { '0' };
                    value.push(last);
                    set_header(request, HMAC, value);
                })
            },
        ),
        Fault::new(
            "signature-cut",
            "Sends half of a signature",
            &["RF-06"],
            || {
                with_header(HMAC, |request, mut value| {
                    value.truncate(value.len() / 2);
                    set_header(request, HMAC, value);
                })
            },
        ),
        Fault::new(
            "signature-of-another-time",
            "Says another time than the one that it has signed",
            &["RF-06"],
            || {
                with_header(HMAC, |request, _| {
                    set_header(request, "x-iii-Timestamp", "1");
                })
            },
        ),
        Fault::new(
            "secret-sent",
            "Sends the secret beside the signature",
            &["RF-06"],
            || SecretSent::as_header("x-iii-Secret", str::to_owned),
        ),
        Fault::new(
            "secret-sent-in-hexadecimal",
            "Sends the secret in hexadecimal beside the signature",
            &["RF-06"],
            || {
                SecretSent::as_header("x-iii-Key-ID", |secret| {
                    secret.bytes().map(|it| format!("{it:02x}")).collect()
                })
            },
        ),
        Fault::new(
            "secret-for-a-signature",
            "Sends the secret where the signature belongs",
            &["RF-06"],
            || SecretSent::as_header(HMAC, str::to_owned),
        ),
        Fault::new(
            "secret-of-the-first-function",
            "Signs all requests of a session with the secret of its first function",
            &["RF-06"],
            || variable_of_the_first("hmac", "secret_key"),
        ),
        Fault::new(
            "secret-trimmed",
            "Signs with the secret up to its first space",
            &["RF-06"],
            || {
                looking_up(|_, found| match found {
                    Variable::Value(it) => {
                        Variable::Value(it.split(' ').next().unwrap_or_default().to_owned())
                    }
                    other => other,
                })
            },
        ),
    ]
}

/// Remembers the secrets that it has looked up, and sends them.
struct SecretSent {
    header: &'static str,
    written: fn(&str) -> String,
    /// The variables of functions.
    variables: BTreeMap<String, String>,
    values: Mutex<BTreeMap<String, String>>,
}

impl SecretSent {
    fn as_header(header: &'static str, written: fn(&str) -> String) -> Self {
        Self {
            header,
            written,
            variables: BTreeMap::new(),
            values: Mutex::default(),
        }
    }
}

impl Alter for SecretSent {
    fn hears(&mut self, heard: &mut Heard) {
        if let Some(name) = text(&heard.frame, "/invocation/auth/secret_key") {
            let id = id(&heard.frame).to_owned();
            self.variables.insert(id, name.to_owned());
        }
    }

    fn looks_up(&self, name: &str, found: Variable) -> Variable {
        if let (Variable::Value(value), Ok(mut values)) = (&found, self.values.lock()) {
            values.insert(name.to_owned(), value.clone());
        }
        found
    }

    fn requests(&mut self, request: &mut HttpRequest) -> bool {
        let variable = self.variables.get(&called(request));
        if let (Some(name), Ok(values)) = (variable, self.values.lock())
            && let Some(secret) = values.get(name)
        {
            set_header(request, self.header, (self.written)(secret));
        }
        true
    }
}
