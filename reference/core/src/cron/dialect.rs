//! The expressions of D-12, read into what the `cron` package understands.
//!
//! The package counts days of the week from 1 and joins both day fields with AND; POSIX
//! counts from 0 and joins with OR. So every field is read here into the set of values that
//! it names, and the package is given those sets, twice when both day fields are restricted.

use std::{ops::RangeInclusive, str::FromStr};

use ::cron::Schedule;

use super::civil::Timetable;

/// Longer than any expression that names each value of each field once.
const EXPRESSION_BYTES_MAX: usize = 1024;

/// The timetable of an expression of 5 fields, or 6 with seconds first; `None` if it is no such
/// expression or can never fire.
pub(super) fn parse(expression: &str) -> Option<Timetable> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return None;
    }
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
    let both_restricted = !is_wildcard(day) && !is_wildcard(weekday);
    let day = DAYS_OF_MONTH.read(day)?;
    let weekday = DAYS_OF_WEEK.read(weekday)?.sunday_once();
    let day_pairs = if both_restricted {
        vec![
            (day.list(), "*".to_owned()),
            ("*".to_owned(), weekday.list_from_one()),
        ]
    } else {
        vec![(day.list(), weekday.list_from_one())]
    };
    let schedules = day_pairs.into_iter().filter_map(|(day, weekday)| {
        Schedule::from_str(&format!("{time} {day} {month} {weekday}")).ok()
    });
    Timetable::new(schedules, is_wildcard(hour))
}

/// Whether a field begins with `*`, as `*/2` does; a range that names every value is no wildcard.
fn is_wildcard(field: &str) -> bool {
    field.starts_with('*')
}

struct Field {
    values: RangeInclusive<u8>,
    /// Where `*` ends: before the second number of Sunday.
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
            Some((first, last)) => (self.value(first)?, self.last_value(last)?),
            // `a/step` counts on from `a`.
            None if stepped => (self.value(text)?, self.last.max(self.value(text)?)),
            None => (self.value(text)?, self.value(text)?),
        };
        (first <= last).then_some((first, last))
    }

    /// The end of a range: a week may be written to end on SUN.
    fn last_value(&self, text: &str) -> Option<u8> {
        let value = self.value(text)?;
        // A name of days of the week alone.
        let is_sunday = text.eq_ignore_ascii_case("SUN");
        Some(if is_sunday { *self.values.end() } else { value })
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
    /// Days of the week, where 7 is 0.
    fn sunday_once(self) -> Self {
        Self {
            bits: self.bits | u64::from(self.contains(7)),
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
    use super::{EXPRESSION_BYTES_MAX, parse};

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
            "5-SUN * * * *",
            "0 22-2 * * *",
            "0 0 * * 5-0",
            "0 0 * * FRI-MON",
            "0 0 * NOV-FEB *",
            "*/0 * * * *",
            "1-5/0 * * * *",
            "*-5 * * * *",
            "*/2/2 * * * *",
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

    #[test]
    fn an_expression_may_name_each_value_but_not_be_endless() {
        let list = |values: std::ops::RangeInclusive<u8>| {
            let values: Vec<String> = values.map(|value| format!("{value:02}")).collect();
            values.join(",")
        };
        let minutes = list(0..=59);
        let longest = format!(
            "{minutes} {minutes} {} {} {} SUN,MON,TUE,WED,THU,FRI,SAT,7",
            list(0..=23),
            list(1..=31),
            list(1..=12),
        );
        assert!(longest.len() < EXPRESSION_BYTES_MAX);
        assert!(parse(&longest).is_some());
        let padding = " ".repeat(EXPRESSION_BYTES_MAX - longest.len());
        assert!(parse(&format!("{longest}{padding}")).is_some());
        assert!(parse(&format!("{longest}{padding} ")).is_none());
    }

    fn first_after(expression: &str, start: &str) -> String {
        let start = start.parse().expect("the test's own time");
        let timetable = parse(expression).expect("an expression");
        let first = timetable.next_after(start).expect("it is due");
        first.to_string()
    }

    #[test]
    fn days_of_the_week_count_as_posix_does() {
        // 2026-11-21 is a Saturday.
        for (expression, expected) in [
            ("0 0 * * 1-5", "2026-11-23 00:00:00"),
            ("0 0 * * 0", "2026-11-22 00:00:00"),
            ("0 0 * * 7", "2026-11-22 00:00:00"),
            ("0 0 * * 0,7", "2026-11-22 00:00:00"),
            ("0 0 * * 1,7", "2026-11-22 00:00:00"),
            ("0 0 * * SAT", "2026-11-28 00:00:00"),
        ] {
            assert_eq!(
                first_after(expression, "2026-11-21T12:00:00"),
                expected,
                "{expression}"
            );
        }
    }

    #[test]
    fn restricted_days_are_joined_with_or() {
        let start = "2026-11-21T12:00:00";
        assert_eq!(first_after("0 0 25 * MON", start), "2026-11-23 00:00:00");
        assert_eq!(first_after("0 0 22 * MON", start), "2026-11-22 00:00:00");
        // A range that names every day is a restriction all the same, `*/2` is none.
        assert_eq!(first_after("0 0 1-31 * MON", start), "2026-11-22 00:00:00");
        assert_eq!(first_after("0 0 */2 * MON", start), "2026-11-23 00:00:00");
    }
}
