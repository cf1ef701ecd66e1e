//! The credentials that requests carry, and whose they are (RF-05, RF-07, RF-15).

use std::collections::BTreeMap;

use reference::core::{Method, SessionId, Variable};
use serde_json::Value;

use super::{
    knowing::knowing,
    requests::{altering, called, first_only, remove_header, set_header, with_header},
};
use crate::{
    Alter, Fault,
    frames::{id, is_registration, set, text, unset},
    with::{hearing, looking_up},
};

const BEARER: &str = "Authorization";
const HMAC: &str = "x-iii-Signature";
const API_KEY: &str = "X-API-Key";

pub(super) fn faults() -> Vec<Fault> {
    let mut all = bearer();
    all.extend(api_key());
    all.extend(mixed_up());
    all.extend(resolved());
    all
}

/// Sends in a header what the session's first request had there.
fn of_the_first(name: &'static str) -> impl Alter {
    let mut first: BTreeMap<SessionId, String> = BTreeMap::new();
    with_header(name, move |request, own| {
        let value = first.entry(request.session).or_insert(own).clone();
        set_header(request, name, value);
    })
}

/// Alters the `auth` of registrations of a type.
fn registering(
    kind: &'static str,
    mut with: impl FnMut(&mut Value, SessionId) + Send,
) -> impl Alter {
    hearing(move |heard| {
        if is_registration(&heard.frame)
            && text(&heard.frame, "/invocation/auth/type") == Some(kind)
            && let Some(auth) = heard.frame.pointer_mut("/invocation/auth")
        {
            with(auth, heard.from);
        }
    })
}

/// Resolves for every registration of a session the variable that its first one named.
pub(super) fn variable_of_the_first(kind: &'static str, field: &'static str) -> impl Alter {
    let mut first: BTreeMap<SessionId, Value> = BTreeMap::new();
    registering(kind, move |auth, session| {
        if let Some(own) = auth.get(field).cloned() {
            let name = first.entry(session).or_insert(own).clone();
            set(auth, "", field, name);
        }
    })
}

/// Resolves for every registration of an id the variable that its first one named.
fn variable_of_the_first_registration(kind: &'static str, field: &'static str) -> impl Alter {
    let mut first: BTreeMap<String, Value> = BTreeMap::new();
    hearing(move |heard| {
        let id = id(&heard.frame).to_owned();
        if is_registration(&heard.frame)
            && text(&heard.frame, "/invocation/auth/type") == Some(kind)
            && let Some(auth) = heard.frame.pointer_mut("/invocation/auth")
            && let Some(own) = auth.get(field).cloned()
        {
            let name = first.entry(id).or_insert(own).clone();
            set(auth, "", field, name);
        }
    })
}

/// Takes the name of a variable for its value.
fn name_for_value() -> impl Alter {
    looking_up(|name, found| match found {
        Variable::Value(_) => Variable::Value(name.to_owned()),
        other => other,
    })
}

fn bearer() -> Vec<Fault> {
    vec![
        Fault::new(
            "bearer-token-not-sent",
            "Sends no bearer token",
            &["RF-05"],
            || with_header(BEARER, |request, _| remove_header(request, BEARER)),
        ),
        Fault::new(
            "bearer-token-without-its-scheme",
            "Sends a bearer token without the word before it",
            &["RF-05"],
            || {
                with_header(BEARER, |request, value| {
                    set_header(request, BEARER, value.replace("Bearer ", ""));
                })
            },
        ),
        Fault::new(
            "bearer-token-under-another-scheme",
            "Puts `Token` before a bearer token",
            &["RF-05"],
            || {
                with_header(BEARER, |request, value| {
                    set_header(request, BEARER, value.replace("Bearer ", "Token "));
                })
            },
        ),
        Fault::new(
            "bearer-token-in-another-header",
            "Sends a bearer token in X-Authorization",
            &["RF-05"],
            || {
                with_header(BEARER, |request, value| {
                    remove_header(request, BEARER);
                    set_header(request, "X-Authorization", value);
                })
            },
        ),
        Fault::new(
            "bearer-token-on-the-first-request",
            "Sends a bearer token with the first request of a function alone",
            &["RF-05", "RF-15"],
            || first_only(BEARER),
        ),
        Fault::new(
            "bearer-token-of-the-first-request",
            "Sends the first bearer token of a session with every one of its requests",
            &["RF-05"],
            || of_the_first(BEARER),
        ),
        Fault::new(
            "bearer-token-cut",
            "Loses the last character of a bearer token",
            &["RF-05"],
            || {
                with_header(BEARER, |request, mut value| {
                    value.pop();
                    set_header(request, BEARER, value);
                })
            },
        ),
        Fault::new(
            "bearer-token-lost-beside-headers",
            "Sends no bearer token where the registration has headers",
            &["RF-05", "RF-04"],
            || {
                hearing(|heard| {
                    let invocation = heard.frame.get_mut("invocation");
                    if let Some(invocation) = invocation
                        && invocation.get("headers").is_some()
                    {
                        unset(invocation, "", "auth");
                    }
                })
            },
        ),
    ]
}

fn api_key() -> Vec<Fault> {
    vec![
        Fault::new("api-key-not-sent", "Sends no API key", &["RF-07"], || {
            with_header(API_KEY, |request, _| remove_header(request, API_KEY))
        }),
        Fault::new(
            "api-key-in-a-header-of-its-own",
            "Sends every API key in X-API-Key",
            &["RF-07"],
            || {
                registering("api_key", |auth, _| {
                    set(auth, "", "header", API_KEY);
                })
            },
        ),
        Fault::new(
            "api-key-with-a-scheme",
            "Puts `ApiKey` before an API key",
            &["RF-07"],
            || {
                with_header(API_KEY, |request, value| {
                    set_header(request, API_KEY, format!("ApiKey {value}"));
                })
            },
        ),
        Fault::new(
            "api-key-on-the-first-request",
            "Sends an API key with the first request of a function alone",
            &["RF-07", "RF-15"],
            || first_only(API_KEY),
        ),
        Fault::new(
            "api-key-of-the-first-function",
            "Sends the API key of a session's first function for all of them",
            &["RF-07"],
            || variable_of_the_first("api_key", "value_key"),
        ),
        Fault::new(
            "api-key-as-authorization",
            "Sends every API key as a bearer token",
            &["RF-07"],
            || {
                with_header(API_KEY, |request, value| {
                    remove_header(request, API_KEY);
                    set_header(request, BEARER, format!("Bearer {value}"));
                })
            },
        ),
    ]
}

fn mixed_up() -> Vec<Fault> {
    vec![
        Fault::new(
            "names-for-values",
            "Sends and signs with the names of variables, and not with their values",
            &["RF-05", "RF-06", "RF-07"],
            name_for_value,
        ),
        Fault::new(
            "variables-looked-up-in-small-letters",
            "Looks variables up under their names in small letters",
            &["RF-05", "RF-06", "RF-07"],
            || {
                looking_up(|name, found| match name.to_lowercase() == name {
                    true => found,
                    false => Variable::Missing,
                })
            },
        ),
        Fault::new(
            "credentials-for-functions-without",
            "Sends the latest credential of a session with requests that need none",
            &["RF-05", "RF-06", "RF-07"],
            || {
                let mut latest: BTreeMap<SessionId, Value> = BTreeMap::new();
                hearing(move |heard| {
                    if let Some(invocation) = heard.frame.get_mut("invocation") {
                        match invocation.get("auth").cloned() {
                            Some(auth) => _ = latest.insert(heard.from, auth),
                            None => {
                                if let Some(auth) = latest.get(&heard.from) {
                                    set(invocation, "", "auth", auth.clone());
                                }
                            }
                        }
                    }
                })
            },
        ),
        Fault::new(
            "credentials-with-post-alone",
            "Sends credentials with POST requests alone",
            &["RF-05", "RF-06", "RF-07"],
            || {
                altering(|request| {
                    if request.method != Method::Post {
                        for name in [BEARER, HMAC, API_KEY] {
                            remove_header(request, name);
                        }
                    }
                })
            },
        ),
        Fault::new(
            "credentials-for-the-owner-alone",
            "Sends credentials only for calls of the session that registered the function",
            &["RF-05", "RF-06", "RF-07"],
            || {
                knowing::<BTreeMap<String, SessionId>>()
                    .hearing(|owners, heard| {
                        if is_registration(&heard.frame) {
                            owners.insert(id(&heard.frame).to_owned(), heard.from);
                        }
                    })
                    .requesting(|owners, request| {
                        if owners.get(&called(request)) != Some(&request.session) {
                            for name in [BEARER, HMAC, API_KEY] {
                                remove_header(request, name);
                            }
                        }
                        true
                    })
            },
        ),
    ]
}

fn resolved() -> Vec<Fault> {
    vec![
        Fault::new(
            "old-bearer-token-kept",
            "Goes on with the token that an id was first registered with",
            &["RF-15", "RF-05", "RF-10"],
            || variable_of_the_first_registration("bearer", "token_key"),
        ),
        Fault::new(
            "old-secret-kept",
            "Goes on with the secret that an id was first registered with",
            &["RF-15", "RF-06", "RF-10"],
            || variable_of_the_first_registration("hmac", "secret_key"),
        ),
        Fault::new(
            "old-api-key-kept",
            "Goes on with the API key that an id was first registered with",
            &["RF-15", "RF-07", "RF-10"],
            || variable_of_the_first_registration("api_key", "value_key"),
        ),
    ]
}
