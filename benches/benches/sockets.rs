//! What the reference costs over real sockets, beside the least that the same load could cost.
//! `cargo bench -p benches --bench sockets` measures: only the ratio of two figures of one group
//! says something, since one machine carries the load as well.
//!
//! The reference, the relay and the HTTP server that answers at once are in this process, each on
//! threads of its own; the load comes from a further runtime. All share one allocator, that of
//! the `reference` command.

#![allow(clippy::expect_used, missing_docs, reason = "benchmarks")]

use std::time::Duration;

use ::benches::Served;
use conformance_suite::load::{Calls, HttpFloor, Kind, Messages, Registrations, Relay, Requests};
use criterion::{
    BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use mimalloc::MiMalloc;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const PATIENCE: Duration = Duration::from_secs(30);
const PAYLOAD_BYTES: usize = 100;

/// The least that a load can cost, the reference, and what loads both.
struct Bed {
    load: Runtime,
    relay: Relay,
    handler: HttpFloor,
    reference: Served,
}

impl Bed {
    fn new() -> Self {
        Self {
            load: Runtime::new().expect("a runtime"),
            relay: Relay::start().expect("a relay"),
            handler: HttpFloor::start().expect("a handler"),
            reference: Served::start().expect("the reference"),
        }
    }

    fn calls(&self, url: &str) -> Calls {
        let open = Calls::open(url, false, PAYLOAD_BYTES, PATIENCE);
        self.load.block_on(open).expect("a function that is called")
    }

    /// How long so many calls took, all of which are answered.
    fn make(&self, calls: &mut Calls, count: u64, at_once: usize) -> Duration {
        let count = usize::try_from(count).expect("few");
        let served = self.load.block_on(calls.make(count, at_once));
        let served = served.expect("sessions that stay");
        assert_eq!((served.answered, served.lost), (count, 0));
        served.took
    }

    /// How long so many requests took, all of which are answered.
    fn ask(&self, requests: &Requests, count: u64) -> Duration {
        let count = usize::try_from(count).expect("few");
        let served = self.load.block_on(requests.make(count));
        assert_eq!((served.answered, served.lost), (count, 0));
        served.took
    }
}

fn group<'c>(c: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    group.sampling_mode(SamplingMode::Flat);
    group
}

fn calls(c: &mut Criterion) {
    let bed = Bed::new();
    let mut group = group(c, "calls over sockets");
    let mut sides = [
        ("relay", bed.calls(&bed.relay.url())),
        ("reference", bed.calls(&bed.reference.url())),
    ];
    for (name, calls) in &mut sides {
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("round trip/{name}"), |b| {
            b.iter_custom(|times| bed.make(calls, times, 1));
        });
    }
    for at_once in [16, 64, 256] {
        // As many as keep that number under way for most of the time.
        let calls_made = 4 * at_once;
        group.throughput(Throughput::Elements(calls_made));
        let at_once = usize::try_from(at_once).expect("few");
        for (name, calls) in &mut sides {
            group.bench_function(format!("{at_once} at once/{name}"), |b| {
                b.iter_custom(|times| bed.make(calls, times * calls_made, at_once));
            });
        }
    }
    group.finish();
}

fn http(c: &mut Criterion) {
    let bed = Bed::new();
    let mut relayed = bed.calls(&bed.relay.url());
    let handled = Requests::to(bed.handler.url(), PATIENCE);
    let (url, http_url) = (bed.reference.url(), bed.reference.http_url());
    // An answer that needs no worker, and the way to a worker and back.
    let mut floor = |times| bed.ask(&handled, times) + bed.make(&mut relayed, times, 1);

    let mut triggers = group(c, "http trigger");
    let open = Requests::open(&url, &http_url, false, PATIENCE);
    let requests = bed.load.block_on(open).expect("an http trigger");
    triggers.bench_function("handler and relay", |b| b.iter_custom(&mut floor));
    triggers.bench_function("reference", |b| {
        b.iter_custom(|times| bed.ask(&requests, times));
    });
    triggers.finish();

    let mut invoked = group(c, "function called over http");
    let endpoint = bed.handler.url();
    let open = Calls::over_http(&url, false, &endpoint, PAYLOAD_BYTES, PATIENCE);
    let mut calls = bed.load.block_on(open).expect("a function over http");
    invoked.bench_function("handler and relay", |b| b.iter_custom(&mut floor));
    invoked.bench_function("reference", |b| {
        b.iter_custom(|times| bed.make(&mut calls, times, 1));
    });
    invoked.finish();
}

fn queue(c: &mut Criterion) {
    let bed = Bed::new();
    let mut relayed = bed.calls(&bed.relay.url());
    let url = bed.reference.url();
    let open = Messages::open(&url, false, PATIENCE);
    let mut messages = bed.load.block_on(open).expect("a queue trigger");
    let mut group = group(c, "queue, enqueued to acknowledged");
    group.bench_function("relay, a round trip", |b| {
        b.iter_custom(|times| bed.make(&mut relayed, times, 1));
    });
    group.bench_function("reference", |b| {
        b.iter_custom(|times| {
            let count = usize::try_from(times).expect("few");
            let passed = bed.load.block_on(messages.pass(count));
            passed.expect("a call for each message").took
        });
    });
    group.finish();
}

fn registrations(c: &mut Criterion) {
    let bed = Bed::new();
    for kind in Kind::ALL {
        let mut group = group(c, &format!("registering {} over a socket", kind.name()));
        group.throughput(Throughput::Elements(1));
        for standing in [1_000, 10_000] {
            let url = bed.reference.url();
            let open = Registrations::open(&url, false, kind, PATIENCE);
            let mut registrations = bed.load.block_on(open).expect("a session");
            let fill = registrations.register(standing);
            bed.load.block_on(fill).expect("what stands");
            group.bench_function(format!("{standing} standing"), |b| {
                b.iter_custom(|times| {
                    let more = few_more(&mut registrations, times, standing / 10);
                    bed.load.block_on(more)
                });
            });
            bed.load.block_on(registrations.close());
        }
        group.finish();
    }
}

/// Registers so many, of which at most a few are there at once; how long that alone took.
async fn few_more(registrations: &mut Registrations, times: u64, few: usize) -> Duration {
    let mut left = usize::try_from(times).expect("few");
    let mut took = Duration::ZERO;
    while left > 0 {
        let count = left.min(few);
        let more = registrations.register(count).await;
        took += more.expect("they are accepted").took;
        let back = registrations.unregister(count).await;
        back.expect("the session stays");
        left -= count;
    }
    took
}

criterion_group!(benches, calls, http, queue, registrations);
criterion_main!(benches);
