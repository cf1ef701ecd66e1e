//! Frames that are read, written and read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::frames::target(input));
