//! What the operating system is asked for.

use std::{fs, future::Future, io, thread, time::Duration};

use tokio::sync::oneshot;

use crate::{Outcome, trouble::Trouble};

/// How much politer a load is than who measures: on two cores it would otherwise be the
/// scheduler that is measured.
const POLITENESS: i32 = 10;

/// What Linux says that a process takes, in bytes.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// How many file descriptors Linux says that a process has.
pub(crate) fn descriptors(process: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{process}/fd")).ok()?.count())
}

/// Sends a signal to a process that this one has started.
#[cfg(unix)]
pub(crate) fn terminate(process: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let id = i32::try_from(process).ok().and_then(Pid::from_raw);
    let id = id.ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process(id, Signal::TERM)?)
}

#[cfg(not(unix))]
pub(crate) fn terminate(_process: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Waits until this process is asked to end.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// What runs on a thread of its own.
#[derive(Debug)]
pub(crate) struct Aside<T>(oneshot::Receiver<T>);

impl<T> Aside<T> {
    /// What it came to.
    pub(crate) async fn ended(self) -> Outcome<T> {
        let gone = |_| Trouble::unexpected("a thread of the load has panicked");
        self.0.await.map_err(gone)
    }
}

/// Runs a future on a thread and a runtime of its own.
pub(crate) fn aside<F>(
    polite: bool,
    what: impl FnOnce() -> F + Send + 'static,
) -> io::Result<Aside<F::Output>>
where
    F: Future,
    F::Output: Send + 'static,
{
    let (told, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().spawn(move || {
        if polite {
            be_polite();
        }
        let outcome = runtime.block_on(what());
        runtime.shutdown_timeout(Duration::ZERO);
        // Fails only if nobody waits any more.
        let _ = told.send(outcome);
    })?;
    Ok(Aside(ended))
}

/// Lets other threads go first. On Linux this is about the calling thread alone.
#[cfg(target_os = "linux")]
fn be_polite() {
    // A load that is less polite is a load all the same.
    let _ = rustix::process::nice(POLITENESS);
}

#[cfg(not(target_os = "linux"))]
fn be_polite() {
    let _ = POLITENESS;
}
