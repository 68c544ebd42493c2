//! The admin listener: health, metrics, reload and explanations, on a socket and with a worker of its own, so that it answers
//! while the public side is saturated.
//!
//! - [`routes`]: the table of endpoints, and what a request passes before it reaches one
//! - [`state`]: what the endpoints work with
//! - [`access`]: which requests are refused: those of web pages ([`browser`]), and below `/admin` those of strangers: peers
//!   ([`peer`]) from other machines without the bearer [`token`], whose [`guesses`] are limited
//! - [`status`], [`actions`], [`explain`]: the endpoints; [`response`]: the shapes of their answers
//! - [`socket`]: the Unix socket
//! - [`client`]: asks the listener, for the commands `reload` and `healthcheck`

pub use routes::app;
pub use state::{Admin, AdminData};

pub mod access;
mod actions;
pub mod browser;
pub mod client;
pub mod explain;
mod guesses;
mod peer;
mod response;
mod routes;
pub(crate) mod socket;
mod state;
mod status;
pub mod token;
