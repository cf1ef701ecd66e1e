//! Cron triggers fire: RT-03, RT-05, CO-22, D-06, D-07, D-12.
//!
//! The lab's wall clock begins at 2023-11-14 22:13:20 UTC.

use std::time::Duration;

use chrono::DateTime;
use reference_core::{DeadlineReason, EventKind, Machine, SessionId};
use serde_json::{Value, json};

use crate::{
    functions::{URL, http_function},
    support::{
        EPOCH, Ended, Lab, Step, answer, parse, register_function, register_trigger, registered,
        seconds, unregister,
    },
};

const MINUTE: Duration = seconds(60);
const HOUR: Duration = seconds(3_600);

/// A worker that serves `f`.
fn worker() -> (Lab, SessionId) {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.function(worker, "f");
    (lab, worker)
}

/// A worker that serves `f`, and a schedule `t` of its own.
fn scheduled(schedule: &str) -> (Lab, SessionId) {
    let (mut lab, worker) = worker();
    schedule_as(&mut lab, worker, "t", json!({"schedule": schedule}));
    (lab, worker)
}

fn schedule_as(lab: &mut Lab, by: SessionId, id: &str, config: Value) {
    let result = lab.ask(by, register_trigger(id, "cron", "f", config));
    assert_eq!(result, registered(id, "cron", "f"));
}

/// The clock of the lab at a time of its day.
fn at(hours: u64, minutes: u64) -> Duration {
    let midnight = parse_time("2023-11-15T00:00:00Z");
    let wall = if hours >= 22 {
        midnight - (24 - u32::try_from(hours).unwrap()) * HOUR
    } else {
        midnight + u32::try_from(hours).unwrap() * HOUR
    };
    wall + seconds(minutes * 60) - EPOCH
}

fn parse_time(text: &str) -> Duration {
    let seconds = DateTime::parse_from_rfc3339(text).unwrap().timestamp();
    Duration::from_secs(seconds.try_into().unwrap())
}

/// The times at which calls of `f` that came in were scheduled, answered by their worker.
fn fired(lab: &mut Lab, worker: SessionId) -> Vec<String> {
    let calls = lab.frames(worker);
    for call in &calls {
        lab.quietly(worker, answer(call, Value::Null));
    }
    let scheduled = |call: &Value| call["data"]["scheduled_time"].as_str().unwrap().to_owned();
    calls.iter().map(scheduled).collect()
}

#[test]
fn a_schedule_fires_at_its_second_with_its_payload() {
    let (mut lab, worker) = scheduled("15 22 * * *");
    let due = at(22, 15);
    assert_eq!(due, seconds(100));
    let deadline = lab.engine.next_deadline().unwrap();
    assert_eq!(
        (deadline.at, deadline.reason),
        (due, DeadlineReason::CronFiring)
    );
    assert!(deadline.watches_wall_clock);
    lab.tick_at(due - Duration::from_nanos(1));
    lab.assert_silent(worker);
    lab.tick_at(due);
    let call = lab.only_frame(worker);
    assert_eq!(
        call,
        json!({
            "type": "invokefunction",
            "invocation_id": call["invocation_id"],
            "function_id": "f",
            "data": {
                "trigger": "cron",
                "job_id": "t",
                "scheduled_time": "2023-11-14T22:15:00Z",
                "actual_time": "2023-11-14T22:15:00.000Z",
            },
        })
    );
    lab.quietly(worker, answer(&call, json!({"anything": true})));
    assert_eq!(lab.next_deadline(), Some(due + 24 * HOUR));
}

#[test]
fn the_actual_time_is_that_of_the_call() {
    let (mut lab, worker) = scheduled("15 22 * * *");
    lab.tick_at(at(22, 15) + Duration::from_micros(12_900));
    let data = lab.only_frame(worker)["data"].take();
    assert_eq!(data["scheduled_time"], "2023-11-14T22:15:00Z");
    assert_eq!(data["actual_time"], "2023-11-14T22:15:00.012Z");
}

#[test]
fn other_deadlines_watch_the_wall_clock_too_while_there_is_a_schedule() {
    let (mut lab, worker) = scheduled("0 0 1 1 *");
    let caller = lab.connect();
    lab.send(caller, crate::support::invoke("c", "f"));
    let deadline = lab.engine.next_deadline().unwrap();
    assert_eq!(deadline.reason, DeadlineReason::CallTimeout);
    assert!(deadline.watches_wall_clock);
    lab.send(worker, unregister("trigger", "t"));
    assert!(!lab.engine.next_deadline().unwrap().watches_wall_clock);
}

#[test]
fn a_suspended_machine_fires_each_schedule_once() {
    let (mut lab, worker) = scheduled("* * * * *");
    schedule_as(&mut lab, worker, "u", json!({"schedule": "0 */4 * * *"}));
    lab.tick_at(at(9, 30) + seconds(20));
    let times = ["2023-11-15T08:00:00Z", "2023-11-15T09:30:00Z"];
    assert_eq!(fired(&mut lab, worker), times);
    assert_eq!(lab.next_deadline(), Some(at(9, 31)));
}

#[test]
fn a_wall_clock_that_is_set_forward_fires_what_was_skipped_once() {
    let (mut lab, worker) = scheduled("0 * * * *");
    lab.wall_set_s = 5 * 3_600;
    lab.input(Step::Tick);
    assert_eq!(fired(&mut lab, worker), ["2023-11-15T03:00:00Z"]);
    assert_eq!(lab.next_deadline(), Some(at(4, 0) - 5 * HOUR));
}

#[test]
fn a_wall_clock_that_is_set_back_repeats_nothing() {
    let (mut lab, worker) = scheduled("*/10 * * * *");
    lab.advance(at(23, 30) + MINUTE);
    assert_eq!(fired(&mut lab, worker).len(), 8);
    // Until it is there again, an hour later.
    lab.wall_set_s = -3_600;
    lab.input(Step::Tick);
    assert_eq!(lab.next_deadline(), Some(at(23, 40) + HOUR));
    lab.advance(HOUR + 8 * MINUTE);
    lab.assert_silent(worker);
    lab.advance(MINUTE);
    assert_eq!(fired(&mut lab, worker), ["2023-11-14T23:40:00Z"]);
}

#[test]
fn a_wall_clock_that_is_set_back_by_more_than_three_hours_was_wrong() {
    let (mut lab, worker) = scheduled("*/10 * * * *");
    lab.advance(at(23, 30) + MINUTE);
    assert_eq!(fired(&mut lab, worker).len(), 8);
    lab.wall_set_s = -4 * 3_600;
    lab.input(Step::Tick);
    lab.assert_silent(worker);
    lab.advance(9 * MINUTE);
    assert_eq!(fired(&mut lab, worker), ["2023-11-14T19:40:00Z"]);
}

#[test]
fn what_is_unregistered_or_ends_with_its_session_fires_no_more() {
    let (mut lab, worker) = scheduled("* * * * *");
    let other = lab.connect();
    schedule_as(&mut lab, other, "t", json!({"schedule": "* * * * *"}));
    lab.advance(MINUTE);
    assert_eq!(fired(&mut lab, worker).len(), 2);
    lab.quietly(worker, unregister("trigger", "t"));
    lab.advance(MINUTE);
    assert_eq!(fired(&mut lab, worker).len(), 1);
    lab.disconnect(other);
    assert_eq!(lab.next_deadline(), None);
    lab.advance(HOUR);
    lab.assert_silent(worker);
}

#[test]
fn stopping_stops_schedules() {
    let (mut lab, _) = scheduled("* * * * *");
    lab.input(Step::Shutdown);
    assert_eq!(lab.next_deadline(), None);
}

#[test]
fn a_function_that_is_gone_is_logged_and_works_again() {
    let (mut lab, worker) = scheduled("* * * * *");
    lab.quietly(worker, unregister("function", "f"));
    lab.events();
    lab.advance(MINUTE);
    let events = lab.events();
    let [
        EventKind::CallFailed {
            function_id,
            failure,
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(
        (&**function_id, failure.code().as_str()),
        ("f", "function_not_found")
    );
    lab.quietly(worker, register_function("f"));
    lab.advance(MINUTE);
    assert_eq!(fired(&mut lab, worker), ["2023-11-14T22:15:00Z"]);
}

#[test]
fn a_call_that_is_still_under_way_does_not_hold_the_next_one_up() {
    let (mut lab, worker) = scheduled("*/20 * * * * *");
    lab.events();
    lab.advance(MINUTE);
    assert_eq!(lab.frames(worker).len(), 3);
    let timed_out = lab.events();
    assert_eq!(timed_out.len(), 1, "30 s after the first: {timed_out:?}");
}

#[test]
fn a_schedule_may_call_an_endpoint() {
    let mut lab = Lab::new();
    let worker = lab.connect();
    lab.quietly(worker, http_function("f", json!({"url": URL})));
    schedule_as(&mut lab, worker, "t", json!({"schedule": "* * * * *"}));
    lab.advance(seconds(40));
    assert_eq!(parse(&lab.requests[0].body)["job_id"], "t");
    lab.end_request(Ended::Answer(200, String::new()));
}

#[test]
fn a_year_of_mornings_in_new_york() {
    let (mut lab, worker) = worker();
    let config = json!({"schedule": "0 9 * * *", "timezone": "America/New_York"});
    schedule_as(&mut lab, worker, "daily", config);
    let mut times = Vec::new();
    // Nobody looks in between: from one deadline to the next.
    for _ in 0..365 {
        let next = lab.next_deadline().unwrap();
        lab.tick_at(next);
        times.extend(fired(&mut lab, worker));
    }
    assert_eq!(times.len(), 365);
    assert_eq!(times[0], "2023-11-15T14:00:00Z");
    let summer = times
        .iter()
        .filter(|time| time.ends_with("T13:00:00Z"))
        .count();
    // From the second Sunday of March 2024 to the first of November.
    assert_eq!(summer, 238);
    assert_eq!(times[364], "2024-11-13T14:00:00Z");
}

#[test]
fn many_schedules_that_are_due_at_once_fire_in_portions() {
    const SCHEDULES: usize = 600;
    let (mut lab, worker) = worker();
    for number in 0..SCHEDULES {
        let config = json!({"schedule": "0 0 * * *"});
        schedule_as(&mut lab, worker, &format!("t{number}"), config);
    }
    let due = at(0, 0);
    let mut portions = Vec::new();
    while lab.next_deadline().is_some_and(|at| at <= due) {
        lab.portion_at(due);
        portions.push(lab.frames(worker).len());
    }
    assert_eq!(portions, [256, 256, 88]);
}
