//! JSON Schemas that are enforced, and what is held to them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::formats::target(input));
