//! Functions that are served over HTTP: whether a request is made, and where to (RF-14).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::json;

use super::{
    knowing::knowing,
    requests::{altering, called, redirect, url},
};
use crate::{
    Alter, Fault, Heard,
    frames::{
        code, deny, function_id, id, is, is_answer, is_registration, is_workers_call, set, unset,
    },
    with::{hearing, requesting},
};

pub(super) fn faults() -> Vec<Fault> {
    let mut all = made();
    all.extend(elsewhere());
    all
}

/// What a session registered to be served over HTTP.
#[derive(Default)]
struct Served(BTreeMap<String, SessionId>);

impl Served {
    fn hear(&mut self, heard: &Heard) {
        if is_registration(&heard.frame) {
            let id = id(&heard.frame).to_owned();
            match heard.frame.get("invocation") {
                Some(it) if it.is_object() => _ = self.0.entry(id).or_insert(heard.from),
                _ => {}
            }
        }
    }

    /// Whose the function is that a call is for.
    fn owner(&self, heard: &Heard) -> Option<SessionId> {
        let id = is_workers_call(&heard.frame).then(|| function_id(&heard.frame))?;
        self.0.get(id).copied()
    }
}

fn made() -> Vec<Fault> {
    vec![
        Fault::new("requests-not-made", "Makes no requests", &["RF-14"], || {
            requesting(|_| false)
        }),
        Fault::new(
            "requests-made-once",
            "Makes a request for the first call of a function, and none for later ones",
            &["RF-14"],
            || up_to(1),
        ),
        Fault::new(
            "requests-made-twice",
            "Makes a request for the first two calls of a function, and none for later ones",
            &["RF-14"],
            || up_to(2),
        ),
        Fault::new(
            "requests-for-equal-data-made-once",
            "Makes no request for a call with the data of one before",
            &["RF-14"],
            || {
                let mut made = BTreeSet::new();
                requesting(move |request| made.insert((called(request), request.body.clone())))
            },
        ),
        Fault::new(
            "worker-called-instead",
            "Calls the worker of a function that is served over HTTP",
            &["RF-14", "RF-04"],
            || {
                hearing(|heard| {
                    if is_registration(&heard.frame) {
                        unset(&mut heard.frame, "", "invocation");
                    }
                })
            },
        ),
        Fault::new(
            "worker-called-as-well",
            "Calls the worker of a function that is served over HTTP, and makes a request",
            &["RF-14"],
            || {
                let mut served = Served::default();
                hearing(move |heard| {
                    served.hear(heard);
                    if let Some(owner) = served.owner(heard) {
                        let call = "5e5c9a3e-6f0d-4a1c-9a2f-6a4f4a6d3c11";
                        let mut frame = heard.frame.clone();
                        set(&mut frame, "", "invocation_id", call);
                        heard.said.push((owner, frame));
                    }
                })
            },
        ),
        Fault::new(
            "endpoints-for-their-session-only",
            "Makes requests only for calls of the session that registered the function",
            &["RF-14", "RF-02"],
            || {
                let mut served = Served::default();
                hearing(move |heard| {
                    served.hear(heard);
                    if served.owner(heard).is_some_and(|it| it != heard.from) {
                        deny(heard);
                    }
                })
            },
        ),
        Fault::new(
            "endpoints-not-for-providers",
            "Makes no request for a call of a session that provides a trigger type",
            &["RF-14", "RF-02"],
            || {
                let mut served = Served::default();
                let mut providers = BTreeSet::new();
                hearing(move |heard| {
                    served.hear(heard);
                    if is(&heard.frame, "registertriggertype") {
                        providers.insert(heard.from);
                    }
                    if served.owner(heard).is_some() && providers.contains(&heard.from) {
                        deny(heard);
                    }
                })
            },
        ),
        Fault::new(
            "void-calls-not-requested",
            "Makes no request for a call that nobody waits for",
            &["RF-14"],
            || {
                let mut served = Served::default();
                hearing(move |heard| {
                    served.hear(heard);
                    let void = heard.frame.pointer("/action/type") == Some(&json!("void"));
                    if void && served.owner(heard).is_some() {
                        heard.keep = false;
                    }
                })
            },
        )
        .strict(),
        Fault::new(
            "requests-in-flight-block-others",
            "Makes no request for a function while another one is under way",
            &["RF-14"],
            || {
                #[derive(Default)]
                struct UnderWay(BTreeMap<String, usize>);
                knowing::<UnderWay>()
                    .requesting(|under_way, request| {
                        let count = under_way.0.entry(called(request)).or_default();
                        *count += 1;
                        *count == 1
                    })
                    .sending(|under_way, sent| {
                        if is_answer(&sent.frame) {
                            under_way.0.remove(function_id(&sent.frame));
                        }
                    })
            },
        ),
        Fault::new(
            "failed-endpoint-given-up",
            "Makes no further request to an endpoint that has failed",
            &["RF-14", "D-11"],
            || {
                knowing::<BTreeSet<String>>()
                    .sending(|failed, sent| {
                        let codes = ["http_error", "http_request_failed", "timeout"];
                        if is_answer(&sent.frame)
                            && code(&sent.frame).is_some_and(|it| codes.contains(&it))
                        {
                            failed.insert(function_id(&sent.frame).to_owned());
                        }
                    })
                    .requesting(|failed, request| !failed.contains(&called(request)))
            },
        )
        .strict(),
    ]
}

/// Makes so many requests for each function.
fn up_to(max: usize) -> impl Alter {
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    requesting(move |request| {
        let made = made.entry(called(request)).or_default();
        *made += 1;
        *made <= max
    })
}

fn elsewhere() -> Vec<Fault> {
    vec![
        Fault::new(
            "requests-to-the-first-endpoint",
            "Makes every request of a session to the endpoint of its first one",
            &["RF-14", "RF-04"],
            || {
                let mut first: BTreeMap<SessionId, String> = BTreeMap::new();
                altering(move |request| {
                    let own = url(request);
                    let first = first.entry(request.session).or_insert(own).clone();
                    redirect(request, &first);
                })
            },
        ),
        Fault::new(
            "requests-to-the-latest-endpoint",
            "Makes every request of a session to the endpoint that it registered last",
            &["RF-14", "RF-04"],
            || {
                knowing::<BTreeMap<SessionId, String>>()
                    .hearing(|latest, heard| {
                        let url = crate::frames::text(&heard.frame, "/invocation/url");
                        if let Some(url) = url.filter(|_| is_registration(&heard.frame)) {
                            latest.insert(heard.from, url.to_owned());
                        }
                    })
                    .requesting(|latest, request| {
                        if let Some(url) = latest.get(&request.session) {
                            redirect(request, url);
                        }
                        true
                    })
            },
        ),
        Fault::new(
            "query-lost",
            "Makes requests without the query of the URL",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    let url = url(request);
                    redirect(request, url.split('?').next().unwrap_or_default());
                })
            },
        ),
        Fault::new(
            "query-of-one-parameter",
            "Makes requests with the first parameter of the query alone",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    let url = url(request);
                    if url.contains('?') {
                        redirect(request, url.split('&').next().unwrap_or_default());
                    }
                })
            },
        ),
        Fault::new(
            "slash-added-to-the-path",
            "Puts a slash behind the path of the URL",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    let url = url(request);
                    let (path, query) = match url.split_once('?') {
                        Some((path, query)) => (path, format!("?{query}")),
                        None => (url.as_str(), String::new()),
                    };
                    redirect(request, &format!("{}/{query}", path.trim_end_matches('/')));
                })
            },
        ),
        Fault::new(
            "function-added-to-the-path",
            "Puts the id of the function behind the URL",
            &["RF-04", "RF-14"],
            || {
                altering(|request| {
                    let to = format!("{}/{}", url(request), called(request));
                    redirect(request, &to);
                })
            },
        ),
        Fault::new(
            "escapes-of-the-path-decoded",
            "Decodes what is escaped in the URL",
            &["RF-04"],
            || {
                altering(|request| {
                    let url = url(request);
                    redirect(request, &url.replace("%2F", "/").replace("%2f", "/"));
                })
            },
        )
        .strict(),
    ]
}
