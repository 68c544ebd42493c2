//! New data while serving: files that changed are read, compared with the current data, and replace it in one step. If a file is
//! refused, the current data stays in use, and the report and the log say why.
//!
//! - [`reloader`]: asks for reloads and runs them, one at a time, on one thread; what speaks against taking new data
//! - [`report`]: what is told of a reload
//! - `queue`: who waits for which reload
//! - [`watch`]: looks at the files from time to time and asks for a reload when one has changed
//!
//! Not here: reading a file ([`crate::snapshot`]).

mod queue;
pub mod reloader;
pub mod report;
pub mod watch;

pub use reloader::Reloader;
pub use report::{Cause, ReloadReport};
