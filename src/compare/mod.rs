//! `mirrorlist-server compare`: compares another server's answers with this one's, and names how and why they differ.
//!
//! - [`requests`] and [`from_cache`]: the requests, from a file, from an access log, or made of the data files
//! - [`own`]: this server's answers, and the tiers of their hosts
//! - [`client`] asks the other server; [`answer`], [`metalink`] and [`comment`] parse answers
//! - [`classes`]: the table of all differences, with the reason of those that are on purpose
//! - [`comparison`], with [`urls`] for the lists: two answers to their differences
//! - [`run`]: all requests at a bounded rate, and [`summary`], the text for the operator
//!
//! The order within a tier is random, so URLs are compared as sets, tier by tier. This server's answers need no listener: they are
//! made here, from the data files of `mirrorlist-server`.

mod answer;
pub mod classes;
mod client;
mod comment;
mod comparison;
pub mod from_cache;
mod metalink;
mod own;
mod requests;
pub mod run;
mod summary;
mod urls;

pub use own::OwnServer;
pub use requests::RequestTarget;
