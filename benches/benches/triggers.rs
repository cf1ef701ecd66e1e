//! What the triggers of the engine's own types cost the core: to register, and to fire.
//! `cargo bench -p benches --bench triggers` measures.

#![allow(clippy::expect_used, missing_docs, reason = "benchmarks")]

mod common;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use reference_core::{Effect, ExchangeId, HttpTriggerRequest, Input};
use uuid::Uuid;

use self::common::Bench;

const FUNCTION: &str = r#"{"type":"registerfunction","id":"f"}"#;

fn register(kind: &str, id: &str, config: &str) -> String {
    format!(
        r#"{{"type":"registertrigger","id":"{id}","trigger_type":"{kind}","function_id":"f","config":{config}}}"#
    )
}

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
        for standing in [10, 1_000, 100_000] {
            let mut bench = Bench::new(1);
            bench.text(0, FUNCTION);
            for number in 0..standing {
                let id = format!("t{number}");
                bench.text(0, &register(kind, &id, &config(kind, number)));
            }
            let one_more = register(kind, "one more", &config(kind, standing));
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

/// The worker's answer to the call that was made last.
fn answer(bench: &mut Bench) -> usize {
    let id = Uuid::from_u128(bench.ids.0);
    let answer = format!(r#"{{"type":"invocationresult","invocation_id":"{id}","result":null}}"#);
    bench.text(0, &answer).len()
}

fn firing(c: &mut Criterion) {
    let mut group = c.benchmark_group("fire");
    group.bench_function("http, there and back", |b| {
        let mut bench = Bench::new(1);
        bench.text(0, FUNCTION);
        for number in 0..1_000 {
            bench.text(
                0,
                &register("http", &format!("t{number}"), &config("http", number)),
            );
        }
        let headers: [(&str, &[u8]); 2] = [("host", b"localhost"), ("accept", b"*/*")];
        let mut exchanges = 0;
        b.iter(|| {
            exchanges += 1;
            let request = HttpTriggerRequest {
                method: "POST",
                target: "/orders/500/7?full=1",
                headers: &headers,
                body: b"{\"n\":1}",
            };
            let exchange = ExchangeId(exchanges);
            bench.input(Input::HttpRequest { exchange, request });
            black_box(answer(&mut bench))
        });
    });
    group.bench_function("cron, one of 1,000", |b| {
        let mut bench = Bench::new(1);
        bench.text(0, FUNCTION);
        for number in 0..1_000 {
            bench.text(
                0,
                &register("cron", &format!("t{number}"), &config("cron", number)),
            );
        }
        b.iter(|| {
            bench.wall += Duration::from_secs(60);
            let fired = bench.input(Input::Tick).len();
            answer(&mut bench);
            black_box(fired)
        });
    });
    group.bench_function("queue, enqueued to acknowledged", |b| {
        let mut bench = Bench::new(2);
        bench.text(0, FUNCTION);
        bench.text(0, &register("queue", "t", r#"{"queue_name":"q"}"#));
        let enqueue = r#"{"type":"invokefunction","function_id":"enqueue","data":{"queue_name":"q","data":{"n":1}}}"#;
        b.iter(|| {
            let effects = bench.text(1, enqueue);
            let handed_out = effects.iter().any(|it| matches!(it, Effect::Send { .. }));
            answer(&mut bench);
            black_box(handed_out)
        });
    });
    group.finish();
}

criterion_group!(benches, registrations, firing);
criterion_main!(benches);
