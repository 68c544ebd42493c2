//! The public side of HTTP; with [`crate::admin`] the only place that names actix types.
//!
//! - [`connection`]: what stands between a socket and actix: one request at a time, deadlines, limits
//! - [`listener`]: sockets to requests of a handler
//! - [`public`]: the handler of `/mirrorlist` and `/metalink`
//! - [`client_address`]: whose request it is
//!
//! What an answer says is not decided here but in [`crate::mirrorlist`].

pub mod client_address;
pub mod connection;
pub mod listener;
pub mod public;
