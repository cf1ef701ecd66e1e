//! The real world, as the core is shown it: clocks, random ids, the environment.

use std::{
    collections::HashMap,
    env,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use reference_core::{Environment, IdSource, Now, Variable};
use uuid::Uuid;
use wildmatch::WildMatch;

/// What tells the time.
pub trait Clock: Send + Sync {
    /// Both clocks, now. The monotonic one runs as fast as [`Instant`], and never goes back; the
    /// other may jump.
    fn now(&self) -> Now;
}

/// The clocks of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            monotonic: self.started.elapsed(),
            wall: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        }
    }
}

/// Ids from the operating system's random numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RandomIds;

impl IdSource for RandomIds {
    fn next_id(&mut self) -> Uuid {
        Uuid::new_v4()
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Variable {
        // Such names are no variables, and some systems panic when asked for them.
        if name.is_empty() || name.contains(['=', '\0']) {
            return Variable::Missing;
        }
        match env::var(name) {
            Ok(value) => Variable::Value(value),
            Err(env::VarError::NotPresent) => Variable::Missing,
            Err(env::VarError::NotUnicode(_)) => Variable::NotUnicode,
        }
    }
}

/// An environment of which registrations may name only some variables (D-28).
pub struct NarrowedEnvironment<E> {
    environment: E,
    patterns: Vec<WildMatch>,
}

impl<E> NarrowedEnvironment<E> {
    /// Leaves the names that any of the patterns matches, in which `*` is any text.
    pub fn new<'p>(environment: E, patterns: impl IntoIterator<Item = &'p str>) -> Self {
        Self {
            environment,
            patterns: patterns.into_iter().map(WildMatch::new).collect(),
        }
    }
}

impl<E: Environment> Environment for NarrowedEnvironment<E> {
    fn variable(&self, name: &str) -> Variable {
        if self.patterns.iter().any(|pattern| pattern.matches(name)) {
            self.environment.variable(name)
        } else {
            Variable::NotAllowed
        }
    }
}

/// An environment that holds what it is given, and nothing else.
#[derive(Clone, Default)]
pub struct FixedEnvironment(HashMap<String, String>);

impl FixedEnvironment {
    /// An environment of these names and values.
    pub fn new<N: Into<String>, V: Into<String>>(
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let owned = variables.into_iter().map(|(n, v)| (n.into(), v.into()));
        Self(owned.collect())
    }
}

impl Environment for FixedEnvironment {
    fn variable(&self, name: &str) -> Variable {
        self.0
            .get(name)
            .map_or(Variable::Missing, |value| Variable::Value(value.clone()))
    }
}
