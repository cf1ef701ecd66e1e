//! The server over real sockets, and the command as a real process.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod access;
mod answers;
mod client;
#[cfg(unix)]
mod descriptors;
mod endpoints;
#[cfg(unix)]
mod flags;
mod handshakes;
mod hostile;
mod hosts;
#[cfg(unix)]
mod http2;
mod http_client;
mod http_ends;
mod http_framing;
mod http_limits;
mod http_triggers;
mod kept;
#[cfg(unix)]
mod listening;
mod many;
mod names;
mod ports;
#[cfg(unix)]
mod process;
mod queues;
mod schedules;
mod seats;
mod server;
mod silence;
#[cfg(unix)]
mod tls;
#[cfg(unix)]
mod tls_flags;
#[cfg(unix)]
mod tls_http;
#[cfg(unix)]
mod tls_ports;
mod turns;
mod unread;
