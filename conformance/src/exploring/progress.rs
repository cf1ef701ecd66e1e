//! A counter on a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(200);

pub(super) struct Progress {
    began: Instant,
    seen: bool,
    shown: Option<Instant>,
}

impl Progress {
    pub(super) fn new(began: Instant) -> Self {
        // A dumb terminal could not wipe it out.
        let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
        Self {
            began,
            seen: io::stderr().is_terminal() && !dumb,
            shown: None,
        }
    }

    pub(super) fn show(&mut self, operations: u64) {
        let due = self.shown.is_none_or(|it| it.elapsed() > EVERY);
        if self.seen && due {
            self.shown = Some(Instant::now());
            let s = self.began.elapsed().as_secs();
            // If standard error is gone, there is nobody to tell.
            let _ = write!(io::stderr(), "\r{operations} operations, {s} s\x1b[K");
        }
    }

    pub(super) fn wipe(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
