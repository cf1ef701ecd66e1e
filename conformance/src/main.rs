//! The `conformance` command.

mod cli;
mod embedded;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
