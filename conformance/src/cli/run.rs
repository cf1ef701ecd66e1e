//! What `run` takes.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, ValueEnum};
use conformance_suite::case::Level;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    Must,
    Text,
    Should,
    Companion,
    Observe,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Must => Self::Must,
            LevelArg::Text => Self::Text,
            LevelArg::Should => Self::Should,
            LevelArg::Companion => Self::Companion,
            LevelArg::Observe => Self::Observe,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// Take the cases from this folder instead of those built in.
    #[arg(long, value_name = "FOLDER", env = "CONFORMANCE_CASES")]
    pub(crate) cases: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Selection {
    /// Case ids, beginnings of ids, patterns with `*`, or clauses; everything if none is given.
    #[arg(value_name = "CASE|CLAUSE")]
    pub(crate) select: Vec<String>,
    /// Of these only the cases of some levels: must, text, should, companion, observe; repeatable.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "CONFORMANCE_LEVEL",
        value_delimiter = ','
    )]
    pub(crate) level: Vec<LevelArg>,
    /// A part of the suite with a name; what is selected beside it narrows it further. `list
    /// --profiles` shows them.
    #[arg(long, value_name = "NAME", env = "CONFORMANCE_PROFILE")]
    pub(crate) profile: Option<String>,
    #[command(flatten)]
    pub(crate) source: Source,
}

/// What a run can be told. Whatever is not said here or by its environment variable is taken
/// from the target file, and otherwise has its default.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Let every level decide, not only what the documents demand.
    #[arg(long, env = "CONFORMANCE_STRICT")]
    pub(crate) strict: bool,

    /// Run the cases that take a minute, too: those of cron schedules without seconds.
    #[arg(long, env = "CONFORMANCE_SLOW")]
    pub(crate) slow: bool,

    /// How many random histories to drive the engine through; 0 for none.  [default: 12]
    #[arg(long, value_name = "N", env = "CONFORMANCE_HISTORIES")]
    pub(crate) histories: Option<u32>,

    /// The seed of the random histories and of --shuffle; by default another one each time.
    #[arg(long, value_name = "N", env = "CONFORMANCE_SEED")]
    pub(crate) seed: Option<u64>,

    /// Begin the cases in another order each time, by the seed.
    #[arg(long, env = "CONFORMANCE_SHUFFLE")]
    pub(crate) shuffle: bool,

    /// Run only the K-th of N parts of the cases: each case is in one of them.
    #[arg(long, value_name = "K/N", env = "CONFORMANCE_SHARD")]
    pub(crate) shard: Option<Shard>,

    /// Stop at the first failure that decides.
    #[arg(short = 'x', long, env = "CONFORMANCE_FAIL_FAST")]
    pub(crate) fail_fast: bool,

    /// Run everything so many times, up to the first time that does not conform.
    #[arg(long, value_name = "N", default_value_t = 1, env = "CONFORMANCE_REPEAT",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,

    /// Cases that are known to fail: a JSON array of objects with `case` and `reason`. Added to
    /// those of the target file.
    #[arg(long, value_name = "FILE", env = "CONFORMANCE_EXPECTED")]
    pub(crate) expected: Option<PathBuf>,

    /// Write the list of --expected anew, from what fails in this run.
    #[arg(long, requires = "expected", env = "CONFORMANCE_UPDATE_EXPECTED")]
    pub(crate) update_expected: bool,

    /// Write a report as well: json, jsonl, junit, tap, markdown, badge or html, to a file or to
    /// `-` for standard output; or github, which needs no path; repeatable.
    #[arg(
        long,
        value_name = "FORMAT=PATH",
        env = "CONFORMANCE_REPORT",
        value_delimiter = ','
    )]
    pub(crate) report: Vec<String>,

    /// Show every clause and every branch taken; reports keep the transcripts of all cases.
    #[arg(short, long, env = "CONFORMANCE_VERBOSE")]
    pub(crate) verbose: bool,

    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// Which engine.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// The engine's WebSocket address; without it, a command or a target file that has one, the
    /// embedded reference is started and judged.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_URL")]
    pub(crate) url: Option<String>,

    /// Where the engine at --url serves http triggers.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_HTTP_URL")]
    pub(crate) http_url: Option<String>,

    /// A file that says what the engine is, how it is reached, and what is known of it.
    #[arg(long, value_name = "FILE", env = "CONFORMANCE_TARGET")]
    pub(crate) target: Option<PathBuf>,

    /// The engine at --url was started with what `conformance env` prints.
    #[arg(long, env = "CONFORMANCE_ENV")]
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

    /// Where the suite listens for the requests of the engine; for a port that is not 0, the
    /// next one is used as well.  [default: 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT", env = "CONFORMANCE_CALLBACK_BIND")]
    pub(crate) callback_bind: Option<SocketAddr>,

    /// The name or address under which the engine reaches this machine; by default that of
    /// --callback-bind.
    #[arg(long, value_name = "HOST", env = "CONFORMANCE_CALLBACK_HOST")]
    pub(crate) callback_host: Option<String>,

    /// Do not introduce the suite's sessions with a call of `engine::workers::register`.
    #[arg(long, env = "CONFORMANCE_NO_HELLO")]
    pub(crate) no_hello: bool,

    /// How long an engine that is started may take until it listens, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30, env = "CONFORMANCE_START_TIME_S",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) start_time_s: u64,

    /// A command that starts the engine, after `--`; `{port}` and `{http_port}` in it are free
    /// ports, at which it has to serve workers and http triggers on the loopback interface. It
    /// gets the environment that `conformance env` prints, and is ended after the run.
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "url")]
    pub(crate) command: Vec<String>,
}

/// How fast.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// How many cases run at once; if more than one, as many again may wait for the engine's clock.  [default: 16]
    #[arg(short, long, value_name = "N", env = "CONFORMANCE_JOBS",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,

    /// How long something that has to come may take, in milliseconds; by default up to 3,000,
    /// and less with an engine that was seen to answer faster, or not at all.
    #[arg(long, value_name = "MS", env = "CONFORMANCE_PATIENCE_MS",
          value_parser = clap::value_parser!(u64).range(1..=600_000))]
    pub(crate) patience_ms: Option<u64>,

    /// Give the engine so many times the usual time.  [default: 1]
    #[arg(long, value_name = "FACTOR", env = "CONFORMANCE_TIME_SCALE",
          value_parser = scale)]
    pub(crate) time_scale: Option<f64>,
}

fn scale(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|scale| (0.1..=100.0).contains(scale))
        .ok_or_else(|| "must be a number from 0.1 to 100".to_owned())
}

/// One of several parts of the cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Counted from 1.
    pub(crate) part: usize,
    pub(crate) parts: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let read = parts.and_then(|(part, parts)| {
            Some(Self {
                part: part.parse().ok()?,
                parts: parts.parse().ok()?,
            })
        });
        read.filter(|it| (1..=it.parts).contains(&it.part))
            .ok_or_else(|| "must be K/N, with K from 1 to N".to_owned())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.parts)
    }
}
