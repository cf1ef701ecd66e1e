//! Cron expressions on the clocks of zones.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::engine::schedules::target(input));
