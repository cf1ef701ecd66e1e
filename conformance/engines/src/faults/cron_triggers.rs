//! Schedules: when they call, and whom (RT-03, RT-05).

use std::collections::{BTreeMap, BTreeSet};

use reference::core::SessionId;
use serde_json::Value;

use super::{
    firing::{
        Kept, arming_duplicates, calling_one_function, firing_once, firing_twice, never_firing,
        silent_after_a_refusal,
    },
    shared::{ignoring, misreading, remembering, unregistration},
};
use crate::{
    Alter, Fault,
    frames::{alter, fired, is, is_trigger, text, unset},
};

pub(super) fn faults() -> Vec<Fault> {
    [firings(), schedules(), lives()]
        .into_iter()
        .flatten()
        .collect()
}

fn is_fired(frame: &Value) -> bool {
    fired(frame) == Some("cron")
}

/// Whether and whom they call.
fn firings() -> Vec<Fault> {
    vec![
        // That a schedule of each second is due each second is no must.
        Fault::new(
            "cron-never-fires",
            "Registers cron triggers and calls no function for them",
            &["RT-03", "RT-05"],
            || never_firing("cron"),
        )
        .strict(),
        Fault::new(
            "cron-fires-once",
            "Calls the function of a cron trigger when it is due for the first time alone",
            &["RT-05", "RT-03"],
            || firing_once("cron"),
        ),
        Fault::new(
            "cron-fires-twice",
            "Calls the function of a cron trigger twice each time that it is due",
            &["RT-03"],
            || firing_twice("cron"),
        )
        .strict(),
        Fault::new(
            "cron-calls-the-first-function",
            "Calls for each cron trigger of a session the function of its first one",
            &["RT-05", "RT-03"],
            || calling_one_function("cron", Kept::First),
        ),
        Fault::new(
            "cron-with-a-zone-never-fires",
            "Calls no function for cron triggers with a time zone",
            &["RT-05", "RT-03"],
            || {
                remembering::<BTreeSet<String>>(
                    |zoned, heard| {
                        if heard.frame.pointer("/config/timezone").is_some() {
                            zoned.extend(text(&heard.frame, "/id").map(str::to_owned));
                        }
                    },
                    |zoned, sent| {
                        let job = text(&sent.frame, "/data/job_id").unwrap_or_default();
                        if is_fired(&sent.frame) && zoned.contains(job) {
                            sent.copies = 0;
                        }
                    },
                )
            },
        ),
    ]
}

/// How schedules and zones are read.
fn schedules() -> Vec<Fault> {
    vec![
        Fault::new(
            "schedule-of-each-second",
            "Has each schedule due each second",
            &["RT-05"],
            || rescheduling(|_| "* * * * * *".to_owned()),
        ),
        Fault::new(
            "schedule-of-five-fields-with-seconds",
            "Reads the first of five fields as seconds",
            &["RT-05"],
            || {
                rescheduling(|schedule| match schedule.split_whitespace().count() {
                    5 => format!("{schedule} *"),
                    _ => schedule.to_owned(),
                })
            },
        ),
        Fault::new(
            "schedule-with-day-and-month-swapped",
            "Reads the month before the day of the month",
            &["RT-05"],
            || {
                rescheduling(|schedule| {
                    let mut fields: Vec<&str> = schedule.split_whitespace().collect();
                    if let [.., day, month, _] = fields.as_mut_slice() {
                        std::mem::swap(day, month);
                    }
                    fields.join(" ")
                })
            },
        ),
        Fault::new(
            "schedule-without-its-range-of-hours",
            "Takes a range of hours in a schedule for all hours",
            &["RT-05"],
            || {
                rescheduling(|schedule| {
                    let mut fields: Vec<&str> = schedule.split_whitespace().collect();
                    if let [.., hour, _, _, _] = fields.as_mut_slice()
                        && hour.contains('-')
                    {
                        *hour = "*";
                    }
                    fields.join(" ")
                })
            },
        ),
        Fault::new(
            "zone-ignored",
            "Reads each schedule in UTC, whatever its time zone",
            &["RT-05"],
            || {
                misreading(|frame| {
                    if text(frame, "/config/timezone").is_some_and(is_far) {
                        unset(frame, "/config", "timezone");
                    }
                })
            },
        ),
        Fault::new(
            "zone-of-the-wrong-sign",
            "Takes the zones of Dhaka and Tokyo for zones behind UTC",
            &["RT-05"],
            || {
                misreading(|frame| {
                    alter(frame, "/config/timezone", |zone| match zone {
                        "Asia/Dhaka" => "Etc/GMT+6".to_owned(),
                        "Asia/Tokyo" => "Etc/GMT+9".to_owned(),
                        zone => zone.to_owned(),
                    });
                })
            },
        ),
    ]
}

/// Whether it is a zone of the world, and not a name that has to be refused.
fn is_far(zone: &str) -> bool {
    ["America/", "Asia/", "Europe/", "Pacific/"]
        .iter()
        .any(|it| zone.starts_with(it))
}

/// Alters schedules that the engine would take.
fn rescheduling(how: fn(&str) -> String) -> impl Alter {
    misreading(move |frame| {
        alter(frame, "/config/schedule", how);
    })
}

/// When they begin, and when they end.
fn lives() -> Vec<Fault> {
    vec![
        Fault::new(
            "refused-cron-trigger-fires",
            "Has a cron trigger fire whose id is taken",
            &["RT-10", "RT-16"],
            || arming_duplicates("cron"),
        ),
        Fault::new(
            "one-schedule-a-session",
            "Forgets a session's schedule when another one is registered",
            &["RT-05", "RT-03"],
            || {
                remembering::<BTreeMap<SessionId, Value>>(
                    |known, heard| {
                        if is_trigger(&heard.frame, "cron") {
                            let before = known.insert(heard.from, heard.frame.clone());
                            let before = before.filter(|it| it.get("id") != heard.frame.get("id"));
                            heard.before.extend(before.as_ref().map(unregistration));
                        }
                    },
                    |_, _| {},
                )
            },
        ),
        Fault::new(
            "cron-silent-after-a-refusal",
            "Has no schedule of a session due once a trigger of it was refused",
            &["RT-16", "RT-03"],
            || silent_after_a_refusal("cron"),
        ),
        Fault::new(
            "unregistered-schedule-goes-on",
            "Has schedules due that have been unregistered",
            &["CO-08"],
            || {
                ignoring(|it| {
                    is(it, "unregistertrigger") && text(it, "/trigger_type") == Some("cron")
                })
            },
        )
        .strict(),
    ]
}
