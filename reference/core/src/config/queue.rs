use std::time::Duration;

use super::Config;
use crate::{error::Failure, queue::DEAD_LETTER, wire::whole_number};

/// Without the `::dead_letter` that may be at its end.
const QUEUE_NAME_BYTES_MAX: usize = 1_024;
const BATCH_SIZE_DEFAULT: u64 = 10;
const BATCH_SIZE_MAX: u64 = 10_000;
const VISIBILITY_TIMEOUT_S_DEFAULT: f64 = 30.0;
const VISIBILITY_TIMEOUT_S_MAX: f64 = 43_200.0;

/// The subscription of a `queue` trigger (RT-06).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// The queue that it takes messages from.
    pub queue_name: String,
    /// The most messages that one call hands over.
    pub batch_size: u64,
    /// How long a handed-over message stays out of sight without an answer.
    pub visibility_timeout: Duration,
}

pub(super) fn read(config: &Config<'_>) -> Result<QueueConfig, Failure> {
    let queue_name = config.required_text("queue_name", config.raw.queue_name)?;
    if queue_name.contains('\0') {
        return Err(config.refuse("queue_name", "must not hold a NUL character"));
    }
    let bytes = queue_name
        .strip_suffix(DEAD_LETTER)
        .unwrap_or(&queue_name)
        .len();
    if bytes > QUEUE_NAME_BYTES_MAX {
        let problem = format!("must not be longer than {QUEUE_NAME_BYTES_MAX} bytes, got {bytes}");
        return Err(config.refuse("queue_name", &problem));
    }
    let expected = format!("a whole number from 1 to {BATCH_SIZE_MAX}");
    let batch_size = match config.raw.batch_size {
        None => BATCH_SIZE_DEFAULT,
        Some(raw) => whole_number(raw)
            .filter(|size| (1..=BATCH_SIZE_MAX).contains(size))
            .ok_or_else(|| config.wrong("batch_size", &expected, raw))?,
    };
    let expected = format!("seconds, from 0.001 to {VISIBILITY_TIMEOUT_S_MAX}");
    let seconds = config
        .value(
            "visibility_timeout",
            config.raw.visibility_timeout,
            &expected,
        )?
        .unwrap_or(VISIBILITY_TIMEOUT_S_DEFAULT);
    let whole_ms = seconds >= 0.001;
    if !(whole_ms && seconds <= VISIBILITY_TIMEOUT_S_MAX) {
        let problem = format!("must be {expected}, got {seconds}");
        return Err(config.refuse("visibility_timeout", &problem));
    }
    Ok(QueueConfig {
        queue_name,
        batch_size,
        visibility_timeout: Duration::from_secs_f64(seconds),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{Builtin, test_support::verdict};

    #[test]
    fn subscriptions() {
        for (config, expected) in [
            (
                r#"{"queue_name":"email_queue","batch_size":10,"visibility_timeout":30}"#,
                "ok",
            ),
            (r#"{"queue_name":"q","visibility_timeout":0.5}"#, "ok"),
            (r#"{"queue_name":"q","batch_size":1e1}"#, "ok"),
            (r"{}", "Invalid queue config: `queue_name` is missing"),
            (
                r#"{"queue_name":""}"#,
                "Invalid queue config: `queue_name` must not be empty",
            ),
            (
                r#"{"queue_name":"q","batch_size":0}"#,
                "Invalid queue config: `batch_size` must be a whole number from 1 to 10000, got 0",
            ),
            (
                r#"{"queue_name":"q","batch_size":2.5}"#,
                "Invalid queue config: `batch_size` must be a whole number from 1 to 10000, got 2.5",
            ),
            (
                r#"{"queue_name":"q","visibility_timeout":-1}"#,
                "Invalid queue config: `visibility_timeout` must be seconds, \
                 from 0.001 to 43200, got -1",
            ),
            (
                r#"{"queue_name":"q","visibility_timeout":"soon"}"#,
                "Invalid queue config: `visibility_timeout` must be seconds, \
                 from 0.001 to 43200, got a string",
            ),
        ] {
            assert_eq!(verdict(Builtin::Queue, config), expected, "{config}");
        }
    }

    #[test]
    fn bounds_of_subscriptions() {
        let name = |bytes: usize| format!(r#"{{"queue_name":"{}"}}"#, "q".repeat(bytes));
        let dead =
            |bytes: usize| format!(r#"{{"queue_name":"{}::dead_letter"}}"#, "q".repeat(bytes));
        let with = |field: &str, value: &str| format!(r#"{{"queue_name":"q","{field}":{value}}}"#);
        for (field, within, beyond) in [
            ("queue_name", name(1_024), name(1_025)),
            ("queue_name", dead(1_024), dead(1_025)),
            (
                "batch_size",
                with("batch_size", "1"),
                with("batch_size", "0"),
            ),
            (
                "batch_size",
                with("batch_size", "10000"),
                with("batch_size", "10001"),
            ),
            (
                "visibility_timeout",
                with("visibility_timeout", "0.001"),
                with("visibility_timeout", "0.0009"),
            ),
            (
                "visibility_timeout",
                with("visibility_timeout", "43200"),
                with("visibility_timeout", "43200.1"),
            ),
        ] {
            assert_eq!(verdict(Builtin::Queue, &within), "ok", "{within}");
            let refused = verdict(Builtin::Queue, &beyond);
            let start = format!("Invalid queue config: `{field}` must ");
            assert!(refused.starts_with(&start), "{beyond}: {refused}");
        }
    }
}
