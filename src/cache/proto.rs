//! The prost types of `proto/mirrormanager.proto`: the wire format of a cache, for writing one and for decoding the small
//! messages of one.
#![allow(
    missing_docs,
    clippy::all,
    reason = "generated; the schema itself is the documentation"
)]

include!(concat!(env!("OUT_DIR"), "/mirrormanager.rs"));
