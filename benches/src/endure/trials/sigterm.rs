//! An engine that is told to stop under load (D-23).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::Plan;
use crate::{
    Outcome,
    address::Address,
    engine::{Engine, Gauges, PATIENCE, get},
    figures::count,
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, invoke},
    system::{Priority, aside, crew},
    trouble::Trouble,
};

const CALLERS: usize = 16;
/// Calls that each has under way all the time.
const AT_ONCE: usize = 16;
/// Calls of each to a worker that does not answer.
const HELD: usize = 4;
/// HTTP requests to a worker that does not answer.
const REQUESTS: usize = 8;
const SERVICE_RESTART: u16 = 1012;
/// Twice what a closing session is given (D-28), and what a busy machine takes.
const ENDED_S_MAX: f64 = 5.0;
const ECHO: &str = "sigterm.echo";
const HOLD: &str = "sigterm.hold";

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let mut told = Told::default();
    let (mut longest, mut codes, mut requests) = (Duration::ZERO, Vec::new(), 0);
    let rounds = plan.either(1, 5);
    for _ in 0..rounds {
        let mut engine = plan.start().await?;
        let round = once(&mut engine).await?;
        told.add(&round.told);
        longest = longest.max(round.took);
        codes.push(round.exit_code);
        requests += round.requests;
    }
    ledger.figure("calls that were answered before", count(told.answered), "");
    let what = "calls in flight that ended in `invocation_stopped`";
    ledger.exactly(what, told.stopped, rounds * CALLERS * HELD);
    let what = "HTTP requests in flight that were answered likewise";
    ledger.exactly(what, requests, rounds * REQUESTS);
    let what = "callers that were told by a Close frame with 1012";
    ledger.exactly(what, told.closed, rounds * CALLERS);
    ledger.at_most(
        "the process ended after",
        longest.as_secs_f64(),
        "s",
        ENDED_S_MAX,
    );
    let all_zero = codes.iter().all(|code| *code == Some(0));
    ledger.seen("exit codes", &format!("{codes:?}"), all_zero);
    Ok(())
}

struct Round {
    told: Told,
    requests: usize,
    took: Duration,
    exit_code: Option<i32>,
}

/// What callers are told.
#[derive(Debug, Default)]
struct Told {
    answered: usize,
    stopped: usize,
    closed: usize,
}

impl Told {
    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.stopped += other.stopped;
        self.closed += other.closed;
    }
}

async fn once(engine: &mut Engine) -> Outcome<Round> {
    let address = engine.address;
    let worker = Peer::worker(address, ECHO).await?;
    let serving = aside("worker", Priority::Usual, move || worker.echo())?;
    let mut holder = Peer::connect(address).await?;
    holder.register(HOLD).await?;
    let holding =
        tokio::spawn(async move { while let Incoming::Frame(_) = holder.next().await {} });

    let answered = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answered);
    let calling = crew("callers", Priority::Usual, move |tasks| {
        for _ in 0..CALLERS {
            tasks.spawn(call_on(address, Arc::clone(&counted)));
        }
    })?;
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        requests.spawn(async move { get(address, &format!("/{HOLD}")).await });
    }
    // All that is held is under way, and so is the rest.
    let held = (CALLERS * HELD + REQUESTS) as u64;
    let under_way =
        |it: &Gauges| it.calls_in_flight >= held && answered.load(Relaxed) > CALLERS * AT_ONCE;
    let (gauges, _) = engine.until(PATIENCE, under_way).await?;
    if !under_way(&gauges) {
        return Err(Trouble::unexpected(format!("no load: {gauges}")));
    }
    let asked = Instant::now();
    engine.terminate()?;
    let status = engine.ended().await?;
    let took = asked.elapsed();
    let mut told = Told::default();
    for caller in calling.ended().await? {
        told.add(&caller);
    }
    let mut answered = 0;
    while let Some(request) = requests.join_next().await {
        let told = |body: &str| body.contains(r#""code":"invocation_stopped""#);
        answered += usize::from(request?.is_ok_and(|(_, body)| told(&body)));
    }
    serving.ended().await?;
    holding.await?;
    Ok(Round {
        told,
        requests: answered,
        took,
        exit_code: status.code(),
    })
}

/// Calls until the engine ends the session.
async fn call_on(address: Address, answered: Arc<AtomicUsize>) -> Outcome<Told> {
    let mut peer = Peer::connect(address).await?;
    for number in 0..HELD {
        peer.feed(invoke(&format!("held-{number}"), HOLD, "null"))
            .await?;
    }
    let call = invoke("c", ECHO, "null");
    for _ in 0..AT_ONCE {
        peer.feed(call.clone()).await?;
    }
    peer.flush().await?;
    let mut told = Told::default();
    loop {
        match peer.next().await {
            Incoming::Frame(frame) => {
                let heard = Heard::read(&frame)?;
                let id = heard.invocation_id.as_deref().unwrap_or_default();
                if id.starts_with("held-") {
                    told.stopped += usize::from(heard.code() == Some("invocation_stopped"));
                    continue;
                }
                told.answered += 1;
                answered.fetch_add(1, Relaxed);
                // What it is told next says that it is too late.
                let _ = peer.send(call.clone()).await;
            }
            Incoming::Closed(code) => {
                told.closed += usize::from(code == SERVICE_RESTART);
                let _ = peer.flush().await;
                return Ok(told);
            }
            Incoming::Broken => return Ok(told),
        }
    }
}
