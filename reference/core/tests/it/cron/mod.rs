//! When cron triggers fire (RT-05, D-12), against values and rules from outside the engine.

mod changes;
mod expression;
mod properties;
mod walk;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reference_core::{Builtin, CronConfig, TriggerConfig};
use serde::Deserialize;
use serde_json::{json, value::to_raw_value};

use crate::support::read_fixture;

/// What the engine makes of a trigger's `config`, if it accepts it.
fn read(expression: &str, timezone: &str) -> Option<CronConfig> {
    let config = json!({"schedule": expression, "timezone": timezone});
    let config = to_raw_value(&config).unwrap();
    match Builtin::Cron.read(Some(&config)) {
        Ok(TriggerConfig::Cron(config)) => Some(config),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

fn wall(at: DateTime<Utc>) -> Duration {
    Duration::from_secs(at.timestamp().try_into().unwrap())
}

fn instant(wall: Duration) -> DateTime<Utc> {
    assert_eq!(wall.subsec_nanos(), 0, "a whole second");
    DateTime::from_timestamp(wall.as_secs().try_into().unwrap(), 0).unwrap()
}

/// Every firing after a time, one after the other.
fn firings(config: &CronConfig, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let next = |at: &DateTime<Utc>| config.next_after(wall(*at)).map(instant);
    std::iter::successors(next(&after), next)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vectors {
    #[serde(rename = "description")]
    _description: String,
    source: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    expression: String,
    timezone: String,
    after: String,
    firings: Vec<String>,
}

#[test]
fn the_vectors_of_another_tool_hold() {
    let fixture: Vectors = serde_json::from_str(&read_fixture("vectors/cron.json")).unwrap();
    assert!(!fixture.source.is_empty());
    assert!(fixture.vectors.len() > 50);
    for vector in fixture.vectors {
        let config = read(&vector.expression, &vector.timezone).unwrap();
        let found: Vec<_> = firings(&config, vector.after.parse().unwrap())
            .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
            .take(vector.firings.len())
            .collect();
        assert_eq!(found, vector.firings, "{}", vector.name);
    }
}
