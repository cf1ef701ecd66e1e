use clap::{CommandFactory, Parser};

use super::*;
use Bound::{Count, Time};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    bounds: Bounds,
}

type All = (Limits, Settings);

/// Where a bound is.
enum Bound {
    Count(fn(&mut All) -> &mut usize),
    Time(fn(&mut All) -> &mut Duration),
}

/// Each flag, without its dashes, and the one bound that is its own.
const TABLE: &[(&str, Bound)] = &[
    ("sessions-max", Count(|it| &mut it.0.sessions_max)),
    ("handshakes-max", Count(|it| &mut it.0.handshakes_max)),
    ("handshake-time-ms", Time(|it| &mut it.0.handshake_time_max)),
    (
        "crowded-handshake-time-ms",
        Time(|it| &mut it.0.crowded_handshake_time_max),
    ),
    ("frame-bytes-max", Count(|it| &mut it.0.frame_bytes_max)),
    ("outbox-bytes-max", Count(|it| &mut it.0.outbox_bytes_max)),
    ("answer-bytes-max", Count(|it| &mut it.0.answer_bytes_max)),
    (
        "all-outbox-bytes-max",
        Count(|it| &mut it.0.outboxes_bytes_max),
    ),
    (
        "unfinished-bytes-max",
        Count(|it| &mut it.0.unfinished_bytes_max),
    ),
    ("stall-time-ms", Time(|it| &mut it.0.stall_time_max)),
    ("close-time-ms", Time(|it| &mut it.0.close_time_max)),
    (
        "registration-bytes-max",
        Count(|it| &mut it.1.registration_bytes_per_session_max),
    ),
    (
        "all-registration-bytes-max",
        Count(|it| &mut it.1.registration_bytes_max),
    ),
    ("list-bytes-max", Count(|it| &mut it.1.list_bytes_max)),
    (
        "call-bytes-max",
        Count(|it| &mut it.1.call_bytes_per_worker_max),
    ),
    (
        "call-bytes-per-caller-max",
        Count(|it| &mut it.1.call_bytes_per_caller_max),
    ),
    ("all-call-bytes-max", Count(|it| &mut it.1.call_bytes_max)),
    (
        "trigger-registration-timeout-ms",
        Time(|it| &mut it.1.trigger_registration_timeout),
    ),
    ("requests-max", Count(|it| &mut it.1.requests_max)),
    (
        "requests-per-worker-max",
        Count(|it| &mut it.1.requests_per_session_max),
    ),
    ("request-bytes-max", Count(|it| &mut it.1.request_bytes_max)),
    (
        "request-bytes-per-worker-max",
        Count(|it| &mut it.1.request_bytes_per_session_max),
    ),
    ("connect-time-ms", Time(|it| &mut it.0.connect_time_max)),
    ("lookups-max", Count(|it| &mut it.0.lookups_max)),
    (
        "lookups-per-worker-max",
        Count(|it| &mut it.0.lookups_per_session_max),
    ),
    ("lookup-time-ms", Time(|it| &mut it.0.lookup_time_max)),
    (
        "response-bytes-max",
        Count(|it| &mut it.0.response_bytes_max),
    ),
    (
        "all-response-bytes-max",
        Count(|it| &mut it.0.responses_bytes_max),
    ),
    (
        "all-response-bytes-per-worker-max",
        Count(|it| &mut it.0.responses_bytes_per_session_max),
    ),
    (
        "http-connections-max",
        Count(|it| &mut it.0.http.connections_max),
    ),
    (
        "http-head-bytes-max",
        Count(|it| &mut it.0.http.head_bytes_max),
    ),
    (
        "http-target-bytes-max",
        Count(|it| &mut it.0.http.target_bytes_max),
    ),
    (
        "http-body-bytes-max",
        Count(|it| &mut it.0.http.body_bytes_max),
    ),
    (
        "http-bodies-bytes-max",
        Count(|it| &mut it.0.http.bodies_bytes_max),
    ),
    (
        "http-answers-bytes-max",
        Count(|it| &mut it.0.http.answers_bytes_max),
    ),
    ("http-head-time-ms", Time(|it| &mut it.0.http.head_time_max)),
    ("http-body-time-ms", Time(|it| &mut it.0.http.body_time_max)),
    ("http-idle-time-ms", Time(|it| &mut it.0.http.idle_time_max)),
    (
        "http-crowded-time-ms",
        Time(|it| &mut it.0.http.crowded_time_max),
    ),
    (
        "http-stall-time-ms",
        Time(|it| &mut it.0.http.stall_time_max),
    ),
    (
        "queue-messages-max",
        Count(|it| &mut it.1.queues.queue_messages_max),
    ),
    ("queue-bytes-max", Count(|it| &mut it.1.queues.bytes_max)),
    (
        "queue-message-bytes-max",
        Count(|it| &mut it.1.queues.message_bytes_max),
    ),
    (
        "queue-delivery-bytes-max",
        Count(|it| &mut it.1.queues.delivery_bytes_max),
    ),
    ("queues-max", Count(|it| &mut it.1.queues.queues_max)),
];

#[test]
fn without_flags_the_bounds_are_those_of_the_library() {
    let Flags { bounds } = Flags::parse_from(["it"]);
    assert_eq!(bounds.limits(), Limits::default());
    assert_eq!(bounds.settings(), Settings::default());
}

#[test]
fn each_flag_sets_its_own_bound_and_no_other() {
    // No bound is so by default.
    const ODD: u32 = 54_321;

    for (flag, bound) in TABLE {
        let mut expected = (Limits::default(), Settings::default());
        match bound {
            Count(of) => *of(&mut expected) = ODD as usize,
            Time(of) => *of(&mut expected) = Duration::from_millis(ODD.into()),
        }
        let Flags { bounds } = Flags::parse_from(["it", &format!("--{flag}={ODD}")]);
        assert_eq!((bounds.limits(), bounds.settings()), expected, "{flag}");
    }
}

#[test]
fn the_help_has_each_bound_under_its_heading_and_nothing_else() {
    // With what else they are about.
    const ELSEWHERE: [&str; 3] = ["call-timeout-ms", "silence-time-ms", "queue-attempts-max"];

    let command = crate::Cli::command();
    let bounds = command
        .get_arguments()
        .filter(|it| it.get_help_heading() == Some("Bounds"));
    let bounds: Vec<&clap::Arg> = bounds.collect();
    let mut given: Vec<&str> = bounds.iter().filter_map(|it| it.get_long()).collect();
    let mut told: Vec<&str> = TABLE.iter().map(|(flag, _)| *flag).collect();
    told.extend(ELSEWHERE);
    given.sort_unstable();
    told.sort_unstable();
    assert_eq!(given, told);
    for flag in bounds {
        let variable = flag.get_long().unwrap().replace('-', "_").to_uppercase();
        let variable = format!("REFERENCE_{variable}");
        assert_eq!(flag.get_env().unwrap(), &*variable);
    }
}
