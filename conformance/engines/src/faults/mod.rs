//! Engines that are wrong in one way each.

mod calls;
mod checks;
mod companions;
mod credentials;
mod cron_triggers;
mod duplicates;
mod endpoints;
mod firing;
mod forgetting;
mod functions;
mod http_triggers;
mod invocations;
mod knowing;
mod memory;
mod missing;
mod nulls;
mod provided;
mod providers;
mod queue_triggers;
mod reading;
mod reattaching;
mod refusals;
mod registering;
mod requests;
mod results;
mod scope;
mod sessions;
mod shared;
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
        refusals::faults(),
        checks::faults(),
        scope::faults(),
        memory::faults(),
        http_triggers::faults(),
        cron_triggers::faults(),
        queue_triggers::faults(),
        providers::faults(),
        provided::faults(),
        sessions::faults(),
        reading::faults(),
        reattaching::faults(),
        companions::faults(),
    ];
    groups.into_iter().flatten().collect()
}
