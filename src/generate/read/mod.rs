//! Reads MirrorManager2's database: where it is, how to get in, and what its tables say. No row is judged here: that is the work
//! of [`crate::generate::build`].
//!
//! - [`database`]: `DB_URL` and libpq's variables, checked; it hides the password
//! - `connect`: connections to one of the servers, protected by `tls`; `refusal`: the database's errors in words
//! - `session`: a connection that cannot hang; [`silence`]: whether a silent one is at work
//! - `tables`: the small tables, whose [`rows`] have [`ids`]; `scan`: host_category_dir, which is large

pub(crate) mod connect;
pub mod database;
pub mod ids;
pub(crate) mod refusal;
pub mod rows;
pub(crate) mod scan;
pub(crate) mod session;
pub mod silence;
pub mod source;
pub(crate) mod tables;
mod tls;
