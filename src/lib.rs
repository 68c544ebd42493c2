//! Which mirrors are best for a client: the library behind `mirrorlist-server` and `generate-mirrorlist-cache`.
//!
//! The data's journey, and the modules on its way:
//!
//! 1. [`generate`] makes MirrorManager2's database a cache, a protobuf file  that is new every few minutes. What may
//!    stand in it is said in [`cache`].
//! 2. [`snapshot`] reads the cache and three tables of the Internet's geography ([`geo`]), once, into compact tables
//!    (`index_table`) that never change: a snapshot. Entries that can't be used are counted as [`warnings`]; a file that would take more memory
//!    than its size allows is refused ([`budget`]).
//! 3. [`mirrorlist`] makes an answer from a query, an address and a snapshot: pure, without sockets or clocks. What it puts
//!    into XML goes through [`xml`].
//! 4. [`http`] is the public face: it finds the client's address, asks for the answer, sends it, and writes the access log.
//!
//! [`reload`] renews the snapshot while it serves, [`metrics`] counts, and [`readiness`] knows whether requests are wanted; the
//! [`admin`] listener shows all three, and is asked by commands like `mirrorlist-server reload`.
//!
//! Around this, [`settings`] turns flags, variables and a file into checked settings, [`logging`] makes the logger that is
//! handed down, [`server`] runs a server from its start to its stop, [`background`] threads hold up no stop,
//! [`throttle`] limits log lines, [`check`] tells what the data files hold, [`cache_compare`] what differs between two caches,
//! [`compare`] how answers differ from another server's, and [`demo`] is a small data set to try it on.

pub mod access_log;
pub mod admin;
mod background;
pub mod budget;
pub mod cache;
pub mod cache_compare;
pub mod check;
pub mod clock;
pub mod compare;
pub mod demo;
mod descriptors;
pub mod generate;
pub mod geo;
pub mod http;
pub(crate) mod index_table;
pub mod logging;
pub mod metrics;
pub mod mirrorlist;
pub mod readiness;
pub mod reload;
pub mod server;
pub mod settings;
pub mod snapshot;
mod throttle;
pub mod warnings;
pub mod xml;
