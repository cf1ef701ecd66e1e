//! When frames are sent: later than asked for, and in another order across sessions.

use std::time::Duration;

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
