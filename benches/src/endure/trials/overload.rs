//! More calls than the engine can take, beside sessions that behave well.

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::sleep};

use super::Plan;
use crate::{
    Outcome,
    address::Address,
    caller::{Answer, Caller},
    crowd::{Crowd, Pace},
    engine::{Engine, Gauges, PATIENCE},
    figures::{Latencies, count, mib},
    ledger::Ledger,
    peer::Peer,
    processors::Processors,
    system::{Aside, Priority, aside, pace},
};

const WELL_BEHAVED: usize = 4;
const TIMES_CAPACITY: f64 = 4.0;
/// What lies between two calls of one that behaves well, at least.
const CALL_EVERY: Duration = Duration::from_millis(5);
/// How long memory is watched as it comes down, where it has to be no lower.
const SETTLING: Duration = Duration::from_secs(2);

/// A quarter of what D-28 lets these sessions have the engine hold: 48 MiB for each of 4 workers
/// that cannot keep up, and 64 MiB for each of 32 callers that do not read.
const MEMORY_MIB_MAX: f64 = 512.0;
/// What memory may grow by between the middle and the end.
const MEMORY_GROWTH_MIB_MAX: f64 = 32.0;
/// What may be more afterwards than before: what is free and each thread of the allocator keeps.
const MEMORY_MARGIN_MIB: f64 = 64.0;
/// Below it nobody asks `--short`, which machines run that have other things to do.
const SHORT_P99_MS_FLOOR: f64 = 50.0;
/// Afterwards nobody asks below one tick of the scheduler, at 250 Hz.
const P99_AFTERWARDS_MS_FLOOR: f64 = 4.0;
const P99_UNDER_LOAD_TIMES: f64 = 10.0;
const P99_AFTERWARDS_TIMES: f64 = 2.0;

const GREEDY_FUNCTION: &str = "overload.greedy";
const QUIET_FUNCTION: &str = "overload.quiet";

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let processors = Processors::divide();
    processors.are_the_engines();
    let engine = plan.start().await?;
    processors.are_the_loads();
    let settling = Duration::from_secs(plan.either(2, 5));
    let capacity = capacity(&engine, settling).await?;
    ledger.figure("capacity, closed loop", capacity, "calls/s");
    engine.until(PATIENCE, |it| it.sessions == 0).await?;

    // Everybody is there from here on, and what is compared is the load alone.
    let crowd = Crowd::gather(engine.address, GREEDY_FUNCTION).await?;
    let idle = probe(engine.address, settling)?.ended().await?.latencies;
    let idle_memory = engine.memory();
    ledger.figure("p99 when idle", idle.p99_ms(), "ms");

    let (start, load) = (engine.gauges().await?, plan.overload());
    crowd.call(Pace::CallsPerSecond(capacity * TIMES_CAPACITY));
    let probing = probe(engine.address, load)?;
    let memory = engine.watch_memory(load).await;
    let probed = probing.ended().await?;
    let end = engine.gauges().await?;
    crowd.go().await?;

    let seconds = load.as_secs_f64();
    ledger.figure("offered", capacity * TIMES_CAPACITY, "calls/s");
    let taken = per_second(start.calls, end.calls, seconds);
    ledger.figure("taken", taken, "calls/s");
    let refused = per_second(start.calls_failed, end.calls_failed, seconds);
    ledger.figure("of these refused at once", refused, "calls/s");
    file_memory(plan, ledger, &memory);
    let floor = plan.either(SHORT_P99_MS_FLOOR, 0.0);
    let bar = (idle.p99_ms() * P99_UNDER_LOAD_TIMES).max(floor);
    let p99 = probed.latencies.p99_ms();
    ledger.at_most("p99 of those that behave well", p99, "ms", bar);
    ledger.figure("their longest", probed.latencies.max_ms(), "ms");
    let what = "calls of theirs that were answered with a result";
    ledger.exactly(what, probed.latencies.count(), probed.begun);

    let (_, drained) = engine.until(PATIENCE, |it| it.calls_in_flight == 0).await?;
    ledger.figure("calls all ended after", drained.as_secs_f64(), "s");
    let afterwards = probe(engine.address, settling)?.ended().await?.latencies;
    let floor = plan.either(SHORT_P99_MS_FLOOR, P99_AFTERWARDS_MS_FLOOR);
    let bar = (idle.p99_ms() * P99_AFTERWARDS_TIMES).max(floor);
    ledger.at_most("p99 afterwards", afterwards.p99_ms(), "ms", bar);
    memory_back(&engine, idle_memory, ledger).await?;
    engine.end(ledger).await
}

/// Calls a second that are answered with a result while callers wait for answers.
async fn capacity(engine: &Engine, time: Duration) -> Outcome<f64> {
    let crowd = Crowd::gather(engine.address, GREEDY_FUNCTION).await?;
    crowd.call(Pace::AsAnswered);
    let start = engine.until(PATIENCE, |it| it.calls > 0).await?.0;
    let began = Instant::now();
    sleep(time).await;
    let end = engine.gauges().await?;
    let took = began.elapsed().as_secs_f64();
    crowd.go().await?;
    let served = |it: &Gauges| it.calls.saturating_sub(it.calls_failed);
    Ok(per_second(served(&start), served(&end), took))
}

fn per_second(from: u64, to: u64, seconds: f64) -> f64 {
    count(usize::try_from(to.saturating_sub(from)).unwrap_or_default()) / seconds
}

struct Probed {
    latencies: Latencies,
    begun: usize,
}

/// Begins to call one at a time, by a few sessions with a worker of their own.
fn probe(address: Address, time: Duration) -> Outcome<Aside<Probed>> {
    Ok(aside("probe", Priority::Usual, move || async move {
        let worker = Peer::worker(address, QUIET_FUNCTION).await?;
        // It serves until this thread ends.
        tokio::spawn(worker.echo());
        let mut connected = Vec::new();
        for _ in 0..WELL_BEHAVED {
            connected.push(Caller::connect(address).await?);
        }
        let (mut callers, until) = (JoinSet::new(), Instant::now() + time);
        for caller in connected {
            callers.spawn(behave(caller, until));
        }
        let (mut latencies, mut begun) = (Vec::new(), 0);
        while let Some(caller) = callers.join_next().await {
            let (more, calls) = caller??;
            latencies.extend(more);
            begun += calls;
        }
        Ok(Probed {
            latencies: latencies.into(),
            begun,
        })
    })?)
}

/// How long each call took that was answered with a result, and how many there were.
async fn behave(mut caller: Caller, until: Instant) -> Outcome<(Vec<Duration>, usize)> {
    let (mut latencies, mut begun) = (Vec::new(), 0);
    let mut pace = pace(CALL_EVERY);
    while Instant::now() < until {
        pace.tick().await;
        begun += 1;
        let sent = Instant::now();
        if let Ok(Answer::Result(_)) = caller.call(QUIET_FUNCTION, "null").await {
            latencies.push(sent.elapsed());
        }
    }
    caller.peer.close().await?;
    Ok((latencies, begun))
}

fn file_memory(plan: &Plan, ledger: &mut Ledger, samples: &[f64]) {
    let most = |from: usize, to: usize| {
        let part = samples.get(from * samples.len() / 10..to * samples.len() / 10);
        part.unwrap_or_default().iter().copied().fold(0.0, f64::max)
    };
    if samples.is_empty() {
        return ledger.left_out("memory", "not measured here");
    }
    ledger.at_most("memory at its peak", most(0, 10), "MiB", MEMORY_MIB_MAX);
    let grown = (most(8, 10) - most(4, 6)).max(0.0);
    let what = "memory grown between the middle and the end";
    // Within a few seconds it has not yet grown to what it needs.
    match plan.short {
        true => ledger.figure(what, grown, "MiB"),
        false => ledger.at_most(what, grown, "MiB", MEMORY_GROWTH_MIB_MAX),
    }
}

/// Waits until memory is what it was, or nearly.
async fn memory_back(engine: &Engine, idle: Option<u64>, ledger: &mut Ledger) -> Outcome {
    let Some(idle) = idle.map(mib) else {
        return Ok(());
    };
    let bar = idle + MEMORY_MARGIN_MIB;
    let (mut now, began) = (f64::MAX, Instant::now());
    // It comes down little by little, and the figure is to be the one in the end.
    while (now > idle && began.elapsed() < SETTLING) || (now > bar && began.elapsed() < PATIENCE) {
        // The allocator gives back what is free when its threads have something to do.
        Peer::connect(engine.address).await?.close().await?;
        now = engine.memory().map_or(now, mib);
    }
    ledger.figure("memory before", idle, "MiB");
    ledger.at_most("memory afterwards", now, "MiB", bar);
    Ok(())
}
