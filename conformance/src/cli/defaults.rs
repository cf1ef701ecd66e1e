//! Reading the command line, with the environment and a target file behind it.

use clap::{ArgAction, CommandFactory, FromArgMatches, builder::FalseyValueParser};
use conformance_suite::target_file::{self, TargetFile};

use super::{Cli, Command};

impl Cli {
    /// Reads the command line. Where a target file says something of a run that neither the
    /// command line nor the environment does, that is the default.
    pub(crate) fn read() -> Self {
        let cli = Self::read_with(None);
        let args = match &cli.command {
            None => &cli.run,
            Some(Command::Run(args)) => args,
            Some(Command::Replay(args)) => &args.run,
            Some(Command::Explore(args)) => &args.run,
            Some(_) => return cli,
        };
        let file = args.target.target.as_deref().map(TargetFile::read);
        // What is wrong with a file is told later, in the reports as well.
        let Some(Ok(file)) = file else {
            return cli;
        };
        Self::read_with(Some(&file))
    }

    fn read_with(file: Option<&TargetFile>) -> Self {
        let prepare = |command| {
            let command = with_switches(command);
            match file {
                Some(file) => with_defaults(command, file),
                None => command,
            }
        };
        let mut command = prepare(Self::command());
        for name in ["run", "replay", "explore"] {
            command = command.mut_subcommand(name, prepare);
        }
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// Variables of flags say `1` and `0` as well as `true` and `false`.
fn with_switches(command: clap::Command) -> clap::Command {
    command.mut_args(|it| match it.get_action() {
        ArgAction::SetTrue => it.value_parser(FalseyValueParser::new()),
        _ => it,
    })
}

fn with_defaults(mut command: clap::Command, file: &TargetFile) -> clap::Command {
    for (flag, is_set) in [
        ("env", file.env),
        ("no_hello", file.hello == Some(false)),
        ("slow", file.slow),
        ("strict", file.strict),
    ] {
        if is_set {
            command = command.mut_arg(flag, |it| it.default_value("true"));
        }
    }
    for (key, value) in &file.run {
        // Lists of commands live as long as the process does.
        let words = target_file::words(value).unwrap_or_default().into_iter();
        let words: Vec<&'static str> = words.map(|it| &*it.leak()).collect();
        command = command.mut_arg(key.as_str(), |it| it.default_values(words));
    }
    command
}
