//! The command line: what can be said.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0    everything that decides has passed
  1    something that decides has failed
  2    the command line, a case file or a name in it is wrong
  3    the target cannot be reached
  4    no case was selected
  5    every selected case was untestable
  6    a case that is expected to fail passes, or does not exist
  70   a fault of the suite's own
  130  interrupted";

/// Judges an engine for the function-and-trigger worker protocol, clause by clause.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run cases against an engine (what happens without a command).
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// List the cases: id, level, clauses, title.
    List(Selection),
    /// Print the environment variables that an engine under test is to be started with and
    /// without, as commands for a POSIX shell: eval "$(conformance env)".
    Env,
    /// Show a clause with its quote and cases, or a case with its steps.
    Explain {
        /// A clause such as RT-07, or the id of a case.
        #[arg(value_name = "CLAUSE|CASE")]
        name: String,
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Take the cases from this folder instead of those built in.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) cases: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// Case ids, beginnings of ids, patterns with `*`, or clauses; everything if none is given.
    #[arg(value_name = "CASE|CLAUSE")]
    pub(crate) select: Vec<String>,
    #[command(flatten)]
    pub(crate) source: Source,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// The engine's WebSocket address; without it the embedded reference is started and judged.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_URL")]
    pub(crate) url: Option<String>,

    /// The engine at --url was started with what `conformance env` prints.
    #[arg(long)]
    pub(crate) env: bool,

    /// An environment variable that the engine at --url was started with: NAME alone for the
    /// value that `conformance env` prints; repeatable.
    #[arg(
        long,
        value_name = "NAME[=VALUE]",
        env = "CONFORMANCE_VARIABLES",
        value_delimiter = ','
    )]
    pub(crate) variable: Vec<String>,

    /// Where the engine at --url serves http triggers.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_HTTP_URL")]
    pub(crate) http_url: Option<String>,

    /// Where the suite listens for the requests of the engine; for a port that is not 0, the
    /// next one is used as well.
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:0",
        env = "CONFORMANCE_CALLBACK_BIND"
    )]
    pub(crate) callback_bind: SocketAddr,

    /// The name or address under which the engine reaches this machine; by default that of
    /// --callback-bind.
    #[arg(long, value_name = "HOST", env = "CONFORMANCE_CALLBACK_HOST")]
    pub(crate) callback_host: Option<String>,

    /// Do not introduce the suite's sessions with a call of `engine::workers::register`.
    #[arg(long)]
    pub(crate) no_hello: bool,

    /// Let every level decide, not only what the documents demand.
    #[arg(long)]
    pub(crate) strict: bool,

    /// Run the cases that take a minute, too: those of cron schedules without seconds.
    #[arg(long)]
    pub(crate) slow: bool,

    /// How many random histories to drive the engine through; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(crate) histories: u32,

    /// The seed of the random histories; by default another one each time.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,

    /// How many cases run at once.
    #[arg(short, long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,

    /// How long something that has to come may take, in milliseconds; by default up to 3,000,
    /// and less with an engine that was seen to answer faster, or not at all.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) patience_ms: Option<u64>,

    /// Show every clause and every branch taken.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}
