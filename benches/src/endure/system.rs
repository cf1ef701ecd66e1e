//! What the operating system is asked for.

use std::{fs, future::Future, io, thread, time::Duration};

use tokio::{
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Interval, MissedTickBehavior, interval},
};

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

/// How a thread stands to others where there are more of them than processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// As the engine's own.
    Usual,
    /// Behind the engine and whoever measures: the load's.
    Low,
}

/// What runs on a thread of its own.
#[derive(Debug)]
pub(crate) struct Aside<T>(oneshot::Receiver<Outcome<T>>);

impl<T> Aside<T> {
    /// What it came to.
    pub(crate) async fn ended(self) -> Outcome<T> {
        let gone = |_| Trouble::unexpected("a thread of the load has panicked");
        self.0.await.map_err(gone)?
    }
}

/// Runs a future on a thread and a runtime of its own; what it has spawned ends with it.
pub(crate) fn aside<T, F>(
    name: &str,
    priority: Priority,
    what: impl FnOnce() -> F + Send + 'static,
) -> io::Result<Aside<T>>
where
    F: Future<Output = Outcome<T>>,
    T: Send + 'static,
{
    let (told, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if priority == Priority::Low {
                be_polite();
            }
            let outcome = runtime.block_on(what());
            runtime.shutdown_timeout(Duration::ZERO);
            // Fails only if nobody waits any more.
            let _ = told.send(outcome);
        })?;
    Ok(Aside(ended))
}

/// Runs tasks together on a thread of their own: what each came to, in the order in which they
/// ended. The first that fails ends the others.
pub(crate) fn crew<T: Send + 'static>(
    name: &str,
    priority: Priority,
    spawn: impl FnOnce(&mut JoinSet<Outcome<T>>) + Send + 'static,
) -> io::Result<Aside<Vec<T>>> {
    aside(name, priority, move || async move {
        let mut tasks = JoinSet::new();
        spawn(&mut tasks);
        let mut all = Vec::with_capacity(tasks.len());
        while let Some(task) = tasks.join_next().await {
            all.push(task??);
        }
        Ok(all)
    })
}

/// Ends a load when it is dropped.
#[derive(Debug)]
pub(crate) struct Stop {
    _held: watch::Sender<()>,
}

/// Hears of the end of a load.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(watch::Receiver<()>);

/// A stop, and those who hear of it.
pub(crate) fn stop() -> (Stop, Stopped) {
    let (held, heard) = watch::channel(());
    (Stop { _held: held }, Stopped(heard))
}

impl Stopped {
    /// Whether it has come.
    pub(crate) fn is_now(&self) -> bool {
        self.0.has_changed().is_err()
    }

    /// Waits for it. Nothing is lost if it is not waited for.
    pub(crate) async fn wait(&mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

/// Paces a load: what comes late is not made up for.
pub(crate) fn pace(period: Duration) -> Interval {
    let mut pace = interval(period);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pace
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
