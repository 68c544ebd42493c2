//! Counts what a cache holds, without loading it: a fraction of the time of [`crate::snapshot::cache`]. Entries are not judged.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher as _;
use std::io::BufRead;

use foldhash::fast::FixedState;
use prost::Message;

use super::name::clean_directory;
use super::proto::{StringBoolMap, StringStringMap};
use super::schema::{CacheField, DirectoryField};
use super::wire::{self, Field, FieldReader, Value};

/// How much a cache holds, and what clients find in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CacheSummary {
    /// When the cache was made, in seconds since the Unix epoch.
    pub(crate) created: Option<u64>,
    /// Hosts that carry a directory.
    pub(crate) hosts: usize,
    /// Directories.
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
        let mut fields = FieldReader::new(file);
        let mut counting = Counting::default();
        while let Some(Field { number, value }) = fields.next().ok()? {
            match (CacheField::from_number(number), value) {
                (Some(CacheField::Time), Value::Integer(time)) => counting.summary.created = Some(time),
                (Some(CacheField::Directory), Value::Bytes(directory)) => counting.directory(directory)?,
                (Some(CacheField::Repository), Value::Bytes(entry)) => counting.repository(entry),
                (Some(CacheField::DisabledRepository), Value::Bytes(entry)) => counting.disabled(entry),
                _ => {}
            }
        }
        Some(counting.finish())
    }
}

#[derive(Default)]
struct Counting {
    summary: CacheSummary,
    hosts: HashSet<u64, FixedState>,
    topdirs: Topdirs,
    /// The hash of each directory's name.
    directories: HashSet<u64, FixedState>,
    hasher: FixedState,
    /// The prefix and the hash of the directory of each repository.
    repositories: Vec<(Box<str>, u64)>,
    disabled: BTreeMap<String, bool>,
}

impl Counting {
    fn directory(&mut self, directory: &[u8]) -> Option<()> {
        let (mut name, mut subpath, mut carried) = ("", None, false);
        for entry in wire::fields(directory) {
            let entry = entry.ok()?;
            match DirectoryField::from_number(entry.number) {
                // A text that is not UTF-8 names no directory.
                Some(DirectoryField::Name) => name = wire::text(entry.value).unwrap_or_default(),
                Some(DirectoryField::Subpath) => subpath = wire::text(entry.value).ok(),
                Some(DirectoryField::ByHostId) => {
                    if let Some(host) = carrying_host(entry.value) {
                        self.hosts.insert(host);
                        carried = true;
                    }
                }
                _ => {}
            }
        }
        self.summary.directories += 1;
        self.directories.insert(self.hash_of(name));
        if let (Some(subpath), true) = (subpath, carried) {
            self.topdirs.add(name, subpath);
        }
        Some(())
    }

    fn repository(&mut self, entry: &[u8]) {
        self.summary.repositories += 1;
        if let Ok(StringStringMap { key, value }) = Message::decode(entry) {
            self.repositories.push((prefix_of(&key).into(), self.hash_of(&value)));
        }
    }

    fn disabled(&mut self, entry: &[u8]) {
        if let Ok(StringBoolMap { key, value }) = Message::decode(entry) {
            self.disabled.insert(key, value);
        }
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

/// The host of an entry of `ByHostId`, if the entry has more than that.
fn carrying_host(entry: Value<'_>) -> Option<u64> {
    let Value::Bytes(mut message) = entry else {
        return None;
    };
    match wire::next_field(&mut message).ok()? {
        Field {
            number: 1,
            value: Value::Integer(host),
        } if !message.is_empty() => Some(host),
        _ => None,
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
        let (name, subpath) = (name.trim_end_matches('/'), subpath.trim_matches('/'));
        let Some(topdir) = name.strip_suffix(subpath) else {
            return;
        };
        // A subpath begins at a slash or at the name's beginning.
        if !subpath.is_empty() && !topdir.is_empty() && !topdir.ends_with('/') {
            return;
        }
        if self.last.as_deref() != Some(topdir) {
            self.last = Some(topdir.to_owned());
            self.found.insert(clean_directory(topdir).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topdir_is_what_comes_before_the_subpath() {
        let mut topdirs = Topdirs::default();
        for (name, subpath) in [
            ("pub/linux", ""),
            ("pub/linux/41/os", "41/os"),
            ("/pub//extra/os/", "os/"),
            ("9-stream/os", "9-stream/os"),
            ("", ""),
            ("pub/other", "nothing/of/it"),
            ("pub/linuxos", "os"),
        ] {
            topdirs.add(name, subpath);
        }
        assert_eq!(topdirs.found.iter().collect::<Vec<_>>(), ["", "pub/extra", "pub/linux"]);
    }
}
