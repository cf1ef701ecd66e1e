//! When cron triggers fire (D-12): arithmetic alone, for which every time is an argument.
//!
//! A schedule names civil date-times, such as 02:30 on each day, and is read on the clock of a
//! zone. A time that this clock shows once is one firing. Where the clock is changed:
//!
//! - **Gap.** A time that the clock skips fires at the end of the gap, which is the first instant
//!   after the change. All that is skipped by one gap is one firing, and the same one as that of a
//!   time scheduled for its very end. But if the hour field is a wildcard, that is, begins with
//!   `*`, what is skipped does not fire at all.
//! - **Fold.** A time that the clock shows twice fires in the first pass alone. But if the hour
//!   field is a wildcard, it fires twice: the schedule goes on in the second pass as it did in the
//!   first.
//!
//! So a wildcard keeps its real interval. A list or a range of all hours is none.
//!
//! So in New York, where 02:00 to 03:00 is skipped in March and 01:00 to 02:00 repeated in
//! November (times of day on the clock there, EST or EDT where they need telling apart):
//!
//! | schedule | March | November |
//! |---|---|---|
//! | `30 2 * * *` | 03:00 | 02:30 |
//! | `30 1 * * *` | 01:30 | 01:30 EDT |
//! | `0 1,2 * * *` | 01:00, 03:00 | 01:00 EDT, 02:00 |
//! | `* 1 * * *` | 01:00 to 01:59 | 01:00 to 01:59 EDT |
//! | `*/30 * * * *` | … 01:30, 03:00, 03:30 … | … 01:00 EDT, 01:30 EDT, 01:00 EST, 01:30 EST, 02:00 … |
//! | `0 */2 * * *` | 00:00, 04:00 … | 00:00, 02:00, 04:00 … (in Berlin 00:00, 02:00 CEST, 02:00 CET, 04:00 …) |
//! | `15 * * * *` | 01:15, 03:15 … | 01:15 EDT, 01:15 EST, 02:15 … |
//!
//! A change of the clock is any change of a zone's offset, for the summer or for good. Schedules
//! begin with the civil year 1970 and end with 2100, the years of the `cron` package.
//!
//! What is due when the wall clock jumps, or nobody looked at it for a while, is decided by the
//! [agenda].

mod agenda;
mod civil;
mod dialect;
mod zone;

use std::time::Duration;

use chrono::DateTime;

pub use self::zone::Zone;
pub(crate) use self::{agenda::Agenda, civil::Timetable};

/// The timetable of an expression; `None` if it is none or can never fire (D-12).
pub(crate) fn parse(expression: &str) -> Option<Timetable> {
    dialect::parse(expression)
}

/// The first firing strictly after `wall`, a whole second of the same clock.
pub(crate) fn next_after(timetable: &Timetable, zone: &Zone, wall: Duration) -> Option<Duration> {
    let seconds = i64::try_from(wall.as_secs()).ok()?;
    let after = DateTime::from_timestamp(seconds, 0)?;
    let next = zone::next_after(timetable, zone, after)?;
    u64::try_from(next.timestamp())
        .ok()
        .map(Duration::from_secs)
}
