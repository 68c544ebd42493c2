//! What attackers and accidents do to the built server, and that it stands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

#[path = "attacks/access_log.rs"]
mod access_log;
#[path = "attacks/admin.rs"]
mod admin;
#[path = "attacks/browser.rs"]
mod browser;
#[path = "attacks/reload.rs"]
mod reload;
