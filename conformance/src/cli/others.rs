//! What commands other than `run` and `diff` take.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};

use super::{RunArgs, Selection};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// List the profiles instead: name, title.
    #[arg(long)]
    pub(crate) profiles: bool,
    /// A target file, which may have profiles of its own.
    #[arg(long, value_name = "FILE", env = "CONFORMANCE_TARGET")]
    pub(crate) target: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The engine's WebSocket address.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_URL")]
    pub(crate) url: String,
    /// Where the engine serves http triggers; by default port 3111 and the port of --url are
    /// tried.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_HTTP_URL")]
    pub(crate) http_url: Option<String>,
    /// The target file to write; `-` for standard output.
    #[arg(long, value_name = "FILE", default_value = "conformance.json")]
    pub(crate) output: PathBuf,
    /// Write the file anew if it exists.
    #[arg(long)]
    pub(crate) force: bool,
    /// How long to wait for each thing that may come, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 2_000, env = "CONFORMANCE_PATIENCE_MS",
          value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) patience_ms: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The engine's WebSocket address.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_URL")]
    pub(crate) url: String,
    /// Where clients connect instead; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// The case file to write; its name, without .json, becomes the id of the case.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The clause that the case is to judge.
    #[arg(long, value_name = "CLAUSE", default_value = "D-10")]
    pub(crate) clause: String,
    /// How many sessions to wait for: when so many have ended and none is open, it is saved.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) sessions: u16,
}

#[derive(Debug, Args)]
pub(crate) struct PowerArgs {
    /// Names of engines, and patterns with `*`; all of them if none is given.
    #[arg(value_name = "ENGINE")]
    pub(crate) names: Vec<String>,
    /// Name the engines, and run nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// How many engines are judged at once.
    #[arg(short, long, value_name = "N", default_value_t = 32,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,
    /// How often the whole suite is run against the reference, to find cases that flake: so many
    /// times while other engines are judged, and so many times alone.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) repeat: u32,
    /// How it is said.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: PowerFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PowerFormat {
    /// A line an engine, a line a clause, and the figures.
    Human,
    /// The figures, as a list.
    Markdown,
    /// Everything.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Case files, target files, and folders of them; the cases that are built in if none is named.
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How it is said.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: LintFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LintFormat {
    /// A line each: path, line, column, what is wrong, and the JSON pointer.
    Human,
    /// An object with all of it.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Of a report: the case whose transcript is played; it may be left out where only one has one.
    #[arg(long, value_name = "ID")]
    pub(crate) case: Option<String>,
}
