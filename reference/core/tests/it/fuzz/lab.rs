//! An engine on a simulated clock, quick to make: a target makes one for each input.

use std::time::Duration;

use reference_core::{
    Effect, Engine, Environment, IdSource, Input, Machine, Now, SessionId, Settings, Variable,
    World, wire::Message,
};
use uuid::Uuid;

/// The wall clock starts here, far from the monotonic one.
pub const EPOCH: Duration = Duration::from_secs(1_700_000_000);

#[derive(Debug)]
pub struct Lab {
    pub engine: Engine,
    /// The monotonic clock.
    pub clock: Duration,
    /// The wall clock, when the monotonic one was at zero.
    pub epoch: Duration,
    ids: Ids,
}

#[derive(Debug)]
struct Ids(u128);

impl IdSource for Ids {
    fn next_id(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

struct Variables;

impl Environment for Variables {
    fn variable(&self, name: &str) -> Variable {
        match name {
            "TOKEN" => Variable::Value("t0ken".to_owned()),
            "ODD" => Variable::Value("line\nbreak".to_owned()),
            "BYTES" => Variable::NotUnicode,
            "DENIED" => Variable::NotAllowed,
            _ => Variable::Missing,
        }
    }
}

impl Lab {
    pub fn new(settings: Settings) -> Self {
        Self {
            engine: Engine::new(settings),
            clock: Duration::ZERO,
            epoch: EPOCH,
            ids: Ids(0),
        }
    }

    /// What comes of an input.
    pub fn input(&mut self, input: Input<'_>) -> Vec<Effect> {
        let mut world = World {
            now: Now {
                monotonic: self.clock,
                wall: self.epoch + self.clock,
            },
            ids: &mut self.ids,
            environment: &Variables,
        };
        let mut effects = Vec::new();
        self.engine.handle(input, &mut world, &mut effects);
        effects
    }

    /// A session, its greeting read.
    pub fn connect(&mut self, session: u64) -> SessionId {
        let session = SessionId(session);
        self.input(Input::Connected { session });
        session
    }

    /// What comes of a frame.
    pub fn send(&mut self, session: SessionId, frame: &str) -> Vec<Effect> {
        self.input(Input::Text { session, frame })
    }
}

/// The frames among effects. What is passed on in them no `Value` may be able to hold.
pub fn frames(effects: &[Effect]) -> impl Iterator<Item = (SessionId, Message<'_>)> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Send { session, frame } => {
            let message = Message::decode(frame);
            Some((*session, message.unwrap_or_else(|e| panic!("{e}: {frame}"))))
        }
        _ => None,
    })
}
