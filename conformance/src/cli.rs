//! The command line: what can be said.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{
    ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
    builder::FalseyValueParser,
};
use clap_complete::Shell;
use conformance::{
    case::Level,
    target_file::{self, TargetFile},
};

use crate::diffing::{self, DiffArgs};

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
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "CONFORMANCE_COLOR"
    )]
    pub(crate) color: Color,
}

impl Cli {
    /// Reads the command line. Where a target file says something of a run that neither the
    /// command line nor the environment does, that is the default.
    pub(crate) fn read() -> Self {
        let cli = Self::read_with(None);
        let args = match &cli.command {
            None => &cli.run,
            Some(Command::Run(args) | Command::Replay(args)) => args,
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
        for name in ["run", "replay"] {
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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run cases against an engine (what happens without a command).
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
    /// List the cases: id, level, clauses, title.
    List(ListArgs),
    /// Print the environment variables that an engine under test is to be started with and
    /// without, as commands for a POSIX shell: eval "$(conformance env)".
    Env,
    /// Print a script by which a shell completes command lines, with the names of the cases that
    /// are built in: source <(conformance completions bash).
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Show a clause with its quote and cases, or a case with its steps.
    Explain {
        /// A clause such as RT-07, or the id of a case.
        #[arg(value_name = "CLAUSE|CASE")]
        name: String,
        #[command(flatten)]
        source: Source,
    },
    /// Look at a running engine, and write a target file for it.
    Init(InitArgs),
    /// Say all that is wrong with case files, and where.
    Lint(LintArgs),
    /// Pass on what clients and an engine say to each other, and save it as a case.
    Record(RecordArgs),
    /// Measure the suite: run it against engines that are wrong, trivial, or odd but correct.
    Power(PowerArgs),
    /// Say what one engine does otherwise than another, case by case.
    ///
    /// Two saved reports (json); a report and an engine, which is run with the cases that the report
    /// has; or two engines, which are run one after the other with the same cases and seed. The
    /// first side that is said is A, the second B, reports first; where one side alone is said, the
    /// other is the embedded reference. How long something took is no difference, nor are ids,
    /// ports and points in time.
    #[command(
        after_help = diffing::EXIT_CODES,
        mut_arg("select", |it| it.index(1).value_name("REPORT|CASE|CLAUSE").help(
            "Saved reports, by a name that ends with .json or holds a slash; whatever else is \
             said selects cases, as for `run`"
        )),
        mut_arg("command", |it| it.index(2)),
        mut_arg("expected", |it| it.hide(true)),
        mut_arg("update_expected", |it| it.hide(true)),
        mut_arg("report", |it| it.hide(true)),
        mut_arg("fail_fast", |it| it.hide(true)),
        mut_arg("repeat", |it| it.hide(true)),
        mut_arg("verbose", |it| it.hide(true))
    )]
    Diff(Box<DiffArgs>),
    /// Run the case of a file and show all that is said.
    #[command(
        after_help = EXIT_CODES,
        // Arguments that are changed move behind the others.
        mut_arg("select", |it| it.index(1).value_name("FILE").required(true).help("The case file")),
        mut_arg("command", |it| it.index(2)),
        mut_arg("cases", |it| it.hide(true)),
        mut_arg("slow", |it| it.hide(true)),
        mut_arg("histories", |it| it.hide(true)),
        mut_arg("seed", |it| it.hide(true)),
        mut_arg("level", |it| it.hide(true)),
        mut_arg("profile", |it| it.hide(true)),
        mut_arg("shuffle", |it| it.hide(true)),
        mut_arg("shard", |it| it.hide(true)),
        mut_arg("fail_fast", |it| it.hide(true)),
        mut_arg("repeat", |it| it.hide(true)),
        mut_arg("update_expected", |it| it.hide(true)),
        mut_arg("jobs", |it| it.hide(true)),
        mut_arg("verbose", |it| it.hide(true))
    )]
    Replay(Box<RunArgs>),
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
    #[arg(short, long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: u16,
    /// How often the whole suite is run against the reference, to find cases that flake.
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
    /// Case files, and folders of them; the cases that are built in if none is named.
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

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
    /// How many cases run at once.  [default: 16]
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
