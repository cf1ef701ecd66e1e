//! The request that serves an HTTP-invoked function, and what its answer means
//! (RF-14, CO-21, D-11).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{json, value::RawValue, value::to_raw_value};
use sha2::Sha256;
use url::Url;
use uuid::Uuid;

use crate::{
    credentials::{Credential, Secret},
    endpoint::{Endpoint, Method},
    error::{Code, Failure},
};

/// A request to make. The engine's own deadline ends it, by [`crate::Effect::CancelRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Names the request; its answer comes back under this id.
    pub call: Uuid,
    /// Where to.
    pub url: Url,
    /// How.
    pub method: Method,
    /// Every header but those that frame the message.
    pub headers: Vec<(String, HeaderText)>,
    /// The payload, which is JSON: these bytes, exactly, are signed.
    pub body: String,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderText {
    /// It may be seen.
    Plain(String),
    /// It holds a credential.
    Secret(Secret),
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpOutcome<'a> {
    /// An answer, whole.
    Answer {
        /// Its status.
        status: u16,
        /// Its body, decoded from its transfer.
        body: &'a [u8],
    },
    /// An answer whose body is larger than is read.
    TooLarge {
        /// The limit, in bytes.
        bytes_max: usize,
    },
    /// No answer: not allowed, not resolved, refused, reset, cut short.
    Failed {
        /// Why, without anything of the URL or of a header.
        problem: &'a str,
    },
}

/// Spaces and controls, so that any id is fit for a header.
const HEADER_SAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

impl HttpRequest {
    /// The request of a call that is made at `unix_seconds`.
    pub(crate) fn new(
        call: Uuid,
        function_id: &str,
        endpoint: &Endpoint,
        data: &RawValue,
        unix_seconds: u64,
    ) -> Self {
        let body = data.get().to_owned();
        let plain = |name: &str, value: String| (name.to_owned(), HeaderText::Plain(value));
        let mut own = vec![
            plain("Content-Type", "application/json".to_owned()),
            plain(
                "x-iii-Function-Path",
                utf8_percent_encode(function_id, HEADER_SAFE).to_string(),
            ),
            plain("x-iii-Invocation-ID", call.to_string()),
            plain("x-iii-Timestamp", unix_seconds.to_string()),
        ];
        own.extend(match &endpoint.credential {
            None => None,
            Some(Credential::Bearer(token)) => {
                let value = Secret::new(format!("Bearer {}", token.expose()));
                Some(("Authorization".to_owned(), HeaderText::Secret(value)))
            }
            Some(Credential::Hmac(secret)) => {
                let signature = sign(secret, unix_seconds, &body);
                Some(plain("x-iii-Signature", signature))
            }
            Some(Credential::ApiKey { header, value }) => {
                Some((header.clone(), HeaderText::Secret(value.clone())))
            }
        });
        // The engine's own headers win over those of the registration.
        let custom = endpoint.headers.iter().filter(|(name, _)| {
            let same = |(own, _): &(String, HeaderText)| own.eq_ignore_ascii_case(name);
            !own.iter().any(same)
        });
        let mut headers: Vec<(String, HeaderText)> = custom
            .map(|(name, value)| plain(name, value.clone()))
            .collect();
        headers.append(&mut own);
        Self {
            call,
            url: endpoint.url.clone(),
            method: endpoint.method,
            headers,
            body,
        }
    }
}

/// `sha256=` and the hexadecimal HMAC-SHA256 of `<unix seconds>:<base64 of the body>` (CO-21).
fn sign(secret: &Secret, unix_seconds: u64, body: &str) -> String {
    let signed = format!("{unix_seconds}:{}", BASE64_STANDARD.encode(body));
    // An HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(signed.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// What an answer means to the caller: a result, or an error body.
pub(crate) fn interpret(
    outcome: HttpOutcome<'_>,
    function_id: &str,
) -> Result<Box<RawValue>, Box<RawValue>> {
    let (status, body) = match outcome {
        HttpOutcome::Answer { status, body } => (status, body),
        HttpOutcome::TooLarge { bytes_max } => {
            return refuse(
                Code::ResponseTooLarge,
                format!("The endpoint of function '{function_id}' answered with more than {bytes_max} bytes"),
            );
        }
        HttpOutcome::Failed { problem } => {
            return refuse(
                Code::HttpRequestFailed,
                format!("The request to the endpoint of function '{function_id}' failed: {problem}"),
            );
        }
    };
    if !(200..300).contains(&status) {
        return Err(error_of(status, body, function_id));
    }
    if body.trim_ascii().is_empty() {
        return Ok(RawValue::NULL.to_owned());
    }
    serde_json::from_slice(body).or_else(|_| {
        refuse(
            Code::InvalidResponse,
            format!("The endpoint of function '{function_id}' answered {status} with a body that is not JSON"),
        )
    })
}

fn refuse(code: Code, message: String) -> Result<Box<RawValue>, Box<RawValue>> {
    Err(Failure::new(code, message).to_raw().into_owned())
}

/// The error body of an answer, if it has one with a code, or else one of the engine's.
fn error_of(status: u16, body: &[u8], function_id: &str) -> Box<RawValue> {
    #[derive(Deserialize)]
    struct Answer {
        error: ErrorBody,
    }
    #[derive(Deserialize)]
    struct ErrorBody {
        code: String,
        message: Option<String>,
    }
    let redirects = if (300..400).contains(&status) {
        "; redirects are not followed"
    } else {
        ""
    };
    let message = format!("The endpoint of function '{function_id}' answered {status}{redirects}");
    let own = |message| Failure::new(Code::HttpError, message).to_raw().into_owned();
    match serde_json::from_slice(body) {
        Ok(Answer { error }) if !error.code.is_empty() => {
            let body = json!({
                "code": error.code,
                "message": error.message.unwrap_or_else(|| message.clone()),
            });
            to_raw_value(&body).unwrap_or_else(|_| own(message))
        }
        _ => own(message),
    }
}
