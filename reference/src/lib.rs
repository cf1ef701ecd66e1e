//! The reference engine over real sockets: everything that does I/O, and no rule of the
//! protocol. The rules are `reference-core`'s.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use reference::{Options, Server};
//!
//! let server = Server::bind("127.0.0.1:0", Options::default()).await?;
//! println!("workers connect to {}", server.url());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod connection;
mod fault;
mod hub;
mod lookup;
mod outbound;
mod outbox;
mod payload;
mod server;
mod share;
mod world;

use std::time::Duration;

pub use reference_core as core;

pub use self::{
    lookup::{Resolver, SystemResolver},
    server::{Options, Server},
    world::{Clock, FixedEnvironment, NarrowedEnvironment, ProcessEnvironment, SystemClock},
};

/// Bounds on what a peer can make the server hold or wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message that is read, in bytes; a larger one closes its session 1009 (D-08).
    pub frame_bytes_max: usize,
    /// The most that waits for a session that reads too slowly, in bytes; then it is closed 1013
    /// (D-28). A single frame always finds room.
    pub outbox_bytes_max: usize,
    /// The largest answer of an endpoint that is read, in bytes (D-11).
    pub response_bytes_max: usize,
    /// How large the answers that are being read are together, in bytes; one that would make it
    /// more is given up (D-28).
    pub responses_bytes_max: usize,
    /// How large those for one calling session are together, in bytes; likewise.
    pub responses_bytes_per_session_max: usize,
    /// How long a connection to an endpoint may take, with the look-up and the TLS handshake.
    pub connect_time_max: Duration,
    /// How many names of endpoints are looked up at once (D-28). Others wait.
    pub lookups_max: usize,
    /// How many of them for one calling session.
    pub lookups_per_session_max: usize,
    /// How long a request waits for the address of a name.
    pub lookup_time_max: Duration,
    /// How long a WebSocket handshake may take.
    pub handshake_time_max: Duration,
    /// How long a closing session is given to take what was sent before, and then again to answer
    /// the Close frame.
    pub close_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            outbox_bytes_max: 64 << 20,
            response_bytes_max: 16 << 20,
            responses_bytes_max: 256 << 20,
            responses_bytes_per_session_max: 64 << 20,
            connect_time_max: Duration::from_secs(20),
            lookups_max: 128,
            lookups_per_session_max: 16,
            lookup_time_max: Duration::from_secs(10),
            handshake_time_max: Duration::from_secs(10),
            close_time_max: Duration::from_secs(2),
        }
    }
}
