//! Engines that serve HTTP-invoked functions wrongly: each fault fails the clause that it breaks,
//! and leaves the others alone. And engines that serve them rightly in another way.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use conformance::verdict::{Outcome, Status};
use reference::core::{EndpointUrl, HeaderText, HttpRequest, Method};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    embedded,
    engines::{Fate, Faulty, Part, judge},
};

const CLAUSES: [&str; 7] = [
    "RF-04", "RF-05", "RF-06", "RF-07", "RF-08", "RF-14", "RF-15",
];

/// The ids of the cases that fail at level must, of those that judge endpoints.
async fn failed(machine: Faulty) -> BTreeSet<String> {
    let outcomes = judge(machine, Part::Clauses(&CLAUSES)).await;
    let guilty = outcomes.iter().filter(|it| it.decides_against(false));
    guilty.map(|it| it.case.clone()).collect()
}

/// The faulty engine fails these cases and no others.
async fn fails_exactly(machine: Faulty, cases: &[&str]) {
    let expected: BTreeSet<String> = cases.iter().map(|it| (*it).to_owned()).collect();
    assert_eq!(failed(machine).await, expected);
}

fn value_of(name: &str) -> String {
    embedded::variables()[name].clone()
}

fn header<'r>(request: &'r mut HttpRequest, name: &str) -> Option<&'r mut (String, HeaderText)> {
    let mut headers = request.headers.iter_mut();
    headers.find(|(it, _)| it.eq_ignore_ascii_case(name))
}

fn text(value: &HeaderText) -> &str {
    match value {
        HeaderText::Plain(text) => text,
        HeaderText::Secret(secret) => secret.expose(),
    }
}

fn mac(secret: &str, text: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::sign(&key, text).as_ref().to_vec()
}

#[tokio::test]
async fn the_reference_itself_fails_none() {
    fails_exactly(Faulty::requests(|_| true), &[]).await;
}

#[tokio::test]
async fn an_engine_that_makes_no_requests_fails_what_asks_for_one() {
    let failed = failed(Faulty::requests(|_| false)).await;
    // What depends on a request is untestable, not failed, once the probe has seen none.
    assert!(failed.contains("http-function-is-served-by-a-request"));
    assert!(!failed.contains("bearer-token-is-sent"), "{failed:?}");
}

#[tokio::test]
async fn requests_with_the_wrong_method_fail() {
    let always_post = Faulty::requests(|request| {
        request.method = Method::Post;
        true
    });
    let cases = [
        "api-key-is-sent-with-delete",
        "bearer-token-is-sent-with-get",
        "hmac-signature-is-sent-with-put",
        "http-function-is-requested-with-delete",
        "http-function-is-requested-with-get",
        "http-function-is-requested-with-patch",
        "http-function-is-requested-with-put",
        "methods-are-those-of-their-function",
    ];
    fails_exactly(always_post, &cases).await;
}

#[tokio::test]
async fn requests_to_another_target_fail() {
    let without_query = Faulty::requests(|request| {
        let mut url = request.url.expose().clone();
        url.set_query(None);
        request.url = EndpointUrl::new(url.as_str()).unwrap();
        true
    });
    fails_exactly(without_query, &["endpoint-path-and-query-are-kept"]).await;
    let mut first = None;
    let always_the_first = Faulty::requests(move |request| {
        request.url = first.get_or_insert_with(|| request.url.clone()).clone();
        true
    });
    let failed = failed(always_the_first).await;
    assert!(
        failed.contains("requests-go-to-the-endpoint-of-their-function"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn headers_that_are_lost_fail() {
    let lost = Faulty::requests(|request| {
        request
            .headers
            .retain(|(name, _)| !name.to_lowercase().contains("custom"));
        true
    });
    let cases = [
        "invocation-headers-and-bearer-token-go-together",
        "invocation-headers-are-sent",
        "invocation-headers-are-sent-on-every-call",
        "invocation-headers-are-those-of-their-function",
        "values-of-invocation-headers-are-kept",
    ];
    fails_exactly(lost, &cases).await;
}

#[tokio::test]
async fn a_time_that_is_not_kept_fails() {
    let patient = Faulty::incoming(|frame| {
        if let Some(invocation) = frame.get_mut("invocation").and_then(Value::as_object_mut) {
            invocation.remove("timeout_ms");
        }
        true
    });
    fails_exactly(patient, &["slow-endpoint-is-given-up"]).await;
}

#[tokio::test]
async fn calls_that_go_to_the_worker_as_well_fail() {
    // It serves the function through its worker, and forgets the endpoint.
    let unaware = Faulty::incoming(|frame| {
        if let Some(frame) = frame.as_object_mut() {
            frame.remove("invocation");
        }
        true
    });
    let failed = failed(unaware).await;
    assert!(
        failed.contains("http-function-is-served-by-a-request"),
        "{failed:?}"
    );
}

/// Puts something else in the place of a credential.
fn credential(name: &'static str, alter: fn(&mut HttpRequest, String)) -> Faulty {
    Faulty::requests(move |request| {
        if let Some((_, value)) = header(request, name) {
            let before = text(value).to_owned();
            alter(request, before);
        }
        true
    })
}

fn set(request: &mut HttpRequest, name: &str, value: impl Into<String>) {
    if let Some((_, place)) = header(request, name) {
        *place = HeaderText::Plain(value.into());
    }
}

const BEARER: [&str; 7] = [
    "bearer-token-is-sent-with-get",
    "bearer-token-is-resolved-at-each-registration",
    "bearer-token-is-sent",
    "bearer-token-is-sent-for-another-sessions-call",
    "invocation-headers-and-bearer-token-go-together",
    "bearer-token-is-sent-on-every-call",
    "bearer-tokens-are-those-of-their-function",
];

#[tokio::test]
async fn wrong_bearer_tokens_fail() {
    type Alter = fn(&mut HttpRequest, String);
    let alterations: [Alter; 5] = [
        // Another header; another scheme; no scheme; the name and not the value; nothing.
        |request, value| {
            request
                .headers
                .push(("X-Authorization".to_owned(), HeaderText::Plain(value)));
            request.headers.retain(|(name, _)| name != "Authorization");
        },
        |request, value| set(request, "authorization", value.replace("Bearer", "Token")),
        |request, value| set(request, "authorization", value.replace("Bearer ", "")),
        |request, _| set(request, "authorization", "Bearer CONFORMANCE_TOKEN"),
        |request, _| request.headers.retain(|(name, _)| name != "Authorization"),
    ];
    for alter in alterations {
        fails_exactly(credential("authorization", alter), &BEARER).await;
    }
}

#[tokio::test]
async fn credentials_of_other_functions_fail() {
    let other = |name: &'static str, value: String| {
        Faulty::requests(move |request| {
            set(request, name, value.clone());
            true
        })
    };
    let token = format!("Bearer {}", value_of("CONFORMANCE_OTHER_TOKEN"));
    fails_exactly(other("authorization", token), &BEARER).await;
    fails_exactly(
        other("x-api-key", value_of("CONFORMANCE_OTHER_KEY")),
        &API_KEY,
    )
    .await;
    // Beside its own.
    let both = Faulty::requests(|request| {
        let extra = HeaderText::Plain(value_of("CONFORMANCE_TOKEN"));
        request.headers.push(("X-Extra".to_owned(), extra));
        true
    });
    let failed = failed(both).await;
    for case in [
        "bearer-tokens-are-those-of-their-function",
        "function-without-authentication-carries-no-credential",
        "hmac-secret-is-not-sent",
    ] {
        assert!(failed.contains(case), "{case}: {failed:?}");
    }
}

#[tokio::test]
async fn wrong_api_keys_fail() {
    let fixed_name = Faulty::requests(|request| {
        if let Some((name, _)) = header(request, "x-conformance-key") {
            *name = "X-API-Key".to_owned();
        }
        true
    });
    fails_exactly(fixed_name, &["api-key-header-is-the-one-named"]).await;
    let with_scheme = credential("x-api-key", |request, value| {
        set(request, "x-api-key", format!("Bearer {value}"));
    });
    fails_exactly(with_scheme, &API_KEY).await;
}

const API_KEY: [&str; 6] = [
    "api-key-is-sent-with-delete",
    "api-key-is-resolved-at-each-registration",
    "api-key-is-sent-for-another-sessions-call",
    "api-key-key-is-sent",
    "api-key-key-is-sent-on-every-call",
    "api-key-keys-are-those-of-their-function",
];

const HMAC: [&str; 6] = [
    "hmac-signature-is-sent-with-put",
    "hmac-secret-is-resolved-at-each-registration",
    "request-is-signed-for-another-sessions-call",
    "each-hmac-function-has-a-secret-of-its-own",
    "hmac-signature-is-sent",
    "hmac-signature-is-sent-on-every-call",
];

#[tokio::test]
async fn wrong_signatures_fail() {
    type Alter = fn(&mut HttpRequest, String);
    let alterations: [Alter; 5] = [
        // None; a constant; of another body; one digit off; of the body that is sent, but not it.
        |request, _| {
            request
                .headers
                .retain(|(name, _)| name != "x-iii-Signature")
        },
        |request, _| {
            set(
                request,
                "x-iii-signature",
                format!("sha256={}", "5a".repeat(32)),
            )
        },
        |request, _| {
            let signature = hex::encode(mac(&value_of("WEBHOOK_SECRET"), b"another body"));
            set(request, "x-iii-signature", format!("sha256={signature}"));
        },
        |request, value| {
            let (rest, last) = value.split_at(value.len() - 1);
            let last = if last == "0" { "1" } else { "0" };
            set(request, "x-iii-signature", format!("{rest}{last}"));
        },
        |request, _| request.body.push(' '),
    ];
    for alter in alterations {
        fails_exactly(credential("x-iii-signature", alter), &HMAC).await;
    }
}

#[tokio::test]
async fn a_secret_in_clear_is_no_signature() {
    let clear = credential("x-iii-signature", |request, _| {
        set(request, "x-iii-signature", value_of("WEBHOOK_SECRET"));
    });
    let mut cases = HMAC.to_vec();
    cases.push("hmac-secret-is-not-sent");
    fails_exactly(clear, &cases).await;
    // Beside a signature that is right.
    let both = credential("x-iii-signature", |request, _| {
        let secret = BASE64_STANDARD.encode(value_of("WEBHOOK_SECRET"));
        request
            .headers
            .push(("X-Secret".to_owned(), HeaderText::Plain(secret)));
    });
    fails_exactly(both, &["hmac-secret-is-not-sent"]).await;
}

#[tokio::test]
async fn the_same_signature_for_everything_fails() {
    let mut first = None;
    let constant = Faulty::requests(move |request| {
        if let Some((_, value)) = header(request, "x-iii-signature") {
            let first = first.get_or_insert_with(|| text(value).to_owned());
            *value = HeaderText::Plain(first.clone());
        }
        true
    });
    let failed = failed(constant).await;
    assert!(
        failed.contains("hmac-signature-is-sent-on-every-call"),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_signature_under_the_secret_of_another_function_fails() {
    let other = credential("x-iii-signature", |request, _| {
        let signature = hex::encode(mac(
            &value_of("CONFORMANCE_OTHER_SECRET"),
            request.body.as_bytes(),
        ));
        set(request, "x-iii-signature", format!("sha256={signature}"));
    });
    let mut cases = HMAC.to_vec();
    cases.push("hmac-signatures-are-those-of-their-function");
    fails_exactly(other, &cases).await;
}

#[tokio::test]
async fn a_credential_that_is_looked_for_too_late_fails() {
    // The registration succeeds whatever the variable, and the request is made without it.
    let late = Faulty::incoming(|frame| {
        let named = frame.pointer("/invocation/auth").map(Value::to_string);
        if named.is_some_and(|auth| auth.contains("NO_SUCH_VARIABLE"))
            && let Some(invocation) = frame["invocation"].as_object_mut()
        {
            invocation.remove("auth");
        }
        true
    });
    let failed = failed(late).await;
    for kind in ["bearer", "hmac", "api-key"] {
        for case in [
            format!("missing-{kind}-variable-shows-before-any-call"),
            format!("{kind}-function-without-its-variable-makes-no-request"),
        ] {
            assert!(failed.contains(&case), "{case}: {failed:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_is_altered_differs() {
    let altered = Faulty::requests(|request| {
        request.body = json!({"wrapped": request.body}).to_string();
        true
    });
    let outcomes = judge(altered, Part::Clause("CO-21")).await;
    let differs =
        |it: &&Outcome| it.decides_against(true) && it.clauses.contains(&"CO-21".to_owned());
    let differing: Vec<&str> = outcomes
        .iter()
        .filter(differs)
        .map(|it| it.case.as_str())
        .collect();
    assert!(
        differing.contains(&"http-request-carries-the-data-as-json"),
        "{differing:?}"
    );
}

#[tokio::test]
async fn outcomes_that_are_swallowed_differ() {
    let swallowed = Faulty::outgoing(|frame| {
        let failed = matches!(
            frame["error"]["code"].as_str(),
            Some("http_error" | "timeout" | "http_request_failed" | "invalid_response")
        );
        if frame["type"] == "invocationresult" && failed {
            Fate::Drop
        } else {
            Fate::Keep
        }
    });
    let outcomes = judge(swallowed, Part::Clause("D-11")).await;
    let differing = outcomes
        .iter()
        .filter(|it| it.decides_against(true))
        .count();
    assert!(differing >= 14, "{differing}");
}

/// Signs in another way than the reference does.
fn signing(sign: fn(&mut HttpRequest, &str)) -> Faulty {
    Faulty::requests(move |request| {
        let (time, body) = (
            header(request, "x-iii-timestamp").map(|it| text(&it.1).to_owned()),
            request.body.clone(),
        );
        let Some((_, signature)) = header(request, "x-iii-signature") else {
            return true;
        };
        // Which secret it was signed with is found by trying.
        let signed = format!("{}:{}", time.unwrap(), BASE64_STANDARD.encode(body));
        let signature = text(signature).to_owned();
        let secret = embedded::variables().into_values().find(|secret| {
            signature == format!("sha256={}", hex::encode(mac(secret, signed.as_bytes())))
        });
        request
            .headers
            .retain(|(name, _)| name != "x-iii-Signature");
        sign(request, &secret.unwrap());
        true
    })
}

#[tokio::test]
async fn other_schemes_of_signing_conform_and_are_named() {
    type Sign = fn(&mut HttpRequest, &str);
    let schemes: [(Sign, &str); 3] = [
        (
            |request, secret| {
                let signature = hex::encode(mac(secret, request.body.as_bytes()));
                let value = HeaderText::Plain(format!("sha256={signature}"));
                request
                    .headers
                    .push(("X-Hub-Signature-256".to_owned(), value));
            },
            "signed by a signature of the body, in `x-hub-signature-256`",
        ),
        (
            |request, secret| {
                let signed = format!("msg_1.1700000000.{}", request.body);
                let signature = BASE64_STANDARD.encode(mac(secret, signed.as_bytes()));
                for (name, value) in [
                    ("webhook-id", "msg_1".to_owned()),
                    ("webhook-timestamp", "1700000000".to_owned()),
                    ("webhook-signature", format!("v1,{signature}")),
                ] {
                    request
                        .headers
                        .push((name.to_owned(), HeaderText::Plain(value)));
                }
            },
            "signed by Standard Webhooks, in `webhook-signature`",
        ),
        (
            |request, secret| {
                let signed = format!("1700000000.{}", request.body);
                let signature = hex::encode_upper(mac(secret, signed.as_bytes()));
                let value = HeaderText::Plain(format!("t=1700000000,v1={signature}"));
                request.headers.push(("Webhook-Proof".to_owned(), value));
            },
            "signed by a signature of a time and the body, in `webhook-proof`",
        ),
    ];
    for (sign, remark) in schemes {
        let outcomes = judge(signing(sign), Part::Clause("RF-06")).await;
        for outcome in &outcomes {
            assert!(
                !outcome.decides_against(false),
                "{}: {:?}",
                outcome.case,
                outcome.status
            );
        }
        let named = |it: &&Outcome| it.remarks.contains(&remark.to_owned());
        let signed = outcomes
            .iter()
            .find(named)
            .expect("the report names the scheme");
        assert_eq!(signed.status, Status::Passed);
    }
}
