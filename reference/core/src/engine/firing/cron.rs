//! The firing of cron triggers (RT-05).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Engine, Origin, Output, Shot};
use crate::engine::DUE_MAX;
use crate::time::{rfc3339_milliseconds, rfc3339_seconds};

/// What the function of a cron trigger is called with (CO-22).
#[derive(Serialize)]
struct Payload<'a> {
    trigger: &'static str,
    job_id: &'a str,
    scheduled_time: String,
    actual_time: String,
}

impl Engine {
    /// Fires a portion of what is due. Whether an earlier call of it is still under way does not matter.
    pub(in crate::engine) fn fire_schedules(&mut self, out: &mut Output<'_, '_>) {
        let wall = out.now().wall;
        for firing in self.firing.agenda.take_due(wall, DUE_MAX) {
            let payload = Payload {
                trigger: "cron",
                job_id: &firing.key.id,
                scheduled_time: rfc3339_seconds(firing.scheduled),
                actual_time: rfc3339_milliseconds(wall),
            };
            // Strings: serializing them cannot fail.
            let data = to_raw_value(&payload).unwrap_or_else(|_| RawValue::NULL.to_owned());
            let shot = Shot {
                origin: Origin::Nobody,
                data: &data,
                traceparent: None,
                baggage: None,
            };
            self.fire(&firing.key, shot, out);
        }
    }
}
