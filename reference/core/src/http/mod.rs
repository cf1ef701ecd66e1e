//! What an `http` trigger does, without a socket: the table of its routes (RT-04).

#[cfg(test)]
mod model;
mod path;
mod routes;
mod tree;

pub(crate) use path::Pattern;
pub(crate) use routes::{Routes, Unmatched};

/// The beginning of what a peer wrote, for a message: a peer may write at any length.
fn clipped(text: &str) -> String {
    const CHARS_MAX: usize = 200;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
