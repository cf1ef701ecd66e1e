//! A mixed load for a long time: sessions come, register, serve, call, unregister and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::Plan;
use crate::{
    Outcome,
    address::Address,
    caller::{Answer, Caller},
    engine::get,
    figures::count,
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, echoed, register_function, register_http},
    simulation::Dice,
    system::{Priority, Stopped, crew, pace, stop},
    trouble::Trouble,
};

const WORKERS: usize = 6;
const FUNCTIONS_EACH: usize = 4;
const CALLERS: usize = 4;
const CLIENTS: usize = 2;
/// How many calls a worker serves before it goes, at most.
const LIFE: u64 = 500;
/// What lies between two calls of one caller, at least.
const CALL_EVERY: Duration = Duration::from_millis(1);
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
}

/// One of those who make the load.
struct One {
    address: Address,
    dice: Dice,
    tally: Arc<Tally>,
    stopped: Stopped,
}

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let tally = Arc::new(Tally::default());
    let (stop, stopped) = stop();
    let (address, seed, counted) = (engine.address, plan.seed, Arc::clone(&tally));
    let one = move |seed_of_kind: u64, number: usize| One {
        address,
        dice: Dice::new(seed + seed_of_kind + number as u64),
        tally: Arc::clone(&counted),
        stopped: stopped.clone(),
    };
    let of_workers = one.clone();
    let workers = crew("workers", Priority::Low, move |tasks| {
        for number in 0..WORKERS {
            tasks.spawn(work(of_workers(0, number), number));
        }
    })?;
    let callers = crew("callers", Priority::Low, move |tasks| {
        for number in 0..CALLERS {
            tasks.spawn(call(one(1_000, number)));
        }
        for number in 0..CLIENTS {
            tasks.spawn(request(one(2_000, number)));
        }
    })?;
    let samples = engine.watch_memory(plan.soak()).await;
    drop(stop);
    callers.ended().await?;
    workers.ended().await?;
    file(ledger, &tally);
    file_memory(ledger, &samples);
    engine.end(ledger).await
}

fn function(number: usize) -> String {
    format!("soak.{number}")
}

/// A function that somebody may be serving.
fn any_function(dice: &mut Dice) -> String {
    function(dice.below(WORKERS * FUNCTIONS_EACH))
}

/// Comes, registers, serves, unregisters some and goes, again and again.
async fn work(mut one: One, number: usize) -> Outcome {
    let own = (0..FUNCTIONS_EACH).map(|nth| function(number * FUNCTIONS_EACH + nth));
    while !one.stopped.is_now() {
        let mut peer = Peer::connect(one.address).await?;
        one.tally.sessions.fetch_add(1, Relaxed);
        for id in own.clone() {
            peer.feed(register_function(&id)).await?;
            peer.feed(register_http(&id)).await?;
            one.tally.registrations.fetch_add(2, Relaxed);
        }
        peer.flush().await?;
        serve(&mut one, &mut peer).await?;
        for id in own.clone().filter(|_| one.dice.chance(50)) {
            for what in ["trigger", "function"] {
                let frame = format!(r#"{{"type":"unregister{what}","id":"{id}"}}"#);
                peer.feed(frame).await?;
            }
        }
        peer.flush().await?;
        match one.dice.below(3) {
            0 => peer.close().await?,
            1 => peer.reset_in_mid_frame()?,
            _ => drop(peer),
        }
    }
    Ok(())
}

/// Serves for a while.
async fn serve(one: &mut One, peer: &mut Peer) -> Outcome {
    for _ in 0..one.dice.below_u64(LIFE) {
        let incoming = tokio::select! {
            incoming = peer.next() => incoming,
            () = one.stopped.wait() => break,
        };
        let Incoming::Frame(frame) = incoming else {
            let problem = format!("a worker was told {incoming:?}");
            return Err(Trouble::unexpected(problem));
        };
        if let Some(answer) = echoed(&Heard::read(&frame)?) {
            peer.send(answer).await?;
        }
    }
    Ok(())
}

/// Calls one at a time, and now and again as another session.
async fn call(mut one: One) -> Outcome {
    let (dice, tally) = (&mut one.dice, &one.tally);
    let mut caller = Caller::connect(one.address).await?;
    let mut pace = pace(CALL_EVERY);
    while !one.stopped.is_now() {
        pace.tick().await;
        if dice.chance(1) {
            caller.peer.close().await?;
            caller = Caller::connect(one.address).await?;
            tally.sessions.fetch_add(1, Relaxed);
        }
        tally.calls.fetch_add(1, Relaxed);
        let data = format!(r#""{}""#, "x".repeat(dice.below(2_000)));
        match caller.call(&any_function(dice), &data).await {
            Ok(answer) => {
                tally.answered.fetch_add(1, Relaxed);
                let is_result = answer == Answer::Result(data);
                tally.results.fetch_add(usize::from(is_result), Relaxed);
            }
            // It is lost; what else comes on this session says nothing.
            Err(_) => caller = Caller::connect(one.address).await?,
        }
    }
    caller.peer.close().await
}

/// Makes requests for http triggers, whether or not they are there.
async fn request(mut one: One) -> Outcome {
    let mut pace = pace(CALL_EVERY);
    while !one.stopped.is_now() {
        pace.tick().await;
        one.tally.requests.fetch_add(1, Relaxed);
        let path = format!("/{}", any_function(&mut one.dice));
        if get(one.address, &path).await.is_ok() {
            one.tally.requests_answered.fetch_add(1, Relaxed);
        }
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
