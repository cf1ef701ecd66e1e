//! Soak, faults and overload: what an engine that runs as a process of its own holds out against.
//!
//! Each trial has an engine of its own, prints each figure that it has measured beside its bar,
//! and shows in the end by the engine's own gauges that nothing was left.

mod address;
mod background;
mod caller;
mod crowd;
mod engine;
mod figures;
mod ledger;
mod peer;
mod processors;
mod simulation;
mod system;
mod trials;
mod trouble;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, ValueEnum};
use mimalloc::MiMalloc;

use crate::{
    ledger::{Form, Ledger},
    trials::{Plan, Trial},
    trouble::Trouble,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// What ended by a signal exits with, as a shell has it.
const INTERRUPTED: u8 = 130;

/// Soak, fault and overload tests against an engine that is started for each of them.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// The engine's program.
    #[arg(long, value_name = "PATH", default_value = "target/release/reference")]
    engine: PathBuf,

    /// Less of everything: under 40 seconds.
    #[arg(long)]
    short: bool,

    /// A trial to run; repeatable. Without it all are run.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<Trial>,

    /// What random numbers begin with.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,

    /// A JSON object a line instead of text.
    #[arg(long)]
    json: bool,

    /// Be a worker that is going to be killed, of the engine at this address.
    #[arg(long, hide = true, value_name = "ADDRESS", requires = "function")]
    worker: Option<std::net::SocketAddr>,

    /// The function of that worker.
    #[arg(long, hide = true, value_name = "ID")]
    function: Option<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    runtime.block_on(async {
        tokio::select! {
            code = run(cli) => code,
            // What was started ends with what it is held by.
            () = system::interrupted() => ExitCode::from(INTERRUPTED),
        }
    })
}

async fn run(cli: Cli) -> ExitCode {
    if let (Some(address), Some(function)) = (cli.worker, cli.function) {
        return match trials::be_killed(address, &function).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(trouble) => fail(&trouble.to_string()),
        };
    }
    let plan = Plan::new(cli.engine, cli.short, cli.seed);
    let form = if cli.json { Form::Json } else { Form::Text };
    let trials = Trial::value_variants();
    let chosen = trials
        .iter()
        .filter(|it| cli.only.is_empty() || cli.only.contains(it));
    let (mut bars, mut missed) = (0, 0);
    let began = Instant::now();
    for trial in chosen {
        let mut ledger = Ledger::open(trial.name(), &plan.describe(*trial), form);
        if let Err(trouble) = trial.run(&plan, &mut ledger).await {
            ledger.broke_off(&trouble);
        }
        let closed = ledger.close();
        bars += closed.bars;
        missed += closed.missed;
    }
    let took = began.elapsed();
    let told = match form {
        Form::Text => format!(
            "{bars} bars: {} held, {missed} missed, in {:.0} s",
            bars - missed,
            took.as_secs_f64()
        ),
        Form::Json => serde_json::json!({
            "bars": bars, "missed": missed, "took_s": took.as_secs_f64(),
        })
        .to_string(),
    };
    say(&told);
    match missed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn fail(message: &str) -> ExitCode {
    // If standard error is gone, there is nobody left to tell.
    let _ = writeln!(io::stderr(), "error: {message}");
    ExitCode::FAILURE
}

/// A line on standard output, at once.
fn say(line: &str) {
    let mut stdout = io::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// What a trial comes to.
type Outcome<T = ()> = Result<T, Trouble>;
