//! From a cache to a health file: the work of `generate-mirrorlist-cache probe`, which asks mirrors how they are.
//!
//! - `plan`: a cache to what is asked, pure; the cache is dropped then
//! - `round`: all URLs of a plan, politely: one question at a time for each group of hosts; `ask` is one question,
//!   `names` finds addresses, `failure` says why there is no answer
//! - `judge`: answers to observations, observations to verdicts, pure; [`repomd`] reads the time of a content
//! - `run`: again and again from cache to file; `summary`: for people; `metrics`: for Prometheus
//!
//! The file and the rules that make and end a verdict are in [`crate::health`]. Nothing here knows what a server makes of them.

mod ask;
mod failure;
mod judge;
mod metrics;
mod names;
mod plan;
pub mod repomd;
mod round;
mod run;
mod summary;

pub use run::{ProbeError, probe};
