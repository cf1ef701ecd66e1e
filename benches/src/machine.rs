//! An engine without a world around it.

use std::time::Duration;

use reference_core::{
    Effect, Engine, Environment, IdSource, Input, Machine, Now, SessionId, Settings, Variable,
    World,
};
use uuid::Uuid;

/// Ids that cost nothing, so that the engine's own work is measured, and that are the same each
/// time.
#[derive(Debug, Default)]
pub struct Counter(u128);

impl IdSource for Counter {
    fn next_id(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

struct NoEnvironment;

impl Environment for NoEnvironment {
    fn variable(&self, _name: &str) -> Variable {
        Variable::Missing
    }
}

/// An engine whose clocks stand still unless they are moved.
#[derive(Debug)]
pub struct Bench {
    engine: Engine,
    ids: Counter,
    effects: Vec<Effect>,
    /// The wall clock.
    pub wall: Duration,
    /// The one that never jumps.
    pub monotonic: Duration,
}

impl Bench {
    /// With so many sessions, whose numbers begin with 0.
    #[must_use]
    pub fn new(sessions: u64) -> Self {
        let mut bench = Self {
            engine: Engine::new(Settings::default()),
            ids: Counter::default(),
            effects: Vec::new(),
            wall: Duration::ZERO,
            monotonic: Duration::ZERO,
        };
        for session in 0..sessions {
            bench.input(Input::Connected {
                session: SessionId(session),
            });
        }
        bench
    }

    /// Handles an input; what comes of it.
    pub fn input(&mut self, input: Input<'_>) -> &[Effect] {
        let mut world = World {
            now: Now {
                monotonic: self.monotonic,
                wall: self.wall,
            },
            ids: &mut self.ids,
            environment: &NoEnvironment,
        };
        self.effects.clear();
        self.engine.handle(input, &mut world, &mut self.effects);
        &self.effects
    }

    /// Handles a frame of a session's; what comes of it.
    pub fn text(&mut self, session: u64, frame: &str) -> &[Effect] {
        self.input(Input::Text {
            session: SessionId(session),
            frame,
        })
    }

    /// Has a session answer the call that was made last.
    pub fn answer(&mut self, session: u64, result: &str) -> &[Effect] {
        let id = Uuid::from_u128(self.ids.0);
        self.text(
            session,
            &format!(r#"{{"type":"invocationresult","invocation_id":"{id}","result":{result}}}"#),
        )
    }
}
