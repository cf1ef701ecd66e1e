//! The `conformance` command: from the command line to the exit code.
//!
//! What judges is [`conformance_suite`], which sees a URL and cannot name an engine. Here it is
//! aimed at one: the embedded reference, those of `power`, and any other.
//!
//! All of it but the allocator is a library, which is compiled as soon as the suite's types are
//! known; a binary would wait for the suite's machine code.

mod again;
mod benching;
mod cli;
mod collecting;
mod commands;
mod completing;
mod diffing;
mod discovering;
mod embedded;
mod engine;
mod exit;
mod exploring;
mod interrupt;
mod judging;
mod linting;
mod power;
mod profiles;
mod recording;
mod replaying;
mod reporting;
mod settings;
mod spawn;

use std::process::ExitCode;

/// Does what the command line asks for, and returns the exit code, of which the README has a
/// table. With a command line that is wrong, or asks for help, it ends the process.
pub fn main() -> ExitCode {
    commands::main()
}
