//! What has been measured, beside its bar, a line each.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{say, trouble::Trouble};

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// The figures of one trial.
#[derive(Debug)]
pub(crate) struct Ledger {
    trial: &'static str,
    form: Form,
    began: Instant,
    bars: usize,
    missed: usize,
}

/// How a trial went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    pub(crate) bars: usize,
    pub(crate) missed: usize,
}

impl Ledger {
    /// Begins with a trial, and says what it does.
    pub(crate) fn open(trial: &'static str, what: &str, form: Form) -> Self {
        if form == Form::Text {
            say(&format!("{trial}: {what}"));
        }
        Self {
            trial,
            form,
            began: Instant::now(),
            bars: 0,
            missed: 0,
        }
    }

    /// A figure that has to be at most so much.
    pub(crate) fn at_most(&mut self, what: &str, value: f64, unit: &str, max: f64) {
        self.bar(what, value, unit, ("at most", max), value <= max);
    }

    /// A count that has to be this one.
    pub(crate) fn exactly(&mut self, what: &str, value: usize, wanted: usize) {
        let (figure, bar) = (crate::figures::count(value), crate::figures::count(wanted));
        self.bar(what, figure, "", ("of", bar), value == wanted);
    }

    /// A figure that has no bar.
    pub(crate) fn figure(&self, what: &str, value: f64, unit: &str) {
        match self.form {
            Form::Text => say(&format!("           {what}: {}", amount(value, unit))),
            Form::Json => say(&json!({
                "trial": self.trial, "what": what, "value": value, "unit": unit,
            })
            .to_string()),
        }
    }

    /// Something that is not measured, and why.
    pub(crate) fn left_out(&self, what: &str, why: &str) {
        match self.form {
            Form::Text => say(&format!("  left out {what}: {why}")),
            Form::Json => say(&json!({
                "trial": self.trial, "what": what, "left_out": why,
            })
            .to_string()),
        }
    }

    /// A bar that is held or missed, with what has been seen instead of a figure.
    pub(crate) fn seen(&mut self, what: &str, seen: &str, holds: bool) {
        self.count(holds);
        match self.form {
            Form::Text => say(&format!("  {} {what}: {seen}", verdict(holds))),
            Form::Json => say(&json!({
                "trial": self.trial, "what": what, "seen": seen, "holds": holds,
            })
            .to_string()),
        }
    }

    /// The trial could not be taken to its end.
    pub(crate) fn broke_off(&mut self, trouble: &Trouble) {
        self.seen("taken to its end", &format!("no: {trouble}"), false);
    }

    /// How long ago it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn close(self) -> Closed {
        let took = self.elapsed().as_secs_f64();
        match self.form {
            Form::Text => say(&format!("           took {took:.1} s\n")),
            Form::Json => say(&json!({"trial": self.trial, "took_s": took}).to_string()),
        }
        Closed {
            bars: self.bars,
            missed: self.missed,
        }
    }

    fn bar(&mut self, what: &str, value: f64, unit: &str, bar: (&str, f64), holds: bool) {
        self.count(holds);
        let (relation, limit) = bar;
        let (value_told, limit_told) = (amount(value, unit), amount(limit, unit));
        match self.form {
            Form::Text => say(&format!(
                "  {} {what}: {value_told}, {relation} {limit_told}",
                verdict(holds)
            )),
            Form::Json => say(&json!({
                "trial": self.trial, "what": what, "value": value, "unit": unit,
                "bar": format!("{relation} {limit_told}"), "holds": holds,
            })
            .to_string()),
        }
    }

    fn count(&mut self, holds: bool) {
        self.bars += 1;
        self.missed += usize::from(!holds);
    }
}

fn verdict(holds: bool) -> &'static str {
    match holds {
        true => "holds   ",
        false => "MISSED  ",
    }
}

/// As many decimals as mean something.
fn amount(value: f64, unit: &str) -> String {
    let number = match value {
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ if value.abs() < 10.0 => format!("{value:.2}"),
        _ if value.abs() < 1_000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    };
    match unit {
        "" => number,
        unit => format!("{number} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (value, unit, told) in [
            (0.0, "", "0"),
            (1.25, "ms", "1.25 ms"),
            (41.26, "MiB", "41.3 MiB"),
            (123_456.7, "/s", "123457 /s"),
        ] {
            assert_eq!(amount(value, unit), told);
        }
    }

    #[test]
    fn what_is_missed_is_counted() {
        let mut ledger = Ledger::open("a", "b", Form::Json);
        ledger.at_most("c", 1.0, "ms", 1.0);
        ledger.at_most("c", 1.1, "ms", 1.0);
        ledger.exactly("d", 3, 3);
        ledger.exactly("d", 3, 4);
        ledger.broke_off(&Trouble::unexpected("e"));
        let closed = ledger.close();
        assert_eq!((closed.bars, closed.missed), (5, 3));
    }
}
