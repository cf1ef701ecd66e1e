//! `conformance run`: from the command line to the report.

use std::{
    fs,
    io::{self, Write},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use conformance_suite::{
    case::{Case, Cases},
    expectation::{self, Stale},
    histories,
    ledger::Ledger,
    profile::Profile,
    report::{self, CutShort, Document, Ending, Run, Style, diff::Saved},
    runner::{self, Context, Gone, Restart},
    verdict::{Outcome, Unrun},
};
use tokio::sync::{Notify, mpsc};

use crate::{
    again::{again, command_again},
    cli::RunArgs,
    collecting::collect,
    commands::{unless_closed, wants_histories},
    engine::Engine,
    exit::{Exit, Problem, exit_of},
    interrupt::Interrupt,
    profiles,
    reporting::Reports,
    settings::{Aim, Settings},
};

/// How long a report may wait for a failing history to be made shorter.
const SHRINK_TIME_MAX: Duration = Duration::from_secs(5);

/// Runs the selected cases against the target, so many times as is asked for, and writes the
/// report of the last time.
pub(crate) async fn judge(
    args: &RunArgs,
    ledger: &Ledger,
    all: &Cases,
    cases: Vec<Case>,
    reports: &Reports,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let settings = Settings::resolve(args)?;
    reports.resolved(&settings);
    let cases = profiles::narrowed(settings.profile.as_ref(), &args.selection, all, cases)?;
    let mut interrupt =
        Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut engine = Engine::start(&settings).await?;
    unless_closed(writeln!(out, "target: {}", engine.describe(&settings)))?;
    if let Some(profile) = &settings.profile {
        unless_closed(writeln!(out, "{}", profiles::describe(profile)))?;
    }
    let mut target = engine.target(&settings);
    let named = |case: &Case| args.selection.select.contains(&case.id);
    target.expendable |= cases.iter().any(|case| case.alone && named(case));
    reports.aimed(&target);
    let context = Context::new(target, settings.pace);
    let context = Arc::new(context.map_err(|it| Problem::new(Exit::OurFault, it))?);
    let start_time = Duration::from_secs(args.target.start_time_s);
    let done = match engine.until_it_listens(&context, start_time).await {
        Ok(()) => {
            let suite = Suite {
                args,
                settings: &settings,
                ledger,
                all,
                context: Arc::clone(&context),
                reports,
            };
            let mut judged = pin!(suite.repeat(cases, &mut interrupt, out));
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

/// Everything that a run needs and does not change.
pub(crate) struct Suite<'s> {
    pub(crate) args: &'s RunArgs,
    pub(crate) settings: &'s Settings,
    pub(crate) ledger: &'s Ledger,
    pub(crate) all: &'s Cases,
    pub(crate) context: Arc<Context>,
    pub(crate) reports: &'s Reports,
}

/// What came of a run.
struct Ended {
    outcomes: Vec<Outcome>,
    plan: Option<histories::Plan>,
    complete: bool,
    interrupted: bool,
    /// Whether `--fail-fast` has cut it short.
    stopped: bool,
    gone: Option<Arc<Gone>>,
    restarts: Vec<Restart>,
    unrun: Unrun,
    took: Duration,
}

impl Suite<'_> {
    async fn repeat(
        &self,
        cases: Vec<Case>,
        interrupt: &mut Interrupt,
        out: &mut dyn Write,
    ) -> Result<Exit, Problem> {
        self.open_endpoints(&cases).await?;
        let (cases, left_out) = leave_out_slow(self.settings, &self.args.selection.select, cases);
        for time in 1.. {
            let last = time >= self.args.repeat;
            let ended = self.run(cases.clone(), interrupt).await?;
            let interrupted = ended.interrupted;
            let stale = self.stale(&ended.outcomes);
            let counts = |it: &Outcome| self.is_asked_for(&it.case);
            let exit = match exit_of(&ended.outcomes, counts, &stale, self.settings.strict) {
                Exit::OurFault => Exit::OurFault,
                // Whatever else holds: an engine that goes away does not conform.
                _ if ended.gone.is_some() => Exit::DoesNotConform,
                exit => exit,
            };
            if last || interrupted || exit != Exit::Conforms {
                if self.args.repeat > 1 {
                    unless_closed(writeln!(out, "time {time} of {}", self.args.repeat))?;
                }
                let exit = match interrupted {
                    true => Exit::Interrupted,
                    false => exit,
                };
                self.report(&ended, &stale, left_out, exit, out)?;
                if interrupted {
                    let kept = match self.args.update_expected {
                        true => "; the list of --expected stays as it was",
                        false => "",
                    };
                    let message = format!("interrupted: what had ended by then is reported{kept}");
                    return Err(Problem::new(exit, message));
                }
                return self.update_expected(&ended).map(|()| exit);
            }
            let _ = writeln!(
                io::stderr(),
                "time {time} of {}: conforms",
                self.args.repeat
            );
        }
        Ok(Exit::Conforms)
    }

    /// Runs the cases once, and writes nothing.
    pub(crate) async fn once(
        &self,
        cases: Vec<Case>,
        interrupt: &mut Interrupt,
    ) -> Result<Saved, Problem> {
        self.open_endpoints(&cases).await?;
        let (cases, left_out) = leave_out_slow(self.settings, &self.args.selection.select, cases);
        let ended = self.run(cases, interrupt).await?;
        if ended.interrupted {
            return Err(Problem::new(Exit::Interrupted, "interrupted"));
        }
        if let Some(gone) = &ended.gone {
            let url = &self.context.target.url;
            let message = format!("{url}: {gone}: {}", gone.problem);
            return Err(Problem::new(Exit::Unreachable, message));
        }
        let run = Run {
            ledger: self.ledger,
            outcomes: &ended.outcomes,
            complete: ended.complete,
            gone: None,
            restarts: ended.restarts,
            unrun: ended.unrun,
            cut_short: None,
            strict: self.settings.strict,
            left_out,
            stale: &[],
            again: "",
            again_behind: "",
            took: ended.took,
        };
        let (heading, ending) = (self.reports.heading(), Ending::default());
        Saved::of(&Document::of(&heading, &run, &ending))
            .map_err(|error| Problem::new(Exit::OurFault, error))
    }

    async fn open_endpoints(&self, cases: &[Case]) -> Result<(), Problem> {
        if cases.iter().any(|case| !case.endpoints.is_empty()) {
            let opened = self.context.endpoints().await;
            opened
                .map_err(|error| Problem::new(Exit::Usage, format!("--callback-bind: {error}")))?;
        }
        Ok(())
    }

    async fn run(&self, cases: Vec<Case>, interrupt: &mut Interrupt) -> Result<Ended, Problem> {
        let began = Instant::now();
        let context = Arc::new(self.context.anew());
        let seed = self.args.seed.unwrap_or_else(histories::random_seed);
        let plan = self.histories_plan(seed);
        let cases = self.ordered(cases, seed);
        let selected = cases.clone();
        let used = plan.is_some() || self.args.shuffle;
        self.reports
            .note(|heading| heading.seed = used.then_some(seed));
        let (events, listener) = mpsc::unbounded_channel();
        let first_failure = Arc::new(Notify::new());
        let collecting = tokio::spawn(collect(
            listener,
            self.settings.strict,
            self.settings.expectations.clone(),
            Arc::clone(&first_failure),
            self.reports.clone(),
        ));
        let stops_early = async {
            match self.args.fail_fast {
                true => first_failure.notified().await,
                false => std::future::pending().await,
            }
        };
        let (interrupted, stopped) = tokio::select! {
            _ = runner::run(&context, cases, plan, &events) => (false, false),
            () = interrupt.wait() => (true, false),
            () = stops_early => (false, true),
        };
        drop(events);
        // What is found out about the engine when the first failure stops the run is told.
        let gone = match stopped {
            true => self.context.found_out().await,
            false => self.context.gone(),
        };
        let outcomes = collecting
            .await
            .map_err(|error| Problem::new(Exit::OurFault, error))?;
        let everything = self.args.selection.select.is_empty()
            && self.args.selection.level.is_empty()
            && self.args.shard.is_none()
            && self.settings.profile.as_ref().is_none_or(Profile::is_whole);
        Ok(Ended {
            plan,
            complete: everything && !interrupted && !stopped && gone.is_none(),
            interrupted,
            stopped,
            gone,
            restarts: self.context.restarts(),
            unrun: self.unrun(&selected, &outcomes),
            outcomes,
            took: began.elapsed(),
        })
    }

    /// Whether a case is more than a probe that others need.
    fn is_asked_for(&self, id: &str) -> bool {
        let is_probe = self.all.get(id).is_some_and(|it| it.probes.is_some());
        !is_probe || self.args.selection.select.iter().any(|it| it == id)
    }

    /// The same seed begins the cases in the same order.
    fn ordered(&self, mut cases: Vec<Case>, seed: u64) -> Vec<Case> {
        if self.args.shuffle {
            let place = |case: &Case| {
                let bytes = case.id.bytes();
                bytes.fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                })
            };
            cases.sort_by_cached_key(place);
        }
        cases
    }

    fn histories_plan(&self, seed: u64) -> Option<histories::Plan> {
        let wanted = wants_histories(&self.args.selection)
            && self.settings.histories > 0
            && (self.settings.profile.as_ref()).is_none_or(Profile::wants_histories)
            && self.args.shard.is_none_or(|it| it.part == 1);
        wanted.then_some(histories::Plan {
            histories: self.settings.histories,
            steps_max: 40,
            shrink_time_max: SHRINK_TIME_MAX,
            seed,
            strict: self.settings.strict || matches!(self.settings.aim, Aim::Embedded),
        })
    }

    /// What takes a minute belongs to a run only where it is asked for.
    fn unrun(&self, selected: &[Case], outcomes: &[Outcome]) -> Unrun {
        let due = |case: &&Case| !case.is_slow() || self.settings.slow;
        let all = self.all.iter().filter(due);
        Unrun::of(all, selected, outcomes, self.settings.strict)
    }

    fn stale(&self, outcomes: &[Outcome]) -> Vec<Stale> {
        if self.args.update_expected {
            return Vec::new();
        }
        let is_case = |id: &str| self.all.get(id).is_some() || id == histories::ID;
        let mut stale = expectation::stale(&self.settings.expectations, outcomes, is_case);
        let excused = self.settings.file.not_applicable.iter();
        let unknown = excused.filter(|it| !is_case(&it.case));
        stale.extend(unknown.map(|it| Stale::Unknown(it.case.clone())));
        stale
    }

    fn report(
        &self,
        ended: &Ended,
        stale: &[Stale],
        left_out: usize,
        exit: Exit,
        out: &mut dyn Write,
    ) -> Result<(), Problem> {
        let run = Run {
            ledger: self.ledger,
            outcomes: &ended.outcomes,
            complete: ended.complete,
            gone: ended.gone.clone(),
            restarts: ended.restarts.clone(),
            unrun: ended.unrun.clone(),
            cut_short: match (ended.interrupted, ended.stopped) {
                (true, _) => Some(CutShort::Interrupted),
                (false, true) => Some(CutShort::FirstFailure),
                (false, false) => None,
            },
            strict: self.settings.strict,
            left_out,
            stale,
            again: &again(self.args, ended.plan, &ended.outcomes),
            again_behind: &command_again(self.args),
            took: ended.took,
        };
        let style = Style {
            verbose: self.args.verbose,
        };
        let told = unless_closed(report::human(&run, style, out));
        let ending = Ending {
            exit_code: exit as u8,
            interrupted: ended.interrupted,
            problem: None,
        };
        self.reports.finished(&run, &ending);
        Ok(told?)
    }

    /// Writes the list of known failures anew; what was known keeps its reason. A run that was cut
    /// short has not seen all that fails, or failures that are not the engine's answers.
    fn update_expected(&self, ended: &Ended) -> Result<(), Problem> {
        let Some(path) = self
            .args
            .expected
            .as_ref()
            .filter(|_| self.args.update_expected)
        else {
            return Ok(());
        };
        let cut_short = match (&ended.gone, ended.stopped) {
            (Some(_), _) => Some("the engine went away during the run"),
            (None, true) => Some("--fail-fast has stopped the run"),
            (None, false) => None,
        };
        if let Some(why) = cut_short {
            let shown = path.display();
            let message = format!("--update-expected: `{shown}` stays as it was, since {why}");
            return Err(Problem::new(Exit::DoesNotConform, message));
        }
        let in_file = &self.settings.file.expected_failures;
        let listed = expectation::renewed(
            &self.settings.expectations,
            &ended.outcomes,
            self.settings.strict,
            |case| in_file.iter().any(|it| it.case == case),
        );
        let mut text = serde_json::to_string_pretty(&listed)
            .map_err(|error| Problem::new(Exit::OurFault, error))?;
        text.push('\n');
        fs::write(path, text).map_err(|error| {
            Problem::new(
                Exit::Usage,
                format!("cannot write `{}`: {error}", path.display()),
            )
        })?;
        let (number, path) = (listed.len(), path.display());
        let _ = writeln!(
            io::stderr(),
            "{number} expected failures are in `{path}` now"
        );
        Ok(())
    }
}

/// Leaves out cases that take a minute, unless they were asked for; how many there are.
fn leave_out_slow(settings: &Settings, select: &[String], cases: Vec<Case>) -> (Vec<Case>, usize) {
    let all = cases.len();
    let of_profile = settings.profile.iter().flat_map(|it| &it.select);
    let named: Vec<&String> = select.iter().chain(of_profile).collect();
    let wanted = |case: &Case| settings.slow || named.contains(&&case.id);
    let left: Vec<Case> = cases
        .into_iter()
        .filter(|case| !case.is_slow() || wanted(case))
        .collect();
    let left_out = all - left.len();
    (left, left_out)
}
