//! HTTP: the only place that names actix types.
//!
//! - [`public`]: the handler of `/mirrorlist` and `/metalink`
//! - [`client_address`]: whose request it is
//! - [`access_log`]: the line that statistics are made from
//!
//! What an answer says is not decided here but in [`crate::mirrorlist`].

pub mod access_log;
pub mod client_address;
mod clock;
pub mod public;
