//! What the core's operations cost with 10, 1,000 and 100,000 of their kind standing.
//! `cargo bench -p benches --bench tables` measures. Where only a part is timed, reading the
//! clock is timed with it: some 50 ns.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "benchmarks"
)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use ::benches::{
    Bench,
    frames::{call, function, trigger, trigger_type, unregister},
};
use criterion::{Bencher, Criterion, Throughput, criterion_group, criterion_main};
use reference_core::{Effect, Input, SessionId, wire::Message};

const STANDING: [u64; 3] = [10, 1_000, 100_000];
const ONE_MORE: &str = "one more";
/// It owns what stands.
const WORKER: u64 = 0;
const OTHER: u64 = 1;
/// What ends, and comes again.
const GUEST: SessionId = SessionId(2);

/// So many functions, trigger types, and triggers of one of these types.
fn standing(count: u64) -> Bench {
    let mut bench = Bench::new(2);
    bench.text(WORKER, &function("f"));
    for number in 0..count {
        bench.text(WORKER, &function(&format!("f{number}")));
        bench.text(WORKER, &trigger_type(&format!("k{number}")));
        provided(&mut bench, &format!("t{number}"));
    }
    bench
}

/// Registers a trigger of a type that a worker provides, and has it accepted.
fn provided(bench: &mut Bench, id: &str) {
    let effects = bench.text(OTHER, &trigger("k0", id, "{}"));
    let asked = effects.iter().find_map(|it| match it {
        Effect::Send { session, frame } if session.0 == WORKER => Some(frame.clone()),
        _ => None,
    });
    let asked = asked.expect("the provider is asked");
    let Message::RegisterTrigger(asked) = Message::decode(&asked).expect("a frame") else {
        panic!("not a registration: {asked}");
    };
    let (id, function) = (asked.id, asked.function_id);
    let accepted = bench.text(
        WORKER,
        &format!(
            r#"{{"type":"triggerregistrationresult","id":"{id}","trigger_type":"k0","function_id":"{function}"}}"#
        ),
    );
    let is_told = |it: &Effect| matches!(it, Effect::Send { session, .. } if session.0 == OTHER);
    assert!(accepted.iter().any(is_told), "the registrar is told");
}

/// Times `work` alone, each time after `before`.
fn timed(
    b: &mut Bencher<'_>,
    bench: &mut Bench,
    mut before: impl FnMut(&mut Bench),
    mut work: impl FnMut(&mut Bench),
) {
    b.iter_custom(|times| {
        let mut took = Duration::ZERO;
        for _ in 0..times {
            before(bench);
            let began = Instant::now();
            work(black_box(bench));
            took += began.elapsed();
        }
        took
    });
}

fn register(bench: &mut Bench, frame: &str) {
    bench.text(WORKER, frame);
}

fn tables(c: &mut Criterion) {
    for count in STANDING {
        let mut bench = standing(count);
        let mut group = c.benchmark_group(format!("{count} standing"));
        for (what, one_more) in [
            ("function", function(ONE_MORE)),
            ("triggertype", trigger_type(ONE_MORE)),
            (
                "trigger",
                trigger("cron", ONE_MORE, r#"{"schedule":"0 0 * * *"}"#),
            ),
        ] {
            let gone = unregister(what, ONE_MORE);
            group.bench_function(format!("register/{what}"), |b| {
                let before = |bench: &mut Bench| register(bench, &gone);
                timed(b, &mut bench, before, |bench| register(bench, &one_more));
            });
            group.bench_function(format!("unregister/{what}"), |b| {
                let before = |bench: &mut Bench| register(bench, &one_more);
                timed(b, &mut bench, before, |bench| register(bench, &gone));
            });
        }
        group.bench_function("register and unregister/trigger of a worker's type", |b| {
            b.iter(|| {
                // A provider is told of so many in a time (D-28).
                bench.monotonic += Duration::from_millis(1);
                provided(&mut bench, ONE_MORE);
                black_box(bench.text(OTHER, &unregister("trigger", ONE_MORE))).len()
            });
        });
        group.bench_function("call there and back/one of the functions", |b| {
            let function = format!(r#""function_id":"f{}""#, count / 2);
            let call = call("1").replace(r#""function_id":"f""#, &function);
            b.iter(|| {
                bench.text(OTHER, &call);
                let effects = bench.answer(WORKER, "1");
                assert!(!effects.is_empty(), "the caller is answered");
                black_box(effects.len())
            });
        });
        group.bench_function("session ends/with 10 functions, beside those", |b| {
            timed(b, &mut bench, |bench| guest(bench, 10), leave);
        });
        group.finish();
    }
}

/// A session comes and registers so many functions.
fn guest(bench: &mut Bench, functions: u64) {
    bench.input(Input::Connected { session: GUEST });
    for number in 0..functions {
        bench.text(GUEST.0, &function(&format!("g{number}")));
    }
}

fn leave(bench: &mut Bench) {
    bench.input(Input::Disconnected { session: GUEST });
}

fn ends(c: &mut Criterion) {
    let mut group = c.benchmark_group("session ends");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(1));
    for count in STANDING {
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("with {count} functions of its own"), |b| {
            timed(b, &mut Bench::new(0), |bench| guest(bench, count), leave);
        });
    }
    group.finish();
}

criterion_group!(benches, tables, ends);
criterion_main!(benches);
