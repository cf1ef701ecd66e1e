//! Engines that do all that the documents demand, and everything else in their own way.

mod http;
mod requests;
mod shape;
mod silences;
mod time;

use crate::Other;

/// All of them, by where they are odd.
#[must_use]
pub fn all() -> Vec<Other> {
    let groups = [
        shape::engines(),
        time::engines(),
        silences::engines(),
        requests::engines(),
        http::engines(),
    ];
    groups.into_iter().flatten().collect()
}
