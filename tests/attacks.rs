//! What attackers and accidents do to the built server, and that it stands. One module for each surface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

#[path = "attacks/access_log.rs"]
mod access_log;
#[path = "attacks/admin.rs"]
mod admin;
#[path = "attacks/anything.rs"]
mod anything;
#[path = "attacks/browser.rs"]
mod browser;
#[path = "attacks/clocks.rs"]
mod clocks;
#[path = "attacks/connections.rs"]
mod connections;
#[path = "attacks/reload.rs"]
mod reload;
#[path = "attacks/wire.rs"]
mod wire;
