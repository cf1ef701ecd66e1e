//! Random steps of the pure core.

use std::time::Instant;

use reference_core::Engine;

use super::Plan;
use crate::{
    Outcome,
    ledger::Ledger,
    simulation::simulate,
    system::{Priority, aside},
};

pub(super) async fn run(plan: &Plan, ledger: &mut Ledger) -> Outcome {
    let (steps, seed) = (plan.steps(), plan.seed);
    let began = Instant::now();
    // On a thread of its own, so that this one still hears of an interrupt.
    let simulating = aside("simulation", Priority::Usual, move || async move {
        Ok(simulate(steps, seed, Engine::default))
    })?;
    let report = simulating.ended().await?;
    let took = began.elapsed().as_secs_f64();
    let figure = |count: u64| {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let figure = count as f64;
        figure
    };
    ledger.figure("inputs", figure(report.inputs), "");
    ledger.figure("inputs a second", figure(report.inputs) / took, "/s");
    for (what, count) in [
        ("sessions", report.counts.sessions),
        ("calls that want an answer", report.counts.calls),
        ("answers", report.counts.answers),
        ("HTTP requests in", report.counts.requests_in),
        ("HTTP requests out", report.counts.requests_out),
        ("faults", report.counts.faults),
    ] {
        ledger.figure(what, figure(count), "");
    }
    let what = "each call answered once, nothing to ended sessions, nothing registered without one";
    let seen = match &report.violation {
        None => format!("of all that was sent the digest is {:016x}", report.digest),
        Some((step, violation)) => format!("after {step} steps with seed {seed}: {violation}"),
    };
    ledger.seen(what, &seen, report.violation.is_none());
    Ok(())
}
