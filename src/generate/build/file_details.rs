//! Rows of file_detail to what metalinks are made from, and a look at whether they are fit for it.

use std::collections::HashMap;

use super::carriers::{CarrierLayout, DirectoryEntry};
use super::repositories::RepositoryTable;
use crate::cache::name::{self, repodata};
use crate::cache::proto::{FileDetailsCacheDirectoryType, FileDetailsCacheFilesType, FileDetailsType};
use crate::generate::read::rows::FileDetailRow;
use crate::generate::warnings::{RowWarnings, WarningKind};

/// The file details of a directory of the cache.
pub(crate) struct DirectoryFiles<'a> {
    directory: &'a DirectoryEntry,
    /// By file, newest first.
    rows: &'a [FileDetailRow],
}

/// The rows of each directory of the cache, in the order of their ids.
pub(crate) fn by_directory<'a>(
    rows: &'a [FileDetailRow],
    layout: &'a CarrierLayout,
    warnings: &mut RowWarnings,
) -> Vec<DirectoryFiles<'a>> {
    let mut directories = Vec::new();
    for rows in rows.chunk_by(|a, b| a.directory == b.directory) {
        let [
            FileDetailRow {
                directory: id, name, ..
            },
            ..,
        ] = rows
        else {
            continue;
        };
        match layout.directory(*id) {
            Some(directory) => directories.push(DirectoryFiles { directory, rows }),
            None => warnings.add(
                WarningKind::FileDetailsWithoutDirectory,
                format_args!("file_detail: {name:?} is in directory {id}, which is in no category"),
            ),
        }
    }
    directories
}

impl DirectoryFiles<'_> {
    /// The entry of the cache: of each file the newest version, whether its time is known or not, and older ones that have a time.
    pub(crate) fn entry(&self, warnings: &mut RowWarnings) -> FileDetailsCacheDirectoryType {
        let files = self.rows.chunk_by(|a, b| a.name == b.name);
        FileDetailsCacheDirectoryType {
            directory: self.directory.name.clone().into(),
            file_details_cache_files: files.filter_map(|versions| self.file(versions, warnings)).collect(),
        }
    }

    fn file(&self, versions: &[FileDetailRow], warnings: &mut RowWarnings) -> Option<FileDetailsCacheFilesType> {
        let (name, directory) = (&versions.first()?.name, &self.directory.name);
        if let Some(problem) = name::problem(name) {
            let problem = format_args!("{name:?} in {directory:?}: {problem}");
            warnings.add(WarningKind::FileDetails, problem);
            return None;
        }
        warnings.note_replaced(format_args!("file_detail, directory {directory:?}"), name);
        let versions = versions.iter().map(|row| version(directory, row, warnings));
        // Clients reject a metalink in which an alternate has no time.
        let usable =
            |(age, version): (usize, FileDetailsType)| (age == 0 || version.time_stamp != 0).then_some(version);
        Some(FileDetailsCacheFilesType {
            filename: name.clone(),
            file_details: versions.enumerate().filter_map(usable).collect(),
        })
    }
}

fn version(directory: &str, row: &FileDetailRow, warnings: &mut RowWarnings) -> FileDetailsType {
    let described = format_args!("{:?} in {directory:?}", row.name);
    // 0 says that a number is not known.
    let mut number = |what: &str, value: Option<i64>| {
        u64::try_from(value.unwrap_or(0)).unwrap_or_else(|_| {
            warnings.add(
                WarningKind::FileDetails,
                format_args!("{described}: {what} is negative"),
            );
            0
        })
    };
    let (time_stamp, size) = (number("timestamp", row.timestamp), number("size", row.size));
    let mut hash = |kind: &str, text: &Option<String>, digits: usize| {
        let text = text.as_deref()?.trim();
        if text.is_empty() {
            return None;
        }
        let described = format_args!("{described}: {kind} {text:?}");
        if text.len() != digits || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            let problem = format_args!("{described} is not {digits} hexadecimal digits");
            warnings.add(WarningKind::HashMalformed, problem);
            return None;
        }
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            warnings.add(
                WarningKind::HashUpperCase,
                format_args!("{described} has upper-case digits"),
            );
        }
        Some(text.to_ascii_lowercase())
    };
    FileDetailsType {
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

/// Checks that a metalink can be made for each repository, and that clients will accept what mirrors have.
pub(crate) fn check_repositories<'a>(
    repositories: &RepositoryTable<'_>,
    details: &[DirectoryFiles<'a>],
    layout: &CarrierLayout,
    warnings: &mut RowWarnings,
) {
    let newest_repomd = |DirectoryFiles { directory, rows }: &DirectoryFiles<'a>| {
        let newest = rows.iter().find(|row| row.name == "repomd.xml")?;
        Some((&*directory.name, newest.timestamp))
    };
    let repomds: HashMap<&str, Option<i64>> = details.iter().filter_map(newest_repomd).collect();
    let directories = layout
        .topdirs
        .rows()
        .iter()
        .flat_map(|topdir| topdir.directories.rows());
    let changed: HashMap<&str, i64> = directories
        .filter(|directory| repodata(&directory.name) == *directory.name)
        .filter_map(|directory| Some((&*directory.name, directory.changed?)))
        .collect();
    for (key, directory) in &repositories.directories {
        let repodata = repodata(&directory.name);
        match repomds.get(&*repodata) {
            None => {
                let problem = format_args!("{key}: there are no details of {repodata}/repomd.xml");
                warnings.add(WarningKind::RepomdWithoutDetails, problem);
            }
            Some(None) => {
                let problem = format_args!("{key}: no version of {repodata}/repomd.xml has a time");
                warnings.add(WarningKind::RepomdStale, problem);
            }
            Some(Some(timestamp)) => {
                let age = changed
                    .get(&*repodata)
                    .map_or(0, |changed| changed.saturating_sub(*timestamp));
                if age > STALE_AFTER {
                    let problem = format_args!("changed {age} s after the newest known version of its repomd.xml");
                    warnings.add(WarningKind::RepomdStale, format_args!("{key}: {repodata} {problem}"));
                }
            }
        }
    }
}
