//! What is fuzzed: one function for each parser of outside bytes. It takes any bytes and panics if an invariant is broken.
//!
//! `fuzz/` runs each of them under cargo-fuzz; `tests/fuzz_corpus.rs` replays the inputs that are kept in `fuzz/corpus`.
#![allow(dead_code, reason = "each fuzz program uses one of the functions")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken invariant is a panic"
)]

pub(crate) mod answers;
pub(crate) mod cache;
pub(crate) mod connection;
pub(crate) mod csv;
pub(crate) mod db_url;
#[path = "../fixture/mod.rs"]
pub(crate) mod fixture;
pub(crate) mod forwarded_for;
pub(crate) mod health_file;
pub(crate) mod mmdb;
pub(crate) mod netblock_text;
pub(crate) mod netblocks;
pub(crate) mod query;
pub(crate) mod repomd;
pub(crate) mod rules_file;
pub(crate) mod settings_file;

/// A target's name, which is that of its program in `fuzz/` and of its folder in `fuzz/corpus`, and its function.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: [Target; 13] = [
    ("cache", cache::check),
    ("connection", connection::check),
    ("csv", csv::check),
    ("db_url", db_url::check),
    ("forwarded_for", forwarded_for::check),
    ("health_file", health_file::check),
    ("mmdb", mmdb::check),
    ("netblock_text", netblock_text::check),
    ("netblocks", netblocks::check),
    ("query", query::check),
    ("repomd", repomd::check),
    ("rules_file", rules_file::check),
    ("settings_file", settings_file::check),
];

/// Asserts that a text for operators is one line that no terminal or log takes for anything else.
pub(crate) fn assert_one_line(text: &str) {
    assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
}
