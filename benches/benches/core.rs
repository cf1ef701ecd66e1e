//! What the core costs by itself: frames read and written, and a call there and back.
//! `cargo bench -p benches` measures, `cargo test -p benches --benches` only tries them out.

#![allow(clippy::expect_used, missing_docs, reason = "benchmarks")]

use std::{fs, hint::black_box, path::Path};

use ::benches::{
    Bench,
    frames::{EACH, call, function, payload, result},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reference_core::wire::Message;

const PAYLOAD_BYTES: [usize; 3] = [1 << 10, 64 << 10, 1 << 20];

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

/// One of each type, by its name.
fn each() -> impl Iterator<Item = (String, String)> {
    EACH.into_iter().map(|text| {
        let kind = Message::decode(text).expect("a frame").kind();
        (kind.to_owned(), text.to_owned())
    })
}

/// Those that carry payloads, with payloads of each size.
fn laden() -> impl Iterator<Item = (String, String)> {
    PAYLOAD_BYTES.into_iter().flat_map(|bytes| {
        let payload = payload(bytes);
        [
            (format!("invokefunction, {bytes} bytes"), call(&payload)),
            (format!("invocationresult, {bytes} bytes"), result(&payload)),
        ]
    })
}

fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frame");
    for (name, text) in blocks().into_iter().chain(each()).chain(laden()) {
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
    for bytes in [2].into_iter().chain(PAYLOAD_BYTES) {
        let mut bench = Bench::new(2);
        bench.text(0, &function("f"));
        let payload = payload(bytes);
        let call = call(&payload);
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("there and back/{bytes} bytes"), |b| {
            b.iter(|| {
                bench.text(1, &call);
                black_box(bench.answer(0, &payload)).len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, frames, calls);
criterion_main!(benches);
