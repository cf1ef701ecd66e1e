//! A session that stops reading while results are sent to it (D-28).

use tokio::time::{Duration, Instant, timeout};

use super::Plan;
use crate::{
    Outcome,
    caller::{Answer, Caller},
    engine::{Gauges, PATIENCE},
    figures::mib,
    ledger::Ledger,
    peer::{Heard, Incoming, Peer, echoed, result},
    system::{Priority, aside},
    trouble::WithinPatience,
};

const RESULT_BYTES: usize = 256 << 10;
/// More than may wait, together.
const RESULTS: usize = 512;
/// Calls to the slow session that wait for it.
const WAITING: usize = 16;
/// What may wait for it (D-28), what is in the kernel's buffers on both sides, and a frame.
const TAKEN_MIB_MAX: f64 = 64.0 + 16.0;
const TRY_AGAIN_LATER: u16 = 1013;
/// What the engine takes of memory above what waits.
const MEMORY_MIB_MAX: f64 = 160.0;
const OTHERS_MS_MAX: f64 = 1_000.0;
/// Tells a worker to go.
const STOP: &str = r#""stop""#;

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let address = engine.address;
    let large = Peer::worker(address, "slow.large").await?;
    let serving = aside("large", Priority::Usual, move || answer(large, true))?;
    let quiet = Peer::worker(address, "slow.echo").await?;
    let echoing = aside("echo", Priority::Usual, move || answer(quiet, false))?;

    let mut slow = Caller::connect(address).await?;
    slow.peer.register("slow.own").await?;
    let mut waiting = Caller::connect(address).await?;
    for _ in 0..WAITING {
        waiting.begin("slow.own", "null").await?;
    }
    let all_under_way = |it: &Gauges| it.calls_in_flight == WAITING as u64;
    engine.until(PATIENCE, all_under_way).await?;

    for _ in 0..RESULTS {
        slow.begin("slow.large", "null").await?;
    }
    let mut stopped = 0;
    let mut other = Caller::connect(address).await?;
    let (mut others, mut others_answered, mut longest) = (0, 0, Duration::ZERO);
    let mut peak = 0;
    let deadline = Instant::now() + PATIENCE;
    while stopped < WAITING && Instant::now() < deadline {
        others += 1;
        let sent = Instant::now();
        let answer = other.call("slow.echo", "7").await?;
        others_answered += usize::from(answer == Answer::Result("7".to_owned()));
        longest = longest.max(sent.elapsed());
        peak = peak.max(engine.memory().unwrap_or_default());
        while let Ok(Ok(answer)) = timeout(Duration::ZERO, waiting.answer(PATIENCE)).await {
            stopped += usize::from(answer.is_error("invocation_stopped"));
        }
    }
    let what = "calls to it that ended in `invocation_stopped`";
    ledger.exactly(what, stopped, WAITING);
    let (taken, code) = read_on(&mut slow.peer).await?;
    ledger.exactly("close code", code.into(), TRY_AGAIN_LATER.into());
    ledger.at_most("what it could still read", mib(taken), "MiB", TAKEN_MIB_MAX);
    ledger.exactly(
        "calls of others that were answered",
        others_answered,
        others,
    );
    let longest = longest.as_secs_f64() * 1e3;
    ledger.at_most("the longest of them", longest, "ms", OTHERS_MS_MAX);
    match peak {
        0 => ledger.left_out("memory", "not measured here"),
        peak => ledger.at_most("memory at its peak", mib(peak), "MiB", MEMORY_MIB_MAX),
    }
    drop(slow);
    let gone = other.call("slow.own", "null").await?;
    let is_gone = gone.is_error("function_not_found");
    ledger.seen("a call of its function", &format!("{gone:?}"), is_gone);
    other.peer.close().await?;
    waiting.peer.close().await?;
    let mut last = Caller::connect(address).await?;
    for (function, ends) in [("slow.large", serving), ("slow.echo", echoing)] {
        last.begin(function, STOP).await?;
        ends.ended().await?;
    }
    last.peer.close().await?;
    engine.end(ledger).await
}

/// Answers calls until it is told to stop, with a large result or with what they bring.
async fn answer(mut worker: Peer, largely: bool) -> Outcome {
    let large = format!(r#""{}""#, "x".repeat(RESULT_BYTES));
    while let Incoming::Frame(frame) = worker.next().await {
        let heard = Heard::read(&frame)?;
        if heard.data.is_some_and(|it| it.get() == STOP) {
            break;
        }
        let answer = match &heard.invocation_id {
            Some(id) if largely => Some(result(id, &large)),
            _ => echoed(&heard),
        };
        if let Some(answer) = answer {
            worker.send(answer).await?;
        }
    }
    worker.close().await
}

/// Reads to the end: how many bytes of frames, and the close code.
async fn read_on(peer: &mut Peer) -> Outcome<(u64, u16)> {
    let reading = async {
        let mut bytes = 0;
        loop {
            match peer.next().await {
                Incoming::Frame(frame) => bytes += frame.len() as u64,
                Incoming::Closed(code) => return (bytes, code),
                Incoming::Broken => return (bytes, 0),
            }
        }
    };
    let read = timeout(PATIENCE, reading).await;
    read.or_silent("the end of a session that did not read", PATIENCE)
}
