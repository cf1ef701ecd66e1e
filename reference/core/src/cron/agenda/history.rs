//! Random histories of an agenda, step by step beside a model.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, sample::select};

use super::{
    Agenda, Firing,
    tests::{HOUR, schedule, wall},
};
use crate::CronConfig;

/// One that looks at every firing there is.
#[derive(Default)]
struct Model {
    latest: Duration,
    /// Each schedule with the latest time up to which its firings are past.
    entries: BTreeMap<u8, (CronConfig, Duration)>,
}

impl Model {
    fn observe(&mut self, now: Duration) {
        if self.latest > now + 3 * HOUR {
            self.latest = now;
            self.entries.values_mut().for_each(|it| it.1 = now);
        }
        self.latest = self.latest.max(now);
    }

    fn take_due(&mut self, now: Duration) -> Vec<Firing<u8>> {
        self.observe(now);
        let mut firings = Vec::new();
        for (key, (schedule, past)) in &mut self.entries {
            let next = |at: &Duration| schedule.next_after(*at);
            let all = std::iter::successors(next(past), next);
            if let Some(scheduled) = all.take_while(|at| *at <= now).last() {
                firings.push(Firing {
                    key: *key,
                    scheduled,
                });
            }
            *past = now.max(*past);
        }
        firings.sort_by_key(|firing| firing.scheduled);
        firings
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, &'static str),
    Remove(u8),
    /// Moves the clock by milliseconds.
    Clock(i64),
    Look,
}

fn step() -> impl Strategy<Value = Step> {
    let expressions = vec!["*/40 * * * * *", "*/7 * * * *", "0 * * * *", "30 1,2 * * *"];
    prop_oneof![
        1 => (0..4u8, select(expressions)).prop_map(|(key, it)| Step::Insert(key, it)),
        1 => (0..4u8).prop_map(Step::Remove),
        4 => (0..600_000i64).prop_map(Step::Clock),
        2 => (-10_900_000..20_000_000i64).prop_map(Step::Clock),
        1 => Just(Step::Clock(-10_800_000)),
        5 => Just(Step::Look),
    ]
}

proptest! {
    #[test]
    fn any_history_is_that_of_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut agenda, mut model) = (Agenda::default(), Model::default());
        // The night of a gap.
        let mut now = wall("2026-03-29T00:00:00+01:00");
        for step in steps {
            match step {
                Step::Insert(key, expression) => {
                    let schedule = schedule(expression, "Europe/Berlin");
                    agenda.insert(key, schedule.clone(), now);
                    model.observe(now);
                    model.entries.insert(key, (schedule, now));
                }
                Step::Remove(key) => {
                    prop_assert_eq!(agenda.remove(&key), model.entries.remove(&key).is_some());
                }
                Step::Clock(milliseconds) => {
                    let by = Duration::from_millis(milliseconds.unsigned_abs());
                    now = if milliseconds < 0 { now - by } else { now + by };
                }
                Step::Look => {
                    prop_assert_eq!(agenda.take_due(now, usize::MAX), model.take_due(now));
                    prop_assert!(agenda.next().is_none_or(|next| next > now));
                }
            }
            prop_assert_eq!(agenda.due.len(), agenda.entries.len());
        }
    }
}
