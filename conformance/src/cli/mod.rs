//! The command line: what can be said.

mod defaults;
mod others;
mod run;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::{
    others::{
        InitArgs, LintArgs, LintFormat, ListArgs, PowerArgs, PowerFormat, RecordArgs, ReplayArgs,
    },
    run::{LevelArg, RunArgs, Selection, Source, TargetArgs},
};
use crate::{
    benching::BenchArgs,
    diffing::{self, DiffArgs},
    exploring::ExploreArgs,
};

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
    /// Say all that is wrong with case files and target files, and where.
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
    /// Look for random sessions that an engine gets wrong, and make them as short as they can be.
    Explore(Box<ExploreArgs>),
    /// Load an engine, and say what it costs beside a server that only passes frames on.
    ///
    /// Figures of one machine at one time: what holds elsewhere are the ratios, with their spread over the
    /// rounds. The floor of calls is a relay between the same sockets; that of http triggers is a server
    /// that answers at once, and one call through the relay.
    Bench(Box<BenchArgs>),
    /// Run the case of a file and show all that is said.
    ///
    /// Of a report of a run (json) it sends again what a transcript has that was kept, and says
    /// whether the engine says the same as then.
    #[command(
        after_help = EXIT_CODES,
        // Arguments that are changed move behind the others.
        mut_arg("select", |it| it.index(1).value_name("FILE").required(true).help("The case file, or a report")),
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
    Replay(Box<ReplayArgs>),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}
