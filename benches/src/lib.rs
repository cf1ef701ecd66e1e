//! Benchmarks, in `benches/`, and the `endure` command; nothing to be used as a library.
