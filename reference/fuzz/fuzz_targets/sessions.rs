//! Whole histories: sessions, calls, triggers, endpoints, requests, queues, time.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::sessions::target(input));
