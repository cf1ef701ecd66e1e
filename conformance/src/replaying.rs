//! `conformance replay`: one case file against an engine, with all that was said.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use conformance::{
    case::{Case, Cases},
    expectation,
    ledger::Ledger,
    report,
    runner::{self, Context, Gone, Target},
    verdict::{Outcome, Status},
};
use tokio::sync::mpsc;

use crate::{
    cli::RunArgs,
    commands::unless_closed,
    engine::Engine,
    exit::{Exit, Problem, exit_of},
    interrupt::Interrupt,
    settings::Settings,
};

/// Plays the case in the file, after those that probe for what it needs.
pub(crate) async fn replay(args: &RunArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let [file] = args.selection.select.as_slice() else {
        return Err(Problem::new(
            Exit::Usage,
            "one file can be replayed at a time",
        ));
    };
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let (case, probes) = read(Path::new(file), &ledger)?;
    let settings = Settings::resolve(args)?;
    let mut interrupt =
        Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut engine = Engine::start(&settings).await?;
    unless_closed(writeln!(out, "target: {}", engine.describe(&settings)))?;
    let id = case.id.clone();
    let cases = probes.into_iter().chain([case]).collect();
    let start_time = Duration::from_secs(args.target.start_time_s);
    let played = tokio::select! {
        played = play(&mut engine, &settings, start_time, cases) => played,
        () = interrupt.wait() => Err(Problem::new(Exit::Interrupted, "interrupted")),
    };
    if let Some(how) = engine.has_ended() {
        // If standard error is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "the engine ended during the run: {how}");
    }
    engine.end().await;
    let (mut outcomes, gone) = played?;
    outcomes.retain(|it| it.case == id);
    for outcome in &mut outcomes {
        expectation::mark(&settings.expectations, outcome);
        show(outcome, &ledger, settings.strict, out)?;
    }
    match gone {
        Some(gone) => Err(Problem::new(Exit::DoesNotConform, gone)),
        None => Ok(exit_of(&outcomes, |_| true, &[], settings.strict)),
    }
}

async fn play(
    engine: &mut Engine,
    settings: &Settings,
    start_time: Duration,
    cases: Vec<Case>,
) -> Result<(Vec<Outcome>, Option<Arc<Gone>>), Problem> {
    let target = Target {
        expendable: true,
        ..engine.target(settings)
    };
    let context = Context::new(target, settings.pace);
    let context = context.map_err(|it| Problem::new(Exit::OurFault, it))?;
    engine.until_it_listens(&context, start_time).await?;
    if cases.iter().any(|case| !case.endpoints.is_empty()) {
        let opened = context.endpoints().await;
        opened.map_err(|error| Problem::new(Exit::Usage, format!("--callback-bind: {error}")))?;
    }
    let (events, _) = mpsc::unbounded_channel();
    let context = Arc::new(context);
    let outcomes = runner::run(&context, cases, None, &events).await;
    Ok((outcomes, context.gone()))
}

fn show(
    outcome: &Outcome,
    ledger: &Ledger,
    strict: bool,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let (verdict, id) = (outcome.verdict(strict).name(), &outcome.case);
    let why = match &outcome.status {
        Status::Untestable(why) | Status::NotApplicable(why) | Status::Broken(why) => {
            format!(": {why}")
        }
        Status::Passed | Status::Failed(_) => String::new(),
    };
    unless_closed(writeln!(out, "{verdict}  {id}{why}"))?;
    unless_closed(report::played(outcome, ledger, strict, out))?;
    Ok(())
}

/// The case of the file, and those that probe for the features it needs, which the suite carries.
fn read(file: &Path, ledger: &Ledger) -> Result<(Case, Vec<Case>), Problem> {
    let usage = |error| Problem::new(Exit::Usage, error);
    let cases = Cases::from_file(file, ledger).map_err(usage)?;
    let id = file.file_stem().and_then(|it| it.to_str());
    let case = id.and_then(|id| cases.get(id)).cloned();
    let case = case.ok_or_else(|| Problem::new(Exit::OurFault, "the case is lost"))?;
    let needed = |it: &&Case| it.probes.as_ref().is_some_and(|it| case.needs.contains(it));
    let probes = cases.iter().filter(needed).cloned().collect();
    Ok((case, probes))
}
