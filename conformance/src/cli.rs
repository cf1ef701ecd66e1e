//! The command line: what can be said, and what the exit code means.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, Parser, Subcommand, ValueEnum};
use conformance::{
    case::{Case, Cases},
    histories,
    ledger::Ledger,
    report::{self, Run, Style},
    runner::{self, Context, Event, Pace, Target},
    verdict::{Outcome, Status, Tally},
};
use tokio::sync::mpsc;

use crate::embedded;

/// How a command ends. Formats and verbosity never change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Conforms = 0,
    DoesNotConform = 1,
    Usage = 2,
    Unreachable = 3,
    NothingRan = 4,
    OnlyUntestable = 5,
    OurFault = 70,
    Interrupted = 130,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    everything that decides has passed
  1    something that decides has failed
  2    the command line, a case file or a name in it is wrong
  3    the target cannot be reached
  4    no case was selected
  5    every selected case was untestable
  70   a fault of the suite's own
  130  interrupted";

/// Judges an engine for the function-and-trigger worker protocol, clause by clause.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cases against an engine (what happens without a command).
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// List the cases: id, level, clauses, title.
    List(Selection),
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
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Args)]
struct Source {
    /// Take the cases from this folder instead of those built in.
    #[arg(long, value_name = "FOLDER")]
    cases: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Selection {
    /// Case ids, beginnings of ids, patterns with `*`, or clauses; everything if none is given.
    #[arg(value_name = "CASE|CLAUSE")]
    select: Vec<String>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    selection: Selection,

    /// The engine's WebSocket address; without it the embedded reference is started and judged.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_URL")]
    url: Option<String>,

    /// An environment variable that the engine at --url was started with; repeatable.
    #[arg(
        long,
        value_name = "NAME",
        env = "CONFORMANCE_VARIABLES",
        value_delimiter = ','
    )]
    variable: Vec<String>,

    /// Do not introduce the suite's sessions with a call of `engine::workers::register`.
    #[arg(long)]
    no_hello: bool,

    /// Let every level decide, not only what the documents demand.
    #[arg(long)]
    strict: bool,

    /// How many random histories to drive the engine through; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 12)]
    histories: u32,

    /// The seed of the random histories; by default another one each time.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How many cases run at once.
    #[arg(short, long, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,

    /// How long something that has to come may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3_000,
          value_parser = clap::value_parser!(u64).range(1..=600_000))]
    patience_ms: u64,

    /// Show every clause and every branch taken.
    #[arg(short, long)]
    verbose: bool,
}

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let choice = match cli.color {
        Color::Auto => AutoStream::choice(&io::stdout()),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut out = AutoStream::new(io::stdout(), choice);
    let done = match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(args) => run(&args, &mut out),
        Command::List(selection) => list(&selection, &mut out),
        Command::Explain { name, source } => explain(&name, &source, &mut out),
    };
    let exit = done.unwrap_or_else(|problem| {
        // If standard error is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "error: {}", problem.message);
        problem.exit
    });
    ExitCode::from(exit as u8)
}

/// Why a command could not do what it was asked to.
#[derive(Debug)]
struct Problem {
    exit: Exit,
    message: String,
}

impl Problem {
    fn new(exit: Exit, message: impl ToString) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::new(Exit::OurFault, format!("cannot write the report: {error}"))
    }
}

fn load(source: &Source) -> Result<(Ledger, Cases), Problem> {
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let cases = match &source.cases {
        Some(folder) => {
            Cases::from_folder(folder, &ledger).map_err(|error| Problem::new(Exit::Usage, error))?
        }
        None => Cases::embedded(&ledger).map_err(|error| Problem::new(Exit::OurFault, error))?,
    };
    Ok((ledger, cases))
}

fn select(selection: &Selection, cases: &Cases) -> Result<Vec<Case>, Problem> {
    let unknown = |selector: &&String| {
        *selector != histories::ID && cases.select(std::slice::from_ref(*selector)).is_empty()
    };
    if let Some(selector) = selection.select.iter().find(unknown) {
        let message = format!("nothing is called `{selector}`; `conformance list` shows the cases");
        return Err(Problem::new(Exit::NothingRan, message));
    }
    let mut selected = cases.select(&selection.select);
    if selection.select.iter().any(|it| it == histories::ID) {
        let probes = cases
            .iter()
            .filter(|it| it.probes.is_some() && !selected.iter().any(|other| other.id == it.id));
        let probes: Vec<Case> = probes.cloned().collect();
        selected.extend(probes);
    }
    if selected.is_empty() {
        return Err(Problem::new(Exit::NothingRan, "there are no cases"));
    }
    Ok(selected)
}

/// A reader that stops reading, such as `head`, is no fault of anybody's.
fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn list(selection: &Selection, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (_, cases) = load(&selection.source)?;
    unless_closed(report::list(&select(selection, &cases)?, out))?;
    Ok(Exit::Conforms)
}

fn explain(name: &str, source: &Source, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (ledger, cases) = load(source)?;
    let written = if let Some(clause) = ledger.clause(&name.to_ascii_uppercase()) {
        report::explain_clause(clause, &cases, out)
    } else if let Some(case) = cases.get(name) {
        report::explain_case(case, out)
    } else {
        let message = format!("no clause and no case is called `{name}`; see `conformance list`");
        return Err(Problem::new(Exit::Usage, message));
    };
    unless_closed(written)?;
    Ok(Exit::Conforms)
}

fn run(args: &RunArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (ledger, cases) = load(&args.selection.source)?;
    let selected = select(&args.selection, &cases)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(Exit::OurFault, error))?;
    let interrupted = || Problem::new(Exit::Interrupted, "interrupted");
    runtime.block_on(async {
        tokio::select! {
            done = judge(args, &ledger, selected, out) => done,
            _ = tokio::signal::ctrl_c() => Err(interrupted()),
        }
    })
}

async fn judge(
    args: &RunArgs,
    ledger: &Ledger,
    cases: Vec<Case>,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let began = Instant::now();
    let (target, server) = match &args.url {
        Some(url) => {
            unless_closed(writeln!(out, "target: {url}"))?;
            let target = Target {
                url: url.clone(),
                variables_set: args.variable.iter().cloned().collect(),
                hello: !args.no_hello,
            };
            (target, None)
        }
        None => {
            let server = embedded::start()
                .await
                .map_err(|error| Problem::new(Exit::OurFault, error))?;
            unless_closed(writeln!(
                out,
                "target: the embedded reference at {} (--url aims at another engine)",
                server.url()
            ))?;
            let target = Target {
                url: server.url(),
                variables_set: embedded::variables_set(),
                hello: !args.no_hello,
            };
            (target, Some(server))
        }
    };
    let pace = Pace {
        jobs: args.jobs.into(),
        patience: Duration::from_millis(args.patience_ms),
        ..Pace::default()
    };
    let context = Context::new(target, pace).map_err(|it| Problem::new(Exit::OurFault, it))?;
    let context = Arc::new(context);
    context
        .reach()
        .await
        .map_err(|error| Problem::new(Exit::Unreachable, error))?;
    let plan = histories_plan(args);
    let (events, listener) = mpsc::unbounded_channel();
    let progress = tokio::spawn(show_progress(listener));
    let outcomes = runner::run(&context, cases, plan, &events).await;
    drop(events);
    // The counter is for the eye only.
    let _ = progress.await;
    if let Some(server) = server {
        server.shutdown().await;
    }
    let run = Run {
        ledger,
        outcomes: &outcomes,
        complete: args.selection.select.is_empty(),
        strict: args.strict,
        again: &again(args, plan, &outcomes),
        took: began.elapsed(),
    };
    let style = Style {
        verbose: args.verbose,
    };
    unless_closed(report::human(&run, style, out))?;
    Ok(exit_of(&outcomes, args.strict))
}

/// Random histories belong to a run of everything, and can be asked for by name.
fn histories_plan(args: &RunArgs) -> Option<histories::Plan> {
    let select = &args.selection.select;
    let wanted = select.is_empty() || select.iter().any(|it| it == histories::ID);
    (wanted && args.histories > 0).then(|| histories::Plan {
        histories: args.histories,
        steps_max: 40,
        seed: args.seed.unwrap_or_else(histories::random_seed),
        strict: args.strict || args.url.is_none(),
    })
}

fn exit_of(outcomes: &[Outcome], strict: bool) -> Exit {
    let tally = Tally::of(outcomes, strict);
    if tally.failed > 0 {
        Exit::DoesNotConform
    } else if tally.passed == 0 && tally.differing == 0 {
        Exit::OnlyUntestable
    } else {
        Exit::Conforms
    }
}

/// The command that aims at the same target in the same way.
fn again(args: &RunArgs, plan: Option<histories::Plan>, outcomes: &[Outcome]) -> String {
    let mut command = "conformance run".to_owned();
    if let Some(url) = &args.url {
        command += &format!(" --url {url}");
    }
    for name in &args.variable {
        command += &format!(" --variable {name}");
    }
    if args.no_hello {
        command += " --no-hello";
    }
    if args.strict {
        command += " --strict";
    }
    let wandered_off = |it: &&Outcome| it.case == histories::ID && it.status != Status::Passed;
    if let (Some(plan), Some(_)) = (plan, outcomes.iter().find(wandered_off)) {
        command += &format!(" --seed {}", plan.seed);
    }
    if let Some(folder) = &args.selection.source.cases {
        command += &format!(" --cases {}", folder.display());
    }
    command
}

/// A counter on a terminal, which makes way for the report.
async fn show_progress(mut events: mpsc::UnboundedReceiver<Event>) {
    use std::io::IsTerminal;
    let mut err = io::stderr();
    let seen = err.is_terminal();
    let (mut done, mut all) = (0, 0);
    while let Some(event) = events.recv().await {
        match event {
            Event::Started { cases } => all = cases,
            Event::Finished(_) => done += 1,
        }
        if seen {
            let _ = write!(err, "\r{done}/{all} cases");
        }
    }
    if seen {
        let _ = write!(err, "\r\x1b[K");
    }
}
