//! The reference over real sockets.

use std::io;

use reference::{Options, Server};
use tokio::runtime::{Builder, Runtime};

/// A [`Server`] in this process, on threads of its own: what loads it runs on others, as it would
/// in another process. It ends when it is dropped, which must not be in an async context.
#[derive(Debug)]
pub struct Served {
    server: Server,
    _runtime: Runtime,
}

impl Served {
    /// Listens on free ports of the loopback interface.
    ///
    /// # Errors
    ///
    /// What the system says when it cannot.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        let server = runtime.block_on(Server::bind("127.0.0.1:0", Options::default()))?;
        Ok(Self {
            server,
            _runtime: runtime,
        })
    }

    /// What workers connect to.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What the paths of http triggers are below.
    #[must_use]
    pub fn http_url(&self) -> String {
        self.server.http_url().unwrap_or_default()
    }
}
