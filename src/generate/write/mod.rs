//! Writes a cache and puts it into the place of the current one.
//!
//! - `encode`: the tables of a cache in their order; `validate`: loads them as a server would, meanwhile
//! - [`publish`]: a new file, read back while it is written (`follow`), replaces the current one; `lock`: only one generator
//!   does so
//! - `loss` and `gone`: what the current cache holds, and a new one must not lack
//! - `report`: all warnings and the fate of each host
//! - `files`: files that are created, never opened; `unfinished`: those that have to go if the process ends

pub(crate) mod encode;
pub(crate) mod files;
mod follow;
pub(crate) mod gone;
mod lock;
pub(crate) mod loss;
pub mod publish;
pub(crate) mod report;
pub(crate) mod unfinished;
pub(crate) mod validate;
