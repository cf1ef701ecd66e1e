//! The `config` of a `cron` trigger.

use std::time::Duration;

use super::Config;
use crate::{
    cron::{self, Timetable, Zone},
    error::Failure,
};

/// The schedule of a `cron` trigger (RT-05, D-12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronConfig {
    /// The expression as it was given.
    pub expression: String,
    /// The zone whose clock the schedule reads; UTC unless given.
    pub timezone: Zone,
    timetable: Timetable,
}

impl CronConfig {
    /// The first firing strictly after `wall`: both since the Unix epoch, UTC, and the firing
    /// a whole second. `None` when there is none before the end of the year 2100.
    #[must_use]
    pub fn next_after(&self, wall: Duration) -> Option<Duration> {
        cron::next_after(&self.timetable, &self.timezone, wall)
    }
}

pub(super) fn read(config: &Config<'_>) -> Result<CronConfig, Failure> {
    let expression = config.required_text("schedule", config.raw.schedule)?;
    let timetable = cron::parse(&expression).ok_or_else(|| {
        Failure::invalid_config(format!("Invalid cron expression: '{expression}'"))
    })?;
    let timezone = match config.text("timezone", config.raw.timezone)? {
        Some(name) => Zone::named(&name)
            .ok_or_else(|| Failure::invalid_config(format!("Invalid timezone: '{name}'")))?,
        None => Zone::UTC,
    };
    Ok(CronConfig {
        expression,
        timezone,
        timetable,
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Builtin, test_support::verdict};

    #[test]
    fn refusals() {
        for (config, expected) in [
            (
                r#"{"schedule":"0 9 * * *","timezone":"America/New_York"}"#,
                "ok",
            ),
            (
                r#"{"schedule":"invalid cron expression"}"#,
                "Invalid cron expression: 'invalid cron expression'",
            ),
            (
                r#"{"schedule":"0 9 * * *","timezone":"Mars/Olympus_Mons"}"#,
                "Invalid timezone: 'Mars/Olympus_Mons'",
            ),
            (
                r#"{"timezone":"UTC"}"#,
                "Invalid cron config: `schedule` is missing",
            ),
            (
                r#"{"schedule":5}"#,
                "Invalid cron config: `schedule` must be a string, got 5",
            ),
        ] {
            assert_eq!(verdict(Builtin::Cron, config), expected, "{config}");
        }
    }
}
