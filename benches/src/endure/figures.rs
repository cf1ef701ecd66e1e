//! What is said of many measurements.

use std::time::Duration;

/// How long each of many things took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    sorted: Vec<Duration>,
}

impl From<Vec<Duration>> for Latencies {
    fn from(mut sorted: Vec<Duration>) -> Self {
        sorted.sort_unstable();
        Self { sorted }
    }
}

impl Latencies {
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// What 99 of 100 took at most, in milliseconds; nothing if nothing was measured.
    pub(crate) fn p99_ms(&self) -> f64 {
        let last = self.sorted.len().saturating_sub(1);
        let at = self.sorted.get(last * 99 / 100);
        at.copied().unwrap_or_default().as_secs_f64() * 1e3
    }

    /// The longest, in milliseconds.
    pub(crate) fn max_ms(&self) -> f64 {
        let last = self.sorted.last();
        last.copied().unwrap_or_default().as_secs_f64() * 1e3
    }
}

/// Bytes as MiB.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// A count, where a figure is asked for.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_none_and_of_many() {
        assert_eq!(Latencies::default().p99_ms().to_bits(), 0.0_f64.to_bits());
        let hundred = (1..=101).rev().map(Duration::from_millis);
        let hundred = Latencies::from(hundred.collect::<Vec<_>>());
        assert!((hundred.p99_ms() - 100.0).abs() < 1e-9);
        assert!((hundred.max_ms() - 101.0).abs() < 1e-9);
        assert_eq!(hundred.count(), 101);
    }
}
