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
    peer::{Peer, register_function},
    system::aside,
};

const WELL_BEHAVED: usize = 4;
const TIMES_CAPACITY: f64 = 4.0;
/// How long those that behave well wait between two calls.
const PAUSE: Duration = Duration::from_millis(5);
/// How long memory is watched as it comes down, where it has to be no lower.
const SETTLING: Duration = Duration::from_secs(2);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// A quarter of what D-28 lets these sessions have the engine hold: 48 MiB for each of 4 workers
/// that cannot keep up, and 64 MiB for each of 32 callers that do not read.
const MEMORY_MIB_MAX: f64 = 512.0;
/// What memory may grow by between the middle and the end.
const MEMORY_GROWTH_MIB_MAX: f64 = 32.0;
/// What may be more afterwards than before: what is free and each thread of the allocator keeps.
const MEMORY_MARGIN_MIB: f64 = 64.0;
/// Below these a machine of two cores measures its own scheduler.
const P99_UNDER_LOAD_MS_FLOOR: f64 = 100.0;
const P99_AFTERWARDS_MS_FLOOR: f64 = 25.0;
const P99_UNDER_LOAD_TIMES: f64 = 10.0;
const P99_AFTERWARDS_TIMES: f64 = 2.0;

const GREEDY_FUNCTION: &str = "overload.greedy";
const QUIET_FUNCTION: &str = "overload.quiet";

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let before = engine.gauges().await?;
    let descriptors = engine.descriptors();
    let settling = Duration::from_secs(plan.either(2, 5));
    let capacity = capacity(&engine, settling).await?;
    ledger.figure("capacity, closed loop", capacity, "calls/s");
    engine.until(PATIENCE, |it| it.sessions == 0).await?;
    let idle = probe(engine.address, settling).await?;
    let idle_memory = engine.memory();
    ledger.figure("p99 when idle", idle.latencies.p99_ms(), "ms");

    let start = engine.gauges().await?;
    let load = plan.overload();
    let pace = Pace::CallsPerSecond(capacity * TIMES_CAPACITY);
    let crowd = Crowd::start(engine.address, GREEDY_FUNCTION, pace).await?;
    let probing = aside(false, {
        let address = engine.address;
        move || async move { probe(address, load).await }
    })?;
    let memory = sample(&engine, load).await;
    let probed = probing.ended().await??;
    let end = engine.gauges().await?;
    crowd.stop().await?;

    let seconds = load.as_secs_f64();
    ledger.figure("offered", capacity * TIMES_CAPACITY, "calls/s");
    let taken = per_second(start.calls, end.calls, seconds);
    ledger.figure("taken", taken, "calls/s");
    let refused = per_second(start.calls_failed, end.calls_failed, seconds);
    ledger.figure("of these refused at once", refused, "calls/s");
    file_memory(ledger, &memory);
    let bar = (idle.latencies.p99_ms() * P99_UNDER_LOAD_TIMES).max(P99_UNDER_LOAD_MS_FLOOR);
    let p99 = probed.latencies.p99_ms();
    ledger.at_most("p99 of those that behave well", p99, "ms", bar);
    ledger.figure("their longest", probed.latencies.max_ms(), "ms");
    let what = "calls of theirs that were answered with a result";
    ledger.exactly(what, probed.latencies.count(), probed.begun);

    let (_, drained) = engine.until(PATIENCE, |it| it.calls_in_flight == 0).await?;
    ledger.figure("calls all ended after", drained.as_secs_f64(), "s");
    let afterwards = probe(engine.address, settling).await?;
    let bar = (idle.latencies.p99_ms() * P99_AFTERWARDS_TIMES).max(P99_AFTERWARDS_MS_FLOOR);
    ledger.at_most("p99 afterwards", afterwards.latencies.p99_ms(), "ms", bar);
    memory_back(&engine, idle_memory, ledger).await?;
    engine.nothing_left(&before, PATIENCE, ledger).await?;
    engine.descriptors_back(descriptors, ledger).await;
    engine.end().await
}

/// Calls a second that are answered with a result while callers wait for answers.
async fn capacity(engine: &Engine, time: Duration) -> Outcome<f64> {
    let crowd = Crowd::start(engine.address, GREEDY_FUNCTION, Pace::AsAnswered).await?;
    let start = engine.until(PATIENCE, |it| it.calls > 0).await?.0;
    let began = Instant::now();
    sleep(time).await;
    let end = engine.gauges().await?;
    let took = began.elapsed().as_secs_f64();
    crowd.stop().await?;
    let served = |it: &Gauges| it.calls.saturating_sub(it.calls_failed);
    Ok(per_second(served(&start), served(&end), took))
}

fn per_second(from: u64, to: u64, seconds: f64) -> f64 {
    count(usize::try_from(to.saturating_sub(from)).unwrap_or_default()) / seconds
}

/// Has a worker answer while something else goes on.
async fn serve<T>(
    address: Address,
    function: &'static str,
    meanwhile: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let mut worker = Peer::connect(address).await?;
    worker.send(register_function(function)).await?;
    worker.fence().await?;
    let echoing = tokio::spawn(worker.echo());
    let outcome = meanwhile.await;
    echoing.abort();
    let _ = echoing.await;
    outcome
}

struct Probed {
    latencies: Latencies,
    begun: usize,
}

/// Calls one at a time, by a few sessions with a worker of their own.
async fn probe(address: Address, time: Duration) -> Outcome<Probed> {
    let probing = async {
        let until = Instant::now() + time;
        let mut callers = JoinSet::new();
        for _ in 0..WELL_BEHAVED {
            callers.spawn(behave(address, until));
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
    };
    serve(address, QUIET_FUNCTION, probing).await
}

/// How long each call took that was answered with a result, and how many there were.
async fn behave(address: Address, until: Instant) -> Outcome<(Vec<Duration>, usize)> {
    let mut caller = Caller::connect(address).await?;
    let (mut latencies, mut begun) = (Vec::new(), 0);
    while Instant::now() < until {
        begun += 1;
        let sent = Instant::now();
        if let Ok(Answer::Result(_)) = caller.call(QUIET_FUNCTION, "null").await {
            latencies.push(sent.elapsed());
        }
        sleep(PAUSE).await;
    }
    caller.peer.close().await?;
    Ok((latencies, begun))
}

/// Resident memory in the course of time, in MiB.
async fn sample(engine: &Engine, time: Duration) -> Vec<f64> {
    let until = Instant::now() + time;
    let mut samples = Vec::new();
    while Instant::now() < until {
        samples.extend(engine.memory().map(mib));
        sleep(SAMPLE_EVERY).await;
    }
    samples
}

fn file_memory(ledger: &mut Ledger, samples: &[f64]) {
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
    ledger.at_most(what, grown, "MiB", MEMORY_GROWTH_MIB_MAX);
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
