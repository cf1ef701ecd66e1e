//! Target files, linted and read.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::suite::target_files::target(input));
