//! `conformance run`: from the command line to the report.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use conformance::{
    case::Case,
    histories,
    ledger::Ledger,
    report::{self, Run, Style},
    runner::{self, Context, Event, Pace, Target},
    verdict::{Outcome, Status, Tally},
};
use reference::Server;
use tokio::sync::mpsc;

use crate::{
    cli::RunArgs,
    commands::unless_closed,
    embedded,
    exit::{Exit, Problem},
};

/// Runs the selected cases against the target, and writes the report.
pub(crate) async fn judge(
    args: &RunArgs,
    ledger: &Ledger,
    cases: Vec<Case>,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let began = Instant::now();
    let (target, server) = aim(args, out).await?;
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

/// The target, which is the embedded reference if no other is given; the first line says which.
async fn aim(args: &RunArgs, out: &mut dyn Write) -> Result<(Target, Option<Server>), Problem> {
    let hello = !args.no_hello;
    if let Some(url) = &args.url {
        unless_closed(writeln!(out, "target: {url}"))?;
        let target = Target {
            url: url.clone(),
            variables_set: args.variable.iter().cloned().collect(),
            hello,
        };
        return Ok((target, None));
    }
    let server = embedded::start()
        .await
        .map_err(|error| Problem::new(Exit::OurFault, error))?;
    let url = server.url();
    unless_closed(writeln!(
        out,
        "target: the embedded reference at {url} (--url aims at another engine)"
    ))?;
    let target = Target {
        url,
        variables_set: embedded::variables_set(),
        hello,
    };
    Ok((target, Some(server)))
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
