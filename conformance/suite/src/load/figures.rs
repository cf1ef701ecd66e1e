//! What is said of many measurements.

use std::time::Duration;

/// How long each of many things took.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Shortest first.
    sorted: Vec<Duration>,
}

impl From<Vec<Duration>> for Figures {
    fn from(mut sorted: Vec<Duration>) -> Self {
        sorted.sort_unstable();
        Self { sorted }
    }
}

impl Figures {
    /// What so many of a thousand took at most; nothing if nothing was measured.
    #[must_use]
    pub fn per_mille(&self, per_mille: usize) -> Duration {
        let last = self.sorted.len().saturating_sub(1);
        let at = last * per_mille / 1_000;
        self.sorted.get(at).copied().unwrap_or_default()
    }

    /// What half of them took at most.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.per_mille(500)
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.per_mille(1_000)
    }
}

/// Several readings of one quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// That in the middle.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of readings, of which there is at least one.
    #[must_use]
    pub fn of(readings: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut readings: Vec<f64> = readings.into_iter().collect();
        readings.sort_unstable_by(f64::total_cmp);
        let middle = readings.len() / 2;
        let upper = *readings.get(middle)?;
        let lower = match readings.len() % 2 {
            0 => *readings.get(middle - 1)?,
            _ => upper,
        };
        Some(Self {
            min: *readings.first()?,
            median: f64::midpoint(lower, upper),
            max: *readings.last()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_few_and_of_many() {
        assert_eq!(Figures::default().median(), Duration::ZERO);
        let thousand = (1..=1_001).rev().map(Duration::from_micros);
        let thousand = Figures::from(thousand.collect::<Vec<_>>());
        assert_eq!(thousand.median(), Duration::from_micros(501));
        assert_eq!(thousand.per_mille(990), Duration::from_micros(991));
        assert_eq!(thousand.max(), Duration::from_micros(1_001));
    }

    #[test]
    fn spreads() {
        assert_eq!(Spread::of([]), None);
        let of_four = Spread::of([4.0, 1.0, 3.0, 2.0]);
        let expected = Spread {
            min: 1.0,
            median: 2.5,
            max: 4.0,
        };
        assert_eq!(of_four, Some(expected));
        assert_eq!(Spread::of([7.0]).map(|it| it.median), Some(7.0));
    }
}
