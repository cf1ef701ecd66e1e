//! What is due, on a wall clock that may be set at any time.
//!
//! - **Late.** Who looks late, because the process was suspended or the clock was set forward,
//!   gets one firing of each schedule that came due meanwhile, named after the latest time at
//!   which it was; it goes on from now.
//! - **Back.** When the clock is set back, nothing fires a second time: each schedule waits until
//!   the clock has come again to where it was.
//! - **Corrected.** A clock that is set back by more than three hours was wrong before, as cron
//!   daemons take it. Every schedule is computed anew from the time it shows now.
//!
//! So the agenda remembers the latest time that it has been shown since the last correction.
//! A schedule that is inserted has no past: it counts from the time of its insertion.

#[cfg(test)]
mod history;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::CronConfig;

/// How far the wall clock may be set back before it counts as corrected.
const STEP_BACK_MAX: Duration = Duration::from_secs(3 * 60 * 60);

/// The schedules under way, by key, and the order in which they are due.
///
/// All times are wall-clock times, since the Unix epoch, UTC. Inserting, removing and asking
/// for the next time take logarithmic time.
#[derive(Debug)]
pub(crate) struct Agenda<K> {
    entries: BTreeMap<K, Entry>,
    due: BTreeSet<(Duration, K)>,
    latest: Duration,
}

/// A schedule that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Firing<K> {
    pub(crate) key: K,
    /// The latest time at which it was due, a whole second.
    pub(crate) scheduled: Duration,
}

#[derive(Debug)]
struct Entry {
    schedule: CronConfig,
    /// Absent when the schedule has ended.
    next: Option<Duration>,
}

impl<K> Default for Agenda<K> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            due: BTreeSet::new(),
            latest: Duration::ZERO,
        }
    }
}

impl<K: Ord + Clone> Agenda<K> {
    /// Puts a schedule under way from `wall` on, in place of any that has the same key.
    pub(crate) fn insert(&mut self, key: K, schedule: CronConfig, wall: Duration) {
        self.observe(wall);
        self.remove(&key);
        let next = schedule.next_after(wall);
        self.due.extend(next.map(|next| (next, key.clone())));
        self.entries.insert(key, Entry { schedule, next });
    }

    /// Takes a schedule back; whether there was one.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let removed = self.entries.remove_entry(key);
        let had = removed.is_some();
        if let Some((
            key,
            Entry {
                next: Some(next), ..
            },
        )) = removed
        {
            self.due.remove(&(next, key));
        }
        had
    }

    /// The earliest time at which a schedule is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.due.first().map(|(next, _)| *next)
    }

    /// Takes out what has come due, what has been so for longest first, but no more than `max`: at
    /// most one firing of a schedule, in order of the times at which they were due, then of their
    /// keys.
    pub(crate) fn take_due(&mut self, wall: Duration, max: usize) -> Vec<Firing<K>> {
        self.observe(wall);
        let mut firings = Vec::new();
        while firings.len() < max
            && self.next().is_some_and(|next| next <= wall)
            && let Some((first, key)) = self.due.pop_first()
        {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.next = entry.schedule.next_after(wall);
            // Later than `wall`, so that it does not come round again in this loop.
            self.due.extend(entry.next.map(|next| (next, key.clone())));
            let scheduled = last_due(&entry.schedule, first, wall);
            firings.push(Firing { key, scheduled });
        }
        firings.sort_by(|a, b| (a.scheduled, &a.key).cmp(&(b.scheduled, &b.key)));
        firings
    }

    fn observe(&mut self, wall: Duration) {
        if self.latest.saturating_sub(wall) > STEP_BACK_MAX {
            self.restart(wall);
        } else {
            self.latest = self.latest.max(wall);
        }
    }

    /// Computes every schedule anew, on a clock that has been corrected.
    fn restart(&mut self, wall: Duration) {
        self.latest = wall;
        self.due.clear();
        for (key, entry) in &mut self.entries {
            entry.next = entry.schedule.next_after(wall);
            self.due.extend(entry.next.map(|next| (next, key.clone())));
        }
    }
}

/// The last time at which a schedule is due until `wall`, `first` being one such time. However
/// many there are, it takes a logarithmic number of steps.
fn last_due(schedule: &CronConfig, first: Duration, wall: Duration) -> Duration {
    let (mut known, mut until) = (first.as_secs(), wall.as_secs());
    while known < until {
        let middle = u64::midpoint(known, until);
        match schedule.next_after(Duration::from_secs(middle)) {
            Some(due) if due.as_secs() <= until => known = due.as_secs(),
            _ => until = middle,
        }
    }
    Duration::from_secs(known)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{json, value::to_raw_value};

    use super::*;
    use crate::{Builtin, TriggerConfig};

    pub(super) const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    pub(super) fn schedule(expression: &str, timezone: &str) -> CronConfig {
        let config = json!({"schedule": expression, "timezone": timezone});
        let config = to_raw_value(&config).expect("JSON");
        match Builtin::Cron.read(Some(&config)) {
            Ok(TriggerConfig::Cron(config)) => config,
            other => panic!("{expression}: {other:?}"),
        }
    }

    pub(super) fn wall(text: &str) -> Duration {
        let time = DateTime::parse_from_rfc3339(text).expect("the test's own time");
        Duration::from_secs(time.timestamp().try_into().expect("since 1970"))
    }

    fn noon() -> Duration {
        wall("2026-06-01T12:00:00Z")
    }

    fn agenda<const N: usize>(expressions: [&'static str; N]) -> Agenda<&'static str> {
        let mut agenda = Agenda::default();
        for expression in expressions {
            agenda.insert(expression, schedule(expression, "UTC"), noon());
        }
        agenda
    }

    #[track_caller]
    fn assert_fires(agenda: &mut Agenda<&str>, at: Duration, expected: &[(&str, &str)]) {
        let firings = agenda.take_due(at, usize::MAX);
        let found: Vec<_> = firings.iter().map(|it| (it.key, it.scheduled)).collect();
        let expected: Vec<_> = expected.iter().map(|it| (it.0, wall(it.1))).collect();
        assert_eq!(found, expected);
        assert!(agenda.next().is_none_or(|next| next > at));
    }

    #[test]
    fn a_year_from_firing_to_firing() {
        let mut agenda = Agenda::default();
        let year = wall("2026-01-01T00:00:00-05:00")..wall("2027-01-01T00:00:00-05:00");
        let before = year.start - MINUTE;
        for (expression, zone, count) in [
            // A day of 23 hours and one of 25.
            ("0 * * * *", "America/New_York", 365 * 24),
            // The hour from 1 to 2 is there on each day, and counts once where it is there twice.
            ("*/20 1 * * *", "America/New_York", 365 * 3),
            ("30 2 * * *", "America/New_York", 365),
            ("0 0 * * *", "Asia/Beirut", 365),
            ("0 9 * * MON-FRI", "Europe/Berlin", 261),
            ("0 0 13 * FRI", "America/New_York", 52 + 12 - 3),
            ("0 12 1 * *", "UTC", 12),
            ("0 0 29 2 *", "UTC", 0),
        ] {
            agenda.insert((expression, count), schedule(expression, zone), before);
        }
        let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
        while let Some(next) = agenda.next().filter(|next| year.contains(next)) {
            let firings = agenda.take_due(next, usize::MAX);
            assert!(!firings.is_empty());
            for firing in firings {
                assert_eq!(firing.scheduled, next);
                *counts.entry(firing.key.0).or_default() += 1;
            }
        }
        for (expression, count) in agenda.entries.keys() {
            assert_eq!(counts.get(expression).unwrap_or(&0), count, "{expression}");
        }
    }

    #[test]
    fn due_at_its_time_and_no_sooner() {
        let mut agenda = agenda(["*/5 * * * *"]);
        let due = noon() + 5 * MINUTE;
        assert_eq!(agenda.next(), Some(due));
        assert_fires(&mut agenda, due - Duration::from_nanos(1), &[]);
        assert_fires(&mut agenda, due, &[("*/5 * * * *", "2026-06-01T12:05:00Z")]);
        assert_fires(&mut agenda, due, &[]);
        let late = due + 5 * MINUTE + Duration::from_millis(1500);
        assert_fires(
            &mut agenda,
            late,
            &[("*/5 * * * *", "2026-06-01T12:10:00Z")],
        );
        assert_eq!(agenda.next(), Some(due + 10 * MINUTE));
    }

    #[test]
    fn one_firing_of_each_that_came_due_while_nobody_looked() {
        let mut agenda = agenda(["* * * * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 9 *"]);
        let woken = wall("2026-08-31T23:59:30Z") + Duration::from_millis(300);
        let expected = [
            ("30 2 * * *", "2026-08-31T02:30:00Z"),
            ("*/7 * * * *", "2026-08-31T23:56:00Z"),
            ("* * * * * *", "2026-08-31T23:59:30Z"),
        ];
        assert_fires(&mut agenda, woken, &expected);
        assert_eq!(agenda.next(), Some(wall("2026-08-31T23:59:31Z")));
        let expected = [
            ("*/7 * * * *", "2026-09-01T00:00:00Z"),
            ("* * * * * *", "2026-09-01T00:00:00Z"),
            ("0 0 1 9 *", "2026-09-01T00:00:00Z"),
        ];
        let mut sorted = expected;
        sorted.sort_unstable();
        assert_fires(&mut agenda, wall("2026-09-01T00:00:00Z"), &sorted);
    }

    #[test]
    fn what_is_due_can_be_taken_in_portions() {
        let mut agenda = agenda(["0 * * * *", "30 * * * *", "15 * * * *"]);
        let late = noon() + HOUR;
        let keys = |firings: Vec<Firing<&'static str>>| -> Vec<&'static str> {
            firings.into_iter().map(|it| it.key).collect()
        };
        assert_eq!(keys(agenda.take_due(late, 2)), ["15 * * * *", "30 * * * *"]);
        assert_eq!(agenda.next(), Some(late));
        assert_eq!(keys(agenda.take_due(late, 2)), ["0 * * * *"]);
        assert_eq!(agenda.next(), Some(late + 15 * MINUTE));
    }

    #[test]
    fn a_clock_set_back_repeats_nothing() {
        let mut agenda = agenda(["0 * * * *"]);
        let expected = [("0 * * * *", "2026-06-01T15:00:00Z")];
        assert_fires(&mut agenda, noon() + 3 * HOUR, &expected);
        // By three hours, and along until the clock is where it was.
        for minutes in [0, 1, 60, 120, 180, 239] {
            assert_fires(&mut agenda, noon() + minutes * MINUTE, &[]);
        }
        assert_eq!(agenda.next(), Some(noon() + 4 * HOUR));
        let expected = [("0 * * * *", "2026-06-01T16:00:00Z")];
        assert_fires(&mut agenda, noon() + 4 * HOUR, &expected);
    }

    #[test]
    fn a_clock_set_back_by_more_than_three_hours_was_wrong() {
        let mut agenda = agenda(["0 * * * *", "30 23 * * *"]);
        let expected = [("0 * * * *", "2026-06-01T15:00:00Z")];
        assert_fires(&mut agenda, noon() + 3 * HOUR, &expected);
        assert_fires(&mut agenda, noon() - Duration::from_nanos(1), &[]);
        let expected = [("0 * * * *", "2026-06-01T12:00:00Z")];
        assert_fires(&mut agenda, noon(), &expected);
        // Decades ahead, and home again.
        let expected = [
            ("30 23 * * *", "2090-12-30T23:30:00Z"),
            ("0 * * * *", "2090-12-31T23:00:00Z"),
        ];
        assert_fires(&mut agenda, wall("2090-12-31T23:10:00Z"), &expected);
        assert_fires(&mut agenda, noon() + MINUTE, &[]);
        assert_eq!(agenda.next(), Some(noon() + HOUR));
    }

    #[test]
    fn steps_back_add_up() {
        let mut agenda = agenda(["0 * * * *"]);
        assert_fires(&mut agenda, noon() + 30 * MINUTE, &[]);
        assert_fires(&mut agenda, noon() - 90 * MINUTE, &[]);
        assert_eq!(agenda.next(), Some(noon() + HOUR));
        assert_fires(&mut agenda, noon() - 160 * MINUTE, &[]);
        assert_eq!(agenda.next(), Some(noon() - 2 * HOUR));
    }

    #[test]
    fn what_is_inserted_counts_from_then() {
        let mut agenda = agenda(["0 * * * *"]);
        assert_fires(&mut agenda, noon() + 30 * MINUTE, &[]);
        // On a clock that was set back by an hour.
        agenda.insert(
            "0,30 * * * *",
            schedule("0,30 * * * *", "UTC"),
            noon() - 30 * MINUTE,
        );
        let expected = [("0,30 * * * *", "2026-06-01T12:00:00Z")];
        assert_fires(&mut agenda, noon(), &expected);
        // On one that was corrected: the other schedules are computed anew.
        let morning = noon() - 4 * HOUR;
        agenda.insert("5 * * * *", schedule("5 * * * *", "UTC"), morning);
        assert_eq!(agenda.next(), Some(morning + 5 * MINUTE));
        let expected = [("5 * * * *", "2026-06-01T08:05:00Z")];
        assert_fires(&mut agenda, morning + 5 * MINUTE, &expected);
        assert_eq!(agenda.next(), Some(morning + 30 * MINUTE));
    }

    #[test]
    fn removed_replaced_and_ended() {
        let mut agenda = agenda(["0 * * * *", "5 * * * *"]);
        assert!(agenda.remove(&"0 * * * *"));
        assert!(!agenda.remove(&"0 * * * *"));
        assert_eq!(agenda.next(), Some(noon() + 5 * MINUTE));
        agenda.insert("5 * * * *", schedule("45 * * * *", "UTC"), noon());
        assert_eq!(agenda.next(), Some(noon() + 45 * MINUTE));
        let end = wall("2100-12-31T23:59:00Z");
        assert_fires(&mut agenda, end, &[("5 * * * *", "2100-12-31T23:45:00Z")]);
        assert_eq!(agenda.next(), None);
        assert!(agenda.remove(&"5 * * * *"));
        assert!(agenda.entries.is_empty() && agenda.due.is_empty());
    }
}
