//! The targets of both crates, from the tests that replay their corpora.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a target panics on a finding"
)]

#[path = "../../core/tests/it/fuzz/mod.rs"]
pub mod engine;
#[path = "../../../conformance/tests/it/fuzz/mod.rs"]
pub mod suite;
