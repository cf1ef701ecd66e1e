//! Connections that end in each way there is (D-07).

use std::time::{Duration, Instant};

use super::Plan;
use crate::{
    Outcome, caller::Caller, engine::Engine, engine::PATIENCE, ledger::Ledger, peer::Peer,
};

const CALLS: usize = 8;
const ENDED_MS_MAX: f64 = 2_000.0;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    CloseFrame,
    Fin,
    Reset,
}

impl End {
    const ALL: [Self; 3] = [Self::CloseFrame, Self::Fin, Self::Reset];

    fn name(self) -> &'static str {
        match self {
            Self::CloseFrame => "a Close frame alone",
            Self::Fin => "the end of TCP alone",
            Self::Reset => "a reset in mid-frame",
        }
    }

    /// Does it; a connection that still stands is given back.
    async fn perform(self, mut peer: Peer) -> Outcome<Option<Peer>> {
        match self {
            Self::CloseFrame => {
                peer.say_close().await?;
                Ok(Some(peer))
            }
            Self::Fin => {
                peer.end_writing()?;
                Ok(Some(peer))
            }
            Self::Reset => {
                peer.reset_in_mid_frame()?;
                Ok(None)
            }
        }
    }
}

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let engine = plan.start().await?;
    let mut caller = Caller::connect(engine.address).await?;
    let mut standing = Vec::new();
    for end in End::ALL {
        let mut ended = Ended::default();
        for _ in 0..plan.ends() {
            standing.extend(once(end, &engine, &mut caller, &mut ended).await?);
        }
        let what = format!("{}: calls that ended in `invocation_stopped`", end.name());
        ledger.exactly(&what, ended.stopped, plan.ends() * CALLS);
        let longest = ended.longest.as_secs_f64() * 1e3;
        let what = format!("{}: the last of them, afterwards", end.name());
        ledger.at_most(&what, longest, "ms", ENDED_MS_MAX);
        let what = format!("{}: functions that are gone", end.name());
        ledger.exactly(&what, ended.gone, plan.ends());
    }
    caller.peer.close().await?;
    // Those that stand on this side have no claim to a descriptor on the other.
    let ended = engine.end(ledger).await;
    drop(standing);
    ended
}

#[derive(Debug, Default)]
struct Ended {
    stopped: usize,
    gone: usize,
    longest: Duration,
}

async fn once(
    end: End,
    engine: &Engine,
    caller: &mut Caller,
    ended: &mut Ended,
) -> Outcome<Option<Peer>> {
    const FUNCTION: &str = "ends";
    let mut peer = Peer::connect(engine.address).await?;
    peer.register(FUNCTION).await?;
    for _ in 0..CALLS {
        caller.begin(FUNCTION, "null").await?;
    }
    for _ in 0..CALLS {
        // Each has been handed over.
        peer.hear("a call").await?;
    }
    let since = Instant::now();
    let standing = end.perform(peer).await?;
    for _ in 0..CALLS {
        let answer = caller.answer(PATIENCE).await?;
        ended.stopped += usize::from(answer.is_error("invocation_stopped"));
    }
    ended.longest = ended.longest.max(since.elapsed());
    let answer = caller.call(FUNCTION, "null").await?;
    ended.gone += usize::from(answer.is_error("function_not_found"));
    Ok(standing)
}
