//! Engines that are wrong in one way each.

mod registering;

use crate::Fault;

/// All of them, by what they are about.
#[must_use]
pub fn all() -> Vec<Fault> {
    let groups = [registering::faults()];
    groups.into_iter().flatten().collect()
}
