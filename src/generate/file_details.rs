//! Rows of file_detail to what metalinks are made from, and a look at whether they are fit for it.

use std::collections::HashMap;

use super::findings::{Findings, Kind};
use super::layout::{DirectoryEntry, Layout};
use super::repositories::Repositories;
use super::tables::FileDetailRow;
use crate::cache::name::{self, repodata};
use crate::cache::proto;

/// The details of a directory's files: of each file the newest version, whether its time is known or not, and older ones that
/// have a time. `rows` are those of one directory, by file, newest first.
pub fn of_directory(
    directory: &DirectoryEntry,
    rows: &[FileDetailRow],
    findings: &mut Findings,
) -> proto::FileDetailsCacheDirectoryType {
    let files = rows.chunk_by(|a, b| a.name == b.name);
    proto::FileDetailsCacheDirectoryType {
        directory: directory.name.clone().into(),
        file_details_cache_files: files
            .filter_map(|versions| {
                let name = &versions.first()?.name;
                if let Some(problem) = name::problem(name) {
                    findings.add(
                        Kind::FileDetails,
                        format_args!("{name:?} in {:?}: {problem}", directory.name),
                    );
                    return None;
                }
                findings.note_replaced(format_args!("file_detail, directory {:?}", directory.name), name);
                let versions = versions.iter().map(|row| version(directory, row, findings));
                Some(proto::FileDetailsCacheFilesType {
                    filename: name.clone(),
                    // Clients reject a metalink in which an alternate has no time.
                    file_details: versions
                        .enumerate()
                        .filter(|(age, version)| *age == 0 || version.time_stamp != 0)
                        .map(|(_, version)| version)
                        .collect(),
                })
            })
            .collect(),
    }
}

/// The rows of each directory of the cache, in the order of their ids.
pub fn by_directory<'a>(
    rows: &'a [FileDetailRow],
    layout: &'a Layout,
    findings: &mut Findings,
) -> Vec<(&'a DirectoryEntry, &'a [FileDetailRow])> {
    let mut directories = Vec::new();
    for rows in rows.chunk_by(|a, b| a.directory == b.directory) {
        let Some(first) = rows.first() else { continue };
        match layout.directory(first.directory) {
            Some(directory) => directories.push((directory, rows)),
            None => findings.add(
                Kind::FileDetailsWithoutDirectory,
                format_args!(
                    "file_detail: {:?} is in directory {}, which is in no category",
                    first.name, first.directory
                ),
            ),
        }
    }
    directories
}

fn version(directory: &DirectoryEntry, row: &FileDetailRow, findings: &mut Findings) -> proto::FileDetailsType {
    let mut number = |what: &str, value: Option<i64>| match u64::try_from(value.unwrap_or(0)) {
        Ok(value) => value,
        Err(_) => {
            findings.add(
                Kind::FileDetails,
                format_args!("{:?} in {:?}: {what} is negative", row.name, directory.name),
            );
            0
        }
    };
    let (time_stamp, size) = (number("timestamp", row.timestamp), number("size", row.size));
    let mut hash = |kind: &str, text: &Option<String>, digits: usize| {
        let text = text.as_deref().unwrap_or_default().trim();
        if text.is_empty() {
            return None;
        }
        let place = format_args!("{:?} in {:?}: {kind} {text:?}", row.name, directory.name);
        if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            findings.add(
                Kind::HashMalformed,
                format_args!("{place} is not {digits} hexadecimal digits"),
            );
            return None;
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            findings.add(Kind::HashUpperCase, format_args!("{place} has upper-case digits"));
        }
        Some(text.to_ascii_lowercase())
    };
    proto::FileDetailsType {
        time_stamp,
        size,
        sha1: hash("sha1", &row.sha1, 40),
        md5: hash("md5", &row.md5, 32),
        sha256: hash("sha256", &row.sha256, 64),
        sha512: hash("sha512", &row.sha512, 128),
    }
}

/// A directory may change this much later than its repomd.xml was made, in seconds: as long as MirrorManager2 keeps old
/// versions by default.
const STALE_AFTER: i64 = 3 * 24 * 3600;

/// Looks at whether a metalink can be made for each repository, and whether clients will accept what mirrors have.
pub fn check_repositories(
    repositories: &Repositories<'_>,
    details: &[(&DirectoryEntry, &[FileDetailRow])],
    layout: &Layout,
    findings: &mut Findings,
) {
    let repomds: HashMap<&str, &FileDetailRow> = details
        .iter()
        .filter_map(|(directory, rows)| Some((&*directory.name, rows.iter().find(|row| row.name == "repomd.xml")?)))
        .collect();
    let changed: HashMap<&str, i64> = layout
        .groups
        .iter()
        .flat_map(|group| &group.rows)
        .filter(|directory| repodata(&directory.name) == *directory.name)
        .filter_map(|directory| Some((&*directory.name, directory.changed?)))
        .collect();
    for (key, directory) in &repositories.directories {
        let repodata = repodata(&directory.name);
        let Some(newest) = repomds.get(&*repodata) else {
            findings.add(
                Kind::RepomdWithoutDetails,
                format_args!("{key}: there are no details of {repodata}/repomd.xml"),
            );
            continue;
        };
        let Some(timestamp) = newest.timestamp else {
            findings.add(
                Kind::RepomdStale,
                format_args!("{key}: no version of {repodata}/repomd.xml has a time"),
            );
            continue;
        };
        let age = changed
            .get(&*repodata)
            .map_or(0, |changed| changed.saturating_sub(timestamp));
        if age > STALE_AFTER {
            findings.add(
                Kind::RepomdStale,
                format_args!("{key}: {repodata} changed {age} s after the newest known version of its repomd.xml"),
            );
        }
    }
}
