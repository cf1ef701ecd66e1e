//! What an engine takes that was started here.

use std::time::Duration;

use conformance_suite::load::{Kind, LoadError, Registrations, resident};
use tokio::time::{Instant, sleep};

const FUNCTIONS: usize = 100_000;
/// How long an engine may take to give back what it does not need any more.
const SETTLING_TIME_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Resident memory in bytes.
pub(super) struct Memory {
    pub(super) idle: u64,
    pub(super) with_functions: u64,
    pub(super) afterwards: u64,
}

/// Reads what a process takes before, with and after 100,000 functions of one session; nothing
/// where the system does not tell.
pub(super) async fn measure(
    process: u32,
    url: &str,
    hello: bool,
    patience: Duration,
) -> Result<Option<Memory>, LoadError> {
    let Some(idle) = resident(process) else {
        return Ok(None);
    };
    let mut registrations = Registrations::open(url, hello, Kind::Function, patience).await?;
    registrations.register(FUNCTIONS).await?;
    let with_functions = resident(process).unwrap_or_default();
    registrations.close().await;
    // What it takes once it takes little more than when it was idle, or after a while.
    let deadline = Instant::now() + SETTLING_TIME_MAX;
    let afterwards = loop {
        let now = resident(process).unwrap_or_default();
        if now <= idle + idle / 10 || Instant::now() > deadline {
            break now;
        }
        sleep(LOOK_EVERY).await;
    };
    Ok(Some(Memory {
        idle,
        with_functions,
        afterwards,
    }))
}
