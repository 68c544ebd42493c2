//! The file between generator and server: one protobuf message, `MirrorList`, which is new every few minutes. The rules that its
//! entries follow stand here once, for the generator that writes them and for the server that reads files of other generators, too.
//!
//! - [`schema`]: the fields of every message; [`proto`]: the same as types of prost, for writing one
//! - [`read`]: a file to typed entries, in one streaming pass; [`summary`] counts what one holds
//! - [`mod@write`]: writes a cache, entry by entry
//! - [`wire`]: the bytes of a message in memory, field by field
//! - [`name`]: which names of directories, files and repositories can stand in an answer, and how a directory's name is written
//! - [`url`]: which base URLs can
//! - [`mod@error`]: why a file is no usable cache
//!
//! Tables are not made here but in [`crate::snapshot`] and [`crate::cache_compare`].

pub mod error;
pub mod name;
pub(crate) mod read;
pub mod schema;
pub(crate) mod summary;
pub mod url;
pub(crate) mod wire;
pub(crate) mod write;

/// The prost types of `proto/mirrormanager.proto`, for writing a cache.
#[allow(missing_docs, clippy::all, reason = "generated; the schema is the documentation")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/mirrormanager.rs"));
}

/// A cache names at most this many hosts: all the world's mirrors are some thousand. Tables by host need no further bound.
pub const MOST_HOSTS: usize = 1 << 16;
