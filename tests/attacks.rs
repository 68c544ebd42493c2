//! The built server under attack, and when things nearby break: no answer is a panic, no bad file replaces good data.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

#[path = "attacks/clocks.rs"]
mod clocks;
