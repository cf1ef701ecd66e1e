//! A peer that says nothing any more, pongs included, and whose connection stands (D-30).

use std::time::{Duration, Instant};

use super::Plan;
use crate::{
    Outcome,
    caller::Caller,
    engine::{Engine, PATIENCE},
    ledger::Ledger,
    peer::Peer,
    trouble::Trouble,
};

const FUNCTION: &str = "silent";
const CALLS: usize = 4;
/// How long a peer may be silent, and what it may take longer on a machine that is busy.
const FOUND_S_MAX: f64 = 30.0;
const SHORT_SILENCE_MS: &str = "2800";
const SHORT_FOUND_S_MAX: f64 = 5.0;

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let arguments: &[&str] = plan.either(&["--silence-time-ms", SHORT_SILENCE_MS], &[]);
    let engine = Engine::start(&plan.engine, arguments, &[]).await?;
    let bar = plan.either(SHORT_FOUND_S_MAX, FOUND_S_MAX);
    let mut caller = Caller::connect(engine.address).await?;
    let mut silent = Peer::connect(engine.address).await?;
    silent.register(FUNCTION).await?;
    let since = Instant::now();
    for _ in 0..CALLS {
        caller.begin(FUNCTION, "null").await?;
    }
    let mut stopped = 0;
    let patience = Duration::from_secs_f64(bar) + PATIENCE;
    for _ in 0..CALLS {
        let answer = caller.answer(patience).await?;
        if !answer.is_error("invocation_stopped") {
            return Err(Trouble::unexpected(format!("a call ended in {answer:?}")));
        }
        stopped += 1;
    }
    ledger.at_most("found after", since.elapsed().as_secs_f64(), "s", bar);
    let what = "calls in flight that ended in `invocation_stopped`";
    ledger.exactly(what, stopped, CALLS);
    let gone = caller.call(FUNCTION, "null").await?;
    let is_gone = gone.is_error("function_not_found");
    ledger.seen("a call afterwards", &format!("{gone:?}"), is_gone);
    caller.peer.close().await?;
    // It is still there on this side.
    let ended = engine.end(ledger).await;
    drop(silent);
    ended
}
