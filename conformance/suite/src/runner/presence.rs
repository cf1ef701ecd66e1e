//! Whether the engine is still there while cases run against it. One that has crashed would fail
//! every case that comes after, and none of these failures would say anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::Context;
use crate::session::ConnectError;

/// The longest that an engine is waited for which does not listen any more.
const RETURN_TIME_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether it listens again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a case may go on with an engine that is gone: most learn it from their sessions.
const LAST_WORDS_TIME_MAX: Duration = Duration::from_millis(500);

/// An engine that was there when the run began, and is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The cases that were running when it went, in order of their ids.
    pub beside: Vec<String>,
    /// How it shows, for a person.
    pub problem: String,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine went away during the run, ")?;
        beside(&self.beside, f)
    }
}

fn beside(cases: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match cases {
        [] => f.write_str("while no case was running"),
        ids => write!(f, "beside {}", ids.join(", ")),
    }
}

/// An engine that was away during the run, and came back before anybody gave it up: as if it had
/// crashed and something had started it anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// The cases that were running when it went, in order of their ids.
    pub beside: Vec<String>,
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "nobody listened for a while, as if the engine had crashed and been started anew, ",
        )?;
        beside(&self.beside, f)
    }
}

/// What is known of the engine's presence; shared by everything in a run.
#[derive(Debug)]
pub(crate) struct Presence {
    /// How long it may be away without being gone.
    return_time: Duration,
    seen: Mutex<Seen>,
    /// Held while it is found out; no case begins meanwhile.
    doubt: tokio::sync::Mutex<()>,
    gone: watch::Sender<Option<Arc<Gone>>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The cases that have opened a session and have not ended.
    running: BTreeSet<String>,
    /// Those that have ended with a lost connection, and when, unless the engine is known to have
    /// been there afterwards.
    lost: BTreeMap<String, Instant>,
    /// When the engine was asked for the last session that it has opened.
    last: Option<Instant>,
    /// How the process ended that the suite had started.
    process: Option<String>,
    /// Since when nobody listens, and what was running then, until somebody does again.
    away: Option<(Instant, Vec<String>)>,
    restarts: Vec<Restart>,
}

impl Presence {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            return_time: patience.min(RETURN_TIME_MAX),
            seen: Mutex::default(),
            doubt: tokio::sync::Mutex::default(),
            gone: watch::Sender::default(),
        }
    }

    pub(crate) fn gone(&self) -> Option<Arc<Gone>> {
        self.gone.borrow().clone()
    }

    pub(crate) fn restarts(&self) -> Vec<Restart> {
        self.seen().restarts.clone()
    }

    /// Waits until nobody doubts that the engine is there. A case begins only then.
    pub(crate) async fn settled(&self) -> Option<Arc<Gone>> {
        drop(self.doubt.lock().await);
        self.gone()
    }

    /// A case has a session.
    pub(crate) fn opened(&self, case: &str) {
        self.seen().running.insert(case.to_owned());
    }

    /// A session was asked for at `begun`. If it could be opened the engine was there then; if
    /// nobody listens, and somebody does later, it was away.
    pub(crate) fn attempted<T>(&self, begun: Instant, opened: &Result<T, ConnectError>) {
        let mut seen = self.seen();
        match opened {
            Ok(_) => seen.alive(begun),
            Err(error) if error.nobody_listens && seen.away.is_none() => {
                seen.away = Some((Instant::now(), seen.suspects()));
            }
            Err(_) => {}
        }
    }

    /// A case has ended.
    pub(crate) fn ended(&self, case: &str, lost_a_connection: bool) {
        let mut seen = self.seen();
        if seen.running.remove(case) && lost_a_connection {
            seen.lost.insert(case.to_owned(), Instant::now());
        }
    }

    /// The process that the suite had started has ended.
    pub(super) fn process_ended(&self, how: String) {
        self.seen().process = Some(how);
    }

    /// Ends when the engine is gone, and the cases that were running had time to notice.
    pub(super) async fn until_long_gone(&self) {
        let mut gone = self.gone.subscribe();
        // The sender lives as long as `self`.
        let _ = gone.wait_for(Option::is_some).await;
        sleep(LAST_WORDS_TIME_MAX).await;
    }

    /// Finds out whether the engine is still there, on behalf of a case that could not connect,
    /// or has lost a connection. One that listens again in time is there; one that refuses a
    /// session while others go on is, too.
    pub(crate) async fn find_out(&self, context: &Context, case: &str) -> Option<Arc<Gone>> {
        let asked = Instant::now();
        let _no_case_begins = self.doubt.lock().await;
        if let Some(gone) = self.gone() {
            return Some(gone);
        }
        if self.seen().last.is_some_and(|it| it > asked) {
            return None;
        }
        let suspects = self.seen().suspects();
        let deadline = Instant::now() + self.return_time;
        let error = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let begun = Instant::now();
            let looked = context.look(left.max(LOOK_EVERY)).await;
            self.attempted(begun, &looked);
            let Err(error) = looked else {
                return None;
            };
            if !error.nobody_listens && self.seen().others_run(case) {
                return None;
            }
            let nobody_restarts_it = error.nobody_listens && self.seen().process.is_some();
            if nobody_restarts_it || Instant::now() >= deadline {
                break error;
            }
            sleep(LOOK_EVERY).await;
        };
        let gone = Arc::new(Gone {
            beside: suspects,
            problem: match self.seen().process.take() {
                Some(how) => format!("its process ended: {how}"),
                None => error.to_string(),
            },
        });
        self.gone.send_replace(Some(Arc::clone(&gone)));
        Some(gone)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The engine was there at `begun` or later. Of what was lost since then nothing is known: an
    /// engine may have opened a session and crashed before the suite has seen that it is open.
    fn alive(&mut self, begun: Instant) {
        self.last = self.last.max(Some(begun));
        self.lost.retain(|_, when| *when > begun);
        if let Some((_, beside)) = self.away.take_if(|(since, _)| *since < begun) {
            self.restarts.push(Restart { beside });
        }
    }

    /// What was running when the engine was last known to be there, and has noticed or not.
    fn suspects(&self) -> Vec<String> {
        let suspects: BTreeSet<_> = self.running.iter().chain(self.lost.keys()).collect();
        suspects.into_iter().cloned().collect()
    }

    fn others_run(&self, case: &str) -> bool {
        self.running.iter().any(|it| it != case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An engine that crashes may have opened a session that the suite sees only afterwards.
    #[tokio::test(start_paused = true)]
    async fn a_session_that_was_asked_for_before_a_loss_does_not_explain_it() {
        let presence = Presence::new(Duration::from_secs(1));
        let tick = || tokio::time::advance(Duration::from_millis(1));
        presence.opened("a");
        let before = Instant::now();
        tick().await;
        presence.ended("a", true);
        presence.attempted(before, &Ok(()));
        presence.opened("b");
        assert_eq!(presence.seen().suspects(), ["a", "b"]);
        tick().await;
        presence.attempted(Instant::now(), &Ok(()));
        assert_eq!(presence.seen().suspects(), ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_engine_was_away_if_somebody_listens_again() {
        let presence = Presence::new(Duration::from_secs(1));
        let tick = || tokio::time::advance(Duration::from_millis(1));
        presence.opened("a");
        let before = Instant::now();
        tick().await;
        let nobody: Result<(), _> = Err(ConnectError::nobody_listens("ws://127.0.0.1:1"));
        presence.attempted(Instant::now(), &nobody);
        presence.attempted(before, &Ok(()));
        assert_eq!(presence.restarts(), []);
        tick().await;
        presence.attempted(Instant::now(), &Ok(()));
        let beside = vec!["a".to_owned()];
        assert_eq!(presence.restarts(), [Restart { beside }]);
    }
}
