//! Case files, linted and read, and their templates.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::suite::case_files::target(input));
