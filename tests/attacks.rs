//! The built server under attack: what clients send and don't read, what breaks near it. One module for each surface.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that fails fails the test"
)]

mod fixture;
mod support;

#[path = "attacks/anything.rs"]
mod anything;
#[path = "attacks/connections.rs"]
mod connections;
#[path = "attacks/wire.rs"]
mod wire;
