//! The prost types of `proto/mirrormanager.proto`: the wire format of a cache, for writing one. A cache is read by
//! [`super::read`].
#![allow(
    missing_docs,
    clippy::all,
    reason = "generated; the schema itself is the documentation"
)]

include!(concat!(env!("OUT_DIR"), "/mirrormanager.rs"));
