//! The differences of file details: which versions of a file are known, the current one first.

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use super::read::CacheTables;
use super::report::{TableDifferences, shown, time};
use super::tables;
use crate::cache::proto::FileDetailsType;

/// A file in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    pub(super) directory: Arc<str>,
    pub(super) file: Box<str>,
}

/// One version of a file, with digests of its hashes: as texts, those of all files would take hundreds of megabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VersionDigest {
    time: u64,
    size: u64,
    /// In the order of [`HASHES`]; 0: not known.
    hashes: [u64; 4],
}

const HASHES: [&str; 4] = ["md5", "sha1", "sha256", "sha512"];

impl VersionDigest {
    pub(super) fn new(version: &FileDetailsType) -> Self {
        let hashes = [&version.md5, &version.sha1, &version.sha256, &version.sha512];
        Self {
            time: version.time_stamp,
            size: version.size,
            hashes: hashes.map(|hash| match hash.as_deref().map(str::trim) {
                None | Some("") => 0,
                Some(text) => FixedState::default().hash_one(text.to_ascii_lowercase()).max(1),
            }),
        }
    }
}

pub(super) fn compare([a, b]: &[CacheTables; 2], examples: usize) -> TableDifferences {
    let name = |name: &FileName| format!("{}/{}", shown(&name.directory), shown(&name.file));
    tables::differences(
        "file details",
        [&a.files, &b.files],
        examples,
        |file, versions: &Vec<VersionDigest>| format!("{} ({})", name(file), count(versions)),
        |file, a, b| format!("{}: {}", name(file), difference(a, b)),
    )
}

fn count(versions: &[VersionDigest]) -> String {
    match versions.len() {
        1 => "1 version".to_owned(),
        count => format!("{count} versions"),
    }
}

fn difference(a: &[VersionDigest], b: &[VersionDigest]) -> String {
    let mut parts = Vec::new();
    if a.len() != b.len() {
        parts.push(format!("{} in A, {} in B", count(a), b.len()));
    } else if tally(a) == tally(b) {
        parts.push("the same versions in another order".to_owned());
    }
    if let Some((index, (a, b))) = a.iter().zip(b).enumerate().find(|(_, (a, b))| a != b) {
        let which = match index {
            0 => "the current version".to_owned(),
            index => format!("older version {index}"),
        };
        parts.push(format!("{which} has {}", version_difference(a, b)));
    }
    parts.join("; ")
}

/// How often each version is there.
fn tally(versions: &[VersionDigest]) -> BTreeMap<(u64, u64, [u64; 4]), usize> {
    let mut tally = BTreeMap::new();
    for VersionDigest { time, size, hashes } in versions {
        *tally.entry((*time, *size, *hashes)).or_default() += 1;
    }
    tally
}

fn version_difference(a: &VersionDigest, b: &VersionDigest) -> String {
    let mut parts = Vec::new();
    if a.time != b.time {
        parts.push(format!("the time {} in A, {} in B", time(a.time), time(b.time)));
    }
    if a.size != b.size {
        parts.push(format!("{} bytes in A, {} in B", a.size, b.size));
    }
    for ((kind, a), b) in HASHES.iter().zip(a.hashes).zip(b.hashes) {
        match (a, b) {
            (a, b) if a == b => {}
            (_, 0) => parts.push(format!("no {kind} in B")),
            (0, _) => parts.push(format!("no {kind} in A")),
            _ => parts.push(format!("another {kind}")),
        }
    }
    parts.join(", ")
}
