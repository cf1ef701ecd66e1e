//! `conformance explore`: random sessions, for as long as somebody wants to look.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use conformance::{
    case::{Case, Cases, Level},
    histories::{self, Explorer, Finding, Plan},
    ledger::{Clause, Kind, Ledger},
    report,
    runner::{self, Context, Features},
    verdict::{Outcome, Status},
};
use tokio::sync::mpsc;

use crate::{
    again::{command_again, command_of, quoted},
    cli::RunArgs,
    commands::unless_closed,
    engine::Engine,
    exit::{Exit, Problem},
    interrupt::Interrupt,
    settings::Settings,
};

const EXIT_CODES: &str = "\
Exit codes:
  0    nothing was found
  1    something was found
  2    the command line, or a target file, is wrong
  3    the target cannot be reached
  5    the engine does not serve what sessions are made of
  70   a fault of the suite's own
  130  interrupted, with nothing found";

/// How many turns the longest session has.
const STEPS_MAX: usize = 40;
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(
    after_help = EXIT_CODES,
    // Arguments that are changed move behind the others.
    mut_arg("select", |it| it.index(1).hide(true)),
    mut_arg("command", |it| it.index(2)),
    mut_arg("cases", |it| it.hide(true)),
    mut_arg("level", |it| it.hide(true)),
    mut_arg("profile", |it| it.hide(true)),
    mut_arg("slow", |it| it.hide(true)),
    mut_arg("histories", |it| it.hide(true)),
    mut_arg("shuffle", |it| it.hide(true)),
    mut_arg("shard", |it| it.hide(true)),
    mut_arg("fail_fast", |it| it.hide(true)),
    mut_arg("repeat", |it| it.hide(true)),
    mut_arg("expected", |it| it.hide(true)),
    mut_arg("update_expected", |it| it.hide(true)),
    mut_arg("report", |it| it.hide(true)),
    mut_arg("jobs", |it| it.hide(true)),
    mut_arg("strict", |it| it.help("Hold the engine to what was decided as well, not only to what \
                                     the documents demand")),
    mut_arg("seed", |it| it.help("The seed of the sessions; by default another one each time")),
    mut_arg("verbose", |it| it.help("Count each kind of step"))
)]
pub(crate) struct ExploreArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// How long to look, such as 30s, 5m or 500ms.  [default: 30s, or as long as --operations take]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) budget: Option<Duration>,
    /// How many steps to take, at least.
    #[arg(long, value_name = "N")]
    pub(crate) operations: Option<u64>,
    /// Go on after the first failure, and look for others that break other clauses.
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Save what is found as case files in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) save: Option<PathBuf>,
}

const BUDGET_DEFAULT: Duration = Duration::from_secs(30);

fn time(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|it: char| it.is_ascii_alphabetic());
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let number: u32 = number
        .parse()
        .map_err(|_| "must be a whole number and ms, s, m or h, such as 30s".to_owned())?;
    let one = match unit {
        "ms" => Duration::from_millis(1),
        "" | "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        other => return Err(format!("`{other}` is no unit: ms, s, m or h")),
    };
    Ok(one * number)
}

/// Looks for sessions that the target gets wrong.
pub(crate) async fn explore(args: &ExploreArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    if let Some(what) = args.run.selection.select.first() {
        let message = format!("`{what}`: sessions are made at random, and no case is selected");
        return Err(Problem::new(Exit::Usage, message));
    }
    let ours = |error: String| Problem::new(Exit::OurFault, error);
    let settings = Settings::resolve(&args.run)?;
    let folder = args.save.as_deref();
    folder.map_or(Ok(()), openable)?;
    let ledger = Ledger::embedded().map_err(|it| ours(it.to_string()))?;
    let cases = Cases::embedded(&ledger).map_err(|it| ours(it.to_string()))?;
    let mut interrupt = Interrupt::install().map_err(|it| ours(it.to_string()))?;
    let mut engine = Engine::start(&settings).await?;
    let seed = args.run.seed.unwrap_or_else(histories::random_seed);
    unless_closed(writeln!(out, "target: {}", engine.describe(&settings)))?;
    unless_closed(writeln!(out, "seed: {seed}"))?;
    let context = Context::new(engine.target(&settings), settings.pace);
    let context = Arc::new(context.map_err(ours)?);
    let start_time = Duration::from_secs(args.run.target.start_time_s);
    let done = match engine.until_it_listens(&context, start_time).await {
        Ok(()) => {
            let probes = cases.iter().filter(|it| it.probes.is_some());
            let probes = probes.filter(|it| !it.makes_requests() && it.clock_s == 0);
            let probes: Vec<Arc<Case>> = probes.cloned().map(Arc::new).collect();
            let (events, _) = mpsc::unbounded_channel();
            let exploration = async {
                let (context, features, _) = runner::acquainted(&context, &probes, &events).await;
                let mut exploration = Exploration {
                    args,
                    settings: &settings,
                    ledger: &ledger,
                    context: &context,
                    features: &features,
                    found: Vec::new(),
                };
                exploration.go(seed, &mut interrupt, out).await
            };
            let mut exploration = std::pin::pin!(exploration);
            tokio::select! {
                done = &mut exploration => done,
                how = engine.ended() => {
                    tokio::join!(exploration, context.process_ended(how)).0
                }
            }
        }
        Err(problem) => Err(problem),
    };
    engine.end().await;
    done
}

/// Told before anything is looked for.
fn openable(folder: &Path) -> Result<(), Problem> {
    fs::create_dir_all(folder).map_err(|error| {
        let message = format!("--save: cannot make `{}`: {error}", folder.display());
        Problem::new(Exit::Usage, message)
    })
}

struct Exploration<'e> {
    args: &'e ExploreArgs,
    settings: &'e Settings,
    ledger: &'e Ledger,
    context: &'e Context,
    features: &'e Features,
    found: Vec<Finding>,
}

impl Exploration<'_> {
    async fn go(
        &mut self,
        seed: u64,
        interrupt: &mut Interrupt,
        out: &mut dyn Write,
    ) -> Result<Exit, Problem> {
        let missing = histories::missing(self.features);
        if missing.contains(&histories::FENCE) {
            let fence = histories::FENCE;
            let message = format!("needs `{fence}`, which the engine does not serve");
            return Err(Problem::new(Exit::OnlyUntestable, message));
        }
        if !missing.is_empty() {
            let message = "left out, since the engine does not serve it";
            unless_closed(writeln!(out, "{message}: {}", missing.join(", ")))?;
        }
        let plan = Plan {
            histories: 0,
            steps_max: STEPS_MAX,
            seed,
            strict: self.settings.strict,
        };
        let mut explorer = Explorer::new(self.context, self.features, plan);
        let began = Instant::now();
        let mut progress = Progress::default();
        let interrupted = loop {
            let over = self.is_over(&explorer, began);
            if over || self.context.gone().is_some() {
                break false;
            }
            let wrong = tokio::select! {
                wrong = explorer.next() => wrong,
                () = interrupt.wait() => break true,
            };
            progress.show(&explorer, began);
            let known: BTreeSet<&str> = self.found.iter().map(|it| it.clause).collect();
            let Some(wrong) = wrong.filter(|it| !known.contains(it.clause())) else {
                continue;
            };
            progress.wipe();
            let finding = tokio::select! {
                finding = explorer.shrink(wrong) => finding,
                () = interrupt.wait() => break true,
            };
            self.show(&finding, out)?;
            self.found.push(finding);
            if !self.args.keep_going {
                break false;
            }
        };
        progress.wipe();
        self.conclude(&explorer, began.elapsed(), interrupted, out)
    }

    fn is_over(&self, explorer: &Explorer<'_>, began: Instant) -> bool {
        let enough = |it| explorer.counts.operations >= it;
        let budget = match (self.args.budget, self.args.operations) {
            (None, None) => Some(BUDGET_DEFAULT),
            (budget, _) => budget,
        };
        budget.is_some_and(|it| began.elapsed() >= it) || self.args.operations.is_some_and(enough)
    }

    fn show(&self, finding: &Finding, out: &mut dyn Write) -> Result<(), Problem> {
        let clause = self.ledger.clause(finding.clause);
        let (failed, of) = finding.confirmed;
        let outcome = Outcome {
            case: histories::ID.to_owned(),
            title: format!(
                "{} of {} steps are left, and failed {failed} of {of} times when they were \
                 taken again",
                finding.steps_left, finding.steps_at_first
            ),
            clauses: vec![finding.clause.to_owned()],
            level: self.level(finding),
            quote: clause.and_then(|it| it.quote.clone()),
            status: Status::Failed(Box::new(finding.failure(finding.seed))),
            expected: None,
            mapped: false,
            branches: Vec::new(),
            remarks: Vec::new(),
            malformed: Vec::new(),
            transcript: finding.transcript.clone(),
            took: Duration::ZERO,
        };
        let shown = report::played(&outcome, self.ledger, self.settings.strict, out);
        unless_closed(shown)?;
        if let Some(folder) = &self.args.save {
            let path = self.save(finding, folder, clause)?;
            let strict = match self.level(finding) {
                Level::Must => "",
                _ => " --strict",
            };
            let path = quoted(&path.display().to_string());
            let saved = format!("  saved     {path} (conformance replay {path}{strict})");
            unless_closed(writeln!(out, "{saved}"))?;
        }
        Ok(())
    }

    /// How much the clause weighs that is broken.
    fn level(&self, finding: &Finding) -> Level {
        match self.ledger.clause(finding.clause).map(|it| it.kind) {
            Some(Kind::Companion) => Level::Companion,
            Some(Kind::Decided) => Level::Observe,
            Some(Kind::Documented) | None => Level::Must,
        }
    }

    fn save(
        &self,
        finding: &Finding,
        folder: &Path,
        of: Option<&Clause>,
    ) -> Result<PathBuf, Problem> {
        let clause = finding.clause.to_ascii_lowercase();
        let id = format!("explored-{clause}-{}", finding.seed);
        let quote = of.and_then(|it| it.quote.as_deref());
        let case = finding.case(&id, self.level(finding).name(), quote);
        let text = serde_json::to_string_pretty(&case)
            .map_err(|error| Problem::new(Exit::OurFault, error))?;
        let path = folder.join(format!("{id}.json"));
        fs::write(&path, text + "\n").map_err(|error| {
            let message = format!("cannot write `{}`: {error}", path.display());
            Problem::new(Exit::Usage, message)
        })?;
        Ok(path)
    }

    fn conclude(
        &self,
        explorer: &Explorer<'_>,
        took: Duration,
        interrupted: bool,
        out: &mut dyn Write,
    ) -> Result<Exit, Problem> {
        let counts = &explorer.counts;
        if self.args.run.verbose {
            unless_closed(writeln!(out))?;
            for (kind, times) in &counts.kinds {
                unless_closed(writeln!(out, "{times:>9}  {kind}"))?;
            }
            let at_once = counts.at_once;
            unless_closed(writeln!(out, "{at_once:>9}  times several at once"))?;
        }
        let found = match self.found.as_slice() {
            [] => "nothing was found".to_owned(),
            all => {
                let clauses: Vec<&str> = all.iter().map(|it| it.clause).collect();
                format!("found: {}", clauses.join(", "))
            }
        };
        let per_s = counts.operations as f64 / took.as_secs_f64().max(0.001);
        let done = writeln!(
            out,
            "\n{} operations in {} histories of {} sessions, in {:.1} s ({per_s:.0}/s): {found}",
            counts.operations,
            counts.histories,
            counts.sessions,
            took.as_secs_f64()
        );
        unless_closed(done)?;
        for finding in &self.found {
            let again = self.again(finding);
            unless_closed(writeln!(out, "again: {again}"))?;
        }
        if let Some(gone) = self.context.gone() {
            let message = format!("{gone}: {}", gone.problem);
            return Err(Problem::new(Exit::DoesNotConform, message));
        }
        match (self.found.is_empty(), interrupted) {
            (false, _) => Ok(Exit::DoesNotConform),
            (true, true) => Err(Problem::new(Exit::Interrupted, "interrupted")),
            (true, false) => Ok(Exit::Conforms),
        }
    }

    /// The command that finds it again, first of all.
    fn again(&self, finding: &Finding) -> String {
        let args = &self.args.run;
        command_of("explore", args, Some(finding.seed)) + &command_again(args)
    }
}

/// A counter on a terminal.
struct Progress {
    seen: bool,
    shown: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        // A dumb terminal could not wipe it out.
        let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
        Self {
            seen: io::stderr().is_terminal() && !dumb,
            shown: None,
        }
    }
}

impl Progress {
    fn show(&mut self, explorer: &Explorer<'_>, began: Instant) {
        let due = self.shown.is_none_or(|it| it.elapsed() > PROGRESS_EVERY);
        if self.seen && due {
            self.shown = Some(Instant::now());
            let (operations, s) = (explorer.counts.operations, began.elapsed().as_secs());
            // If standard error is gone, there is nobody to tell.
            let _ = write!(io::stderr(), "\r{operations} operations, {s} s\x1b[K");
        }
    }

    fn wipe(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
