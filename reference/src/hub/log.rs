//! The machine's reports as lines of the log, each in a span that says what it is about: a
//! session, or a call.

use std::collections::HashMap;

use reference_core::{Event, EventKind, Severity};
use tracing::{Level, Span};
use uuid::Uuid;

/// The spans of the sessions that there are.
#[derive(Debug, Default)]
pub(super) struct Log {
    sessions: HashMap<Uuid, Span>,
}

/// A line to be written.
#[derive(Debug)]
pub(super) struct Line {
    session: Option<Span>,
    event: Event,
}

impl Log {
    /// The line for an event, if there is to be one.
    pub(super) fn line(&mut self, event: Event) -> Option<Line> {
        let worker = event.worker;
        let session = match event.kind {
            EventKind::Connected if tracing::enabled!(Level::ERROR) => {
                let span = session(worker);
                self.sessions.insert(worker, span.clone());
                Some(span)
            }
            EventKind::Ended { .. } => self.sessions.remove(&worker),
            _ => self.sessions.get(&worker).cloned(),
        };
        let is_wanted = match event.kind.severity() {
            // That of a session's beginning brings its span.
            _ if matches!(event.kind, EventKind::Connected) => true,
            Severity::Info => tracing::enabled!(Level::INFO),
            Severity::Warning => tracing::enabled!(Level::WARN),
        };
        is_wanted.then_some(Line { session, event })
    }
}

impl Line {
    /// The span of the session that begins with it, if one does.
    pub(super) fn begins(&self) -> Option<&Span> {
        match self.event.kind {
            EventKind::Connected => self.session.as_ref(),
            _ => None,
        }
    }

    pub(super) fn write(self) {
        let Event { worker, kind } = self.event;
        let span = match kind.invocation() {
            Some((function, invocation)) => call(worker, function, invocation),
            None => self.session.unwrap_or_else(|| session(worker)),
        };
        match kind.severity() {
            Severity::Info => tracing::info!(parent: &span, "{kind}"),
            Severity::Warning => tracing::warn!(parent: &span, "{kind}"),
        }
    }
}

/// Of a level at which it is there for each line that is.
fn session(worker: Uuid) -> Span {
    tracing::error_span!(parent: None, "session", %worker)
}

/// It says whose call it is itself: of the spans around a line only the inmost is written.
fn call(worker: Uuid, function: &str, invocation: Option<&str>) -> Span {
    tracing::error_span!(parent: None, "invocation", %worker, function, invocation)
}
