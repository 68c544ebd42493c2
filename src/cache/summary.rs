//! Counts what a cache holds, without loading it: that takes a fraction of the time of [`crate::snapshot::Catalogue::read`]. Entries are
//! not judged.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher as _;
use std::io::BufRead;

use foldhash::fast::FixedState;

use super::error::EntryResult;
use super::name::{self, clean_directory};
use super::read::directory::{DirectoryMessage, DirectoryVisitor};
use super::read::entry::CacheEntry;
use super::read::ids::EncodedIds;
use super::read::read_entries;

/// How much a cache holds, and what clients find in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CacheSummary {
    /// When the cache was made, in seconds since the Unix epoch.
    pub(crate) created: Option<u64>,
    /// Hosts that carry a directory.
    pub(crate) hosts: usize,
    pub(crate) directories: usize,
    /// Repositories (prefix and arch).
    pub(crate) repositories: usize,
    /// Topdirs with a directory that some host carries.
    pub(crate) topdirs: BTreeSet<String>,
    /// Prefixes of repositories that are not disabled. A repository whose directory the cache lacks does not count, as for servers.
    pub(crate) prefixes: BTreeSet<String>,
}

impl CacheSummary {
    /// Reads a cache. Returns `None` if it is damaged.
    pub(crate) fn read(file: impl BufRead) -> Option<Self> {
        let mut counting = Counting::default();
        read_entries(file, |entry, _| {
            match entry {
                CacheEntry::Time(time) => counting.summary.created = Some(time),
                CacheEntry::Directory(directory) => counting.directory(directory)?,
                CacheEntry::Repository { key, directory } => counting.repository(key, directory),
                CacheEntry::DisabledRepository { prefix, disabled } => {
                    _ = counting.disabled.insert(prefix.to_owned(), disabled);
                }
                _ => {}
            }
            Ok(())
        })
        .ok()?;
        Some(counting.finish())
    }
}

#[derive(Default)]
struct Counting {
    summary: CacheSummary,
    hosts: HashSet<i64, FixedState>,
    /// Whether some host carries the current directory.
    carried: bool,
    topdirs: Topdirs,
    /// The hash of each directory's name.
    directories: HashSet<u64, FixedState>,
    hasher: FixedState,
    /// The prefix and the hash of the directory of each repository.
    repositories: Vec<(Box<str>, u64)>,
    disabled: BTreeMap<String, bool>,
}

impl Counting {
    fn directory(&mut self, message: DirectoryMessage<'_>) -> EntryResult {
        self.carried = false;
        let head = message.visit(self)?;
        // Servers leave out a directory without a name.
        if let Some(name) = head.name {
            self.summary.directories += 1;
            self.directories.insert(self.hash_of(name));
            if let (Some(subpath), true) = (head.subpath, self.carried) {
                self.topdirs.add(name, subpath);
            }
        }
        Ok(())
    }

    fn repository(&mut self, key: &str, directory: &str) {
        self.summary.repositories += 1;
        self.repositories.push((prefix_of(key).into(), self.hash_of(directory)));
    }

    fn hash_of(&self, directory: &str) -> u64 {
        self.hasher.hash_one(&*clean_directory(directory))
    }

    fn finish(self) -> CacheSummary {
        let is_served = |(prefix, directory): &(Box<str>, u64)| {
            self.disabled.get(&**prefix) != Some(&true) && self.directories.contains(directory)
        };
        let served = self.repositories.into_iter().filter(is_served);
        CacheSummary {
            hosts: self.hosts.len(),
            topdirs: self.topdirs.found,
            prefixes: served.map(|(prefix, _)| prefix.into()).collect(),
            ..self.summary
        }
    }
}

impl<'a> DirectoryVisitor<'a> for Counting {
    fn carrier(&mut self, host: i64, urls: EncodedIds<'a>) -> EntryResult {
        if urls.bytes() > 0 {
            self.hosts.insert(host);
            self.carried = true;
        }
        Ok(())
    }
}

/// The prefix in `prefix+arch`.
pub(crate) fn prefix_of(key: &str) -> &str {
    key.rsplit_once('+').map_or(key, |(prefix, _)| prefix)
}

/// Collects the topdirs of directories: their names without their subpaths.
#[derive(Default)]
pub(crate) struct Topdirs {
    pub(crate) found: BTreeSet<String>,
    /// The last one: neighbouring directories mostly have the same.
    last: Option<String>,
}

impl Topdirs {
    /// Adds the topdir of a directory, unless its name does not end in the path below that.
    pub(crate) fn add(&mut self, name: &str, subpath: &str) {
        let topdir = name::topdir(name.trim_end_matches('/'), subpath.trim_matches('/'));
        if let Some(topdir) = topdir
            && self.last.as_deref() != Some(topdir)
        {
            self.last = Some(topdir.to_owned());
            self.found.insert(clean_directory(topdir).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topdirs_are_found_whatever_slashes_there_are() {
        let mut topdirs = Topdirs::default();
        topdirs.add("pub/linux/41/os", "41/os");
        topdirs.add("/pub//extra/os/", "os/");
        topdirs.add("pub/other", "nothing/of/it");
        assert_eq!(topdirs.found.iter().collect::<Vec<_>>(), ["pub/extra", "pub/linux"]);
    }
}
