//! The public side of HTTP: what happens between a socket and [`crate::mirrorlist`], which decides what an answer says.
//!
//! - [`listener`]: an address, its workers and their connections
//! - [`connection`]: the guard between a socket and actix: one request at a time, deadlines, limits
//! - `monitoring`: `/metrics` and `/healthz` of the generator and the probe
//! - [`public`]: the handler of `/mirrorlist` and `/metalink`
//! - [`client_address`]: the client's address behind proxies

pub mod client_address;
pub mod connection;
pub(crate) mod listener;
pub(crate) mod monitoring;
pub mod public;
