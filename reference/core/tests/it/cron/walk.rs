//! The rules of D-12 about changes of the clock, by walking through every instant. It asks of a
//! zone only its offset at an instant.

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::expression::Expression;

/// Longer than any fold of these zones.
const LOOK_BACK: TimeDelta = TimeDelta::hours(3);

/// Zones with gaps and folds of half an hour, one hour, two hours and a day, at midnight and at
/// other times, of a summer time that is the standard, and without any.
const ZONES: [Tz; 12] = [
    Tz::UTC,
    Tz::Africa__Casablanca,
    Tz::America__Havana,
    Tz::America__New_York,
    Tz::America__Sao_Paulo,
    Tz::Antarctica__Troll,
    Tz::Asia__Beirut,
    Tz::Asia__Kathmandu,
    Tz::Australia__Lord_Howe,
    Tz::Europe__Berlin,
    Tz::Europe__Dublin,
    Tz::Pacific__Apia,
];

/// A moment at which the clock of a zone is changed.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub zone: Tz,
    pub at: DateTime<Utc>,
}

pub fn date(year: i32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap()
}

/// Every change of every zone from 1980 to 2025, and a new year for those that have none. What
/// comes later is decreed anew now and then, and not known to each edition of the database.
pub static CHANGES: LazyLock<Vec<Change>> = LazyLock::new(|| {
    let all: Vec<Change> = ZONES.into_iter().flat_map(changes).collect();
    assert!(all.len() > 700, "{}", all.len());
    all
});

fn changes(zone: Tz) -> Vec<Change> {
    let days = (0..).map(|day| date(1980) + TimeDelta::days(day));
    let days: Vec<(DateTime<Utc>, TimeDelta)> = days
        .take_while(|day| *day < date(2026))
        .map(|day| (day, offset(zone, day)))
        .collect();
    let mut changes: Vec<Change> = days
        .windows(2)
        .filter(|days| days[0].1 != days[1].1)
        .map(|days| Change {
            zone,
            at: change_after(zone, days[0].0),
        })
        .collect();
    if changes.is_empty() {
        let at = date(2000);
        changes.push(Change { zone, at });
    }
    changes
}

fn change_after(zone: Tz, before: DateTime<Utc>) -> DateTime<Utc> {
    let at = (1..)
        .map(|minute| before + TimeDelta::minutes(minute))
        .find(|at| offset(zone, *at) != offset(zone, before))
        .unwrap();
    let second_before = at - TimeDelta::seconds(1);
    assert_eq!(offset(zone, second_before), offset(zone, before), "{zone}");
    at
}

fn offset(zone: Tz, at: DateTime<Utc>) -> TimeDelta {
    let offset = zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    TimeDelta::seconds(offset.local_minus_utc().into())
}

/// The firings after one time until another, both included in `step`s of the walk: a minute, or
/// a second for an expression with seconds.
pub fn walk(
    expression: &Expression,
    zone: Tz,
    (after, until): (DateTime<Utc>, DateTime<Utc>),
) -> Vec<DateTime<Utc>> {
    let step = match expression.second {
        Some(_) => TimeDelta::seconds(1),
        None => TimeDelta::minutes(1),
    };
    let shown = |at: DateTime<Utc>| at.naive_utc() + offset(zone, at);
    let mut at = floor(after - LOOK_BACK, step);
    let mut previous = shown(at);
    let mut latest = previous;
    let mut firings = Vec::new();
    while at < until {
        at += step;
        let now = shown(at);
        let repeated = now <= latest;
        let keeps_firing = expression.hour.is_wildcard() || !repeated;
        let makes_up = || {
            let mut skipped = between(previous, now, step);
            !expression.hour.is_wildcard() && skipped.any(|civil| expression.matches(civil))
        };
        let fires = expression.matches(now) && keeps_firing || makes_up();
        if fires && after < at && at <= until {
            firings.push(at);
        }
        latest = latest.max(now);
        previous = now;
    }
    firings
}

/// What a clock skips when it goes from one time to another in one step.
fn between(
    from: NaiveDateTime,
    to: NaiveDateTime,
    step: TimeDelta,
) -> impl Iterator<Item = NaiveDateTime> {
    std::iter::successors(Some(from + step), move |civil| Some(*civil + step))
        .take_while(move |civil| *civil < to)
}

fn floor(at: DateTime<Utc>, step: TimeDelta) -> DateTime<Utc> {
    at - TimeDelta::seconds(at.timestamp().rem_euclid(step.num_seconds()))
}
