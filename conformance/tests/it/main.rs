//! The suite held to its own rules: its data, its verdicts against faulty engines, its command.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod bench;
mod command;
mod crashes;
mod data;
mod diff;
mod engines;
mod exploring;
mod exploring_command;
mod exploring_faults;
mod faults;
mod fuzz;
mod hostile_engines;
mod hostile_reports;
mod init;
mod lint;
mod no_engines;
mod power;
mod profiles;
#[cfg(unix)]
mod recipes;
mod record;
mod replaying;
mod report_formats;
mod reports;
mod snapshots;
mod targets;
#[cfg(unix)]
mod terminals;

#[path = "../../src/embedded.rs"]
mod embedded;
