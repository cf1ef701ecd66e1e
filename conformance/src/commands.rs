//! What each command does, up to the runner.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use conformance_suite::{
    case::{Case, Cases, Level},
    environment::Environment,
    histories,
    ledger::Ledger,
    profile::Profile,
    report,
    target_file::TargetFile,
};

use crate::{
    benching,
    cli::{Cli, Color, Command, ListArgs, RunArgs, Selection, Source},
    completing, diffing, discovering,
    exit::{Exit, Problem},
    exploring,
    judging::judge,
    linting, power, profiles, recording, replaying,
    reporting::Reports,
};

pub(crate) fn main() -> ExitCode {
    let cli = Cli::read();
    let color = cli.color;
    let mut out = colored(io::stdout(), color);
    let done = match cli.command.unwrap_or(Command::Run(Box::new(cli.run))) {
        Command::Run(args) => run(&args, color, &mut out),
        Command::List(args) => list(&args, &mut out),
        Command::Env => env(&mut out),
        Command::Completions { shell } => completing::complete(shell, &mut out),
        Command::Explain { name, source } => explain(&name, &source, &mut out),
        Command::Init(args) => asynchronously(discovering::init(&args, &mut out)),
        Command::Lint(args) => linting::lint(&args, &mut out),
        Command::Power(args) => asynchronously(power::power(&args, &mut out)),
        Command::Record(args) => asynchronously(recording::record(&args, &mut out)),
        Command::Diff(args) => asynchronously(diffing::diff(&args, &mut out)),
        Command::Explore(args) => asynchronously(exploring::explore(&args, &mut out)),
        Command::Bench(args) => asynchronously(benching::bench(&args, &mut out)),
        Command::Replay(args) => asynchronously(replaying::replay(&args, &mut out)),
    };
    let exit = done.unwrap_or_else(|problem| {
        // If standard error is gone, there is nobody left to tell.
        let _ = writeln!(io::stderr(), "error: {}", visible(&problem.message));
        problem.exit
    });
    ExitCode::from(exit as u8)
}

/// A message as a terminal may have it: the words of others are among it.
fn visible(message: &str) -> String {
    let lines = message.lines().map(|it| report::printable(it, usize::MAX));
    lines.collect::<Vec<_>>().join("\n")
}

/// What people read, in colour if they want it.
fn colored<S: RawStream>(stream: S, color: Color) -> AutoStream<S> {
    let choice = match color {
        Color::Auto => AutoStream::choice(&stream),
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    AutoStream::new(stream, choice)
}

fn asynchronously(command: impl Future<Output = Result<Exit, Problem>>) -> Result<Exit, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(Exit::OurFault, error))?;
    let done = runtime.block_on(command);
    // A history that is still under way when a run is interrupted is not waited for.
    runtime.shutdown_background();
    done
}

pub(crate) fn load(source: &Source) -> Result<(Ledger, Cases), Problem> {
    let ledger = Ledger::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let cases = match &source.cases {
        Some(folder) => {
            Cases::from_folder(folder, &ledger).map_err(|error| Problem::new(Exit::Usage, error))?
        }
        None => Cases::embedded(&ledger).map_err(|error| Problem::new(Exit::OurFault, error))?,
    };
    Ok((ledger, cases))
}

pub(crate) fn select(selection: &Selection, cases: &Cases) -> Result<Vec<Case>, Problem> {
    let unknown = |selector: &&String| {
        *selector != histories::ID && cases.select(std::slice::from_ref(*selector)).is_empty()
    };
    if let Some(selector) = selection.select.iter().find(unknown) {
        return Err(unknown_name(selector, cases));
    }
    let mut selected = cases.select(&selection.select);
    if !selection.level.is_empty() {
        let levels: Vec<Level> = selection.level.iter().map(|it| (*it).into()).collect();
        if !selected.iter().any(|it| levels.contains(&it.level)) {
            let message = "none of the cases that are selected is of such a level";
            return Err(Problem::new(Exit::NothingRan, message));
        }
        selected.retain(|it| levels.contains(&it.level) || it.probes.is_some());
    }
    if wants_histories(selection) {
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

/// The part of the cases that is asked for; those that probe belong to each.
pub(crate) fn shard(args: &RunArgs, cases: Vec<Case>) -> Vec<Case> {
    let Some(shard) = args.shard else {
        return cases;
    };
    let (mut kept, others): (Vec<Case>, Vec<Case>) =
        cases.into_iter().partition(|it| it.probes.is_some());
    let others = others.into_iter().enumerate();
    let part = others.filter(|(index, _)| index % shard.parts == shard.part - 1);
    kept.extend(part.map(|(_, case)| case));
    kept
}

/// Random histories belong to everything, and can be asked for by name.
pub(crate) fn wants_histories(selection: &Selection) -> bool {
    selection.select.is_empty() || selection.select.iter().any(|it| it == histories::ID)
}

fn unknown_name(name: &str, cases: &Cases) -> Problem {
    const LIKENESS_MIN: f64 = 0.8;
    let likeness = |case: &&Case| strsim::jaro_winkler(name, &case.id);
    let nearest = cases
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let hint = match nearest.filter(|case| likeness(case) > LIKENESS_MIN) {
        Some(case) => format!("did you mean `{}`?", case.id),
        None => "`conformance list` shows the cases".to_owned(),
    };
    let message = format!("no case and no clause is called `{name}`; {hint}");
    Problem::new(Exit::Usage, message)
}

/// A reader that stops reading, such as `head`, is no fault of anybody's.
pub(crate) fn unless_closed(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<Exit, Problem> {
    let file = match &args.target {
        Some(path) => TargetFile::read(path).map_err(|error| Problem::new(Exit::Usage, error))?,
        None => TargetFile::default(),
    };
    if args.profiles {
        unless_closed(profiles::list(&file, out)?)?;
        return Ok(Exit::Conforms);
    }
    let selection = &args.selection;
    let (_, cases) = load(&selection.source)?;
    let profile = profiles::chosen(selection, &file)?;
    let selected = select(selection, &cases)?;
    let selected = profiles::narrowed(profile.as_ref(), selection, &cases, selected)?;
    let histories =
        wants_histories(selection) && profile.as_ref().is_none_or(Profile::wants_histories);
    unless_closed(report::list(&selected, histories, out))?;
    Ok(Exit::Conforms)
}

fn env(out: &mut dyn Write) -> Result<Exit, Problem> {
    let environment =
        Environment::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    unless_closed(environment.write_shell(out))?;
    Ok(Exit::Conforms)
}

fn explain(name: &str, source: &Source, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (ledger, cases) = load(source)?;
    let written = if let Some(clause) = ledger.clause(&name.to_ascii_uppercase()) {
        report::explain_clause(clause, &cases, out)
    } else if let Some(case) = cases.get(name) {
        report::explain_case(case, out)
    } else if name == histories::ID {
        report::explain_histories(out)
    } else {
        return Err(unknown_name(name, &cases));
    };
    unless_closed(written)?;
    Ok(Exit::Conforms)
}

fn run(args: &RunArgs, color: Color, out: &mut dyn Write) -> Result<Exit, Problem> {
    let (ledger, cases) = load(&args.selection.source)?;
    let selected = select(&args.selection, &cases)?;
    if args.histories == Some(0)
        && args.selection.select.iter().all(|it| it == histories::ID)
        && !args.selection.select.is_empty()
    {
        let message = "random histories alone are asked for, but none of them (--histories 0)";
        return Err(Problem::new(Exit::NothingRan, message));
    }
    let selected = shard(args, selected);
    let reports = Reports::open(args)?;
    let mut err = colored(io::stderr(), color);
    let out = if reports.take_stdout() { &mut err } else { out };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Problem::new(Exit::OurFault, error))?;
    let done = runtime.block_on(judge(args, &ledger, &cases, selected, &reports, out));
    if let Err(problem) = &done {
        reports.came_to_nothing(&ledger, problem);
    }
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    done
}
