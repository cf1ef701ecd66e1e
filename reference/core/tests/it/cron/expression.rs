//! Random expressions of the dialect, together with what they mean.

use std::fmt::{self, Debug, Display, Formatter};

use chrono::{Datelike, NaiveDateTime, Timelike};
use proptest::{collection::vec, option, prelude::*};

/// One field: its text, and which values it names.
#[derive(Clone, Debug)]
pub struct Field {
    text: String,
    /// The same for croner, which knows no `*` in a list, lets `*` and `a/step` among the days
    /// of the week go on to 7, and takes `*` alone for a wildcard.
    for_croner: String,
    values: u64,
}

/// An expression; of five fields if it is without seconds.
#[derive(Clone)]
pub struct Expression {
    pub second: Option<Field>,
    pub minute: Field,
    pub hour: Field,
    pub day: Field,
    pub month: Field,
    pub weekday: Field,
}

#[derive(Clone, Copy)]
struct Kind {
    first: u32,
    /// Where `*` ends.
    last: u32,
    /// The largest number.
    end: u32,
    names: &'static [&'static str],
}

const MINUTE: Kind = numbers(0, 59);
const HOUR: Kind = numbers(0, 23);
const DAY: Kind = numbers(1, 31);
const MONTH: Kind = Kind {
    names: &[
        "Jan", "feb", "MAR", "Apr", "may", "JUN", "Jul", "aug", "SEP", "Oct", "nov", "DEC",
    ],
    ..numbers(1, 12)
};
const WEEKDAY: Kind = Kind {
    end: 7,
    names: &["Sun", "mon", "TUE", "Wed", "thu", "FRI", "Sat"],
    ..numbers(0, 6)
};

const fn numbers(first: u32, last: u32) -> Kind {
    Kind {
        first,
        last,
        end: last,
        names: &[],
    }
}

impl Field {
    pub fn is_wildcard(&self) -> bool {
        self.text.starts_with('*')
    }

    fn has(&self, value: u32) -> bool {
        self.values & (1 << value) != 0
    }
}

impl Expression {
    /// Whether it is due at a civil time: D-12, in the plainest words.
    pub fn matches(&self, civil: NaiveDateTime) -> bool {
        let second = match &self.second {
            Some(field) => field.has(civil.second()),
            None => civil.second() == 0,
        };
        let day = self.day.has(civil.day());
        let number = civil.weekday().num_days_from_sunday();
        let weekday = self.weekday.has(number) || number == 0 && self.weekday.has(7);
        let on_the_day = if self.day.is_wildcard() || self.weekday.is_wildcard() {
            day && weekday
        } else {
            day || weekday
        };
        second
            && self.minute.has(civil.minute())
            && self.hour.has(civil.hour())
            && on_the_day
            && self.month.has(civil.month())
    }

    pub fn croner(&self) -> croner::Cron {
        let fields: Vec<&str> = self.fields().map(|field| &*field.for_croner).collect();
        croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Optional)
            .dom_and_dow(self.day.is_wildcard() || self.weekday.is_wildcard())
            .build()
            .parse(&fields.join(" "))
            .unwrap()
    }

    fn fields(&self) -> impl Iterator<Item = &Field> {
        let rest = [
            &self.minute,
            &self.hour,
            &self.day,
            &self.month,
            &self.weekday,
        ];
        self.second.iter().chain(rest)
    }
}

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fields: Vec<&str> = self.fields().map(|field| &*field.text).collect();
        f.write_str(&fields.join(" "))
    }
}

impl Debug for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

/// Any expression, most of which are due seldom.
pub fn any_expression() -> impl Strategy<Value = Expression> {
    let minute = || field(MINUTE, 1);
    expression(option::of(minute()), 1, 1)
}

/// An expression of five fields that is due on most days.
pub fn of_most_days() -> impl Strategy<Value = Expression> {
    expression(Just(None), 2, 12)
}

/// Seconds too.
pub fn of_most_seconds() -> impl Strategy<Value = Expression> {
    expression(field(MINUTE, 4).prop_map(Some), 4, 12)
}

fn expression(
    second: impl Strategy<Value = Option<Field>>,
    stars_of_time: u32,
    stars_of_days: u32,
) -> impl Strategy<Value = Expression> {
    (
        second,
        field(MINUTE, stars_of_time),
        field(HOUR, stars_of_time),
        field(DAY, stars_of_days),
        field(MONTH, stars_of_days),
        field(WEEKDAY, stars_of_days),
    )
        .prop_map(|(second, minute, hour, day, month, weekday)| Expression {
            second,
            minute,
            hour,
            day,
            month,
            weekday,
        })
}

/// A field, `stars` times as often a lone `*` as one of its other forms.
fn field(kind: Kind, stars: u32) -> impl Strategy<Value = Field> {
    let star = Field {
        text: "*".to_owned(),
        for_croner: "*".to_owned(),
        values: (kind.first..=kind.last).fold(0, |values, value| values | 1 << value),
    };
    prop_oneof![
        stars => Just(star),
        1 => item(kind),
        1 => vec(item(kind), 2..4).prop_map(|items| items.into_iter().reduce(join).unwrap()),
    ]
}

fn join(a: Field, b: Field) -> Field {
    Field {
        text: format!("{},{}", a.text, b.text),
        for_croner: format!("{},{}", a.for_croner, b.for_croner),
        values: a.values | b.values,
    }
}

/// One item of a list: `*`, `a`, `a-b`, with or without a step.
fn item(kind: Kind) -> impl Strategy<Value = Field> {
    let ends = (kind.first..=kind.end, kind.first..=kind.end);
    let step = option::weighted(0.5, 1..=kind.last + 2);
    (0..4u8, ends, step, any::<[bool; 2]>()).prop_map(move |(form, (a, b), step, named)| {
        let (a, b) = (a.min(b), a.max(b));
        let (range, first, last) = match (form, step) {
            (0, _) => ("*".to_owned(), kind.first, kind.last),
            (1, None) => (kind.name(a, named[0]), a, a),
            (1, Some(_)) => (kind.name(a, named[0]), a, kind.last.max(a)),
            _ => (kind.range(a, b, named), a, b),
        };
        let stride = step.map(|step| format!("/{step}")).unwrap_or_default();
        let values = (first..=last).step_by(step.unwrap_or(1) as usize);
        Field {
            text: format!("{range}{stride}"),
            for_croner: format!("{first}-{last}{stride}"),
            values: values.fold(0, |values, value| values | 1 << value),
        }
    })
}

impl Kind {
    fn name(&self, value: u32, named: bool) -> String {
        let index = (value - self.first) as usize;
        match self.names.get(index).filter(|_| named) {
            Some(name) => (*name).to_owned(),
            None => value.to_string(),
        }
    }

    /// The name of Sunday is its first number, but at the end of a range its second.
    fn range(&self, a: u32, b: u32, named: [bool; 2]) -> String {
        let first = self.name(a, named[0]);
        let last = match (self.end, b) {
            (7, 0) => "0".to_owned(),
            (7, 7) => self.name(0, named[1]).replace('0', "7"),
            _ => self.name(b, named[1]),
        };
        format!("{first}-{last}")
    }
}
