//! Readings, by what they are of.

use conformance_suite::load::Spread;
use serde::Serialize;

/// Whose reading it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Whose {
    Target,
    Against,
    Floor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "1/s")]
    PerSecond,
    #[serde(rename = "bytes")]
    Bytes,
    #[serde(rename = "ratio")]
    Ratio,
}

/// One quantity, as read in each round.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) measure: String,
    pub(super) figure: &'static str,
    pub(super) unit: Unit,
    pub(super) target: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) against: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) floor: Vec<f64>,
}

/// All of them, in the order in which they were first read.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

impl Table {
    pub(super) fn add(
        &mut self,
        (measure, figure, unit): (&str, &'static str, Unit),
        whose: Whose,
        reading: f64,
    ) {
        let is_it = |row: &Row| row.measure == measure && row.figure == figure;
        let at = self.rows.iter().position(is_it).unwrap_or_else(|| {
            self.rows.push(Row {
                measure: measure.to_owned(),
                figure,
                unit,
                target: Vec::new(),
                against: Vec::new(),
                floor: Vec::new(),
            });
            self.rows.len() - 1
        });
        if let Some(row) = self.rows.get_mut(at) {
            match whose {
                Whose::Target => row.target.push(reading),
                Whose::Against => row.against.push(reading),
                Whose::Floor => row.floor.push(reading),
            }
        }
    }
}

impl Row {
    /// How the target compares with others, round by round: what drifts between rounds drifts for both.
    pub(super) fn ratio(&self, others: &[f64]) -> Option<Spread> {
        let rounds = self.target.iter().zip(others);
        Spread::of(
            rounds
                .filter(|(_, other)| **other > 0.0)
                .map(|(own, other)| own / other),
        )
    }
}
