//! The machine's reports as lines of the log, each in a span that says what it is about: a
//! session, or a call.

use std::collections::{HashMap, VecDeque};

use reference_core::{Event, EventKind, Severity};
use tracing::{Level, Span, span::Id};
use uuid::Uuid;

/// How many sessions that have ended keep their spans: lines about them may still be on their way.
const ENDED_MAX: usize = 64;

/// The spans of sessions.
#[derive(Debug, Default)]
pub(super) struct Log {
    sessions: HashMap<Uuid, Span>,
    ended: VecDeque<Span>,
}

/// A line to be written.
#[derive(Debug)]
pub(super) struct Line {
    /// To count who holds a span would cost more than the rest of a line does.
    session: Option<Id>,
    /// Of a session that begins with the line.
    begun: Option<Span>,
    event: Event,
}

impl Log {
    /// The line for an event, if there is to be one.
    pub(super) fn line(&mut self, event: Event) -> Option<Line> {
        let worker = event.worker;
        let begins = matches!(event.kind, EventKind::Connected);
        let begun = (begins && tracing::enabled!(Level::ERROR)).then(|| session(worker));
        if let Some(span) = &begun {
            self.sessions.insert(worker, span.clone());
        }
        let session = self.sessions.get(&worker).and_then(Span::id);
        if matches!(event.kind, EventKind::Ended { .. }) {
            self.end(worker);
        }
        let is_wanted = match event.kind.severity() {
            Severity::Debug => tracing::enabled!(Level::DEBUG),
            Severity::Info => begins || tracing::enabled!(Level::INFO),
            Severity::Warning => tracing::enabled!(Level::WARN),
        };
        is_wanted.then_some(Line {
            session,
            begun,
            event,
        })
    }

    fn end(&mut self, worker: Uuid) {
        self.ended.extend(self.sessions.remove(&worker));
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
    }
}

impl Line {
    /// The span of the session that begins with it, if one does.
    pub(super) fn begins(&self) -> Option<&Span> {
        self.begun.as_ref()
    }

    pub(super) fn write(self) {
        let Event { worker, kind } = self.event;
        match (kind.invocation(), self.session) {
            (None, Some(session)) => write(session, &kind),
            (None, None) => {
                let session = session(worker);
                write(session.id(), &kind);
            }
            (Some((function, invocation)), _) => {
                let call = call(worker, function, invocation);
                write(call.id(), &kind);
            }
        }
    }
}

fn write(span: impl Into<Option<Id>>, kind: &EventKind) {
    match kind.severity() {
        Severity::Debug => tracing::debug!(parent: span, "{kind}"),
        Severity::Info => tracing::info!(parent: span, "{kind}"),
        Severity::Warning => tracing::warn!(parent: span, "{kind}"),
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
