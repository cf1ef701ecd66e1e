//! What the engine answers itself on the port of http triggers, where no trigger does (D-32).

use std::{collections::BTreeMap, fmt::Write};

use super::Engine;
use crate::{Code, HttpAnswer, HttpTriggerRequest};

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What has happened since the engine began.
#[derive(Debug, Default)]
pub(super) struct Tally {
    calls: u64,
    /// The calls that the engine has answered with a code of its own.
    failed: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(super) fn called(&mut self) {
        self.calls += 1;
    }

    pub(super) fn failed(&mut self, code: Code) {
        *self.failed.entry(code.as_str()).or_default() += 1;
    }
}

impl Engine {
    /// The page that a request asks for, if it is one of the engine's own.
    pub(super) fn page(&self, request: &HttpTriggerRequest<'_>) -> Option<HttpAnswer> {
        if !matches!(request.method, "GET" | "HEAD") {
            return None;
        }
        match request.path() {
            "/healthz" => Some(HttpAnswer::page(TEXT, "ok\n".to_owned())),
            "/metrics" => Some(HttpAnswer::page(EXPOSITION, self.metrics())),
            _ => None,
        }
    }

    fn metrics(&self) -> String {
        let triggers = self.sessions.iter().map(|(_, it)| it.triggers.len()).sum();
        let queues = self.firing.queues();
        let mut page = String::new();
        for (name, help, value) in [
            ("sessions", "Sessions of workers.", self.sessions.len()),
            (
                "functions",
                "Function ids that are served.",
                self.functions.len(),
            ),
            ("triggers", "Triggers that are registered.", triggers),
            (
                "trigger_types",
                "Trigger types that workers provide.",
                self.trigger_types.len(),
            ),
            (
                "calls_in_flight",
                "Calls that have still to be answered.",
                self.calls.in_flight(),
            ),
            ("queue_messages", "Messages in queues.", queues.messages()),
            (
                "queue_bytes",
                "What they are together, in bytes.",
                queues.bytes(),
            ),
        ] {
            family(
                &mut page,
                name,
                help,
                "gauge",
                [(String::new(), value as u64)],
            );
        }
        let help = "Calls of functions, by workers and by triggers.";
        let calls = [(String::new(), self.tally.calls)];
        family(&mut page, "calls_total", help, "counter", calls);
        let help = "Calls that the engine has answered with a code of its own.";
        let failed = self.tally.failed.iter();
        let failed = failed.map(|(code, count)| (format!("{{code=\"{code}\"}}"), *count));
        family(&mut page, "calls_failed_total", help, "counter", failed);
        page
    }
}

/// One metric, with a value for each of its labels.
fn family(
    page: &mut String,
    name: &str,
    help: &str,
    kind: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        page,
        "# HELP reference_{name} {help}\n# TYPE reference_{name} {kind}"
    );
    for (labels, value) in values {
        let _ = writeln!(page, "reference_{name}{labels} {value}");
    }
}
