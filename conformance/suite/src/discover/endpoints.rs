//! Whether an engine reaches endpoints of this machine, and which variables it has.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use serde_json::json;
use tokio::time::Instant;

use super::{
    Engine, Say,
    peer::{Peer, error_of},
};
use crate::{
    endpoint::{Answer, Behaviour, Callback, Endpoint, Endpoints, Kind},
    environment::Environment,
    frame::Frame,
    transcript::Transcript,
};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// For people.
    pub(super) lines: Vec<String>,
    /// Where the suite has to listen, if not where it does anyway.
    pub(super) callback_bind: Option<SocketAddr>,
    pub(super) env: bool,
    pub(super) variables: BTreeMap<String, String>,
}

/// Looks at both, by functions with an `invocation`.
pub(super) async fn look(engine: &Engine, environment: &Environment) -> Look {
    let mut look = Look::default();
    let mut lines = Vec::new();
    let say: &mut Say<'_> = &mut |line| lines.push(line);
    let usual = Callback::default();
    let mut seen = call_all(engine, environment, &usual).await;
    let reached = |seen: &Option<Seen>| seen.as_ref().is_some_and(|it| it.reached);
    if reached(&seen) {
        say("endpoints: those on this machine's loopback interface are reached".to_owned());
    } else {
        let why = seen.as_ref().and_then(|it| it.refused.clone());
        let why = why.map_or_else(String::new, |code| format!(" ({code})"));
        say(format!(
            "endpoints: those on this machine's loopback interface are not reached{why}"
        ));
        let own = engine.own_address().await.filter(|it| !it.is_loopback());
        if let Some(own) = own {
            let bind = SocketAddr::new(own, 0);
            let elsewhere = call_all(engine, environment, &Callback { bind, host: None }).await;
            if reached(&elsewhere) {
                say(format!(
                    "endpoints: those at {own} are; callback_bind {bind}"
                ));
                look.callback_bind = Some(bind);
                seen = elsewhere;
            }
        }
        if look.callback_bind.is_none() {
            say(
                "endpoints: let the engine call loopback addresses over plain http, or, if it \
                 is elsewhere or in a container, say --callback-bind and --callback-host"
                    .to_owned(),
            );
        }
    }
    match seen {
        Some(seen) => judge(&mut look, environment, &seen, say),
        None => say("env: not found out".to_owned()),
    }
    look.lines = lines;
    look
}

/// What is known of the environment of the engine.
fn judge(look: &mut Look, environment: &Environment, seen: &Seen, say: &mut Say<'_>) {
    let fit: BTreeMap<_, _> = telling(environment).collect();
    let refused: Vec<&str> = fit
        .keys()
        .filter(|name| seen.missing.contains(**name))
        .copied()
        .collect();
    let right: BTreeMap<&str, &str> = fit
        .iter()
        .filter(|(name, value)| seen.tokens.get(**name).is_some_and(|it| it == *value))
        .map(|(name, value)| (*name, *value))
        .collect();
    if right.len() == fit.len() {
        look.env = true;
        say("env: it has what `conformance env` prints; env true".to_owned());
    } else if refused.is_empty() && seen.tokens.is_empty() && seen.refuses_missing {
        look.env = true;
        say(
            "env: it has the variables that `conformance env` prints; their values were not seen; \
             env true"
                .to_owned(),
        );
    } else {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        look.variables = right.into_iter().map(owned).collect();
        let other = fit.keys().filter(|name| {
            let token = seen.tokens.get(**name).filter(|it| !it.is_empty());
            token.is_some() && !look.variables.contains_key(**name)
        });
        let other: Vec<&str> = other.copied().collect();
        if !refused.is_empty() {
            say(format!("env: refused as missing: {}", refused.join(", ")));
        }
        if !other.is_empty() {
            let all = other.join(", ");
            say(format!(
                "env: with other values than `conformance env` prints: {all}"
            ));
        }
        if refused.is_empty() && other.is_empty() {
            say("env: not found out".to_owned());
        }
        say(
            "env: start the engine with what `conformance env` prints for credentials to be \
             judged"
                .to_owned(),
        );
    }
}

/// Variables whose values can be seen in a header: the suite's other ones come with them.
fn telling(environment: &Environment) -> impl Iterator<Item = (&str, &str)> {
    let fits = |it: &&String| !it.is_empty() && !it.contains(char::is_control);
    environment
        .set
        .iter()
        .filter(move |(_, value)| fits(value))
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

/// What calls of functions with an `invocation` led to.
#[derive(Debug, Default)]
struct Seen {
    /// Whether a request has arrived.
    reached: bool,
    /// What the first call failed with.
    refused: Option<String>,
    /// The variables for which a registration was refused.
    missing: BTreeSet<String>,
    /// Whether one is that names a variable which must not exist.
    refuses_missing: bool,
    /// What came as the value of each variable.
    tokens: BTreeMap<String, String>,
}

/// A function with an `invocation`.
struct Served {
    id: String,
    /// The variable that it names.
    variable: Option<String>,
    endpoint: Endpoint,
    call: String,
    refused: Option<String>,
    over: bool,
}

/// Registers and calls a function without credentials, and one for each variable; nothing if the
/// suite cannot listen there, or not connect.
async fn call_all(engine: &Engine, environment: &Environment, callback: &Callback) -> Option<Seen> {
    let endpoints = Endpoints::open(callback).await.ok()?;
    let mut peer = Peer::connect(engine, engine.hello).await.ok()?;
    let variables = telling(environment).map(|(name, _)| name);
    let variables = variables.chain(environment.unset.first().map(String::as_str));
    let mut all = Vec::new();
    for variable in std::iter::once(None).chain(variables.map(Some)) {
        let id = engine.id(&format!("endpoint-{}", all.len()));
        let url = endpoints.url(&id, Kind::Http);
        let mut invocation = json!({"url": url, "method": "POST"});
        if let (Some(name), Some(fields)) = (variable, invocation.as_object_mut()) {
            let auth = json!({"type": "bearer", "token_key": name});
            fields.insert("auth".to_owned(), auth);
        }
        let endpoint = serve(&endpoints, &id);
        peer.register_function(&id, Some(invocation)).await;
        let call = peer.call(&id, json!({})).await;
        all.push(Served {
            id,
            variable: variable.map(str::to_owned),
            endpoint,
            call,
            refused: None,
            over: false,
        });
    }
    listen(engine, &mut peer, &mut all).await;
    peer.leave(engine).await;
    let mut seen = Seen::default();
    for served in &mut all {
        seen.add(served, environment).await;
    }
    Some(seen)
}

fn serve(endpoints: &Endpoints, id: &str) -> Endpoint {
    let answer = Answer {
        status: 200,
        headers: Vec::new(),
        body: Some(("{}".to_owned(), "application/json")),
        delay: std::time::Duration::ZERO,
    };
    let behaviour = Behaviour::Answers(vec![answer]);
    endpoints.serve(
        "init",
        id.to_owned(),
        behaviour,
        &BTreeMap::new(),
        &Transcript::default(),
    )
}

/// Waits until every call has come to its end.
async fn listen(engine: &Engine, peer: &mut Peer, all: &mut [Served]) {
    let deadline = engine.deadline();
    while all.iter().any(|it| !it.over) {
        let heard = peer.take(deadline, |frame| hear(frame, all)).await;
        match heard {
            Ok((frame, index)) => {
                if let Some(served) = all.get_mut(index) {
                    served.over |= frame.kind() == "invocationresult";
                    // The registration says why, its call only that there is no such function.
                    let error = error_of(&frame);
                    served.refused = served.refused.take().or(error);
                }
            }
            Err(_) => return,
        }
    }
}

/// Which of the functions a frame is about.
fn hear(frame: &Frame, all: &[Served]) -> Option<usize> {
    let is = |field: &str, value: &str| frame.text_field(field) == Some(value);
    match frame.kind() {
        "functionregistrationresult" | "registrationrejected" => {
            all.iter().position(|it| is("id", &it.id))
        }
        "invocationresult" => all.iter().position(|it| is("invocation_id", &it.call)),
        _ => None,
    }
}

impl Seen {
    async fn add(&mut self, served: &mut Served, environment: &Environment) {
        // Whatever was to come has come.
        let request = served.endpoint.take(Instant::now()).await;
        self.reached |= request.is_some();
        let Some(name) = served.variable.take() else {
            self.refused = served.refused.take();
            return;
        };
        let refused = served.refused.as_deref() == Some("missing_env_var");
        if environment.unset.contains(&name) {
            self.refuses_missing = refused;
            return;
        }
        if refused {
            self.missing.insert(name.clone());
        }
        if let Some(request) = request {
            let header = request.headers.get("authorization");
            let token = header.and_then(|it| it.strip_prefix("Bearer "));
            self.tokens
                .insert(name, token.unwrap_or_default().to_owned());
        }
    }
}
