//! Engines that do all that the documents demand, and everything else in their own way.

use crate::{Other, frames::set, with::sending};

/// All of them.
#[must_use]
pub fn all() -> Vec<Other> {
    vec![Other::altered(
        "unknown-fields",
        "Puts a field of its own into every frame",
        || {
            let mut sent_before = 0;
            sending(move |sent| {
                sent_before += 1;
                set(&mut sent.frame, "", "x_sequence", sent_before);
            })
        },
    )]
}
