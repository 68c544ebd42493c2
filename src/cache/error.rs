//! Why a file is no usable cache.

use std::io;

use thiserror::Error;

use crate::budget::OverBudget;

/// Why a file is no usable cache.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(io::Error),
    /// The file ends inside a field.
    #[error("the file ends inside the entry that begins at byte {at}")]
    Truncated {
        /// Offset of the field's first byte.
        at: u64,
    },
    /// A field claims to be longer than any message.
    #[error("the entry at byte {at} is malformed: it claims to have {length} bytes")]
    TooLong {
        /// Offset of the field's first byte.
        at: u64,
        /// The length that it claims.
        length: u64,
    },
    /// A field is not what the schema says.
    #[error("the entry at byte {at} is malformed: {fault}")]
    Malformed {
        /// Offset of the field's first byte.
        at: u64,
        /// The fault in it.
        #[source]
        fault: Fault,
    },
    /// It has more of something than its tables have room for.
    #[error("the entry at byte {at} is one too many: {limit}")]
    TooMany {
        /// Offset of the entry's first byte.
        at: u64,
        /// The limit that the entry breaks.
        #[source]
        limit: TooMany,
    },
    /// It would take more memory than its size allows.
    #[error(transparent)]
    TooLarge(#[from] OverBudget),
    /// It is well-formed but lacks what a server needs.
    #[error("it has no {0}")]
    Lacks(&'static str),
}

/// A fault of a message in memory. Small, because results with it are made for every few bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Fault {
    /// It ends inside a field, or a field claims to be longer than it.
    #[error("a field is longer than the message that it is in")]
    Cut,
    /// A number has more than 64 bits.
    #[error("a number has more than 64 bits")]
    Number,
    /// A field's number is 0 or larger than the format allows.
    #[error("no field has its number")]
    Key,
    /// The schema has no such wire type.
    #[error("the schema has no wire type {0}")]
    WireType(u8),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A field holds no number, as the schema says.
    #[error("something else stands where a number is expected")]
    NoNumber,
    /// A field holds no text.
    #[error("something else stands where a text is expected")]
    NoText,
    /// A field holds no message.
    #[error("something else stands where a message is expected")]
    NoMessage,
    /// An entry of `ByHostId` names no host.
    #[error("ByHostId has an entry without a host")]
    NoHost,
}

/// A limit of the tables that are made of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooMany {
    /// More hosts than [`super::MOST_HOSTS`].
    #[error("there are more than 65,536 hosts")]
    Hosts,
    /// More pairs of a host and a list of URLs than fit an index of 24 bits.
    #[error("there are more than 16 million pairs of a host and its URLs")]
    Carriers,
    /// More directories than fit an index of 32 bits.
    #[error("there are too many directories")]
    Directories,
}

/// Why an entry makes its whole file unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(transparent)]
pub(crate) enum EntryError {
    /// It is not what the schema says.
    Malformed(#[from] Fault),
    /// The tables have no room for it.
    TooMany(#[from] TooMany),
    /// Its file may not take more memory.
    TooLarge(#[from] OverBudget),
}

impl EntryError {
    /// The error of the file, for the entry whose first byte has this offset.
    pub(crate) fn at(self, at: u64) -> CacheError {
        match self {
            Self::Malformed(fault) => CacheError::Malformed { at, fault },
            Self::TooMany(limit) => CacheError::TooMany { at, limit },
            Self::TooLarge(error) => error.into(),
        }
    }
}
