//! The guard of every listener's connections, between the sockets and actix: one request at a time, deadlines, limits.
//!
//! - [`guard`]: the stream that actix reads and writes; it lets through one request head at a time and owns the deadlines
//! - [`scanner`], [`head`], [`refusal`]: where a request head ends, whether it may pass, and the answer if it may not
//! - [`progress`]: how much of an answer is written, and how long it may wait for its client
//! - [`timer`]: what wakes a connection that waits
//! - [`limits`]: how many connections may be open, in all and for an address
//! - [`socket`]: TCP and Unix sockets
//! - [`metrics`]: what is counted
//!
//! Not for what a request means: the handlers decide that.

pub mod guard;
mod head;
pub mod limits;
pub mod metrics;
mod progress;
mod refusal;
mod scanner;
pub mod socket;
pub(super) mod timer;
