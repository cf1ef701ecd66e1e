//! Whether an engine bears many triggers of one session, and many sessions that do nothing, and
//! what it takes for them. Each is asked of a process of its own:
//! `cargo run --release -p benches --bin scale -- --engine target/release/reference`.
//!
//! 10,000 sessions take as many file descriptors on either side: `ulimit -n 65536` first.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use clap::Parser;
use conformance_suite::load::{Crowd, Kind, LoadError, Registrations, resident};

/// Exit codes: 0 all of it was borne, 1 it was not, 2 the command line is wrong.
#[derive(Debug, Parser)]
struct Cli {
    /// The `reference` command, or one that takes the same flags and says the same.
    #[arg(long, value_name = "PATH")]
    engine: PathBuf,
    /// How many triggers of each type one session registers.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    triggers: usize,
    /// How many sessions do nothing at once.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    sessions: usize,
    /// What the engine may take with these sessions, in MB.
    #[arg(long, value_name = "MB", default_value_t = 200)]
    sessions_mb_max: u64,
    /// How long anything may take, in seconds.
    #[arg(long, value_name = "S", default_value_t = 60)]
    patience_s: u64,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Load(#[from] LoadError),
    #[error("{0}")]
    Found(String),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match scale(&cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn scale(cli: &Cli) -> Result<(), Problem> {
    for kind in [Kind::Http, Kind::Cron, Kind::Queue] {
        triggers(cli, kind).await?;
    }
    sessions(cli).await
}

async fn triggers(cli: &Cli, kind: Kind) -> Result<(), Problem> {
    let engine = Engine::start(&cli.engine)?;
    let patience = Duration::from_secs(cli.patience_s);
    let idle = engine.memory();
    let open = Registrations::open(&engine.url, false, kind, patience);
    let mut registrations = open.await?;
    let registering = registrations.register(cli.triggers).await?;
    let memory = engine.memory();
    let fired = registrations.fire(&engine.http_url).await?;
    writeln!(
        io::stdout(),
        "{} {} of one session: registered in {:.1} s, {}, {} when idle; one fired, which took {:.1} ms",
        registering.registered,
        kind.name(),
        registering.took.as_secs_f64(),
        show(memory),
        show(idle),
        fired.as_secs_f64() * 1e3
    )?;
    let began = Instant::now();
    registrations.close().await;
    let after = Registrations::open(&engine.url, false, Kind::Function, patience);
    let mut after = after.await?;
    after.register(1).await?;
    writeln!(
        io::stdout(),
        "  its session ended, and another one was served after {:.1} s: {}",
        began.elapsed().as_secs_f64(),
        show(engine.memory())
    )?;
    Ok(())
}

async fn sessions(cli: &Cli) -> Result<(), Problem> {
    let engine = Engine::start(&cli.engine)?;
    let patience = Duration::from_secs(cli.patience_s);
    let idle = engine.memory();
    let began = Instant::now();
    let mut crowd = Crowd::open(&engine.url, false, cli.sessions, patience).await?;
    let (took, memory) = (began.elapsed(), engine.memory());
    // Another worker is served among them.
    let open = Registrations::open(&engine.url, false, Kind::Http, patience);
    let mut registrations = open.await?;
    registrations.register(1).await?;
    registrations.fire(&engine.http_url).await?;
    let present = crowd.present();
    writeln!(
        io::stdout(),
        "{present} idle sessions: connected in {:.1} s, {}, {} when idle; a trigger fired among them",
        took.as_secs_f64(),
        show(memory),
        show(idle)
    )?;
    if present < cli.sessions {
        let ended = cli.sessions - present;
        return Err(Problem::Found(format!("{ended} sessions have ended")));
    }
    if memory.is_some_and(|it| it > cli.sessions_mb_max * 1_000_000) {
        let problem = format!("{}, at most {} MB", show(memory), cli.sessions_mb_max);
        return Err(Problem::Found(problem));
    }
    Ok(())
}

fn show(bytes: Option<u64>) -> String {
    let tenths = |it: u64| (it + 50_000) / 100_000;
    bytes.map_or_else(
        || "memory unknown".to_owned(),
        |it| format!("{}.{} MB", tenths(it) / 10, tenths(it) % 10),
    )
}

/// An engine's process, ended when it is dropped.
struct Engine {
    process: Child,
    url: String,
    http_url: String,
}

impl Engine {
    fn start(path: &Path) -> Result<Self, Problem> {
        let mut process = Command::new(path)
            .args(["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(["--log", "warn"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Problem::Found(format!("{}: {error}", path.display())))?;
        let said = process.stdout.take().map(BufReader::new);
        let mut engine = Self {
            process,
            url: String::new(),
            http_url: String::new(),
        };
        for line in said.into_iter().flat_map(BufRead::lines) {
            let line = line?;
            if let Some(url) = line.strip_prefix("listening on ") {
                url.clone_into(&mut engine.url);
            } else if let Some(url) = line.strip_prefix("http triggers on ") {
                url.clone_into(&mut engine.http_url);
                return Ok(engine);
            }
        }
        let problem = format!("{} has not said where it listens", path.display());
        Err(Problem::Found(problem))
    }

    fn memory(&self) -> Option<u64> {
        resident(self.process.id())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
