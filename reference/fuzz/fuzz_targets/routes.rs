//! Routes of http triggers, against a model.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::routes::target(input));
