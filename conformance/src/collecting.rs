//! What a run tells while it goes on.

use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

use conformance_suite::{
    expectation::{self, Expectation},
    runner::Event,
    verdict::Outcome,
};
use tokio::sync::{Notify, mpsc};

use crate::reporting::Reports;

/// Gathers what has ended, in order of the ids; tells the reports, shows a counter on a terminal
/// meanwhile, and tells of the first failure that decides.
pub(crate) async fn collect(
    mut events: mpsc::UnboundedReceiver<Event>,
    strict: bool,
    expectations: Vec<Expectation>,
    first_failure: Arc<Notify>,
    reports: Reports,
) -> Vec<Outcome> {
    let mut err = io::stderr();
    // A dumb terminal could not wipe the counter out.
    let seen = err.is_terminal() && std::env::var_os("TERM").is_none_or(|it| it != "dumb");
    let (mut outcomes, mut all) = (Vec::new(), 0);
    while let Some(event) = events.recv().await {
        match event {
            Event::Started { cases } => {
                all = cases;
                reports.started(cases);
            }
            Event::Finished(mut outcome) => {
                expectation::mark(&expectations, &mut outcome);
                if outcome.decides_against(strict) {
                    first_failure.notify_one();
                }
                reports.case(&outcome);
                outcomes.push(*outcome);
            }
        }
        if seen {
            let _ = write!(err, "\r{}/{all} cases", outcomes.len());
        }
    }
    if seen {
        let _ = write!(err, "\r\x1b[K");
    }
    outcomes.sort_unstable_by(|a, b| a.case.cmp(&b.case));
    outcomes
}
