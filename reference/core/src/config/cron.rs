//! The dialect of `schedule` (D-12), in front of the `cron` package.
//!
//! The package counts days of the week from 1 and joins both day fields with AND; POSIX
//! counts from 0 and joins with OR. So every field is read here into the set of values that
//! it names, and the package is given those sets, twice when both day fields are restricted.

use std::{ops::RangeInclusive, str::FromStr};

use ::cron::Schedule;
use chrono::DateTime;
use chrono_tz::Tz;

use super::Config;
use crate::error::Failure;

/// The schedule of a `cron` trigger (RT-05).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronConfig {
    /// The expression as it was given.
    pub expression: String,
    /// It fires when any of these does.
    pub schedules: Vec<Schedule>,
    /// The zone whose clock the schedule reads; UTC unless given.
    pub timezone: Tz,
}

pub(super) fn read(config: &Config<'_>) -> Result<CronConfig, Failure> {
    let expression = config.required_text("schedule", config.raw.schedule)?;
    let schedules = parse(&expression).ok_or_else(|| {
        Failure::invalid_config(format!("Invalid cron expression: '{expression}'"))
    })?;
    let timezone = match config.text("timezone", config.raw.timezone)? {
        Some(name) => Tz::from_str(&name)
            .map_err(|_| Failure::invalid_config(format!("Invalid timezone: '{name}'")))?,
        None => Tz::UTC,
    };
    Ok(CronConfig {
        expression,
        schedules,
        timezone,
    })
}

struct Field {
    values: RangeInclusive<u8>,
    /// Where `*` ends: before the second name of Sunday.
    last: u8,
    names: &'static [&'static str],
}

const SECONDS: Field = numbers(0..=59);
const MINUTES: Field = numbers(0..=59);
const HOURS: Field = numbers(0..=23);
const DAYS_OF_MONTH: Field = numbers(1..=31);
const MONTHS: Field = Field {
    values: 1..=12,
    last: 12,
    names: &[
        "", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
    ],
};
/// Sunday is 0 and 7.
const DAYS_OF_WEEK: Field = Field {
    values: 0..=7,
    last: 6,
    names: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

const fn numbers(values: RangeInclusive<u8>) -> Field {
    let last = *values.end();
    Field {
        values,
        last,
        names: &[],
    }
}

/// The schedules of an expression of 5 fields, or 6 with seconds first; `None` if it is no such
/// expression or can never fire.
fn parse(expression: &str) -> Option<Vec<Schedule>> {
    let fields: Vec<&str> = expression.split_ascii_whitespace().collect();
    let (second, minute, hour, day, month, weekday) = match *fields.as_slice() {
        [minute, hour, day, month, weekday] => ("0", minute, hour, day, month, weekday),
        [second, minute, hour, day, month, weekday] => (second, minute, hour, day, month, weekday),
        _ => return None,
    };
    let time = format!(
        "{} {} {}",
        SECONDS.read(second)?.list(),
        MINUTES.read(minute)?.list(),
        HOURS.read(hour)?.list()
    );
    let month = MONTHS.read(month)?.list();
    // A day field that begins with `*` restricts nothing on behalf of the other one.
    let both_restricted = !day.starts_with('*') && !weekday.starts_with('*');
    let day = DAYS_OF_MONTH.read(day)?;
    let weekday = DAYS_OF_WEEK.read(weekday)?.sunday_once();
    let day_pairs = if !both_restricted {
        vec![(day.list(), weekday.list_from_one())]
    } else {
        vec![
            (day.list(), "*".to_owned()),
            ("*".to_owned(), weekday.list_from_one()),
        ]
    };
    let schedules: Vec<Schedule> = day_pairs
        .into_iter()
        .filter_map(|(day, weekday)| {
            Schedule::from_str(&format!("{time} {day} {month} {weekday}")).ok()
        })
        .filter(can_fire)
        .collect();
    (!schedules.is_empty()).then_some(schedules)
}

/// Whether a schedule has any time at all: `0 0 31 2 *` has none. Any start will do,
/// as long as a leap year follows.
fn can_fire(schedule: &Schedule) -> bool {
    const YEAR_2000_S: i64 = 946_684_800;
    DateTime::from_timestamp(YEAR_2000_S, 0)
        .is_some_and(|start| schedule.after(&start).next().is_some())
}

impl Field {
    /// A list of `*`, `a`, `a-b`, each with an optional `/step`.
    fn read(&self, text: &str) -> Option<Values> {
        let mut values = Values {
            bits: 0,
            field: self.values.clone(),
        };
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, Some(number(step).filter(|step| *step > 0)?)),
                None => (item, None),
            };
            let (first, last) = self.range(range, step.is_some())?;
            for value in (first..=last).step_by(step.unwrap_or(1).into()) {
                values.bits |= 1 << value;
            }
        }
        Some(values)
    }

    fn range(&self, text: &str, stepped: bool) -> Option<(u8, u8)> {
        if text == "*" {
            return Some((*self.values.start(), self.last));
        }
        let (first, last) = match text.split_once('-') {
            // A week may be written to end on SUN.
            Some((first, last)) if self.values.contains(&7) && last.eq_ignore_ascii_case("SUN") => {
                (self.value(first)?, *self.values.end())
            }
            Some((first, last)) => (self.value(first)?, self.value(last)?),
            // `a/step` counts on from `a`.
            None if stepped => (self.value(text)?, self.last.max(self.value(text)?)),
            None => (self.value(text)?, self.value(text)?),
        };
        (first <= last).then_some((first, last))
    }

    fn value(&self, text: &str) -> Option<u8> {
        let named = || {
            let position = self
                .names
                .iter()
                .position(|name| !name.is_empty() && name.eq_ignore_ascii_case(text))?;
            u8::try_from(position).ok()
        };
        number(text)
            .or_else(named)
            .filter(|value| self.values.contains(value))
    }
}

/// Digits alone: no sign, which `u8::from_str` would take.
fn number(text: &str) -> Option<u8> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(())?;
    text.parse().ok()
}

struct Values {
    bits: u64,
    field: RangeInclusive<u8>,
}

impl Values {
    fn sunday_once(self) -> Self {
        let sunday = u64::from(self.bits & (1 << 0 | 1 << 7) != 0);
        Self {
            bits: (self.bits & !(1 << 0 | 1 << 7)) | sunday,
            field: 0..=6,
        }
    }

    fn contains(&self, value: u8) -> bool {
        self.bits & (1 << value) != 0
    }

    fn is_full(&self) -> bool {
        self.field.clone().all(|value| self.contains(value))
    }

    fn list(&self) -> String {
        self.list_plus(0)
    }

    /// For the package's days of the week, of which the first is 1.
    fn list_from_one(&self) -> String {
        self.list_plus(1)
    }

    fn list_plus(&self, offset: u8) -> String {
        if self.is_full() {
            return "*".to_owned();
        }
        let values: Vec<String> = self
            .field
            .clone()
            .filter(|value| self.contains(*value))
            .map(|value| (value + offset).to_string())
            .collect();
        values.join(",")
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::parse;
    use crate::config::{Builtin, test_support::verdict};

    #[test]
    fn expressions_of_the_dialect() {
        for expression in [
            "0 9 * * *",
            "*/15 0-5,22-23 1,15 JAN-mar MON-FRI",
            "0 0 29 2 *",
            "0 0 * * 0",
            "0 0 * * 7",
            "0 0 * * 5-7",
            "0 0 * * SAT-SUN",
            "0 0 31 2 MON",
            "0 0 31 2 0-6",
            "5/10 * * * *",
            "  0   9 * * *  ",
            "*/2 * * * * *",
        ] {
            assert!(parse(expression).is_some(), "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for expression in [
            "",
            "invalid cron expression",
            "* * * *",
            "* * * * * * *",
            "******",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 13 *",
            "* * * * 8",
            "5-1 * * * *",
            "0 0 * * 5-0",
            "*/0 * * * *",
            "+1 * * * *",
            "1, * * * *",
            "* * ? * *",
            "* * L * *",
            "* * * JANUARY *",
            "0 0 31 2 *",
            "0 0 31 4,6,9,11 *",
            "@daily",
        ] {
            assert!(parse(expression).is_none(), "{expression}");
        }
    }

    fn first_after(expression: &str, start: &str) -> String {
        let start: DateTime<Utc> = start.parse().expect("the test's own time");
        parse(expression)
            .expect("an expression")
            .iter()
            .filter_map(|schedule| schedule.after(&start).next())
            .min()
            .expect("it fires")
            .to_rfc3339()
    }

    #[test]
    fn days_of_the_week_count_as_posix_does() {
        // 2026-11-21 is a Saturday.
        for (expression, expected) in [
            ("0 0 * * 1-5", "2026-11-23T00:00:00+00:00"),
            ("0 0 * * 0", "2026-11-22T00:00:00+00:00"),
            ("0 0 * * 7", "2026-11-22T00:00:00+00:00"),
            ("0 0 * * SAT", "2026-11-28T00:00:00+00:00"),
        ] {
            assert_eq!(
                first_after(expression, "2026-11-21T12:00:00Z"),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn restricted_days_are_joined_with_or() {
        let start = "2026-11-21T12:00:00Z";
        assert_eq!(
            first_after("0 0 25 * MON", start),
            "2026-11-23T00:00:00+00:00"
        );
        assert_eq!(
            first_after("0 0 22 * MON", start),
            "2026-11-22T00:00:00+00:00"
        );
        // A range that names every day is a restriction all the same, `*/2` is none.
        assert_eq!(
            first_after("0 0 1-31 * MON", start),
            "2026-11-22T00:00:00+00:00"
        );
        assert_eq!(
            first_after("0 0 */2 * MON", start),
            "2026-11-23T00:00:00+00:00"
        );
    }

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
