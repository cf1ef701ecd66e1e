//! The conformance suite: aimed at a URL, it judges an engine by what is on the wire.
//!
//! The suite cannot name the reference engine, as its package does not depend on it. It reads
//! frames as JSON values and holds them to `spec/`, so that no mistake of the reference can hide in
//! a shared type. A case is data (`fixtures/cases`); a [`runner`] performs it and emits events;
//! [`report`]s listen.

pub mod assets;
pub mod case;
pub mod discover;
pub mod endpoint;
pub mod environment;
mod exchange;
pub mod expectation;
pub mod frame;
mod held;
pub mod histories;
pub mod ledger;
pub mod lint;
pub mod load;
pub mod mapping;
pub mod profile;
pub mod record;
pub mod report;
pub mod runner;
pub mod schema;
pub mod session;
mod steady;
pub mod target_file;
pub mod template;
pub mod transcript;
pub mod verdict;
mod websocket;
