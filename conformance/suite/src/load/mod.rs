//! Load for any engine by its URL, and the floor to hold it against.
//!
//! What is measured here are an engine and the load itself, on one machine: a figure says something
//! only beside that of a [`Relay`], which was loaded in the same way at the same time and does
//! nothing but pass frames on.

mod calls;
mod crowd;
mod figures;
mod firing;
mod http;
mod memory;
mod peer;
mod queue;
mod registering;
mod relay;

pub use self::{
    calls::{Calls, Served},
    crowd::Crowd,
    figures::{Figures, Spread},
    http::Requests,
    memory::resident,
    queue::Messages,
    registering::{Kind, Registering, Registrations},
    relay::{HttpFloor, Relay},
};

use std::time::Duration;

use crate::session::describe_unread;

/// Why a load could not be put on an engine.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no session to be had.
    #[error("{0}")]
    Unreachable(String),
    /// The engine ended a session of the load.
    #[error("the engine ended a session{0}")]
    Ended(String),
    /// What had to come did not.
    #[error("{what} did not come within {} s", .patience.as_secs_f64())]
    Silent {
        /// What had to come.
        what: &'static str,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The engine has stopped reading.
    #[error("{}", describe_unread(*.0))]
    Unread(Duration),
    /// What is loaded was refused.
    #[error("{what} was refused: {answer}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The engine's words.
        answer: String,
    },
}
