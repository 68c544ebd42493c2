//! What stands between a socket and actix, on every listener: one request at a time, deadlines, limits.
//!
//! - [`guard`]: the stream that actix reads and writes; it lets through one request head at a time and owns the deadlines
//! - [`head`]: whether the bytes of a request head may pass, and the answer where they may not
//! - [`progress`]: how far an answer on its way to the client is
//! - [`limits`]: how many connections may be open, in all and for an address
//! - [`peer`]: who is at the other end
//!
//! What a request means is not decided here: that is the handlers' work.

pub mod guard;
pub mod head;
pub mod limits;
pub mod peer;
mod progress;
