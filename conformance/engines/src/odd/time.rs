//! When frames are sent: later than asked for, and in another order across sessions.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use reference::core::SessionId;

use crate::{
    Other,
    frames::{is, is_call, text},
    with::sending,
};

pub(super) fn engines() -> Vec<Other> {
    vec![
        Other::altered("slow", "Takes a tenth of a second for everything", || {
            sending(|sent| sent.delay = Duration::from_millis(100))
        }),
        Other::altered(
            "uneven",
            "Keeps every other session waiting, so that answers overtake each other",
            || {
                sending(|sent| {
                    if sent.to.0 % 2 == 0 {
                        sent.delay = Duration::from_millis(40);
                    }
                })
            },
        ),
        Other::altered(
            "jittery",
            "Takes up to 60 ms for each frame, in which those to other sessions overtake it",
            || {
                let mut random = Rng::with_seed(7);
                let mut last = BTreeMap::<SessionId, Duration>::new();
                sending(move |sent| {
                    let at = sent.now + Duration::from_millis(random.u64(0..=60));
                    let last = last.entry(sent.to).or_default();
                    *last = at.max(*last);
                    sent.delay = *last - sent.now;
                })
            },
        ),
        Other::altered(
            "late-greeting",
            "Greets when the worker is long at work",
            || {
                sending(|sent| {
                    if is(&sent.frame, "workerregistered") {
                        sent.delay = Duration::from_millis(300);
                    }
                })
            },
        ),
        Other::altered("no-greeting", "Does not greet", || {
            sending(|sent| {
                if is(&sent.frame, "workerregistered") {
                    sent.copies = 0;
                }
            })
        }),
        Other::altered("unpunctual", "Fires schedules 0.3 seconds late", || {
            sending(|sent| {
                if is_call(&sent.frame) && text(&sent.frame, "/data/trigger") == Some("cron") {
                    sent.delay = Duration::from_millis(300);
                }
            })
        }),
    ]
}
