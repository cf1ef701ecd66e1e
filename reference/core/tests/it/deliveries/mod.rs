//! Random histories of everything that calls functions, under D-13 and D-15: no message is lost
//! or in two calls at once, every caller is answered once, and no deadline lies.

mod watch;

use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};

use self::watch::Watch;

const WORKERS: usize = 3;
/// The last one is at an endpoint.
const FUNCTIONS: [&str; 3] = ["f", "g", "h"];
const QUEUES: [&str; 3] = ["a", "b", "a::dead_letter"];
const TRIGGERS: [&str; 3] = ["t", "u", "v"];

#[derive(Clone, Debug)]
enum Happens {
    Comes(usize),
    Goes(usize),
    Serves(usize, &'static str),
    ServesNoMore(usize, &'static str),
    Listens {
        by: usize,
        id: &'static str,
        queue: &'static str,
        function: &'static str,
        batch_size: u64,
    },
    Routes(usize, &'static str),
    Unlistens(usize, &'static str),
    Enqueued(&'static str),
    EnqueuedCall(&'static str, &'static str),
    Called(&'static str),
    Requested,
    Abandoned(usize),
    /// The call made so many before the last ends, if by the right one.
    Answered(usize, How, Option<usize>),
    Elapsed(u64),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Success,
    /// All but those whose bits are set.
    InPart(u8),
    Failure,
}

fn happens() -> impl Strategy<Value = Happens> {
    use Happens as H;
    let worker = || 0..WORKERS;
    let function = || select(&FUNCTIONS[..]);
    let queue = || select(&QUEUES[..]);
    let trigger = || select(&TRIGGERS[..]);
    let how = prop_oneof![
        3 => Just(How::Success),
        2 => any::<u8>().prop_map(How::InPart),
        3 => Just(How::Failure),
    ];
    let by = prop_oneof![6 => Just(None), 1 => worker().prop_map(Some)];
    prop_oneof![
        4 => worker().prop_map(H::Comes),
        2 => worker().prop_map(H::Goes),
        8 => (worker(), function()).prop_map(|(by, id)| H::Serves(by, id)),
        2 => (worker(), function()).prop_map(|(by, id)| H::ServesNoMore(by, id)),
        6 => (worker(), trigger(), queue(), function(), 1..4_u64).prop_map(
            |(by, id, queue, function, batch_size)| {
                H::Listens { by, id, queue, function, batch_size }
            }
        ),
        2 => (worker(), function()).prop_map(|(by, function)| H::Routes(by, function)),
        2 => (worker(), trigger()).prop_map(|(by, id)| H::Unlistens(by, id)),
        8 => select(&QUEUES[..2]).prop_map(H::Enqueued),
        8 => (function(), queue()).prop_map(|(function, queue)| H::EnqueuedCall(function, queue)),
        2 => function().prop_map(H::Called),
        3 => Just(H::Requested),
        1 => (0..3_usize).prop_map(H::Abandoned),
        24 => (0..12_usize, how, by).prop_map(|(nth, how, by)| H::Answered(nth, how, by)),
        2 => select(&[1, 5, 20, 31][..]).prop_map(H::Elapsed),
    ]
}

proptest! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_message_is_lost_and_everybody_is_answered(
        history in vec(happens(), 1..200),
        stops in any::<bool>(),
    ) {
        let mut watch = Watch::new();
        for happens in &history {
            watch.happen(happens);
            watch.check();
        }
        if stops {
            watch.stop();
        } else {
            watch.finish();
        }
    }
}
