//! Engines that are wrong in one way each.

mod calls;
mod credentials;
mod duplicates;
mod endpoints;
mod forgetting;
mod functions;
mod invocations;
mod knowing;
mod missing;
mod nulls;
mod registering;
mod requests;
mod results;
mod signatures;

use crate::Fault;

/// All of them, by what they are about.
#[must_use]
pub fn all() -> Vec<Fault> {
    let groups = [
        functions::faults(),
        forgetting::faults(),
        duplicates::faults(),
        calls::faults(),
        results::faults(),
        nulls::faults(),
        endpoints::faults(),
        invocations::faults(),
        credentials::faults(),
        signatures::faults(),
        missing::faults(),
        registering::faults(),
    ];
    groups.into_iter().flatten().collect()
}
