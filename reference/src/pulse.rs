//! Whether a peer that says nothing is still there.

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::Limits;

/// Whether a peer is still there (D-30). Nothing of it is paid for each message but a flag.
pub(crate) struct Pulse {
    beats: Interval,
    heard: bool,
    silent_beats: u32,
}

pub(crate) enum Beat {
    Alive,
    /// Nothing has come since the last beat: it is to be asked.
    Silent,
    Gone,
}

impl Pulse {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut beats = interval(limits.silence_time_max / 4);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            beats,
            heard: true,
            silent_beats: 0,
        }
    }

    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// The next beat. Nothing is lost if it is not waited for.
    pub(crate) async fn beat(&mut self) -> Beat {
        self.beats.tick().await;
        self.silent_beats = match std::mem::take(&mut self.heard) {
            true => 0,
            false => self.silent_beats + 1,
        };
        match self.silent_beats {
            0 => Beat::Alive,
            1 | 2 => Beat::Silent,
            _ => Beat::Gone,
        }
    }
}
