//! Why a file is no usable cache.

use std::io;

use thiserror::Error;

use crate::budget::OverBudget;

/// Why a file is no usable cache. `at` is the offset of the first byte of an entry.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum CacheError {
    #[error(transparent)]
    Read(io::Error),
    #[error("the file ends inside the entry that begins at byte {at}")]
    Truncated { at: u64 },
    #[error("the entry at byte {at} is malformed: it claims to have {length} bytes")]
    TooLong { at: u64, length: u64 },
    #[error("the entry at byte {at} is malformed: {fault}")]
    Malformed {
        at: u64,
        #[source]
        fault: Fault,
    },
    #[error("the entry at byte {at} is one too many: {limit}")]
    TooMany {
        at: u64,
        #[source]
        limit: TooMany,
    },
    #[error(transparent)]
    TooLarge(#[from] OverBudget),
    #[error("it has no {0}")]
    Lacks(&'static str),
}

/// A fault of a message in memory. Small, because results with it are made for every few bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Fault {
    #[error("a field is longer than the message that it is in")]
    Cut,
    #[error("a number has more than 64 bits")]
    Number,
    #[error("no field has its number")]
    Key,
    #[error("the schema has no wire type {0}")]
    WireType(u8),
    #[error("a text is not UTF-8")]
    Text,
    #[error("something else stands where a number is expected")]
    NoNumber,
    #[error("something else stands where a text is expected")]
    NoText,
    #[error("something else stands where a message is expected")]
    NoMessage,
    #[error("ByHostId has an entry without a host")]
    NoHost,
}

/// A limit of the tables that are made of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TooMany {
    #[error("there are more than 65,536 hosts")]
    Hosts,
    #[error("there are more than 16 million pairs of a host and its URLs")]
    Carriers,
    #[error("there are too many directories")]
    Directories,
}

/// The outcome of an entry that a builder takes.
pub(crate) type EntryResult = Result<(), EntryError>;

/// Why an entry makes its whole file unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(transparent)]
pub(crate) enum EntryError {
    Malformed(#[from] Fault),
    TooMany(#[from] TooMany),
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
