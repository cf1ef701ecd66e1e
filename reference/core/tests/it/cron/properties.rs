//! Random expressions, zones and times, against two readings that share nothing with the engine.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::Config,
};

use super::{
    expression::{Expression, any_expression, of_most_days, of_most_seconds},
    firings, instant, read,
    walk::{CHANGES, Change, date, walk},
    wall,
};

/// The last year of a schedule.
const YEAR_MAX: i32 = 2100;

/// Any second from 1990 to 2040.
fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (date(1990).timestamp()..date(2040).timestamp())
        .prop_map(|seconds| DateTime::from_timestamp(seconds, 0).unwrap())
}

/// Any change of the clock, and a time close to it.
fn around_a_change(
    before: TimeDelta,
    after: TimeDelta,
) -> impl Strategy<Value = (Change, DateTime<Utc>)> {
    let range = -before.num_seconds()..after.num_seconds();
    (any::<Index>(), range).prop_map(|(index, seconds)| {
        let change = *index.get(&CHANGES);
        (change, change.at + TimeDelta::seconds(seconds))
    })
}

/// What croner finds on a clock that is never changed, until the last year of a schedule.
fn of_croner(expression: &Expression, after: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
    let cron = expression.croner();
    let next = |at: &DateTime<Utc>| cron.find_next_occurrence(at, false).ok();
    std::iter::successors(next(&after), next)
        .take_while(|at| at.year() <= YEAR_MAX)
        .take(count)
        .collect()
}

proptest! {
    #![proptest_config(Config::with_cases(2000))]

    #[test]
    fn civil_times_are_those_of_croner(expression in any_expression(), after in any_time()) {
        match read(&expression.to_string(), "UTC") {
            Some(config) => {
                let found: Vec<_> = firings(&config, after).take(4).collect();
                prop_assert_eq!(found, of_croner(&expression, after, 4));
            }
            None => prop_assert!(of_croner(&expression, date(2000), 1).is_empty()),
        }
    }

    #[test]
    fn changes_of_the_clock_are_those_of_a_walk(
        expression in of_most_days(),
        (change, after) in around_a_change(TimeDelta::hours(5), TimeDelta::hours(3)),
    ) {
        let until = after + TimeDelta::hours(7);
        let config = read(&expression.to_string(), change.zone.name());
        prop_assume!(config.is_some());
        let found: Vec<_> = firings(&config.unwrap(), after)
            .take_while(|at| *at <= until)
            .collect();
        prop_assert_eq!(found, walk(&expression, change.zone, (after, until)));
    }
}

proptest! {
    #![proptest_config(Config::with_cases(100))]

    #[test]
    fn to_the_second(
        expression in of_most_seconds(),
        (change, after) in around_a_change(TimeDelta::minutes(5), TimeDelta::minutes(125)),
    ) {
        let until = after + TimeDelta::minutes(20);
        let config = read(&expression.to_string(), change.zone.name());
        prop_assume!(config.is_some());
        let found: Vec<_> = firings(&config.unwrap(), after)
            .take_while(|at| *at <= until)
            .collect();
        prop_assert_eq!(found, walk(&expression, change.zone, (after, until)));
    }
}

proptest! {
    #[test]
    fn every_time_until_a_firing_leads_to_it(
        expression in any_expression(),
        (change, after) in around_a_change(TimeDelta::days(2), TimeDelta::days(2)),
        between in any::<Index>(),
    ) {
        let config = read(&expression.to_string(), change.zone.name());
        prop_assume!(config.is_some());
        let config = config.unwrap();
        if let Some(next) = config.next_after(wall(after)) {
            prop_assert!(after < instant(next));
            let seconds = (next - wall(after)).as_secs() as usize;
            let later = wall(after) + Duration::new(between.index(seconds) as u64, 999_999_999);
            prop_assert_eq!(config.next_after(later), Some(next));
        }
    }

    #[test]
    fn no_time_is_too_far_away(
        expression in any_expression(),
        zone in select(vec!["UTC", "America/New_York", "Pacific/Apia"]),
        seconds in prop_oneof![any::<u64>(), 0..10_000_000_000u64, 8_210_000_000_000..8_220_000_000_000u64],
        nanoseconds in 0..1_000_000_000u32,
    ) {
        let config = read(&expression.to_string(), zone);
        prop_assume!(config.is_some());
        let after = Duration::new(seconds, nanoseconds);
        let next = config.unwrap().next_after(after);
        prop_assert!(next.is_none_or(|next| next > after));
        if seconds > 5_000_000_000 {
            prop_assert_eq!(next, None, "there is no schedule beyond {}", YEAR_MAX);
        }
    }
}
