//! How requests to endpoints are made: methods, headers, times, and what they carry (RF-04, CO-21).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::{Method, SessionId};
use serde_json::Value;

use super::requests::{
    altering, called, header, is_custom, registering, remove_header, set_header,
};
use crate::{
    Alter, Fault,
    frames::{code, is_answer, is_registration, set, unset},
    with::{hearing, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = methods();
    all.extend(headers());
    all.extend(times());
    all.extend(carried());
    all
}

fn methods() -> Vec<Fault> {
    vec![
        Fault::new(
            "method-ignored",
            "Makes every request with POST",
            &["RF-04", "RF-14"],
            || altering(|request| request.method = Method::Post),
        ),
        Fault::new(
            "patch-as-put",
            "Makes requests with PUT where PATCH is asked for",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    if request.method == Method::Patch {
                        request.method = Method::Put;
                    }
                })
            },
        ),
        Fault::new(
            "delete-as-post",
            "Makes requests with POST where DELETE is asked for",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    if request.method == Method::Delete {
                        request.method = Method::Post;
                    }
                })
            },
        ),
        Fault::new(
            "post-as-put",
            "Makes requests with PUT where POST is asked for by name",
            &["RF-04", "RF-14"],
            || {
                registering(|invocation| {
                    if invocation.get("method").is_some_and(|it| it == "POST") {
                        set(invocation, "", "method", "PUT");
                    }
                })
            },
        ),
        Fault::new(
            "get-by-default",
            "Makes requests with GET where no method is asked for",
            &["CO-21"],
            || {
                registering(|invocation| {
                    if invocation.get("method").is_none() {
                        set(invocation, "", "method", "GET");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "method-of-the-first-function",
            "Makes every request of a session with the method of its first one",
            &["RF-04"],
            || {
                let mut first: BTreeMap<SessionId, Method> = BTreeMap::new();
                altering(move |request| {
                    request.method = *first.entry(request.session).or_insert(request.method);
                })
            },
        ),
        Fault::new(
            "method-demanded",
            "Ignores functions whose invocation has no method",
            &["RF-04", "RF-03"],
            || {
                hearing(|heard| {
                    let invocation = heard.frame.get("invocation");
                    heard.keep = !is_registration(&heard.frame)
                        || invocation.is_none_or(|it| it.get("method").is_some());
                })
            },
        ),
        Fault::new(
            "headers-demand-a-time",
            "Ignores functions whose invocation has headers and no timeout_ms",
            &["RF-04"],
            || {
                hearing(|heard| {
                    let invocation = heard.frame.get("invocation");
                    heard.keep = !is_registration(&heard.frame)
                        || invocation.is_none_or(|it| {
                            it.get("headers").is_none() || it.get("timeout_ms").is_some()
                        });
                })
            },
        ),
    ]
}

fn headers() -> Vec<Fault> {
    vec![
        Fault::new(
            "headers-lost",
            "Makes requests without the headers of the registration",
            &["RF-04"],
            || registering(|invocation| unset(invocation, "", "headers")),
        ),
        Fault::new(
            "one-header-alone",
            "Makes requests with the first header of the registration alone",
            &["RF-04"],
            || {
                registering(|invocation| {
                    if let Some(Value::Object(headers)) = invocation.get_mut("headers") {
                        let first = headers.keys().next().cloned();
                        headers.retain(|name, _| Some(name) == first.as_ref());
                    }
                })
            },
        ),
        Fault::new(
            "header-values-in-small-letters",
            "Makes requests with the values of headers in small letters",
            &["RF-04"],
            || {
                registering(|invocation| {
                    if let Some(Value::Object(headers)) = invocation.get_mut("headers") {
                        for value in headers.values_mut() {
                            if let Value::String(text) = value {
                                *text = text.to_lowercase();
                            }
                        }
                    }
                })
            },
        ),
        Fault::new(
            "headers-of-other-functions",
            "Makes requests with the headers of all functions of the session",
            &["RF-04"],
            || {
                let mut all: BTreeMap<SessionId, serde_json::Map<String, Value>> = BTreeMap::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame)
                        && let Some(invocation) = heard.frame.get_mut("invocation")
                    {
                        let all = all.entry(heard.from).or_default();
                        if let Some(Value::Object(own)) = invocation.get("headers") {
                            all.extend(own.clone());
                        }
                        set(invocation, "", "headers", all.clone());
                    }
                })
            },
        ),
        Fault::new(
            "headers-on-the-first-request",
            "Makes the first request of a function with its headers, and later ones without",
            &["RF-04"],
            || {
                let mut made = BTreeSet::new();
                altering(move |request| {
                    if !made.insert(called(request)) {
                        request.headers.retain(|(name, _)| !is_custom(name));
                    }
                })
            },
        ),
        Fault::new(
            "headers-lost-beside-a-credential",
            "Makes requests without the headers of the registration where there is an auth",
            &["RF-04"],
            || {
                registering(|invocation| {
                    if invocation.get("auth").is_some() {
                        unset(invocation, "", "headers");
                    }
                })
            },
        ),
    ]
}

fn times() -> Vec<Fault> {
    /// Counts `timeout_ms` in another unit.
    fn scaled(by: impl Fn(u64) -> u64 + Send) -> impl Alter {
        registering(move |invocation| {
            if let Some(time) = invocation.get("timeout_ms").and_then(Value::as_u64) {
                set(invocation, "", "timeout_ms", by(time).clamp(1, 600_000));
            }
        })
    }
    vec![
        Fault::new(
            "time-ignored",
            "Gives every endpoint the time that it has if none is given",
            &["RF-04"],
            || registering(|invocation| unset(invocation, "", "timeout_ms")),
        ),
        Fault::new(
            "time-in-seconds",
            "Takes timeout_ms for seconds",
            &["RF-04"],
            || scaled(|time| time.saturating_mul(1000)),
        ),
        Fault::new(
            "time-in-a-tenth",
            "Gives every endpoint a tenth of its time",
            &["RF-04"],
            || scaled(|time| time / 10),
        )
        .strict(),
        Fault::new(
            "time-ends-in-silence",
            "Gives an endpoint up without telling the caller",
            &["RF-04", "D-11"],
            || {
                sending(|sent| {
                    if is_answer(&sent.frame) && code(&sent.frame) == Some("timeout") {
                        sent.copies = 0;
                    }
                })
            },
        ),
    ]
}

fn carried() -> Vec<Fault> {
    vec![
        Fault::new(
            "time-in-milliseconds",
            "Says the time in milliseconds where nothing is signed",
            &["CO-21"],
            || {
                altering(|request| {
                    const TIME: &str = "x-iii-Timestamp";
                    if header(request, "x-iii-Signature").is_none()
                        && let Some(seconds) = header(request, TIME).map(str::to_owned)
                    {
                        set_header(request, TIME, format!("{seconds}000"));
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "request-body-wrapped",
            "Puts the data of a call into an object under `data`",
            &["CO-21"],
            || altering(|request| request.body = format!(r#"{{"data":{}}}"#, request.body)),
        )
        .strict(),
        Fault::new(
            "request-body-lost-with-get",
            "Makes GET requests without the data of the call",
            &["CO-21"],
            || {
                altering(|request| {
                    if request.method == Method::Get {
                        request.body.clear();
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "request-type-is-text",
            "Says that the body of a request is text",
            &["CO-21"],
            || {
                altering(|request| {
                    if header(request, "content-type").is_some() {
                        set_header(request, "content-type", "text/plain");
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "trace-of-a-request-lost",
            "Makes requests without the trace context of the call",
            &["CO-21", "D-11"],
            || altering(|request| remove_header(request, "traceparent")),
        )
        .strict(),
        Fault::new(
            "failed-requests-untold",
            "Does not tell a caller that a request has failed",
            &["D-11"],
            || {
                sending(|sent| {
                    let codes = ["http_error", "http_request_failed", "invalid_response"];
                    if is_answer(&sent.frame)
                        && code(&sent.frame).is_some_and(|it| codes.contains(&it))
                    {
                        sent.copies = 0;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "endpoint-errors-as-results",
            "Tells a caller that the result is null where the endpoint answers with an error",
            &["D-11"],
            || {
                sending(|sent| {
                    if is_answer(&sent.frame) && code(&sent.frame) == Some("http_error") {
                        unset(&mut sent.frame, "", "error");
                        set(&mut sent.frame, "", "result", Value::Null);
                    }
                })
            },
        )
        .strict(),
    ]
}
