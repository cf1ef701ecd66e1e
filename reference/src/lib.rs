//! The reference engine over real sockets: everything that does I/O, and no rule of the
//! protocol. The rules are `reference-core`'s.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use reference::{Options, Server};
//!
//! let server = Server::bind("127.0.0.1:0", Options::default()).await?;
//! println!("workers connect to {}", server.url());
//! println!("http triggers are at {}", server.http_url().unwrap_or_default());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod access;
mod clients;
mod connection;
mod fault;
mod handshake;
mod http;
mod hub;
mod intake;
mod limits;
mod lookup;
mod outbound;
mod outbox;
mod payload;
mod places;
mod pulse;
mod server;
mod share;
mod spare;
mod tls;
mod transport;
mod turn;
mod world;

pub use reference_core as core;

pub use self::{
    access::{Access, Token},
    limits::{HttpLimits, Limits},
    lookup::{Resolver, SystemResolver},
    server::{HttpBindError, Options, Server},
    tls::{Tls, TlsError},
    world::{Clock, FixedEnvironment, NarrowedEnvironment, ProcessEnvironment, SystemClock},
};
