//! `mirrorlist-server compare`: whether another server answers as this one does, and where it doesn't, in which way and why.
//!
//! - [`requests`] and [`from_cache`]: what is asked, from a file, from an access log, or made of the data files
//! - [`own`]: what this server answers, and which hosts belong to which tier
//! - [`client`] asks the other server; [`answer`], [`metalink`] and [`comment`] take answers apart
//! - [`classes`]: the table of all differences, with the reason of those that are on purpose
//! - [`difference`], with [`urls`] for the lists: two answers to what differs between them
//! - [`run`]: all requests at a bounded rate, and [`summary`], what comes of them
//!
//! The order within a tier is drawn for each answer, so that URLs are compared as sets, tier by tier. What this server answers
//! needs no listener: it is made here, from the same data files as `mirrorlist-server` would take.

pub mod answer;
pub mod classes;
pub mod client;
pub mod comment;
pub mod difference;
pub mod from_cache;
pub mod metalink;
pub mod own;
pub mod requests;
pub mod run;
pub mod summary;
pub mod urls;
