//! The request that serves an HTTP-invoked function, and what its answer means
//! (RF-14, CO-21, D-11).

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{json, value::RawValue, value::to_raw_value};
use uuid::Uuid;

use crate::{
    credentials::{Credential, Secret, is_header_value},
    endpoint::{Endpoint, EndpointUrl, Method},
    error::{Code, Failure},
    input::SessionId,
    wire::InvokeFunction,
};

/// A request to make. The engine's own deadline ends it, by [`crate::Effect::CancelRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Names the request; its answer comes back under this id.
    pub call: Uuid,
    /// For whom it is made: what it takes counts as this session's, also once that has ended
    /// (D-28).
    pub session: SessionId,
    /// Where to.
    pub url: EndpointUrl,
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
        /// Why, without a path, a query or a header.
        problem: &'a str,
    },
}

/// Spaces and controls, so that any id is fit for a header.
const HEADER_SAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

impl HttpRequest {
    /// The request of a call that is made at `unix_seconds`.
    pub(crate) fn new(
        call: Uuid,
        session: SessionId,
        endpoint: &Endpoint,
        frame: &InvokeFunction<'_>,
        unix_seconds: u64,
    ) -> Self {
        let body = frame.data.get().to_owned();
        let plain = |name: &str, value: String| (name.to_owned(), HeaderText::Plain(value));
        let mut own = vec![
            plain("Content-Type", "application/json".to_owned()),
            plain(
                "x-iii-Function-Path",
                utf8_percent_encode(&frame.function_id, HEADER_SAFE).to_string(),
            ),
            plain("x-iii-Invocation-ID", call.to_string()),
            plain("x-iii-Timestamp", unix_seconds.to_string()),
        ];
        for (name, text) in [
            ("traceparent", &frame.traceparent),
            ("baggage", &frame.baggage),
        ] {
            let fit = text.as_ref().filter(|text| is_header_value(text));
            own.extend(fit.map(|text| plain(name, text.to_string())));
        }
        own.extend(match &endpoint.credential {
            None => None,
            Some(Credential::Bearer(token)) => {
                let value = Secret::new(format!("Bearer {}", token.expose()));
                Some(("Authorization".to_owned(), HeaderText::Secret(value)))
            }
            Some(Credential::Hmac(key)) => {
                Some(plain("x-iii-Signature", key.sign(unix_seconds, &body)))
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
            .map(|(name, value)| (name.clone(), HeaderText::Secret(value.clone())))
            .collect();
        headers.append(&mut own);
        Self {
            call,
            session,
            url: endpoint.url.clone(),
            method: endpoint.method,
            headers,
            body,
        }
    }
}

/// A request that has no result.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What the caller is told.
    pub(crate) error: Box<RawValue>,
    /// What the log is told: nothing of what the endpoint wrote, which may repeat a credential.
    pub(crate) summary: String,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            error: failure.to_raw().into_owned(),
            summary: failure.message().to_owned(),
        }
    }
}

/// What an answer means to the caller: a result, or an error body (D-11).
pub(crate) fn interpret(
    outcome: HttpOutcome<'_>,
    function_id: &str,
) -> Result<Box<RawValue>, Refusal> {
    let endpoint = format!("endpoint of function '{function_id}'");
    let (status, body) = match outcome {
        HttpOutcome::Answer { status, body } => (status, body),
        HttpOutcome::TooLarge { bytes_max } => {
            let message = format!("The {endpoint} answered with more than {bytes_max} bytes");
            return Err(Failure::new(Code::ResponseTooLarge, message).into());
        }
        HttpOutcome::Failed { problem } => {
            let message = format!("The request to the {endpoint} failed: {problem}");
            return Err(Failure::new(Code::HttpRequestFailed, message).into());
        }
    };
    if !(200..300).contains(&status) {
        return Err(refusal_of(status, body, &endpoint));
    }
    if body.trim_ascii().is_empty() {
        return Ok(RawValue::NULL.to_owned());
    }
    serde_json::from_slice(body).map_err(|_| {
        let message = format!("The {endpoint} answered {status} with a body that is not JSON");
        Failure::new(Code::InvalidResponse, message).into()
    })
}

/// The error of an answer, if it has one with a code, or else one of the engine's.
fn refusal_of(status: u16, body: &[u8], endpoint: &str) -> Refusal {
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
        ", and redirects are not followed"
    } else {
        ""
    };
    let message = format!("The {endpoint} answered {status}{redirects}");
    let mut refusal = Refusal::from(Failure::new(Code::HttpError, message.clone()));
    if let Ok(Answer { error }) = serde_json::from_slice(body)
        && !error.code.is_empty()
    {
        let message = error.message.unwrap_or(message);
        let body = json!({ "code": error.code, "message": message });
        if let Ok(body) = to_raw_value(&body) {
            refusal.error = body;
        }
    }
    refusal
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    fn endpoint(credential: Option<Credential>) -> Endpoint {
        Endpoint {
            url: EndpointUrl::new("http://127.0.0.1:9/hook").unwrap(),
            method: Method::Post,
            timeout: Duration::from_secs(30),
            headers: BTreeMap::from([
                ("X-Custom".to_owned(), Secret::new("value".to_owned())),
                ("authorization".to_owned(), Secret::new("mine".to_owned())),
            ]),
            credential,
        }
    }

    fn headers(credential: Option<Credential>, id: &str) -> Vec<(String, String)> {
        let call = InvokeFunction {
            invocation_id: None,
            function_id: id.into(),
            data: serde_json::from_str(r#"{"b":1.0}"#).unwrap(),
            metadata: None,
            traceparent: Some("00-trace".into()),
            baggage: Some("not\nfit".into()),
            action: None,
        };
        let endpoint = endpoint(credential);
        let request = HttpRequest::new(Uuid::nil(), SessionId(1), &endpoint, &call, 1_700_000_000);
        assert_eq!(request.body, r#"{"b":1.0}"#);
        let shown = |value: HeaderText| match value {
            HeaderText::Plain(text) => text,
            HeaderText::Secret(secret) => secret.expose().to_owned(),
        };
        let headers = request.headers.into_iter();
        headers.map(|(name, value)| (name, shown(value))).collect()
    }

    fn value<'h>(headers: &'h [(String, String)], name: &str) -> Vec<&'h str> {
        let named = headers
            .iter()
            .filter(|(it, _)| it.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn a_request_says_what_it_is_for() {
        let headers = headers(None, "orders.create");
        assert_eq!(value(&headers, "content-type"), ["application/json"]);
        assert_eq!(value(&headers, "x-iii-function-path"), ["orders.create"]);
        assert_eq!(value(&headers, "x-iii-timestamp"), ["1700000000"]);
        assert_eq!(value(&headers, "x-custom"), ["value"]);
        assert_eq!(value(&headers, "authorization"), ["mine"]);
        assert_eq!(value(&headers, "traceparent"), ["00-trace"]);
        assert_eq!(value(&headers, "baggage"), [""; 0]);
    }

    #[test]
    fn any_id_is_fit_for_a_header() {
        let headers = headers(None, "a b\r\nX-Evil: 1 é%");
        assert_eq!(
            value(&headers, "x-iii-function-path"),
            ["a%20b%0D%0AX-Evil:%201%20%C3%A9%25"]
        );
    }

    #[test]
    fn a_credential_wins_over_a_header_of_the_same_name() {
        let token = Credential::Bearer(Secret::new("t0ken".to_owned()));
        assert_eq!(
            value(&headers(Some(token), "f"), "authorization"),
            ["Bearer t0ken"]
        );
        let key = Credential::ApiKey {
            header: "x-custom".to_owned(),
            value: Secret::new("k3y".to_owned()),
        };
        assert_eq!(value(&headers(Some(key), "f"), "x-custom"), ["k3y"]);
    }

    fn meaning(status: u16, body: &str) -> String {
        let answer = HttpOutcome::Answer {
            status,
            body: body.as_bytes(),
        };
        match interpret(answer, "f") {
            Ok(result) => result.get().to_owned(),
            Err(refusal) => refusal.error.get().to_owned(),
        }
    }

    #[test]
    fn what_answers_mean() {
        let own = |code: &str, message: &str| {
            json!({"code": code, "message": format!("The endpoint of function 'f' {message}")})
                .to_string()
        };
        for (status, body, expected) in [
            (
                200,
                r#"{"b":1.0,"a":1e400}"#,
                r#"{"b":1.0,"a":1e400}"#.to_owned(),
            ),
            (201, "  null ", "null".to_owned()),
            (204, "", "null".to_owned()),
            (200, " \n", "null".to_owned()),
            (
                200,
                "<html>",
                own(
                    "invalid_response",
                    "answered 200 with a body that is not JSON",
                ),
            ),
            (500, "oops", own("http_error", "answered 500")),
            (
                404,
                r#"{"error":"text"}"#,
                own("http_error", "answered 404"),
            ),
            (
                302,
                "",
                own("http_error", "answered 302, and redirects are not followed"),
            ),
            (
                422,
                r#"{"error":{"code":"too_small","message":"no","more":1}}"#,
                r#"{"code":"too_small","message":"no"}"#.to_owned(),
            ),
            (
                422,
                r#"{"error":{"code":"too_small"}}"#,
                own("too_small", "answered 422"),
            ),
        ] {
            assert_eq!(meaning(status, body), expected, "{status} {body}");
        }
    }
}
