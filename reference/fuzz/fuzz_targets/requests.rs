//! Requests for http triggers, and what functions answer them with.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::requests::target(input));
