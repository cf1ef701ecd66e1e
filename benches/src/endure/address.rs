//! Where an engine listens, as it says.

use std::net::SocketAddr;

/// The two ports of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Where workers connect.
    pub(crate) workers: SocketAddr,
    /// Where http triggers are served.
    pub(crate) http: SocketAddr,
}

/// Reads the lines that an engine prints when it listens.
#[derive(Debug, Default)]
pub(crate) struct Announcement {
    workers: Option<SocketAddr>,
    http: Option<SocketAddr>,
}

impl Announcement {
    /// Takes a line; gives the address once both are known.
    pub(crate) fn line(&mut self, line: &str) -> Option<Address> {
        if let Some(url) = line.strip_prefix("listening on ws://") {
            self.workers = url.trim_end_matches('/').parse().ok();
        }
        if let Some(url) = line.strip_prefix("http triggers on http://") {
            self.http = url.trim_end_matches('/').parse().ok();
        }
        Some(Address {
            workers: self.workers?,
            http: self.http?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_needed() {
        let mut announcement = Announcement::default();
        assert_eq!(announcement.line("listening on ws://127.0.0.1:1"), None);
        let address = announcement.line("http triggers on http://127.0.0.1:2");
        let address = address.expect("both");
        assert_eq!((address.workers.port(), address.http.port()), (1, 2));
    }
}
