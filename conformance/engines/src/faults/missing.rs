//! Variables that do not exist, and when that is noticed (RF-08, RF-15).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::{SessionId, Variable};
use serde_json::json;

use super::{
    knowing::knowing,
    requests::{called, remove_header},
};
use crate::{
    Alter, Fault, Sent,
    frames::{
        alter, code, function_id, id, is, is_registration, is_workers_call, not_found, set, text,
        unset,
    },
    with::{hearing, looking_up, sending},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = unnoticed();
    all.extend(late());
    all.extend(told());
    all.extend(after_it());
    all
}

fn is_missing(frame: &serde_json::Value) -> bool {
    is(frame, "functionregistrationresult") && code(frame) == Some("missing_env_var")
}

/// Alters how a missing variable is told.
fn telling(mut with: impl FnMut(&mut Sent) + Send) -> impl Alter {
    sending(move |sent| {
        if is_missing(&sent.frame) {
            with(sent);
        }
    })
}

/// Whether it names a variable that no engine under test has.
fn names_nothing(auth: &serde_json::Value) -> bool {
    ["token_key", "secret_key", "value_key"]
        .iter()
        .filter_map(|field| auth.get(*field)?.as_str())
        .any(|name| name == "CONFORMANCE_NO_SUCH_VARIABLE" || name == "LAMBDA_TOKEN")
}

/// Registers functions of a type of authentication without it if its variable is missing.
fn unauthenticated(kind: &'static str) -> impl Alter {
    hearing(move |heard| {
        if is_registration(&heard.frame)
            && text(&heard.frame, "/invocation/auth/type") == Some(kind)
            && heard
                .frame
                .pointer("/invocation/auth")
                .is_some_and(names_nothing)
        {
            unset(&mut heard.frame, "/invocation", "auth");
        }
    })
}

fn unnoticed() -> Vec<Fault> {
    vec![
        Fault::new(
            "missing-token-unnoticed",
            "Makes requests without a token where its variable is missing",
            &["RF-08", "RF-15"],
            || unauthenticated("bearer"),
        ),
        Fault::new(
            "missing-secret-unnoticed",
            "Makes requests without a signature where the variable of the secret is missing",
            &["RF-08", "RF-15"],
            || unauthenticated("hmac"),
        ),
        Fault::new(
            "missing-key-unnoticed",
            "Makes requests without an API key where its variable is missing",
            &["RF-08", "RF-15"],
            || unauthenticated("api_key"),
        ),
        Fault::new(
            "missing-variable-replaced",
            "Takes a fixed value where a variable is missing",
            &["RF-08", "RF-15"],
            || {
                looking_up(|_, found| match found {
                    Variable::Missing => Variable::Value("changeme".to_owned()),
                    other => other,
                })
            },
        ),
        Fault::new(
            "missing-variable-noticed-once",
            "Notices of each variable once that it is missing",
            &["RF-08", "RF-15"],
            || {
                let mut refused = BTreeSet::new();
                hearing(move |heard| {
                    if is_registration(&heard.frame)
                        && heard
                            .frame
                            .pointer("/invocation/auth")
                            .is_some_and(names_nothing)
                        && !refused.insert((heard.from, id(&heard.frame).to_owned()))
                    {
                        unset(&mut heard.frame, "/invocation", "auth");
                    }
                })
            },
        ),
    ]
}

fn late() -> Vec<Fault> {
    vec![
        Fault::new(
            "missing-variable-shows-at-the-call",
            "Notices at the first call that a variable is missing",
            &["RF-15", "RF-08"],
            || {
                knowing::<BTreeSet<String>>().hearing(|late, heard| {
                    if is_registration(&heard.frame)
                        && heard
                            .frame
                            .pointer("/invocation/auth")
                            .is_some_and(names_nothing)
                    {
                        unset(&mut heard.frame, "/invocation", "auth");
                        late.insert(id(&heard.frame).to_owned());
                    }
                    if is_workers_call(&heard.frame) && late.contains(function_id(&heard.frame)) {
                        heard.keep = false;
                        if let Some(mut answer) = not_found(&heard.frame) {
                            set(&mut answer, "/error", "code", "missing_env_var");
                            heard.said.push((heard.from, answer));
                        }
                    }
                })
            },
        ),
        Fault::new(
            "missing-variable-told-and-registered",
            "Says that a variable is missing, and registers the function all the same",
            &["RF-08", "RF-15"],
            || {
                hearing(|heard| {
                    if is_registration(&heard.frame)
                        && heard
                            .frame
                            .pointer("/invocation/auth")
                            .is_some_and(names_nothing)
                    {
                        let mut other = heard.frame.clone();
                        unset(&mut other, "/invocation", "auth");
                        let message = "Missing environment variable";
                        let refused = json!({
                            "type": "functionregistrationresult",
                            "id": id(&heard.frame),
                            "error": {"code": "missing_env_var", "message": message},
                        });
                        heard.said.push((heard.from, refused));
                        heard.frame = other;
                    }
                })
            },
        ),
        Fault::new(
            "missing-variable-leaves-a-worker-function",
            "Registers a function whose variable is missing as one that its worker serves",
            &["RF-08", "RF-15"],
            || {
                hearing(|heard| {
                    if is_registration(&heard.frame)
                        && heard
                            .frame
                            .pointer("/invocation/auth")
                            .is_some_and(names_nothing)
                    {
                        unset(&mut heard.frame, "", "invocation");
                    }
                })
            },
        ),
        Fault::new(
            "credentials-used-up",
            "Makes requests without their credential after the second call of a function",
            &["RF-15", "RF-05", "RF-06", "RF-07"],
            || {
                knowing::<BTreeMap<String, usize>>().requesting(|made, request| {
                    let made = made.entry(called(request)).or_default();
                    *made += 1;
                    if *made > 2 {
                        for name in ["authorization", "x-iii-signature", "x-api-key"] {
                            remove_header(request, name);
                        }
                    }
                    true
                })
            },
        ),
    ]
}

fn told() -> Vec<Fault> {
    vec![
        Fault::new(
            "missing-variable-untold",
            "Refuses a function whose variable is missing and says nothing",
            &["RF-08"],
            || telling(|sent| sent.copies = 0),
        ),
        Fault::new(
            "missing-variable-with-another-code",
            "Says `missing_environment_variable` of a variable that is missing",
            &["RF-08"],
            || {
                telling(|sent| {
                    set(
                        &mut sent.frame,
                        "/error",
                        "code",
                        "missing_environment_variable",
                    );
                })
            },
        ),
        Fault::new(
            "missing-secret-with-another-code",
            "Says `invalid_request` of a secret whose variable is missing",
            &["RF-08"],
            || {
                telling(|sent| {
                    if text(&sent.frame, "/error/message").is_some_and(|it| it.contains("HMAC")) {
                        set(&mut sent.frame, "/error", "code", "invalid_request");
                    }
                })
            },
        ),
        Fault::new(
            "missing-variable-in-double-quotes",
            "Puts the name of a missing variable into double quotes",
            &["RF-08"],
            || {
                telling(|sent| {
                    alter(&mut sent.frame, "/error/message", |it| {
                        it.replace('\'', "\"")
                    })
                })
            },
        )
        .strict(),
        Fault::new(
            "missing-variable-in-small-letters",
            "Says the name of a missing variable in small letters",
            &["RF-08"],
            || {
                telling(|sent| {
                    alter(&mut sent.frame, "/error/message", |message| {
                        let mut parts: Vec<String> =
                            message.split('\'').map(str::to_owned).collect();
                        if let Some(name) = parts.get_mut(1) {
                            *name = name.to_lowercase();
                        }
                        parts.join("'")
                    });
                })
            },
        )
        .strict(),
        Fault::new(
            "missing-variable-told-in-short",
            "Leaves out what is to be done about a missing variable",
            &["RF-08"],
            || {
                telling(|sent| {
                    alter(&mut sent.frame, "/error/message", |message| {
                        message
                            .split_inclusive(". ")
                            .next()
                            .unwrap_or(message)
                            .trim()
                            .to_owned()
                    });
                })
            },
        )
        .strict(),
        Fault::new(
            "kinds-of-authentication-mixed-up",
            "Says of every missing variable that a bearer token needs it",
            &["D-02"],
            || {
                telling(|sent| {
                    alter(&mut sent.frame, "/error/message", |message| {
                        message
                            .replace("HMAC", "Bearer token")
                            .replace("API key", "Bearer token")
                    });
                })
            },
        )
        .strict(),
    ]
}

fn after_it() -> Vec<Fault> {
    vec![
        Fault::new(
            "refused-function-keeps-its-id",
            "Keeps the id of a function whose variable is missing",
            &["RF-08", "RF-10"],
            || {
                let mut refused = BTreeSet::new();
                hearing(move |heard| {
                    if !is_registration(&heard.frame) {
                        return;
                    }
                    let key = (heard.from, id(&heard.frame).to_owned());
                    if heard
                        .frame
                        .pointer("/invocation/auth")
                        .is_some_and(names_nothing)
                    {
                        refused.insert(key);
                    } else if refused.contains(&key) {
                        heard.keep = false;
                    }
                })
            },
        ),
        Fault::new(
            "missing-variable-closes-its-session",
            "Closes the session that names a missing variable",
            &["RF-10", "RF-01"],
            || telling(|sent| sent.close = true),
        ),
        Fault::new(
            "missing-variable-blocks-its-session",
            "Registers nothing more of a session that has named a missing variable",
            &["RF-01", "RF-10"],
            || {
                knowing::<BTreeSet<SessionId>>()
                    .sending(|blocked, sent| {
                        if is_missing(&sent.frame) {
                            blocked.insert(sent.to);
                        }
                    })
                    .hearing(|blocked, heard| {
                        heard.keep =
                            !is_registration(&heard.frame) || !blocked.contains(&heard.from);
                    })
            },
        ),
        Fault::new(
            "missing-variable-takes-endpoints-along",
            "Takes back a session's functions over HTTP when a variable is missing",
            &["RF-14", "RF-01"],
            || {
                let mut served: BTreeMap<SessionId, Vec<String>> = BTreeMap::new();
                hearing(move |heard| {
                    if !is_registration(&heard.frame) {
                        return;
                    }
                    if heard
                        .frame
                        .pointer("/invocation/auth")
                        .is_some_and(names_nothing)
                    {
                        let all = served.remove(&heard.from).unwrap_or_default();
                        let all = all.into_iter();
                        heard
                            .before
                            .extend(all.map(|id| json!({"type": "unregisterfunction", "id": id})));
                    } else if heard.frame.get("invocation").is_some() {
                        let id = id(&heard.frame).to_owned();
                        served.entry(heard.from).or_default().push(id);
                    }
                })
            },
        ),
    ]
}
