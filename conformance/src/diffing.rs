//! `conformance diff`: two engines, or saved reports of them, side by side.

use std::{
    io::Write,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueEnum};
use conformance_suite::{
    case::{Case, Cases},
    histories,
    ledger::Ledger,
    report::diff::{DiffFormat, Saved, compare},
    runner::Context,
};

use crate::{
    cli::{RunArgs, TargetArgs},
    commands::{load, select, shard, unless_closed, wants_histories},
    engine::Engine,
    exit::{Exit, Problem},
    interrupt::Interrupt,
    judging::Suite,
    profiles,
    reporting::Reports,
    settings::Settings,
};

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    nothing differs
  1    something differs
  2    the command line, a report or a name in it is wrong
  3    an engine cannot be reached
  4    no case was selected
  70   a fault of the suite's own, also in a report
  130  interrupted";

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    #[command(flatten)]
    pub(crate) against: AgainstArgs,
    /// How it is said.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: DiffFormatArg,
}

/// The other engine of a comparison.
#[derive(Debug, Args)]
#[command(next_help_heading = "Against")]
pub(crate) struct AgainstArgs {
    /// The WebSocket address of the other engine, or a saved report.
    #[arg(long, value_name = "URL|REPORT", env = "CONFORMANCE_AGAINST")]
    pub(crate) against: Option<String>,
    /// Where the other engine serves http triggers.
    #[arg(long, value_name = "URL", env = "CONFORMANCE_AGAINST_HTTP_URL")]
    pub(crate) against_http_url: Option<String>,
    /// A file that says what the other engine is, as --target does; it may have a command that
    /// starts it.
    #[arg(long, value_name = "FILE", env = "CONFORMANCE_AGAINST_TARGET")]
    pub(crate) against_target: Option<PathBuf>,
    /// The other engine was started with what `conformance env` prints.
    #[arg(long, env = "CONFORMANCE_AGAINST_ENV")]
    pub(crate) against_env: bool,
    /// An environment variable that the other engine was started with; repeatable.
    #[arg(
        long,
        value_name = "NAME[=VALUE]",
        value_delimiter = ',',
        env = "CONFORMANCE_AGAINST_VARIABLE"
    )]
    pub(crate) against_variable: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DiffFormatArg {
    /// For a terminal.
    Human,
    /// A document of spec/schema/diff.json.
    Json,
    /// A table.
    Markdown,
}

/// Compares two sides, and runs those that are engines.
pub(crate) async fn diff(args: &DiffArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (a, b, select) = sides(args)?;
    let (a, b) = match (a, b) {
        (Side::Report(a), Side::Report(b)) if select.is_empty() => (read(&a)?, read(&b)?),
        (Side::Report(_), Side::Report(_)) => {
            let message = format!(
                "two reports are compared as they are; `{}` would select of what is run",
                select.join(" ")
            );
            return Err(usage(message));
        }
        (a, b) => Runs::new(args, select)?.saved(a, b).await?,
    };
    let comparison = compare(&a, &b);
    let format = match args.format {
        DiffFormatArg::Human => DiffFormat::Human,
        DiffFormatArg::Json => DiffFormat::Json,
        DiffFormatArg::Markdown => DiffFormat::Markdown,
    };
    unless_closed(comparison.write(format, out))?;
    Ok(if a.has_harness_errors() || b.has_harness_errors() {
        Exit::OurFault
    } else if comparison.differs() {
        Exit::DoesNotConform
    } else {
        Exit::Conforms
    })
}

enum Side {
    Report(PathBuf),
    Engine(Box<TargetArgs>),
}

/// A and B, and what is left to select cases.
fn sides(args: &DiffArgs) -> Result<(Side, Side, Vec<String>), Problem> {
    let select = args.run.selection.select.iter().cloned();
    let (reports, select): (Vec<String>, Vec<String>) = select.partition(|it| names_a_file(it));
    let of_target = &args.run.target;
    let has_target =
        of_target.url.is_some() || of_target.target.is_some() || !of_target.command.is_empty();
    let mut sides: Vec<Side> = reports
        .iter()
        .map(|it| Side::Report(PathBuf::from(it)))
        .collect();
    // An address in the environment is no reason not to compare two reports.
    if has_target && sides.len() < 2 {
        sides.push(Side::Engine(Box::new(of_target.clone())));
    }
    sides.extend(against(&args.against, of_target)?);
    let of_reference = || Side::Engine(Box::new(nowhere(of_target)));
    let mut sides = sides.into_iter();
    match (sides.next(), sides.next(), sides.next()) {
        (None, ..) => Err(usage(
            "there is nothing to compare: say two reports, or an engine by --url, --target or \
             -- COMMAND, and the other one by --against or --against-target",
        )),
        (Some(only), None, _) if !has_target && reports.is_empty() => {
            Ok((of_reference(), only, select))
        }
        (Some(only), None, _) => Ok((only, of_reference(), select)),
        (Some(a), Some(b), None) => Ok((a, b, select)),
        (Some(_), Some(_), Some(_)) => Err(usage(
            "more than two sides are named: of reports, --url or --target (CONFORMANCE_URL and \
             CONFORMANCE_TARGET count as well), and --against, two can be compared",
        )),
    }
}

/// Cases and clauses have no such names.
fn names_a_file(text: &str) -> bool {
    text.ends_with(".json") || text.contains(['/', '\\'])
}

fn against(args: &AgainstArgs, of_target: &TargetArgs) -> Result<Option<Side>, Problem> {
    let is_report = |it: &&String| !it.contains("://");
    let is_engine = args.against_target.is_some()
        || args.against_http_url.is_some()
        || args.against_env
        || !args.against_variable.is_empty();
    if let Some(path) = args.against.as_ref().filter(is_report) {
        return match is_engine {
            true => Err(usage(format!(
                "--against {path} is a report, and --against-target, --against-http-url, \
                 --against-env and --against-variable are about an engine"
            ))),
            false => Ok(Some(Side::Report(PathBuf::from(path)))),
        };
    }
    if args.against.is_none() && args.against_target.is_none() {
        return match is_engine {
            true => Err(usage(
                "--against-http-url, --against-env and --against-variable need --against or \
                 --against-target",
            )),
            false => Ok(None),
        };
    }
    Ok(Some(Side::Engine(Box::new(TargetArgs {
        url: args.against.clone(),
        http_url: args.against_http_url.clone(),
        target: args.against_target.clone(),
        env: args.against_env,
        variable: args.against_variable.clone(),
        ..nowhere(of_target)
    }))))
}

/// What is said of the suite, and of no engine.
fn nowhere(args: &TargetArgs) -> TargetArgs {
    TargetArgs {
        url: None,
        http_url: None,
        target: None,
        env: false,
        variable: Vec::new(),
        command: Vec::new(),
        ..args.clone()
    }
}

fn read(path: &Path) -> Result<Saved, Problem> {
    Saved::read(path).map_err(usage)
}

fn usage(problem: impl ToString) -> Problem {
    Problem::new(Exit::Usage, problem)
}

/// The runs of a comparison: one, or two with the same cases, seed and settings.
struct Runs {
    args: RunArgs,
    ledger: Ledger,
    all: Cases,
    cases: Vec<Case>,
}

impl Runs {
    fn new(args: &DiffArgs, selected: Vec<String>) -> Result<Self, Problem> {
        let mut args = args.run.clone();
        args.selection.select = selected;
        // What is about the report of a run, or about a run that stops early.
        args.expected = None;
        args.update_expected = false;
        args.report = Vec::new();
        args.fail_fast = false;
        args.repeat = 1;
        let (ledger, all) = load(&args.selection.source)?;
        let cases = shard(&args, select(&args.selection, &all)?);
        Ok(Self {
            args,
            ledger,
            all,
            cases,
        })
    }

    async fn saved(mut self, a: Side, b: Side) -> Result<(Saved, Saved), Problem> {
        let mut interrupt =
            Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
        match (a, b) {
            (Side::Report(a), Side::Report(b)) => Ok((read(&a)?, read(&b)?)),
            (Side::Report(a), Side::Engine(b)) => self.again(read(&a)?, *b, &mut interrupt).await,
            (Side::Engine(a), Side::Report(b)) => {
                let (b, a) = self.again(read(&b)?, *a, &mut interrupt).await?;
                Ok((a, b))
            }
            (Side::Engine(a), Side::Engine(b)) => {
                let seed = self.args.seed.unwrap_or_else(histories::random_seed);
                self.args.seed = Some(seed);
                let (args_a, mut of_a) = self.resolved(*a)?;
                let (args_b, mut of_b) = self.resolved(*b)?;
                even(&mut of_a, &mut of_b);
                let a = self.run(&args_a, &of_a, &mut interrupt).await?;
                let b = self.run(&args_b, &of_b, &mut interrupt).await?;
                Ok((a, b))
            }
        }
    }

    /// Runs what a report has against an engine: of what is in one of them only, nothing could be
    /// said.
    async fn again(
        mut self,
        mut saved: Saved,
        target: TargetArgs,
        interrupt: &mut Interrupt,
    ) -> Result<(Saved, Saved), Problem> {
        self.args.seed = self.args.seed.or(saved.seed());
        self.args.slow |= saved.slow();
        self.args.histories = self.args.histories.or(saved.histories());
        let (args, mut settings) = self.resolved(target)?;
        if !saved.has(histories::ID) {
            settings.histories = 0;
        }
        self.cases.retain(|it| saved.has(&it.id));
        let selection = &args.selection;
        if !selection.select.is_empty()
            || !selection.level.is_empty()
            || settings.profile.is_some()
            || args.shard.is_some()
        {
            let wandering = wants_histories(selection) && settings.histories > 0;
            let cases = &self.cases;
            saved.retain(|id| {
                (id == histories::ID && wandering) || cases.iter().any(|it| it.id == id)
            });
        }
        if self.cases.is_empty() && settings.histories == 0 {
            let message = "the report has none of the cases that are selected";
            return Err(Problem::new(Exit::NothingRan, message));
        }
        let run = self.run(&args, &settings, interrupt).await?;
        Ok((saved, run))
    }

    fn resolved(&mut self, target: TargetArgs) -> Result<(RunArgs, Settings), Problem> {
        let args = RunArgs {
            target,
            ..self.args.clone()
        };
        let mut settings = Settings::resolve(&args)?;
        // The command line was read without knowing of two files.
        settings.hello &= settings.file.hello.unwrap_or(true);
        settings.strict |= settings.file.strict;
        settings.slow |= settings.file.slow;
        // What was expected of an engine says nothing of what it does.
        settings.expectations.clear();
        let (profile, cases) = (settings.profile.as_ref(), std::mem::take(&mut self.cases));
        self.cases = profiles::narrowed(profile, &args.selection, &self.all, cases)?;
        if profile.is_some_and(|it| !it.wants_histories()) {
            settings.histories = 0;
        }
        Ok((args, settings))
    }

    async fn run(
        &self,
        args: &RunArgs,
        settings: &Settings,
        interrupt: &mut Interrupt,
    ) -> Result<Saved, Problem> {
        let reports = Reports::open(args)?;
        reports.resolved(settings);
        let mut engine = Engine::start(settings).await?;
        let target = engine.target(settings);
        reports.aimed(&target);
        let context = Context::new(target, settings.pace);
        let context = Arc::new(context.map_err(|it| Problem::new(Exit::OurFault, it))?);
        let start_time = Duration::from_secs(args.target.start_time_s);
        let done = match engine.until_it_listens(&context, start_time).await {
            Ok(()) => {
                let suite = Suite {
                    args,
                    settings,
                    ledger: &self.ledger,
                    all: &self.all,
                    context: Arc::clone(&context),
                    reports: &reports,
                };
                let mut judged = pin!(suite.once(self.cases.clone(), interrupt));
                tokio::select! {
                    done = &mut judged => done,
                    how = engine.ended() => tokio::join!(judged, context.process_ended(how)).0,
                }
            }
            Err(problem) => Err(problem),
        };
        engine.end().await;
        done
    }
}

/// What target files say of a run holds for both: all levels decide if they do for one, and what
/// one leaves out is compared with nothing.
fn even(a: &mut Settings, b: &mut Settings) {
    let strict = a.strict || b.strict;
    let slow = a.slow && b.slow;
    let histories = a.histories.min(b.histories);
    for settings in [a, b] {
        settings.strict = strict;
        settings.slow = slow;
        settings.histories = histories;
    }
}
