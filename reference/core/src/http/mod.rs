//! What an `http` trigger does, without a socket: the table of its routes, the payload that a
//! request becomes, and the HTTP answer that the outcome of a call becomes (RT-03, RT-04, D-06).

mod answer;
mod body;
mod headers;
#[cfg(test)]
mod model;
mod path;
#[cfg(test)]
mod properties;
mod reply;
mod request;
mod routes;
mod tree;

pub use answer::HttpAnswer;
pub use request::HttpTriggerRequest;

pub(crate) use answer::CallOutcome;
pub(crate) use path::Pattern;
pub(crate) use routes::{Matched, Routes, Unmatched};

/// The beginning of what a peer wrote, for a message: a peer may write at any length.
fn clipped(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
