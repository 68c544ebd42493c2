//! The health of mirrors, as files tell it between the probe, which writes them, and a server, which puts what is bad last.
//!
//! - [`mod@file`]: what stands in such a file, reading and writing it
//! - [`family`]: the families of addresses, of which a file says which work
//! - [`verdict`]: the verdicts, and how observations of several rounds make and end one
//!
//! Not here: asking mirrors ([`crate::probe`]), and what a verdict changes in an answer (`snapshot::health`,
//! `mirrorlist`).

pub mod family;
pub mod file;
pub mod verdict;

pub use family::AddressFamily;
pub use file::{HealthFile, HealthFileError, RepositoryHealth, UrlHealth};
pub use verdict::{Standing, Verdict};
