//! The trials.

mod clock;
mod ends;
mod half_open;
mod killed;
mod overload;
mod reattach;
mod sigterm;
mod simulated;
mod slow_reader;
mod soak;

use std::{path::PathBuf, time::Duration};

use clap::ValueEnum;

pub(crate) use self::killed::be_killed;
use crate::{Outcome, engine::Engine, ledger::Ledger};

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trial {
    /// More calls than the engine can take.
    Overload,
    /// A session that stops reading.
    SlowReader,
    /// Workers that are killed in mid-call.
    Killed,
    /// A peer that says nothing any more.
    HalfOpen,
    /// Connections that end in each way there is.
    Ends,
    /// Workers that come back.
    Reattach,
    /// A wall clock that is set.
    Clock,
    /// An engine that is told to stop under load.
    Sigterm,
    /// Random inputs to the pure core.
    Simulation,
    /// A mixed load for a long time.
    Soak,
}

/// How much of everything there is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    engine: PathBuf,
    short: bool,
    seed: u64,
}

impl Plan {
    pub(crate) fn new(engine: PathBuf, short: bool, seed: u64) -> Self {
        Self {
            engine,
            short,
            seed,
        }
    }

    /// What a trial does, in a line.
    pub(crate) fn describe(&self, trial: Trial) -> String {
        match trial {
            Trial::Overload => format!(
                "four times the calls that the engine can take, for {} s, beside sessions that \
                 call one at a time",
                self.overload().as_secs()
            ),
            Trial::SlowReader => "a session stops reading while results are sent to it".to_owned(),
            Trial::Killed => "workers are killed by SIGKILL in mid-call".to_owned(),
            Trial::HalfOpen => match self.short {
                true => "a peer says nothing any more, with --silence-time-ms 2800".to_owned(),
                false => "a peer says nothing any more".to_owned(),
            },
            Trial::Ends => format!(
                "a Close frame without an end of TCP, an end of TCP without a Close frame, and a \
                 reset in mid-frame, {} times each",
                self.ends()
            ),
            Trial::Reattach => format!("a worker comes back {} times", self.reattachments()),
            Trial::Clock => "the wall clock is set while calls are under way".to_owned(),
            Trial::Sigterm => "an engine is told to stop under load".to_owned(),
            Trial::Simulation => format!(
                "the pure core takes {} random steps, seed {}",
                self.steps(),
                self.seed
            ),
            Trial::Soak => format!("a mixed load for {} s", self.soak().as_secs()),
        }
    }

    fn overload(&self) -> Duration {
        Duration::from_secs(self.either(5, 60))
    }

    fn ends(&self) -> usize {
        self.either(5, 50)
    }

    fn reattachments(&self) -> usize {
        self.either(100, 1_000)
    }

    fn steps(&self) -> u64 {
        self.either(200_000, 10_000_000)
    }

    fn soak(&self) -> Duration {
        Duration::from_secs(self.either(8, 240))
    }

    fn either<T>(&self, short: T, whole: T) -> T {
        match self.short {
            true => short,
            false => whole,
        }
    }

    async fn start(&self) -> Outcome<Engine> {
        Engine::start(&self.engine, &[], &[]).await
    }
}

impl Trial {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::SlowReader => "slow-reader",
            Self::Killed => "killed",
            Self::HalfOpen => "half-open",
            Self::Ends => "ends",
            Self::Reattach => "reattach",
            Self::Clock => "clock",
            Self::Sigterm => "sigterm",
            Self::Simulation => "simulation",
            Self::Soak => "soak",
        }
    }

    /// Goes through with it, and files what it has measured.
    pub(crate) async fn run(self, plan: &Plan, ledger: &mut Ledger) -> Outcome {
        match self {
            Self::Overload => overload::run(plan, ledger).await,
            Self::SlowReader => slow_reader::run(plan, ledger).await,
            Self::Killed => killed::run(plan, ledger).await,
            Self::HalfOpen => half_open::run(plan, ledger).await,
            Self::Ends => ends::run(plan, ledger).await,
            Self::Reattach => reattach::run(plan, ledger).await,
            Self::Clock => clock::run(plan, ledger).await,
            Self::Sigterm => sigterm::run(plan, ledger).await,
            Self::Simulation => simulated::run(plan, ledger).await,
            Self::Soak => soak::run(plan, ledger).await,
        }
    }
}
