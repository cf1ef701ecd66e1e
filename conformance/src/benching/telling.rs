//! What was measured, for people and for programs.

use std::io::{self, Write};

use conformance_suite::load::Spread;
use serde::Serialize;

use super::{
    args::BenchArgs,
    rounds::Bench,
    table::{Row, Unit},
};

/// Everything, as JSON.
#[derive(Serialize)]
struct Document<'b> {
    target: &'b str,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'b str>,
    rounds: u32,
    payload_bytes: u32,
    calls: usize,
    lost: usize,
    readings: &'b [Row],
}

pub(super) fn json(
    bench: &Bench,
    args: &BenchArgs,
    target: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let document = Document {
        target,
        against: args.against.as_deref(),
        rounds: args.rounds,
        payload_bytes: args.payload,
        calls: bench.made,
        lost: bench.lost,
        readings: &bench.table.rows,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

pub(super) fn human(bench: &Bench, args: &BenchArgs, out: &mut dyn Write) -> io::Result<()> {
    let against = args.against.is_some();
    let mut measure = "";
    for row in &bench.table.rows {
        if row.measure != measure {
            measure = &row.measure;
            writeln!(out, "\n{}", heading(measure, against))?;
        }
        line(row, against, out)?;
    }
    writeln!(out, "\n{} calls, {} lost", bench.made, bench.lost)
}

fn heading(measure: &str, against: bool) -> String {
    let against = match against {
        true => format!("{:>12}  {:<20}", "against", "ratio"),
        false => String::new(),
    };
    format!(
        "{measure:<34}{:>12}{:>12}  {:<20}{against}",
        "target", "floor", "ratio"
    )
    .trim_end()
    .to_owned()
}

fn line(row: &Row, against: bool, out: &mut dyn Write) -> io::Result<()> {
    let median = |readings: &[f64]| {
        let spread = Spread::of(readings.iter().copied());
        spread.map_or_else(String::new, |it| row.unit.show(it.median))
    };
    let ratio = |others: &[f64]| row.ratio(others).map_or_else(String::new, show_ratio);
    let mut text = format!(
        "  {:<32}{:>12}{:>12}  {:<20}",
        row.figure,
        median(&row.target),
        median(&row.floor),
        ratio(&row.floor)
    );
    if against {
        text += &format!("{:>12}  {:<20}", median(&row.against), ratio(&row.against));
    }
    writeln!(out, "{}", text.trim_end())
}

fn show_ratio(spread: Spread) -> String {
    let Spread { min, median, max } = spread;
    format!("{median:.2} ({min:.2} to {max:.2})")
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value < 1e-3 => format!("{:.0} µs", value * 1e6),
            Self::Seconds if value < 1.0 => format!("{:.2} ms", value * 1e3),
            Self::Seconds => format!("{value:.2} s"),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::Ratio => format!("{value:.2}"),
        }
    }
}
