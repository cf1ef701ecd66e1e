//! From the date-times of a schedule to instants, where the clock of a zone skips or repeats
//! some of them. The rules are those of [the module](super).

use chrono::{
    DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc,
};
use chrono_tz::{GapInfo, Tz};

use super::civil::Timetable;

/// The first instant strictly after `after` at which the schedule fires; `None` after its last.
pub(super) fn next_after(
    timetable: &Timetable,
    zone: Tz,
    after: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let civil = after
        .naive_utc()
        .checked_add_offset(offset_at(zone, after))?;
    let due = timetable.next_after(civil)?;
    let wildcard = timetable.hour_is_wildcard();
    let (mut due, floor) = match Fold::around(zone, civil) {
        // The second pass belongs to wildcards.
        Some(fold) if !wildcard && fold.at <= after => (timetable.next_from(fold.end)?, after),
        // What remains of the first pass has nothing; the second starts over.
        Some(fold) if wildcard && after < fold.at && fold.end <= due => (
            timetable.next_from(fold.begin)?,
            fold.at - TimeDelta::seconds(1),
        ),
        _ => (due, after),
    };
    // What a gap skips of a wildcard is skipped.
    while wildcard && let Some(end) = gap_end(zone, due) {
        due = timetable.next_from(end.naive_utc().checked_add_offset(offset_at(zone, end))?)?;
    }
    firings(zone, due).find(|at| *at > floor)
}

/// Where a clock is set back: it shows the civil times from `begin` until before `end` once
/// until before `at`, and again from then on.
struct Fold {
    at: DateTime<Utc>,
    begin: NaiveDateTime,
    end: NaiveDateTime,
}

impl Fold {
    /// The fold that a civil time is in.
    fn around(zone: Tz, civil: NaiveDateTime) -> Option<Self> {
        let MappedLocalTime::Ambiguous(first, second) = zone.offset_from_local_datetime(&civil)
        else {
            return None;
        };
        let (first, second) = (first.fix(), second.fix());
        let mut before = instant(civil, first)?;
        let mut at = instant(civil, second)?;
        loop {
            let half = TimeDelta::seconds((at - before).num_seconds() / 2);
            if half.is_zero() {
                break;
            }
            let middle = before + half;
            if offset_at(zone, middle) == first {
                before = middle;
            } else {
                at = middle;
            }
        }
        Some(Self {
            at,
            begin: at.naive_utc().checked_add_offset(second)?,
            end: at.naive_utc().checked_add_offset(first)?,
        })
    }
}

/// The instants at which a clock shows a civil time, in order: one, or two in a fold, or, if
/// it skips that time, the end of the gap.
fn firings(zone: Tz, civil: NaiveDateTime) -> impl Iterator<Item = DateTime<Utc>> {
    let instants = match zone.offset_from_local_datetime(&civil) {
        MappedLocalTime::Single(offset) => [instant(civil, offset.fix()), None],
        MappedLocalTime::Ambiguous(first, second) => {
            [instant(civil, first.fix()), instant(civil, second.fix())]
        }
        MappedLocalTime::None => [gap_end(zone, civil), None],
    };
    instants.into_iter().flatten()
}

/// The first instant after the gap that a civil time is in, if it is in one.
fn gap_end(zone: Tz, civil: NaiveDateTime) -> Option<DateTime<Utc>> {
    let (begin, offset_before) = GapInfo::new(&civil, &zone)?.begin?;
    instant(begin, offset_before.fix())
}

fn offset_at(zone: Tz, at: DateTime<Utc>) -> FixedOffset {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix()
}

fn instant(civil: NaiveDateTime, offset: FixedOffset) -> Option<DateTime<Utc>> {
    civil
        .checked_sub_offset(offset)
        .map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use chrono_tz::Tz;

    use crate::cron::{parse, zone::next_after};

    #[test]
    fn a_schedule_ends_with_the_civil_year_2100() {
        let timetable = parse("0 * * * *").expect("an expression");
        for (zone, last) in [
            (Tz::UTC, "2100-12-31T23:00:00Z"),
            (Tz::America__New_York, "2100-12-31T23:00:00-05:00"),
            (Tz::Pacific__Apia, "2100-12-31T23:00:00+13:00"),
        ] {
            let last: DateTime<Utc> = last.parse().expect("the test's own time");
            let before = last - TimeDelta::seconds(1);
            assert_eq!(next_after(&timetable, zone, before), Some(last));
            assert_eq!(next_after(&timetable, zone, last), None);
        }
    }

    #[test]
    fn neither_end_of_time_is_too_far() {
        let timetable = parse("* * * * *").expect("an expression");
        for zone in [Tz::UTC, Tz::America__New_York, Tz::Pacific__Apia] {
            assert_eq!(next_after(&timetable, zone, DateTime::<Utc>::MAX_UTC), None);
            next_after(&timetable, zone, DateTime::<Utc>::MIN_UTC);
        }
    }
}
