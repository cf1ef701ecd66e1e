//! What the triggers of the engine's own types cost the core: to register, to fire, and to
//! find the next time of a schedule.
//! `cargo bench -p benches --bench triggers` measures.

#![allow(
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "benchmarks"
)]

use std::{hint::black_box, time::Duration};

use ::benches::{
    Bench,
    frames::{function, trigger},
};
use criterion::{Criterion, criterion_group, criterion_main};
use reference_core::{Builtin, Effect, ExchangeId, HttpTriggerRequest, Input, TriggerConfig};
use serde_json::value::RawValue;

const STANDING: [u32; 3] = [10, 1_000, 100_000];

fn config(kind: &str, number: u32) -> String {
    match kind {
        "http" => format!(r#"{{"path":"/orders/{number}/:id","method":"POST"}}"#),
        "cron" => format!(
            r#"{{"schedule":"{} {} * * *"}}"#,
            number % 60,
            number / 60 % 24
        ),
        _ => format!(r#"{{"queue_name":"queue-{}"}}"#, number % 5_000),
    }
}

fn registrations(c: &mut Criterion) {
    for kind in ["http", "cron", "queue"] {
        let mut group = c.benchmark_group(format!("register and unregister/{kind}"));
        for standing in STANDING {
            let mut bench = Bench::new(1);
            bench.text(0, &function("f"));
            for number in 0..standing {
                let id = format!("t{number}");
                bench.text(0, &trigger(kind, &id, &config(kind, number)));
            }
            let one_more = trigger(kind, "one more", &config(kind, standing));
            group.bench_function(format!("{standing} standing"), |b| {
                b.iter(|| {
                    let answered = bench.text(0, &one_more).len();
                    bench.text(0, r#"{"type":"unregistertrigger","id":"one more"}"#);
                    black_box(answered)
                });
            });
        }
        group.finish();
    }
}

fn firing(c: &mut Criterion) {
    let mut group = c.benchmark_group("fire");
    for standing in STANDING {
        group.bench_function(format!("http, there and back, one of {standing}"), |b| {
            let mut bench = Bench::new(1);
            bench.text(0, &function("f"));
            for number in 0..standing {
                let id = format!("t{number}");
                bench.text(0, &trigger("http", &id, &config("http", number)));
            }
            let target = format!("/orders/{}/7?full=1", standing / 2);
            let headers: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"*/*")];
            let mut exchanges = 0;
            b.iter(|| {
                exchanges += 1;
                let request = HttpTriggerRequest {
                    method: "POST",
                    target: &target,
                    headers: &headers,
                    body: b"{\"n\":1}",
                };
                let exchange = ExchangeId(exchanges);
                bench.input(Input::HttpRequest { exchange, request });
                let effects = bench.answer(0, "null");
                let is_answer = |it: &Effect| matches!(it, Effect::Respond { .. });
                assert!(effects.iter().any(is_answer), "the request is answered");
            });
        });
    }
    group.bench_function("cron, one of 1,000", |b| {
        let mut bench = Bench::new(1);
        bench.text(0, &function("f"));
        for number in 0..1_000 {
            bench.text(
                0,
                &trigger("cron", &format!("t{number}"), &config("cron", number)),
            );
        }
        b.iter(|| {
            bench.wall += Duration::from_secs(60);
            let fired = bench.input(Input::Tick).len();
            bench.answer(0, "null");
            black_box(fired)
        });
    });
    group.bench_function("queue, enqueued to acknowledged", |b| {
        let mut bench = Bench::new(2);
        bench.text(0, &function("f"));
        bench.text(0, &trigger("queue", "t", r#"{"queue_name":"q"}"#));
        let enqueue = r#"{"type":"invokefunction","function_id":"enqueue","data":{"queue_name":"q","data":{"n":1}}}"#;
        b.iter(|| {
            let effects = bench.text(1, enqueue);
            let is_call = |it: &Effect| matches!(it, Effect::Send { .. });
            assert!(effects.iter().any(is_call), "the message is handed out");
            black_box(bench.answer(0, "null")).len()
        });
    });
    group.finish();
}

/// The next firing after noon on the day before a change of the clock in New York.
fn next_firing(c: &mut Criterion) {
    const NOON: Duration = Duration::from_secs(1_772_899_200); // 2026-03-07T16:00:00Z
    let mut group = c.benchmark_group("next firing");
    for expression in [
        "* * * * * *",
        "*/5 * * * *",
        "0 9 * * MON-FRI",
        "30 2 * * *",
        "0 0 29 2 *",
    ] {
        for zone in ["UTC", "America/New_York", "Asia/Kolkata"] {
            let config = format!(r#"{{"schedule":"{expression}","timezone":"{zone}"}}"#);
            let config = RawValue::from_string(config).expect("JSON");
            let Ok(TriggerConfig::Cron(schedule)) = Builtin::Cron.read(Some(&config)) else {
                panic!("no schedule: {expression} in {zone}");
            };
            group.bench_function(format!("{expression} in {zone}"), |b| {
                b.iter(|| schedule.next_after(black_box(NOON)).expect("a firing"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, registrations, firing, next_firing);
criterion_main!(benches);
