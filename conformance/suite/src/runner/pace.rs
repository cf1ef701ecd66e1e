//! How fast cases are run, and how long is waited for what they expect.

use std::{sync::Arc, time::Duration};

use crate::{
    case::Case,
    verdict::{Outcome, Status},
};

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How many cases run at once; if more than one, as many again may wait for the engine's clock.
    pub jobs: usize,
    /// How long something that has to come may take.
    pub patience: Duration,
    /// Whether patience shrinks to what the engine was seen to need when it was probed.
    pub adapts: bool,
    /// How long to listen, after a fence, for something that must not come.
    pub quiet: Duration,
    /// How much longer than usual the engine's clocks take.
    pub clock_scale: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            jobs: 16,
            patience: Duration::from_secs(3),
            adapts: false,
            quiet: Duration::from_millis(25),
            clock_scale: 1.0,
        }
    }
}

/// The least patience with an engine that has answered something, and with one that has not.
const PATIENCE_MIN: Duration = Duration::from_millis(1_500);
const PATIENCE_WITH_SILENCE: Duration = Duration::from_millis(250);

impl Pace {
    /// The pace for an engine that is so many times slower.
    #[must_use]
    pub fn scaled(self, scale: f64) -> Self {
        Self {
            patience: self.patience.mul_f64(scale),
            quiet: self.quiet.mul_f64(scale),
            clock_scale: scale,
            ..self
        }
    }

    /// The pace for the rest of a run, from how long the probes took that passed and that had
    /// not to wait for a clock.
    pub(super) fn adapted(self, probes: &[Outcome], cases: &[Arc<Case>]) -> Self {
        let at_once = |outcome: &&Outcome| {
            let case = cases.iter().find(|case| case.id == outcome.case);
            outcome.status == Status::Passed && case.is_some_and(|case| case.clock_s == 0)
        };
        let passed = probes.iter().filter(at_once);
        let patience = match passed.map(|it| it.took).max() {
            Some(slowest) => (slowest * 20).max(PATIENCE_MIN),
            None => PATIENCE_WITH_SILENCE,
        };
        Self {
            patience: patience.min(self.patience),
            ..self
        }
    }
}
