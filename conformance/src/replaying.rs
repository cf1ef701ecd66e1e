//! `conformance replay`: one case file against an engine, with all that was said.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use conformance_suite::{
    case::{Case, Cases},
    expectation,
    ledger::Ledger,
    mapping::ConfigKeys,
    record::Transcripts,
    report,
    runner::{self, Context, Gone, Pace, Target},
    verdict::{Outcome, Status},
};
use tokio::sync::mpsc;

use crate::{
    cli::ReplayArgs,
    commands::unless_closed,
    engine::Engine,
    exit::{Exit, Problem, exit_of},
    interrupt::Interrupt,
    settings::Settings,
};

/// Of why a case was not judged, which may be in the engine's words.
const WHY_CHARACTERS: usize = 2_000;

/// Plays the case in the file, after those that probe for what it needs; of a report, what was said
/// in a case of it.
pub(crate) async fn replay(args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let [file] = args.run.selection.select.as_slice() else {
        return Err(Problem::new(
            Exit::Usage,
            "one file can be replayed at a time",
        ));
    };
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let Played {
        case,
        probes,
        is_transcript,
    } = read(Path::new(file), args.case.as_deref(), &ledger)?;
    let mut settings = Settings::resolve(&args.run)?;
    // What is said otherwise than then is what somebody wants to know.
    settings.strict |= is_transcript;
    let mut interrupt =
        Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut engine = Engine::start(&settings).await?;
    unless_closed(writeln!(out, "target: {}", engine.describe(&settings)))?;
    let id = case.id.clone();
    let cases = probes.into_iter().chain([case]).collect();
    let mut target = engine.target(&settings);
    target.expendable = true;
    if is_transcript {
        // It has what was on the wire, where trigger types are called as the engine calls them.
        target.config_keys = ConfigKeys::default();
    }
    let start_time = Duration::from_secs(args.run.target.start_time_s);
    let played = tokio::select! {
        played = play(&mut engine, target, settings.pace, start_time, cases) => played,
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
        let was_played = matches!(outcome.status, Status::Passed | Status::Failed(_));
        if is_transcript && was_played {
            let same = outcome.status == Status::Passed;
            let how = if same {
                "the same as"
            } else {
                "otherwise than"
            };
            unless_closed(writeln!(out, "{how} then  {id}"))?;
            unless_closed(report::played(outcome, &ledger, true, out))?;
            continue;
        }
        if !is_transcript {
            expectation::mark(&settings.expectations, outcome);
        }
        show(outcome, &ledger, settings.strict, out)?;
    }
    match gone {
        Some(gone) => Err(Problem::new(Exit::DoesNotConform, gone)),
        None => Ok(exit_of(&outcomes, |_| true, &[], settings.strict)),
    }
}

async fn play(
    engine: &mut Engine,
    target: Target,
    pace: Pace,
    start_time: Duration,
    cases: Vec<Case>,
) -> Result<(Vec<Outcome>, Option<Arc<Gone>>), Problem> {
    let context = Context::new(target, pace);
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
            format!(": {}", report::printable(why, WHY_CHARACTERS))
        }
        Status::Passed | Status::Failed(_) => String::new(),
    };
    unless_closed(writeln!(out, "{verdict}  {id}{why}"))?;
    unless_closed(report::played(outcome, ledger, strict, out))?;
    Ok(())
}

/// What is played.
struct Played {
    case: Case,
    /// The cases that the suite carries which probe for the features that it needs.
    probes: Vec<Case>,
    /// Whether it is what was said in a run.
    is_transcript: bool,
}

fn read(file: &Path, wanted: Option<&str>, ledger: &Ledger) -> Result<Played, Problem> {
    let usage = |error: String| Problem::new(Exit::Usage, error);
    let transcripts = Transcripts::read(file).map_err(|it| usage(it.to_string()))?;
    let is_transcript = transcripts.is_some();
    let (id, cases) = match transcripts {
        Some(transcripts) => {
            let recording = transcripts.recording(wanted);
            let recording = recording.map_err(|it| usage(it.to_string()))?;
            let text = serde_json::to_string(&recording);
            let text = text.map_err(|it| Problem::new(Exit::OurFault, it))?;
            let id = recording.id().to_owned();
            let cases = Cases::from_text(&format!("{id}.json"), text, ledger);
            (Some(id), cases)
        }
        None if wanted.is_some() => {
            let message = format!("--case is for reports, and `{}` is none", file.display());
            return Err(usage(message));
        }
        None => {
            let id = file.file_stem().and_then(|it| it.to_str());
            (id.map(str::to_owned), Cases::from_file(file, ledger))
        }
    };
    let cases = cases.map_err(|it| usage(it.to_string()))?;
    let case = id.and_then(|id| cases.get(&id)).cloned();
    let case = case.ok_or_else(|| Problem::new(Exit::OurFault, "the case is lost"))?;
    // Fences of what was said are as good as the engine can have them.
    let needed =
        |feature: &String| case.needs.contains(feature) || is_transcript && feature == "ping";
    let probes = cases
        .iter()
        .filter(|it| it.probes.as_ref().is_some_and(needed));
    Ok(Played {
        probes: probes.cloned().collect(),
        case,
        is_transcript,
    })
}
