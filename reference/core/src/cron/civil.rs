//! The date-times of a schedule as a calendar and a clock on the wall show them, without a zone.

use ::cron::Schedule;
use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta};

/// The last year that the `cron` package knows, and with it the last of any schedule.
pub(super) const YEAR_MAX: i32 = 2100;

/// The civil date-times at which a schedule is due, to the second, from 1970 to [`YEAR_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timetable {
    /// It is due when any of these is.
    schedules: Vec<Schedule>,
    hour_is_wildcard: bool,
}

impl Timetable {
    /// `None` if it would have no date-times at all, like `0 0 31 2 *`.
    pub(super) fn new(
        schedules: impl Iterator<Item = Schedule>,
        hour_is_wildcard: bool,
    ) -> Option<Self> {
        let schedules: Vec<Schedule> = schedules.filter(can_be_due).collect();
        (!schedules.is_empty()).then_some(Self {
            schedules,
            hour_is_wildcard,
        })
    }

    /// Whether the hour field begins with `*`, which decides about gaps and folds.
    pub(super) fn hour_is_wildcard(&self) -> bool {
        self.hour_is_wildcard
    }

    /// The first date-time strictly after `civil`.
    pub(super) fn next_after(&self, civil: NaiveDateTime) -> Option<NaiveDateTime> {
        // The package adds a second, which panics at the very end of what chrono holds.
        if civil.year() > YEAR_MAX {
            return None;
        }
        // To the package the civil time is one of UTC, in which every time exists once.
        let start = civil.and_utc();
        self.schedules
            .iter()
            .filter_map(|schedule| schedule.after(&start).next())
            .min()
            .map(|due| due.naive_utc())
    }

    /// The first date-time at or after `civil`.
    pub(super) fn next_from(&self, civil: NaiveDateTime) -> Option<NaiveDateTime> {
        self.next_after(civil.checked_sub_signed(TimeDelta::seconds(1))?)
    }
}

/// Any start will do, as long as every combination of day, weekday and leap year follows.
fn can_be_due(schedule: &Schedule) -> bool {
    const YEAR_2000_S: i64 = 946_684_800;
    DateTime::from_timestamp(YEAR_2000_S, 0)
        .is_some_and(|start| schedule.after(&start).next().is_some())
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use crate::cron::parse;

    fn time(text: &str) -> NaiveDateTime {
        text.parse().expect("the test's own time")
    }

    #[test]
    fn the_years_are_those_of_the_package() {
        let timetable = parse("0 0 * * *").expect("an expression");
        for (after, expected) in [
            ("1969-07-20T20:17:00", Some("1970-01-01T00:00:00")),
            ("1970-01-01T00:00:00", Some("1970-01-02T00:00:00")),
            ("2100-12-30T23:59:59", Some("2100-12-31T00:00:00")),
            ("2100-12-31T00:00:00", None),
            ("2100-12-31T23:59:59", None),
            ("2101-01-01T00:00:00", None),
        ] {
            let found = timetable.next_after(time(after));
            assert_eq!(found, expected.map(time), "{after}");
        }
        assert_eq!(timetable.next_after(NaiveDateTime::MAX), None);
    }

    #[test]
    fn at_or_after_includes_the_time_itself() {
        let timetable = parse("0 0 29 2 *").expect("an expression");
        let leap_day = time("2096-02-29T00:00:00");
        assert_eq!(timetable.next_from(leap_day), Some(leap_day));
        assert_eq!(timetable.next_after(leap_day), None, "2100 has no such day");
        assert_eq!(timetable.next_from(NaiveDateTime::MIN), None);
    }
}
