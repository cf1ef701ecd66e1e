//! What the core costs by itself: frames read and written, a call there and back, a
//! registration. `cargo bench -p benches` measures, `cargo test --benches` only tries them out.

#![allow(clippy::expect_used, missing_docs, reason = "benchmarks")]

mod common;

use std::{fs, hint::black_box, path::Path};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reference_core::wire::Message;
use serde_json::Value;
use uuid::Uuid;

use self::common::Bench;

/// The JSON blocks of the documents that are frames.
fn blocks() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/documents");
    let documents = fs::read_dir(folder).expect("the fixtures");
    let files = documents.flat_map(|it| fs::read_dir(it.expect("a folder").path()).expect("it"));
    let mut blocks: Vec<(String, String)> = files
        .map(|it| it.expect("a file").path())
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read_to_string(path).expect("its text"))
        })
        .filter(|(_, text)| text.contains("\"type\": \"register") || text.contains("result"))
        .collect();
    blocks.sort();
    blocks
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (name, text) in blocks() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| Message::decode(black_box(&text)).expect("a frame"));
        });
        let message = Message::decode(&text).expect("a frame");
        group.bench_function(format!("encode/{name}"), |b| {
            b.iter(|| black_box(&message).encode());
        });
    }
    group.finish();
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("call");
    for bytes in [2_usize, 1 << 10, 64 << 10] {
        let mut bench = Bench::new(2);
        bench.text(0, r#"{"type":"registerfunction","id":"f"}"#);
        let payload = Value::from("x".repeat(bytes)).to_string();
        let call = format!(
            r#"{{"type":"invokefunction","invocation_id":"i","function_id":"f","data":{payload}}}"#
        );
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("there and back/{bytes} bytes"), |b| {
            b.iter(|| {
                bench.text(1, &call);
                let id = Uuid::from_u128(bench.ids.0);
                let answer = format!(
                    r#"{{"type":"invocationresult","invocation_id":"{id}","result":{payload}}}"#
                );
                black_box(bench.text(0, &answer)).len()
            });
        });
    }
    group.finish();
}

fn registrations(c: &mut Criterion) {
    let mut group = c.benchmark_group("register and unregister");
    for standing in [10, 1_000, 100_000] {
        let mut bench = Bench::new(1);
        for index in 0..standing {
            bench.text(
                0,
                &format!(r#"{{"type":"registerfunction","id":"f{index}"}}"#),
            );
        }
        group.bench_function(format!("function/{standing} standing"), |b| {
            b.iter(|| {
                bench.text(0, r#"{"type":"registerfunction","id":"one more"}"#);
                black_box(bench.text(0, r#"{"type":"unregisterfunction","id":"one more"}"#)).len()
            });
        });
        group.bench_function(format!("queue trigger/{standing} functions standing"), |b| {
            b.iter(|| {
                bench.text(0, r#"{"type":"registertrigger","id":"t","trigger_type":"queue","function_id":"f1","config":{"queue_name":"q"}}"#);
                black_box(bench.text(0, r#"{"type":"unregistertrigger","id":"t"}"#)).len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, calls, registrations);
criterion_main!(benches);
