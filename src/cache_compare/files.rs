//! The differences of file details: which versions of a file are known, the current one first.

use super::compared::ComparedCaches;
use super::report::{TableDifferences, shown, time};
use super::values::{FileName, HASHES, VersionDigest};

pub(super) fn compare(compared: &ComparedCaches<'_>) -> TableDifferences {
    let name = |name: &FileName| format!("{}/{}", shown(&name.directory), shown(&name.file));
    compared.differences(
        "file details",
        compared.tables().map(|tables| &tables.files),
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
    } else if sorted(a) == sorted(b) {
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

fn sorted(versions: &[VersionDigest]) -> Vec<VersionDigest> {
    let mut sorted = versions.to_vec();
    sorted.sort_unstable();
    sorted
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
            (_, None) => parts.push(format!("no {kind} in B")),
            (None, _) => parts.push(format!("no {kind} in A")),
            _ => parts.push(format!("another {kind}")),
        }
    }
    parts.join(", ")
}
