//! `conformance completions`: scripts by which shells complete command lines.

use std::io::Write;

use clap::{
    Arg, Command, CommandFactory,
    builder::{PossibleValue, PossibleValuesParser},
};
use clap_complete::Shell;
use conformance_suite::assets;

use crate::{
    cli::Cli,
    commands::unless_closed,
    exit::{Exit, Problem},
};

const NAME: &str = "conformance";

/// Writes the script for a shell.
pub(crate) fn complete(shell: Shell, out: &mut dyn Write) -> Result<Exit, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_cases(Cli::command()), NAME, &mut script);
    unless_closed(out.write_all(&script))?;
    Ok(Exit::Conforms)
}

/// The command line as scripts are to see it: where a case is named, it is one that is built in.
fn with_cases(command: Command) -> Command {
    let named = |it: Arg| it.value_parser(PossibleValuesParser::new(cases()));
    command
        .mut_subcommand("run", |it| {
            // An argument that is changed moves behind the others.
            it.mut_arg("select", |it| named(it).index(1))
                .mut_arg("command", |it| it.index(2))
        })
        .mut_subcommand("list", |it| it.mut_arg("select", named))
        .mut_subcommand("explain", |it| it.mut_arg("name", named))
}

fn cases() -> Vec<PossibleValue> {
    let file = |path: &'static str| path.rsplit('/').next()?.strip_suffix(".json");
    let ids = assets::cases().into_iter().filter_map(|it| file(it.path));
    ids.map(PossibleValue::new).collect()
}
