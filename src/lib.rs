//! Which mirrors are best for a client: the library behind `mirrorlist-server` and `generate-mirrorlist-cache`.
//!
//! The data's journey, and the modules on its way:
//!
//! 1. [`generate`] reads MirrorManager2's database and writes a cache, a protobuf file, every few minutes. [`cache`] is that
//!    file's format: fields, reader, writer, and the rules of what may stand in it.
//! 2. [`snapshot`] loads the cache and three tables of the Internet's geography ([`geo`]) into compact tables (`index_table`)
//!    that never change. An entry that can't be used becomes one of the [`warnings`]. A file that would take more memory than
//!    its size allows is refused ([`budget`]).
//! 3. [`mirrorlist`] makes an answer from a query, an address and a snapshot: pure, without sockets or clocks. [`xml`] escapes.
//! 4. [`http`] serves it: connections, the client's address, the answer. [`access_log`] writes a line.
//!
//! [`reload`] renews the snapshot under load, [`metrics`] count, [`readiness`] tells a proxy whether to send requests, and the
//! [`admin`] listener shows all three.
//!
//! Operators add [`rules`] to the choice: for clients, mirrors and repositories.
//!
//! Beside it, [`probe`] asks the mirrors of a cache how they are, and writes a file of their [`health`].
//!
//! Around this: [`settings`] of both programs, [`logging`], [`server`] (a server's life), [`check`], [`compare`] (two servers),
//! [`cache_compare`] (two caches), [`demo`]; and the small `background` (threads that hold up no stop), `bits`, [`clock`], `descriptors`
//! (how many may be open), `threads` (waiting for some) and `throttle` (log lines).
//!
//! Imports run downwards, from the programs to [`settings`] and [`geo`].

pub mod access_log;
pub mod admin;
mod background;
mod bits;
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
pub mod health;
pub mod http;
pub(crate) mod index_table;
pub mod logging;
pub mod metrics;
pub mod mirrorlist;
pub mod probe;
pub mod readiness;
pub mod reload;
pub mod rules;
pub mod server;
pub mod settings;
pub mod snapshot;
pub(crate) mod threads;
mod throttle;
pub mod warnings;
pub mod xml;
