//! The HTTP answer that comes of a request: what a call's outcome becomes, and the engine's own.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{HttpTriggerRequest, Unmatched, clipped, reply};
use crate::error::{Code, Failure};

/// An answer to send. The answer to a `HEAD` request is the same, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// From 200 to 599.
    pub status: u16,
    /// Names are tokens, values hold no control characters but tabs, and may hold UTF-8. None
    /// of them frames the message or belongs to the connection.
    pub headers: Vec<(String, String)>,
    /// Empty if the status allows none.
    pub body: Vec<u8>,
}

/// How a call has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CallOutcome<'a> {
    Result(&'a RawValue),
    /// The error body of the worker or of the endpoint.
    Error(&'a RawValue),
    /// The engine's own.
    Failure(&'a Failure),
}

impl HttpAnswer {
    /// The answer to a body that is larger than is read (D-28).
    #[must_use]
    pub fn payload_too_large(bytes_max: usize) -> Self {
        let message = format!("The body must not be larger than {bytes_max} bytes");
        Self::of_failure(&Failure::new(Code::PayloadTooLarge, message))
    }

    /// The answer to a request that cannot be read; the problem is a whole sentence.
    #[must_use]
    pub fn bad_request(problem: &str) -> Self {
        Self::of_failure(&Failure::new(Code::BadRequest, problem))
    }

    /// A page of the engine's own (D-32).
    pub(crate) fn page(content_type: &str, body: String) -> Self {
        Self {
            status: 200,
            headers: vec![reply::content_type(content_type)],
            body: body.into_bytes(),
        }
    }

    /// The answer to a request whose trigger has called its function.
    pub(crate) fn of_call(outcome: CallOutcome<'_>, function_id: &str) -> Self {
        match outcome {
            CallOutcome::Result(result) => reply::read(result).unwrap_or_else(|problem| {
                let message = format!(
                    "Function '{function_id}' gave an answer that cannot be sent: {problem}"
                );
                Self::of_failure(&Failure::new(Code::InvalidResponse, message))
            }),
            CallOutcome::Error(error) => {
                Self::of_error(502, &WorkerError::read(error, function_id))
            }
            CallOutcome::Failure(failure) => Self::of_failure(failure),
        }
    }

    /// The answer to a request that is for no trigger.
    pub(crate) fn of_unmatched(request: &HttpTriggerRequest<'_>, why: &Unmatched<'_>) -> Self {
        let path = clipped(request.path());
        match why {
            Unmatched::BadPath { problem } => Self::bad_request(problem),
            Unmatched::NotFound => {
                let message = format!("No http trigger is registered for the path '{path}'");
                Self::of_failure(&Failure::new(Code::RouteNotFound, message))
            }
            Unmatched::MethodNotAllowed { allow } => {
                let allow = allow.join(", ");
                let message = format!(
                    "No http trigger is registered for {} of the path '{path}', but for {allow}",
                    clipped(request.method)
                );
                let failure = Failure::new(Code::MethodNotAllowed, message);
                Self::of_failure(&failure).with_allow(allow)
            }
            Unmatched::Options { allow } => {
                let answer = Self {
                    status: 204,
                    headers: Vec::new(),
                    body: Vec::new(),
                };
                answer.with_allow(allow.join(", "))
            }
        }
    }

    /// The answer to a request that the engine itself refuses, or whose call it has ended.
    pub(crate) fn of_failure(failure: &Failure) -> Self {
        let status = match failure.code() {
            Code::BadRequest | Code::InvalidRequest => 400,
            Code::RouteNotFound => 404,
            Code::MethodNotAllowed => 405,
            Code::PayloadTooLarge => 413,
            Code::FunctionNotFound | Code::TooManyRequests => 503,
            Code::Timeout => 504,
            _ => 502,
        };
        Self::of_error(status, failure)
    }

    fn of_error<E: Serialize>(status: u16, error: &E) -> Self {
        #[derive(Serialize)]
        struct ErrorBody<'a, E> {
            error: &'a E,
        }
        Self {
            status,
            headers: vec![reply::content_type("application/json")],
            // Strings: serializing them cannot fail.
            body: serde_json::to_vec(&ErrorBody { error }).unwrap_or_default(),
        }
    }

    fn with_allow(mut self, allow: String) -> Self {
        self.headers.push(("allow".to_owned(), allow));
        self
    }
}

/// What a caller is told of a worker's error: not its stack, nor anything else beside it.
#[derive(Serialize)]
struct WorkerError {
    code: String,
    message: String,
}

impl WorkerError {
    fn read(error: &RawValue, function_id: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Given<'a> {
            #[serde(borrow)]
            code: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<&'a RawValue>,
        }
        let given: Given<'_> = serde_json::from_str(error.get()).unwrap_or_default();
        let text = |raw: Option<&RawValue>| serde_json::from_str(raw?.get()).ok();
        Self {
            code: text(given.code)
                .filter(|code: &String| !code.is_empty())
                .unwrap_or_else(|| Code::InvocationFailed.as_str().to_owned()),
            message: text(given.message)
                .unwrap_or_else(|| format!("Function '{function_id}' failed without a message")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("the test's value is JSON")
    }

    /// Status, headers and body of the answer, a line each.
    fn shown(answer: &HttpAnswer) -> String {
        let headers = answer.headers.iter();
        let headers: String = headers
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        format!(
            "{}\n{headers}{}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        )
    }

    const JSON: &str = "content-type: application/json\n";

    #[test]
    fn results() {
        for (result, expected) in [
            ("[1]", format!("200\n{JSON}[1]")),
            (r#"{"status_code":204}"#, "204\n".to_owned()),
            (
                r#"{"status_code":1}"#,
                format!(
                    r#"502
{JSON}{{"error":{{"code":"invalid_response","message":"{} {}, got 1"}}}}"#,
                    "Function 'f' gave an answer that cannot be sent:",
                    "`status_code` must be a whole number from 200 to 599"
                ),
            ),
        ] {
            let answer = HttpAnswer::of_call(CallOutcome::Result(raw(result)), "f");
            assert_eq!(shown(&answer), expected, "{result}");
        }
    }

    #[test]
    fn failures_of_the_engine() {
        for (failure, status) in [
            (Failure::function_not_found("f"), 503),
            (Failure::too_many_requests("busy"), 503),
            (Failure::timeout("f", 30_000), 504),
            (Failure::worker_gone("f"), 502),
            (Failure::engine_stopping("f"), 502),
            (Failure::invocation_failed("f"), 502),
        ] {
            let answer = HttpAnswer::of_call(CallOutcome::Failure(&failure), "f");
            let body =
                json!({"error": {"code": failure.code().as_str(), "message": failure.message()}});
            assert_eq!(shown(&answer), format!("{status}\n{JSON}{body}"));
        }
    }

    #[test]
    fn errors_of_workers() {
        let own = |code: &str, message: &str| json!({"error": {"code": code, "message": message}});
        for (error, expected) in [
            (
                r#"{"code":"timeout","message":"m\n"}"#,
                own("timeout", "m\n"),
            ),
            (
                r#"{"message":"m","stacktrace":"at f","code":"c"}"#,
                own("c", "m"),
            ),
            (
                r"{}",
                own("invocation_failed", "Function 'f' failed without a message"),
            ),
            (r#"{"code":7,"message":"m"}"#, own("invocation_failed", "m")),
            (
                r#"{"code":"","message":null}"#,
                own("invocation_failed", "Function 'f' failed without a message"),
            ),
        ] {
            let answer = HttpAnswer::of_call(CallOutcome::Error(raw(error)), "f");
            assert_eq!(shown(&answer), format!("502\n{JSON}{expected}"), "{error}");
        }
    }

    #[test]
    fn answers_without_a_call() {
        let request = HttpTriggerRequest {
            method: "PUT",
            target: "/a'b?secret",
            headers: &[],
            body: &[],
        };
        let own = |status: u16, more: &str, code: &str, message: &str| {
            let body = json!({"error": {"code": code, "message": message}});
            format!("{status}\n{JSON}{more}{body}")
        };
        let allow = vec!["GET", "HEAD"];
        for (answer, expected) in [
            (
                HttpAnswer::of_unmatched(&request, &Unmatched::NotFound),
                own(
                    404,
                    "",
                    "route_not_found",
                    "No http trigger is registered for the path '/a'b'",
                ),
            ),
            (
                HttpAnswer::of_unmatched(
                    &request,
                    &Unmatched::MethodNotAllowed {
                        allow: allow.clone(),
                    },
                ),
                own(
                    405,
                    "allow: GET, HEAD\n",
                    "method_not_allowed",
                    "No http trigger is registered for PUT of the path '/a'b', but for GET, HEAD",
                ),
            ),
            (
                HttpAnswer::of_unmatched(&request, &Unmatched::Options { allow }),
                "204\nallow: GET, HEAD\n".to_owned(),
            ),
            (
                HttpAnswer::of_unmatched(
                    &request,
                    &Unmatched::BadPath {
                        problem: "It is bad".to_owned(),
                    },
                ),
                own(400, "", "bad_request", "It is bad"),
            ),
            (
                HttpAnswer::payload_too_large(7),
                own(
                    413,
                    "",
                    "payload_too_large",
                    "The body must not be larger than 7 bytes",
                ),
            ),
        ] {
            assert_eq!(shown(&answer), expected);
        }
    }
}
