//! Wall-clock times in text.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};

/// The last millisecond of the year 9999, the last one that RFC 3339 can write.
const LAST_MS: i64 = 253_402_300_799_999;

/// RFC 3339, UTC, with milliseconds, of a time since the Unix epoch.
pub(crate) fn rfc3339_milliseconds(wall: Duration) -> String {
    written(wall, SecondsFormat::Millis)
}

/// RFC 3339, UTC, of a time since the Unix epoch; what is less than a second is left out.
pub(crate) fn rfc3339_seconds(wall: Duration) -> String {
    written(wall, SecondsFormat::Secs)
}

fn written(wall: Duration, format: SecondsFormat) -> String {
    let ms = i64::try_from(wall.as_millis()).map_or(LAST_MS, |ms| ms.min(LAST_MS));
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(format, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (wall, seconds, milliseconds) in [
            (
                Duration::ZERO,
                "1970-01-01T00:00:00Z",
                "1970-01-01T00:00:00.000Z",
            ),
            (
                Duration::new(951_782_400, 999_999_999),
                "2000-02-29T00:00:00Z",
                "2000-02-29T00:00:00.999Z",
            ),
            (
                Duration::MAX,
                "9999-12-31T23:59:59Z",
                "9999-12-31T23:59:59.999Z",
            ),
        ] {
            assert_eq!(rfc3339_seconds(wall), seconds);
            assert_eq!(rfc3339_milliseconds(wall), milliseconds);
        }
    }
}
