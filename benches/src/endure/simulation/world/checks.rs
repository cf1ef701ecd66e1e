//! What comes out of the engine, and what must hold.

use std::{borrow::Cow, collections::BTreeSet, fmt::Debug, hash::Hash, time::Duration};

use reference_core::{Effect, Machine, SessionId};
use serde_json::Value;

use super::{Announced, REMEMBERED, World};
use crate::peer::{Heard, invoke};

const LISTING: &str = "list";
/// By when everything has been answered: a call ends after 30 s, one over HTTP after as long as
/// its registration says, which is a minute here at most.
const ANSWERED_WITHIN: Duration = Duration::from_secs(61);

impl<M: Machine> World<M> {
    /// Nobody waits for anything.
    pub(in super::super) fn nothing_is_owed(&mut self, when: &str) {
        let owed = [
            ("answers to calls", self.owed_answers.len()),
            ("results of registrations", self.owed_registrations.len()),
            ("answers to HTTP requests", self.owed_responses.len()),
        ];
        for (what, count) in owed.iter().filter(|(_, count)| *count > 0) {
            self.violated(format!("{when}, {count} {what} are owed"));
        }
    }

    /// Nobody is there, and nothing of theirs is.
    pub(in super::super) fn nothing_is_left(&mut self) {
        self.nothing_is_owed("after the last session");
        if !self.requests.is_empty() {
            let count = self.requests.len();
            self.violated(format!("{count} requests are under way for nobody"));
        }
        self.request("GET", "/metrics", b"");
        let page = self.page.take().unwrap_or_default();
        for gauge in [
            "sessions",
            "functions",
            "triggers",
            "trigger_types",
            "calls_in_flight",
        ] {
            let line = format!("\nreference_{gauge} 0\n");
            if !page.contains(&line) {
                self.violated(format!("{gauge} are left: {page}"));
            }
        }
    }

    /// Everything that is asked for is answered in time, or given up.
    pub(in super::super) fn nothing_is_overdue(&mut self) {
        let answers = self.owed_answers.values();
        let registrations = self.owed_registrations.values().map(|(_, since)| since);
        let responses = self.owed_responses.iter().map(|(_, since)| since);
        let requests = self.requests.iter().map(|(_, since)| since);
        let mut owed = answers
            .chain(registrations)
            .chain(responses)
            .chain(requests);
        let overdue = owed.find(|since| **since + ANSWERED_WITHIN < self.monotonic);
        if let Some(since) = overdue.copied() {
            let now = self.monotonic;
            self.violated(format!(
                "at {now:?}, what was asked at {since:?} is under way"
            ));
        }
    }

    /// The engine's own lists: each session has what it has registered, and nothing is of any other.
    pub(in super::super) fn compare_lists(&mut self) {
        let observer = self.connect();
        let listed = self.list(observer, "functions");
        let functions = self.live.iter().flat_map(|(_, it)| &it.functions);
        let functions: BTreeSet<String> = functions.map(|id| (*id).to_owned()).collect();
        self.compare(
            "functions",
            &ids(&listed, "functions", "function_id"),
            &functions,
        );

        let listed = self.list(observer, "workers");
        let served = self.live.iter().flat_map(|(_, it)| {
            let functions = it.functions.iter();
            functions.map(|id| (it.worker_id.clone(), (*id).to_owned()))
        });
        let served: BTreeSet<_> = served.collect();
        self.compare(
            "functions of workers",
            &functions_of_workers(&listed),
            &served,
        );

        let listed = self.list(observer, "registered-triggers");
        let triggers = self.live.iter().flat_map(|(_, it)| {
            let triggers = it.triggers.iter();
            triggers.map(|id| (it.worker_id.clone(), id.clone()))
        });
        let triggers: BTreeSet<_> = triggers.collect();
        self.compare("triggers", &built_in_triggers(&listed), &triggers);
        let workers: BTreeSet<String> = self
            .live
            .iter()
            .map(|(_, it)| it.worker_id.clone())
            .collect();
        let owners = ids(&listed, "registered_triggers", "worker_id");
        if !owners.is_subset(&workers) {
            self.violated(format!("triggers of {owners:?}, and there are {workers:?}"));
        }

        let listed = self.list(observer, "triggers");
        let mut types = ids(&listed, "triggers", "id");
        types.retain(|id| !is_built_in(id));
        let provided: BTreeSet<String> = self.types.keys().map(|id| (*id).to_owned()).collect();
        self.compare("trigger types", &types, &provided);
        self.disconnect(observer);
    }

    fn compare<T: Ord + Debug>(&mut self, what: &str, found: &BTreeSet<T>, wanted: &BTreeSet<T>) {
        if found != wanted {
            self.violated(format!("{what} {found:?}, and not {wanted:?}"));
        }
    }

    fn list(&mut self, observer: SessionId, what: &str) -> Value {
        let function = format!("engine::{what}::list");
        self.send(observer, &invoke(LISTING, &function, "{}"));
        self.listed.take().unwrap_or_default()
    }

    /// Takes what comes out, and sees whether it may.
    pub(super) fn see(&mut self, effect: Effect) {
        match effect {
            Effect::Send { session, frame } => {
                (session, &frame).hash(&mut self.hasher);
                if !self.is_live(session) {
                    return self.violated(format!("sent to {session:?}, which has ended: {frame}"));
                }
                self.hear(session, &frame);
            }
            Effect::Close { session, code, .. } => {
                (session, code.number()).hash(&mut self.hasher);
                if !self.is_live(session) {
                    self.violated(format!("closed {session:?}, which has ended"));
                }
                let is_owed = self.owed_answers.keys().any(|(owner, _)| *owner == session)
                    || self
                        .owed_registrations
                        .keys()
                        .any(|(owner, _)| *owner == session);
                if self.stopping && is_owed {
                    self.violated(format!("a stop leaves {session:?} without an answer"));
                }
                self.forget(session);
            }
            Effect::Request(request) => {
                self.counts.requests_out += 1;
                (request.call, &request.body).hash(&mut self.hasher);
                self.requests.push((request.call, self.monotonic));
            }
            Effect::CancelRequest { call } => {
                call.hash(&mut self.hasher);
                match self.requests.iter().position(|it| it.0 == call) {
                    Some(at) => self.requests.swap_remove(at),
                    None => {
                        return self.violated("gave up a request that is not under way".to_owned());
                    }
                };
                keep(&mut self.given_up, call);
            }
            Effect::Respond { exchange, answer } => {
                (exchange, answer.status).hash(&mut self.hasher);
                match self.owed_responses.iter().position(|it| it.0 == exchange) {
                    Some(at) => self.owed_responses.swap_remove(at),
                    None => return self.violated(format!("{exchange:?} is not waited for")),
                };
                if answer.status == 200 && answer.body.starts_with(b"# HELP") {
                    self.page = String::from_utf8(answer.body.to_vec()).ok();
                }
            }
            Effect::Report(_) => {}
        }
    }

    fn hear(&mut self, session: SessionId, frame: &str) {
        let Ok(heard) = Heard::read(frame) else {
            return self.violated(format!("sent what cannot be read: {frame}"));
        };
        match heard.kind {
            "workerregistered" => {
                if let Some(live) = self.live_mut(session) {
                    live.worker_id = heard.worker_id.unwrap_or_default().into_owned();
                    live.token = heard.reattach_token.unwrap_or_default().into_owned();
                }
            }
            "invokefunction" => {
                let id = heard.invocation_id.unwrap_or_default().into_owned();
                keep(&mut self.handed, (session, id));
            }
            "invocationresult" => self.hear_answer(session, &heard, frame),
            "functionregistrationresult" => {
                let registering = self.registering.take();
                let is_it = |(by, id): (SessionId, &str)| {
                    by == session && heard.id.as_deref() == Some(id) && heard.code().is_some()
                };
                if !registering.is_some_and(is_it) {
                    self.violated(format!("not asked for: {frame}"));
                }
            }
            "triggerregistrationresult" => {
                let is_built_in = heard.trigger_type.as_deref().is_some_and(is_built_in);
                if is_built_in && heard.code().is_none() {
                    let id = heard.id.as_deref().unwrap_or_default().to_owned();
                    let own = self.live_mut(session);
                    own.into_iter()
                        .for_each(|own| _ = own.triggers.insert(id.clone()));
                }
                let key = (session, heard.id.unwrap_or_default().into_owned());
                match self.owed_registrations.remove(&key) {
                    None => self.violated(format!("not asked for by {session:?}: {frame}")),
                    Some((1, _)) => {}
                    Some((more, since)) => {
                        self.owed_registrations.insert(key, (more - 1, since));
                    }
                }
            }
            "registertrigger" => {
                let text = |it: Option<Cow<'_, str>>| it.unwrap_or_default().into_owned();
                let announced = Announced {
                    provider: session,
                    id: text(heard.id),
                    trigger_type: text(heard.trigger_type),
                    function: text(heard.function_id),
                };
                keep(&mut self.announced, announced);
            }
            _ => {}
        }
    }

    fn hear_answer(&mut self, session: SessionId, heard: &Heard<'_>, frame: &str) {
        let id = heard.invocation_id.as_deref().unwrap_or_default();
        if id == LISTING {
            self.listed = heard
                .result
                .and_then(|it| serde_json::from_str(it.get()).ok());
            return;
        }
        self.counts.answers += 1;
        let number = id.strip_prefix('c').and_then(|it| it.parse().ok());
        let was_owed =
            number.is_some_and(|number| self.owed_answers.remove(&(session, number)).is_some());
        if !was_owed {
            self.violated(format!("not waited for by {session:?}: {frame}"));
        }
    }
}

/// Remembers one more; what is forgotten is never answered.
fn keep<T>(list: &mut Vec<T>, one: T) {
    if list.len() == REMEMBERED {
        list.swap_remove(0);
    }
    list.push(one);
}

fn ids(list: &Value, field: &str, id: &str) -> BTreeSet<String> {
    let entries = list.get(field).and_then(Value::as_array);
    let ids = entries.into_iter().flatten().filter_map(|it| it.get(id));
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn is_built_in(trigger_type: &str) -> bool {
    matches!(trigger_type, "http" | "cron" | "queue")
}

/// With the id of its worker each.
fn functions_of_workers(list: &Value) -> BTreeSet<(String, String)> {
    let workers = list.get("workers").and_then(Value::as_array);
    let mut served = BTreeSet::new();
    for worker in workers.into_iter().flatten() {
        let functions = worker.get("functions").and_then(Value::as_array);
        for function in functions.into_iter().flatten() {
            served.insert((
                text(worker, "id"),
                function.as_str().unwrap_or_default().to_owned(),
            ));
        }
    }
    served
}

/// Likewise, of the engine's own types.
fn built_in_triggers(list: &Value) -> BTreeSet<(String, String)> {
    let triggers = list.get("registered_triggers").and_then(Value::as_array);
    let triggers = triggers.into_iter().flatten();
    triggers
        .filter(|it| is_built_in(&text(it, "trigger_type")))
        .map(|it| (text(it, "worker_id"), text(it, "id")))
        .collect()
}

fn text(of: &Value, field: &str) -> String {
    let text = of.get(field).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}
