//! A mixed load for a long time: sessions come, register, serve, call, unregister and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::sleep};

use super::Plan;
use crate::{
    Outcome,
    address::Address,
    caller::{Answer, Caller},
    engine::{Engine, PATIENCE, get},
    figures::{count, mib},
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, echoed, register_function, register_http},
    simulation::Dice,
    system::aside,
};

const WORKERS: usize = 6;
const FUNCTIONS_EACH: usize = 4;
const CALLERS: usize = 4;
const CLIENTS: usize = 2;
/// How many calls a worker serves before it goes, at most.
const LIFE: u64 = 500;
const PACE: Duration = Duration::from_micros(500);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
const GROWTH_MAX: f64 = 1.1;
/// What may be more even where little is taken.
const GROWTH_MIB_MAX: f64 = 4.0;

/// What has been done so far.
#[derive(Debug, Default)]
struct Tally {
    calls: AtomicUsize,
    answered: AtomicUsize,
    results: AtomicUsize,
    requests: AtomicUsize,
    requests_answered: AtomicUsize,
    sessions: AtomicUsize,
    registrations: AtomicUsize,
    stop: AtomicBool,
}

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let before = engine.gauges().await?;
    let descriptors = engine.descriptors();
    let tally = Arc::new(Tally::default());
    let (address, seed) = (engine.address, plan.seed);
    let of_workers = Arc::clone(&tally);
    let workers = aside(true, move || async move {
        let mut tasks = JoinSet::new();
        for number in 0..WORKERS {
            let dice = Dice::new(seed + number as u64);
            tasks.spawn(work(address, number, dice, Arc::clone(&of_workers)));
        }
        all(tasks).await
    })?;
    let of_callers = Arc::clone(&tally);
    let callers = aside(true, move || async move {
        let mut tasks = JoinSet::new();
        for number in 0..CALLERS {
            let dice = Dice::new(seed + 1_000 + number as u64);
            tasks.spawn(call(address, dice, Arc::clone(&of_callers)));
        }
        for number in 0..CLIENTS {
            let dice = Dice::new(seed + 2_000 + number as u64);
            tasks.spawn(request(address, dice, Arc::clone(&of_callers)));
        }
        all(tasks).await
    })?;
    let samples = sample(&engine, plan.soak()).await;
    tally.stop.store(true, Relaxed);
    callers.ended().await??;
    workers.ended().await??;
    file(ledger, &tally);
    file_memory(ledger, &samples);
    engine.nothing_left(&before, PATIENCE, ledger).await?;
    engine.descriptors_back(descriptors, ledger).await;
    engine.end().await
}

async fn all(mut tasks: JoinSet<Outcome>) -> Outcome {
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

fn function(number: usize) -> String {
    format!("soak.{number}")
}

/// A function that somebody may be serving.
fn any_function(dice: &mut Dice) -> String {
    function(dice.below(WORKERS * FUNCTIONS_EACH))
}

/// Comes, registers, serves, unregisters some and goes, again and again.
async fn work(address: Address, number: usize, mut dice: Dice, tally: Arc<Tally>) -> Outcome {
    while !tally.stop.load(Relaxed) {
        let mut peer = Peer::connect(address).await?;
        tally.sessions.fetch_add(1, Relaxed);
        let own = (0..FUNCTIONS_EACH).map(|nth| function(number * FUNCTIONS_EACH + nth));
        for id in own.clone() {
            peer.feed(register_function(&id)).await?;
            peer.feed(register_http(&id)).await?;
            tally.registrations.fetch_add(2, Relaxed);
        }
        peer.flush().await?;
        let life = dice.below_u64(LIFE);
        for _ in 0..life {
            if tally.stop.load(Relaxed) {
                break;
            }
            tokio::select! {
                incoming = peer.next() => {
                    let Incoming::Frame(frame) = incoming else {
                        return Err(crate::trouble::Trouble::unexpected(format!(
                            "a worker was told {incoming:?}"
                        )));
                    };
                    if let Some(answer) = echoed(&Heard::read(&frame)?) {
                        peer.send(answer).await?;
                    }
                }
                () = sleep(SAMPLE_EVERY) => {}
            }
        }
        for id in own.filter(|_| dice.chance(50)) {
            let frames = ["trigger", "function"];
            for what in frames {
                peer.feed(format!(r#"{{"type":"unregister{what}","id":"{id}"}}"#))
                    .await?;
            }
        }
        peer.flush().await?;
        match dice.below(3) {
            0 => peer.close().await?,
            1 => peer.reset_in_mid_frame()?,
            _ => drop(peer),
        }
    }
    Ok(())
}

/// Calls one at a time, and now and again as another session.
async fn call(address: Address, mut dice: Dice, tally: Arc<Tally>) -> Outcome {
    let mut caller = Caller::connect(address).await?;
    while !tally.stop.load(Relaxed) {
        if dice.chance(1) {
            caller.peer.close().await?;
            caller = Caller::connect(address).await?;
            tally.sessions.fetch_add(1, Relaxed);
        }
        tally.calls.fetch_add(1, Relaxed);
        let data = format!(r#""{}""#, "x".repeat(dice.below(2_000)));
        match caller.call(&any_function(&mut dice), &data).await {
            Ok(answer) => {
                tally.answered.fetch_add(1, Relaxed);
                let is_result = answer == Answer::Result(data);
                tally.results.fetch_add(usize::from(is_result), Relaxed);
            }
            // It is lost; what else comes on this session says nothing.
            Err(_) => caller = Caller::connect(address).await?,
        }
        sleep(PACE).await;
    }
    caller.peer.close().await
}

/// Makes requests for http triggers, whether or not they are there.
async fn request(address: Address, mut dice: Dice, tally: Arc<Tally>) -> Outcome {
    while !tally.stop.load(Relaxed) {
        tally.requests.fetch_add(1, Relaxed);
        let path = format!("/{}", any_function(&mut dice));
        if get(address, &path).await.is_ok() {
            tally.requests_answered.fetch_add(1, Relaxed);
        }
        sleep(PACE).await;
    }
    Ok(())
}

fn file(ledger: &mut Ledger, tally: &Tally) {
    let of = |count: &AtomicUsize| count.load(Relaxed);
    ledger.figure("sessions", count(of(&tally.sessions)), "");
    ledger.figure("registrations", count(of(&tally.registrations)), "");
    ledger.figure("calls with a result", count(of(&tally.results)), "");
    ledger.exactly("calls answered", of(&tally.answered), of(&tally.calls));
    let what = "requests for http triggers answered";
    ledger.exactly(what, of(&tally.requests_answered), of(&tally.requests));
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
    // The median of a twentieth of the time, so that no moment decides.
    let around = |percent: usize| {
        let (from, to) = (
            percent * samples.len() / 100,
            (percent + 5) * samples.len() / 100,
        );
        let mut part = samples.get(from..to).unwrap_or_default().to_vec();
        part.sort_unstable_by(f64::total_cmp);
        part.get(part.len() / 2).copied()
    };
    let (Some(quarter), Some(end)) = (around(25), around(95)) else {
        return ledger.left_out("memory", "not measured here");
    };
    ledger.figure("memory after a quarter of the time", quarter, "MiB");
    let bar = (quarter * GROWTH_MAX).max(quarter + GROWTH_MIB_MAX);
    ledger.at_most("memory at the end", end, "MiB", bar);
}
