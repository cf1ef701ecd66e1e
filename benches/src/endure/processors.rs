//! Which processors carry what. Where there are two or more, what loads an engine and measures it has
//! one of them to itself: it is the engine that is to be overloaded, and the scheduler would
//! otherwise be measured as well.

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of this thread, and of all that it starts. They are what they were when this is
/// dropped.
#[derive(Debug)]
#[cfg(target_os = "linux")]
pub(crate) struct Processors {
    all: CpuSet,
    load: CpuSet,
    engine: CpuSet,
}

#[cfg(target_os = "linux")]
impl Processors {
    /// One alone carries both.
    pub(crate) fn divide() -> Self {
        // An empty set is refused, and nothing is changed.
        let all = sched_getaffinity(None).unwrap_or_default();
        let (mut load, mut engine) = (all, all);
        let last = (0..CpuSet::MAX_CPU).rev().find(|it| all.is_set(*it));
        if let Some(last) = last.filter(|_| all.count() > 1) {
            load = CpuSet::new();
            load.set(last);
            engine.unset(last);
        }
        Self { all, load, engine }
    }

    /// What is started from here on is the engine.
    pub(crate) fn are_the_engines(&self) {
        run_on(&self.engine);
    }

    /// What is started from here on is the load.
    pub(crate) fn are_the_loads(&self) {
        run_on(&self.load);
    }
}

#[cfg(target_os = "linux")]
impl Drop for Processors {
    fn drop(&mut self) {
        run_on(&self.all);
    }
}

#[cfg(target_os = "linux")]
fn run_on(processors: &CpuSet) {
    // Where it is refused, the figures are those of processors that are shared.
    let _ = sched_setaffinity(None, processors);
}

/// Others give no say in it.
#[derive(Debug)]
#[cfg(not(target_os = "linux"))]
pub(crate) struct Processors;

#[cfg(not(target_os = "linux"))]
impl Processors {
    pub(crate) fn divide() -> Self {
        Self
    }

    pub(crate) fn are_the_engines(&self) {}

    pub(crate) fn are_the_loads(&self) {}
}
