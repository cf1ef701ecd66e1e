//! Workers that are killed in mid-call.

use std::{
    env,
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

use super::Plan;
use crate::{
    Outcome,
    address::Address,
    caller::Caller,
    engine::PATIENCE,
    ledger::Ledger,
    peer::{Incoming, Peer},
    say,
    trouble::{Trouble, WithinPatience},
};

const WORKERS: usize = 4;
const CALLS_EACH: usize = 25;
const ENDED_MS_MAX: f64 = 2_000.0;
const READY: &str = "ready";

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let mut caller = Caller::connect(engine.address).await?;
    let rounds = plan.either(2, 10);
    let (mut stopped, mut gone, mut longest) = (0, 0, Duration::ZERO);
    for _ in 0..rounds {
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            let function = function(number);
            workers.push(start(engine.address, &function).await?);
            for _ in 0..CALLS_EACH {
                caller.begin(&function, "null").await?;
            }
        }
        let all = (WORKERS * CALLS_EACH) as u64;
        let (gauges, _) = engine
            .until(PATIENCE, |it| it.calls_in_flight == all)
            .await?;
        if gauges.calls_in_flight != all {
            return Err(Trouble::unexpected(format!(
                "{} calls are under way, not {all}",
                gauges.calls_in_flight
            )));
        }
        let killed = Instant::now();
        for worker in &mut workers {
            worker.start_kill()?;
        }
        for _ in 0..all {
            let answer = caller.answer(PATIENCE).await?;
            stopped += usize::from(answer.is_error("invocation_stopped"));
        }
        longest = longest.max(killed.elapsed());
        for (number, worker) in workers.iter_mut().enumerate() {
            worker.wait().await?;
            let answer = caller.call(&function(number), "null").await?;
            gone += usize::from(answer.is_error("function_not_found"));
        }
    }
    let calls = rounds * WORKERS * CALLS_EACH;
    let what = "calls in flight that ended in `invocation_stopped`";
    ledger.exactly(what, stopped, calls);
    let longest = longest.as_secs_f64() * 1e3;
    ledger.at_most(
        "the last of them, after the kill",
        longest,
        "ms",
        ENDED_MS_MAX,
    );
    let what = "functions that are `function_not_found` afterwards";
    ledger.exactly(what, gone, rounds * WORKERS);
    caller.peer.close().await?;
    engine.end(ledger).await
}

fn function(number: usize) -> String {
    format!("killed.{number}")
}

/// This program once more, as a worker.
async fn start(address: Address, function: &str) -> Outcome<Child> {
    let mut child = Command::new(env::current_exe()?)
        .arg(format!("--worker={}", address.workers))
        .arg(format!("--function={function}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take();
    let gone = || Trouble::unexpected("a worker ended before it was ready");
    let mut lines = BufReader::new(stdout.ok_or_else(gone)?).lines();
    let line = timeout(PATIENCE, lines.next_line()).await;
    match line.or_silent("a worker's first word", PATIENCE)?? {
        Some(line) if line == READY => Ok(child),
        _ => Err(gone()),
    }
}

/// Is a worker that takes calls and answers none, until it is killed.
pub(crate) async fn be_killed(workers: SocketAddr, function: &str) -> Outcome {
    // Only one of the two is connected to.
    let address = Address {
        workers,
        http: workers,
    };
    let mut worker = Peer::connect(address).await?;
    worker.register(function).await?;
    say(READY);
    while let Incoming::Frame(_) = worker.next().await {}
    Ok(())
}
