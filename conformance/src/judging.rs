//! `conformance run`: from the command line to the report.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use conformance::{
    case::{Case, Cases},
    endpoint::Callback,
    environment::Environment,
    expectation::{self, Expectation, Stale},
    histories,
    ledger::Ledger,
    report::{self, Run, Style},
    runner::{self, Context, Event, Pace, Target},
    verdict::{CaseVerdict, Outcome, Status, Tally},
};
use reference::Server;
use tokio::sync::mpsc;

use crate::{
    cli::RunArgs,
    commands::{unless_closed, wants_histories},
    embedded,
    exit::{Exit, Problem},
};

/// Runs the selected cases against the target, and writes the report.
pub(crate) async fn judge(
    args: &RunArgs,
    ledger: &Ledger,
    all: &Cases,
    cases: Vec<Case>,
    out: &mut dyn Write,
) -> Result<Exit, Problem> {
    let began = Instant::now();
    let mut interrupt =
        Interrupt::install().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let (target, server) = aim(args, out).await?;
    let pace = Pace {
        jobs: args.jobs.into(),
        patience: args
            .patience_ms
            .map_or(Pace::default().patience, Duration::from_millis),
        adapts: args.patience_ms.is_none(),
        ..Pace::default()
    };
    let context = Context::new(target, pace).map_err(|it| Problem::new(Exit::OurFault, it))?;
    let context = Arc::new(context);
    context
        .reach()
        .await
        .map_err(|error| Problem::new(Exit::Unreachable, error))?;
    if cases.iter().any(|case| !case.endpoints.is_empty()) {
        let opened = context.endpoints().await;
        opened.map_err(|error| Problem::new(Exit::Usage, format!("--callback-bind: {error}")))?;
    }
    let (cases, left_out) = leave_out_slow(args, cases);
    let plan = histories_plan(args);
    let (events, listener) = mpsc::unbounded_channel();
    let collecting = tokio::spawn(collect(listener));
    let interrupted = tokio::select! {
        _ = runner::run(&context, cases, plan, &events) => false,
        () = interrupt.wait() => true,
    };
    drop(events);
    let mut outcomes = collecting
        .await
        .map_err(|error| Problem::new(Exit::OurFault, error))?;
    if let Some(server) = server {
        server.shutdown().await;
    }
    let expectations: &[Expectation] = &[];
    let stale = expectation::apply(expectations, &mut outcomes, |id| all.get(id).is_some());
    let run = Run {
        ledger,
        outcomes: &outcomes,
        complete: args.selection.select.is_empty() && !interrupted,
        strict: args.strict,
        left_out,
        stale: &stale,
        again: &again(args, plan, &outcomes),
        took: began.elapsed(),
    };
    let style = Style {
        verbose: args.verbose,
    };
    unless_closed(report::human(&run, style, out))?;
    if interrupted {
        let message = "interrupted: what had ended by then is reported";
        return Err(Problem::new(Exit::Interrupted, message));
    }
    Ok(exit_of(&outcomes, &stale, args.strict))
}

/// The target, which is the embedded reference if no other is given; the first line says which.
async fn aim(args: &RunArgs, out: &mut dyn Write) -> Result<(Target, Option<Server>), Problem> {
    let hello = !args.no_hello;
    let callback = callback(args)?;
    if let Some(url) = &args.url {
        if !url.starts_with("ws://") {
            let message = format!("`{url}` must begin with ws:// (wss:// is not supported)");
            return Err(Problem::new(Exit::Usage, message));
        }
        let variables = promised(args)?;
        let http_url = http_url(args)?;
        unless_closed(writeln!(out, "target: {url}"))?;
        let target = Target {
            url: url.clone(),
            variables,
            hello,
            callback,
            http_url,
        };
        return Ok((target, None));
    }
    let variables = embedded::variables();
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
        variables,
        hello,
        callback,
        http_url: server.http_url(),
    };
    Ok((target, Some(server)))
}

fn http_url(args: &RunArgs) -> Result<Option<String>, Problem> {
    let Some(url) = &args.http_url else {
        return Ok(None);
    };
    if !url.starts_with("http://") {
        let message = format!("--http-url: `{url}` must begin with http://");
        return Err(Problem::new(Exit::Usage, message));
    }
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

fn callback(args: &RunArgs) -> Result<Callback, Problem> {
    if args.callback_bind.ip().is_unspecified() && args.callback_host.is_none() {
        let message = format!(
            "--callback-bind {} listens on every address of this machine: say with \
             --callback-host under which one the engine reaches it",
            args.callback_bind
        );
        return Err(Problem::new(Exit::Usage, message));
    }
    Ok(Callback {
        bind: args.callback_bind,
        host: args.callback_host.clone(),
    })
}

/// What is said of the environment of an engine that somebody else has started.
fn promised(args: &RunArgs) -> Result<BTreeMap<String, String>, Problem> {
    let environment =
        Environment::embedded().map_err(|error| Problem::new(Exit::OurFault, error))?;
    let mut variables = BTreeMap::new();
    for text in &args.variable {
        let promise = environment.promise(text);
        let (name, value) =
            promise.map_err(|it| Problem::new(Exit::Usage, format!("--variable: {it}")))?;
        variables.insert(name, value);
    }
    if args.env {
        for (name, value) in environment.set {
            variables.entry(name).or_insert(value);
        }
    }
    Ok(variables)
}

/// Leaves out cases that take a minute, unless they were asked for; how many there are.
fn leave_out_slow(args: &RunArgs, cases: Vec<Case>) -> (Vec<Case>, usize) {
    let all = cases.len();
    let wanted = |case: &Case| args.slow || args.selection.select.contains(&case.id);
    let left: Vec<Case> = cases
        .into_iter()
        .filter(|case| !case.is_slow() || wanted(case))
        .collect();
    let left_out = all - left.len();
    (left, left_out)
}

fn histories_plan(args: &RunArgs) -> Option<histories::Plan> {
    (wants_histories(&args.selection) && args.histories > 0).then(|| histories::Plan {
        histories: args.histories,
        steps_max: 40,
        seed: args.seed.unwrap_or_else(histories::random_seed),
        strict: args.strict || args.url.is_none(),
    })
}

fn exit_of(outcomes: &[Outcome], stale: &[Stale], strict: bool) -> Exit {
    let tally = Tally::of(outcomes, strict);
    if tally.count(CaseVerdict::HarnessError) > 0 {
        Exit::OurFault
    } else if tally.count(CaseVerdict::Failed) > 0 {
        Exit::DoesNotConform
    } else if !stale.is_empty() {
        Exit::StaleExpectation
    } else if outcomes
        .iter()
        .all(|it| nothing_is_known(it.verdict(strict)))
    {
        Exit::OnlyUntestable
    } else {
        Exit::Conforms
    }
}

fn nothing_is_known(verdict: CaseVerdict) -> bool {
    matches!(
        verdict,
        CaseVerdict::Untestable | CaseVerdict::NotApplicable
    )
}

/// The command that aims at the same target in the same way.
fn again(args: &RunArgs, plan: Option<histories::Plan>, outcomes: &[Outcome]) -> String {
    let mut command = "conformance run".to_owned();
    if let Some(url) = &args.url {
        command += &format!(" --url {url}");
    }
    if args.env {
        command += " --env";
    }
    for promise in &args.variable {
        command += &format!(" --variable {}", quoted(promise));
    }
    if let Some(url) = &args.http_url {
        command += &format!(" --http-url {}", quoted(url));
    }
    if args.callback_bind != Callback::default().bind {
        command += &format!(" --callback-bind {}", args.callback_bind);
    }
    if let Some(host) = &args.callback_host {
        command += &format!(" --callback-host {}", quoted(host));
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

/// As a word of a shell's.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:=/".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Gathers what has ended, in order of the ids; shows a counter on a terminal meanwhile.
async fn collect(mut events: mpsc::UnboundedReceiver<Event>) -> Vec<Outcome> {
    let mut err = io::stderr();
    let seen = err.is_terminal();
    let (mut outcomes, mut all) = (Vec::new(), 0);
    while let Some(event) = events.recv().await {
        match event {
            Event::Started { cases } => all = cases,
            Event::Finished(outcome) => outcomes.push(*outcome),
        }
        if seen {
            let _ = write!(err, "\r{}/{all} cases", outcomes.len());
        }
    }
    if seen {
        let _ = write!(err, "\r\x1b[K");
    }
    outcomes.sort_unstable_by(|a, b| a.case.cmp(&b.case));
    outcomes
}

/// Ctrl-C, which from its installation on is no sudden end.
struct Interrupt {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
    #[cfg(windows)]
    signal: tokio::signal::windows::CtrlC,
}

impl Interrupt {
    fn install() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?,
            #[cfg(windows)]
            signal: tokio::signal::windows::ctrl_c()?,
        })
    }

    async fn wait(&mut self) {
        self.signal.recv().await;
    }
}
