//! The engine as a pure state machine: no sockets, files, clocks, environment, randomness or
//! async. [`Machine::handle`] changes it, one [`Input`] at a time, and pushes what the world is
//! to do as [`Effect`]s into a buffer of the caller's, who carries all of them out before the
//! next input. [`Machine::next_deadline`] tells when it wants an [`Input::Tick`], and why.
//! Time, ids and environment come in through [`World`].
//!
//! So a history replays exactly from its inputs, and a test's clock can jump.
//!
//! Rule ids (RF-, RT-, CO-, D-) refer to `spec/protocol.md` and `spec/decisions.md`.

mod config;
mod credentials;
mod cron;
mod effect;
mod endpoint;
mod engine;
mod error;
mod event;
mod format;
mod http;
mod input;
mod outbound;
mod queue;
mod request;
mod shares;
mod time;
mod timers;
pub mod wire;

pub use config::{Builtin, CronConfig, HttpConfig, QueueConfig, TriggerConfig};
pub use credentials::{Credential, Secret, SigningKey};
pub use cron::Zone;
pub use effect::{CloseCode, Effect};
pub use endpoint::{Endpoint, EndpointUrl, Method, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MAX};
pub use engine::{Deadline, DeadlineReason, Engine, Settings};
pub use error::{Code, Failure};
pub use event::{BoundTo, Event, EventKind, Severity, Subject};
pub use http::{HttpAnswer, HttpTriggerRequest};
pub use input::{
    Environment, ExchangeId, IdSource, Input, Now, Overflow, SessionId, Unreadable, Variable, World,
};
pub use outbound::{OutboundPolicy, Reach};
pub use queue::QueueLimits;
pub use request::{HeaderText, HttpOutcome, HttpRequest};
pub use shares::{Exhausted, Shares};

/// What can be driven with inputs: the engine, or a wrapper that alters what goes in or comes
/// out, as a deliberately faulty engine does.
pub trait Machine {
    /// Takes one input and pushes its effects. Nothing else changes the machine.
    fn handle(&mut self, input: Input<'_>, world: &mut World<'_>, effects: &mut Vec<Effect>);

    /// The earliest deadline, at which the machine wants an [`Input::Tick`].
    fn next_deadline(&self) -> Option<Deadline>;
}
