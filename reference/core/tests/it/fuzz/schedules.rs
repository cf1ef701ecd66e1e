//! Cron expressions on the clocks of zones: firings follow one another.

use std::time::Duration;

use reference_core::{Builtin, CronConfig, TriggerConfig};
use serde_json::{json, value::to_raw_value};

const FIRINGS: usize = 6;
/// Past the last firing of any schedule.
const START_MAX_S: u64 = 4_150_000_000;

/// The input is an expression, a zone, and the Unix time at which to begin, a line each; the
/// latter two may be left out.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.split('\n');
    let expression = lines.next().unwrap_or_default();
    let zone = lines.next().filter(|zone| !zone.is_empty());
    let start = lines.next().and_then(|start| start.parse().ok());
    let config = json!({"schedule": expression, "timezone": zone});
    match Builtin::Cron.read(Some(&to_raw_value(&config).unwrap())) {
        Ok(TriggerConfig::Cron(schedule)) => {
            walk(&schedule, start.unwrap_or(1_700_000_000) % START_MAX_S);
        }
        Ok(other) => panic!("{other:?}"),
        Err(failure) => assert!(failure.message().starts_with("Invalid "), "{failure:?}"),
    }
}

fn walk(schedule: &CronConfig, start: u64) {
    let mut now = Duration::from_secs(start);
    for _ in 0..FIRINGS {
        let Some(next) = schedule.next_after(now) else {
            break;
        };
        assert!(next > now, "{next:?} is not after {now:?}");
        assert_eq!(next.subsec_nanos(), 0);
        // Whoever asks on the way is told the same.
        let way = next - now;
        for asked in [now + way / 2, next - Duration::from_nanos(1)] {
            assert_eq!(schedule.next_after(asked), Some(next), "asked at {asked:?}");
        }
        now = next;
    }
}
