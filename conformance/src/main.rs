//! The `conformance` command.

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

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
