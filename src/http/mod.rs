//! The public side of HTTP: what happens between a socket and [`crate::mirrorlist`], which decides what an answer says.
//!
//! - [`listener`]: an address, its workers and their connections
//! - [`connection`]: the guard between a socket and actix: one request at a time, deadlines, limits
//! - `monitoring`: `/metrics` and `/healthz` of the generator and the probe
//! - [`public`]: the handler of `/mirrorlist` and `/metalink`
//! - [`client_address`]: the client's address behind proxies
//! - `accept`: the format that an Accept header asks for
//! - `cors`: which web pages may read an answer

mod accept;
pub mod client_address;
pub mod connection;
mod cors;
pub(crate) mod listener;
pub(crate) mod monitoring;
pub mod public;
