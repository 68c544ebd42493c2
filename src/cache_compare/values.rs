//! The values that are compared, each as it is after ids and spellings are taken away. Reading them is in [`super::read`].

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use crate::cache::read::files::VersionEntry;
use crate::index_table::{MOST_ROWS, table_indexes};

table_indexes! {
    /// The text of a URL.
    pub(super) struct UrlText for at most MOST_ROWS;

    /// A set of texts of URLs.
    pub(super) struct UrlSet for at most MOST_ROWS;

    /// The lists that a host is in.
    pub(super) struct HostListing for at most MOST_ROWS;

    /// A host of one cache or of both.
    pub(super) struct ComparedHost for at most MOST_ROWS;
}

/// A host as the tables outside of the directories have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct HostAttributes {
    pub(super) country: Option<String>,
    /// In Mbit/s; `None` when it counts as 1.
    pub(super) bandwidth: Option<i64>,
    /// Latitude and longitude in units of 0.00001 degrees, as the file has them.
    pub(super) coordinates: Option<[i64; 2]>,
    pub(super) allowed_countries: BTreeSet<String>,
    pub(super) as_numbers: BTreeSet<i64>,
    pub(super) netblocks: BTreeSet<Arc<str>>,
}

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    pub(super) directory: Arc<str>,
    pub(super) file: Box<str>,
}

/// One version of a file, with digests of its hashes: as texts, those of all files would take hundreds of megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionDigest {
    pub(super) time: u64,
    pub(super) size: u64,
    /// In the order of [`HASHES`]; `None` for one that is not known.
    pub(super) hashes: [Option<u64>; 4],
}

pub(super) const HASHES: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

impl VersionDigest {
    pub(super) fn new(version: &VersionEntry<'_>) -> Self {
        let hashes = [version.md5, version.sha1, version.sha256, version.sha512];
        Self {
            time: version.timestamp,
            size: version.size,
            hashes: hashes.map(|hash| match hash.trim() {
                "" => None,
                text => Some(FixedState::default().hash_one(text.to_ascii_lowercase())),
            }),
        }
    }
}

/// A country as it is compared.
pub(super) fn country(text: &str) -> String {
    text.trim().to_uppercase()
}
