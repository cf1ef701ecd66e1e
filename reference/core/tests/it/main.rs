//! The engine driven from outside: inputs in, effects out, on a clock that jumps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test may panic, and exports nothing"
)]

mod calls;
mod configs;
mod cron;
mod deliveries;
mod documents;
mod events;
mod firing_cron;
mod firing_http;
mod firing_queue;
mod formats;
mod frames;
mod functions;
mod fuzz;
mod history;
mod invocations;
mod lists;
mod loads;
mod model;
mod properties;
mod provider_pace;
mod providers;
mod requests;
mod room;
mod sessions;
mod support;
mod trigger_types;
mod triggers;
