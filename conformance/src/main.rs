//! The `conformance` command.

mod cli;
mod commands;
mod embedded;
mod exit;
mod judging;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main()
}
