//! `conformance explore`: random sessions, for as long as somebody wants to look.

mod args;
mod looking;
mod progress;
mod saving;
mod telling;

use std::{io::Write, sync::Arc, time::Duration};

use conformance_suite::{
    case::{Case, Cases, Level},
    histories::{self, Finding},
    ledger::{Kind, Ledger},
    runner::{self, Context, Features},
};
use tokio::sync::mpsc;

pub(crate) use self::args::ExploreArgs;
use self::looking::Exploration;
use crate::{
    commands::unless_closed,
    engine::Engine,
    exit::{Exit, Problem},
    interrupt::Interrupt,
    settings::{Aim, Settings},
};

/// Looks for sessions that the target gets wrong.
pub(crate) async fn explore(args: &ExploreArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    if let Some(what) = args.run.selection.select.first() {
        let message = format!("`{what}`: sessions are made at random, and no case is selected");
        return Err(Problem::new(Exit::Usage, message));
    }
    let settings = Settings::resolve(&args.run)?;
    let against = args.against.as_ref();
    let against = against.map(|url| settings_against(args, url)).transpose()?;
    args.save.as_deref().map_or(Ok(()), saving::openable)?;
    let ledger = Ledger::embedded().map_err(|it| ours(it.to_string()))?;
    let mut interrupt = Interrupt::install().map_err(|it| ours(it.to_string()))?;
    let seed = args.run.seed.unwrap_or_else(histories::random_seed);
    let mut engine = Engine::start(&settings).await?;
    unless_closed(writeln!(out, "target: {}", engine.describe(&settings)))?;
    if let Some(url) = &args.against {
        unless_closed(writeln!(out, "against: {url}"))?;
    }
    unless_closed(writeln!(out, "seed: {seed}"))?;
    let context = Context::new(engine.target(&settings), settings.pace);
    let context = Arc::new(context.map_err(ours)?);
    let start_time = Duration::from_secs(args.run.target.start_time_s);
    let listens = engine.until_it_listens(&context, start_time).await;
    let done = match listens {
        Ok(()) => {
            let exploration = async {
                let side = Side::acquainted(&settings, &context, &ledger).await?;
                let other = match &against {
                    Some(settings) => Some(Side::elsewhere(settings, &ledger, start_time).await?),
                    None => None,
                };
                let mut exploration = Exploration::new(args, &ledger, &side, other.as_ref());
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

fn ours(error: String) -> Problem {
    Problem::new(Exit::OurFault, error)
}

/// What is said of the target holds of the other engine as well, but for where it is.
fn settings_against(args: &ExploreArgs, url: &str) -> Result<Settings, Problem> {
    let mut run = args.run.clone();
    run.target.command = Vec::new();
    run.target.target = None;
    run.target.url = Some(url.to_owned());
    Settings::resolve(&run)
}

/// An engine that is driven.
struct Side<'s> {
    settings: &'s Settings,
    context: Arc<Context>,
    features: Features,
}

impl<'s> Side<'s> {
    /// Finds out what an engine serves.
    async fn acquainted(
        settings: &'s Settings,
        context: &Arc<Context>,
        ledger: &Ledger,
    ) -> Result<Self, Problem> {
        let cases = Cases::embedded(ledger).map_err(|it| ours(it.to_string()))?;
        let probes = cases.iter().filter(|it| it.probes.is_some());
        let probes = probes.filter(|it| !it.makes_requests() && it.clock_s == 0);
        let probes: Vec<Arc<Case>> = probes.cloned().map(Arc::new).collect();
        let (events, _) = mpsc::unbounded_channel();
        let (context, features, _) = runner::acquainted(context, &probes, &events).await;
        Ok(Self {
            settings,
            context,
            features,
        })
    }

    /// Likewise of one that somebody else has started.
    async fn elsewhere(
        settings: &'s Settings,
        ledger: &Ledger,
        start_time: Duration,
    ) -> Result<Self, Problem> {
        let Aim::Url(url) = &settings.aim else {
            return Err(ours("--against has no URL".to_owned()));
        };
        let mut engine = Engine::Elsewhere { url: url.clone() };
        let context = Context::new(engine.target(settings), settings.pace);
        let context = Arc::new(context.map_err(ours)?);
        engine.until_it_listens(&context, start_time).await?;
        Self::acquainted(settings, &context, ledger).await
    }
}

/// How much the clause weighs that a finding breaks.
fn level(ledger: &Ledger, finding: &Finding) -> Level {
    match ledger.clause(finding.clause).map(|it| it.kind) {
        Some(Kind::Companion) => Level::Companion,
        Some(Kind::Decided) => Level::Observe,
        Some(Kind::Documented) | None => Level::Must,
    }
}
