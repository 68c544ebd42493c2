//! What clients find in a cache, as a whole: its categories and the prefixes of its repositories. One that the present file has
//! and the new one lacks is most likely a mistake in the database, however small a part of the cache it is.
//!
//! A cache names no categories. What it shows of each is its topdir: a directory's name without its Subpath. Categories that
//! share a topdir count as one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use prost::Message;
use serde::Serialize;

use crate::cache::name::clean_directory;
use crate::cache::proto;
use crate::snapshot::Catalogue;

/// What clients find in a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Topdirs with a directory that some host carries.
    topdirs: BTreeSet<String>,
    /// Prefixes of repositories that are not disabled.
    prefixes: BTreeSet<String>,
}

/// What the present cache serves and the new one doesn't.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Gone {
    /// Topdirs of categories of which no host carries a directory any more.
    pub categories: Vec<String>,
    /// Prefixes of which no repository is left, and that are neither disabled nor redirected.
    pub repositories: Vec<String>,
}

/// A message names at most this many of each, and of each name at most so many characters.
const NAMED: usize = 5;
const CHARACTERS: usize = 100;

impl Gone {
    /// What is gone, in words; none if that is nothing.
    pub(super) fn describe(&self) -> Option<String> {
        let lists = [
            ("categories (by topdir)", &self.categories),
            ("repositories", &self.repositories),
        ];
        let lists: Vec<String> = lists
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| format!("the {what} {}", some_of(names)))
            .collect();
        (!lists.is_empty()).then(|| {
            format!(
                "lacks what the present file serves and the database does not disable: {} (--report has all)",
                lists.join(" and ")
            )
        })
    }
}

fn some_of(names: &[String]) -> String {
    let cut = |name: &String| name.chars().take(CHARACTERS).collect::<String>();
    let named: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|name| format!("{:?}", cut(name)))
        .collect();
    match names.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

impl Served {
    /// What of this a new cache does not serve.
    pub(super) fn gone_in(&self, new: &Catalogue) -> Gone {
        let topdirs = topdirs_of(new);
        let known: HashSet<&str> = new.repositories().map(|(key, _)| prefix_of(key)).collect();
        // As a server looks for it.
        let answers = |prefix: &str| {
            let asked = new.repository_redirect(prefix).unwrap_or(prefix);
            known.contains(asked) || new.is_disabled(asked) || new.is_disabled(prefix)
        };
        Gone {
            categories: self.topdirs.difference(&topdirs).cloned().collect(),
            repositories: self
                .prefixes
                .iter()
                .filter(|prefix| !answers(prefix))
                .cloned()
                .collect(),
        }
    }
}

fn topdirs_of(catalogue: &Catalogue) -> BTreeSet<String> {
    let mut topdirs = Topdirs::default();
    for directory in catalogue.directories() {
        if catalogue
            .carriers(directory)
            .any(|(_, carrier)| !carrier.urls.is_empty())
        {
            let (name, subpath) = (catalogue.directory_name(directory), catalogue.subpath(directory));
            topdirs.add(name, subpath);
        }
    }
    topdirs.found
}

/// Notes what a cache serves while its fields are read.
#[derive(Default)]
pub(super) struct ServedBuilder {
    topdirs: Topdirs,
    /// The hash of each directory's name.
    directories: HashSet<u64, FixedState>,
    hasher: FixedState,
    /// The prefix and the directory of each repository.
    repositories: Vec<(Box<str>, Box<str>)>,
    disabled: BTreeMap<Box<str>, bool>,
}

impl ServedBuilder {
    /// Takes an entry of `RepoArchToDirectoryName`. One that is damaged is none.
    pub(super) fn repository(&mut self, entry: &[u8]) {
        if let Ok(proto::StringStringMap { key, value }) = Message::decode(entry) {
            self.repositories.push((prefix_of(&key).into(), value.into()));
        }
    }

    /// Takes an entry of `DisabledRepositoryCache`. One that is damaged is none.
    pub(super) fn disabled(&mut self, entry: &[u8]) {
        if let Ok(proto::StringBoolMap { key, value }) = Message::decode(entry) {
            self.disabled.insert(key.into(), value);
        }
    }

    /// Takes what is said of a directory, and whether some host carries it.
    pub(super) fn directory(&mut self, name: &str, subpath: Option<&str>, carried: bool) {
        self.directories.insert(self.hasher.hash_one(&*clean_directory(name)));
        if let (Some(subpath), true) = (subpath, carried) {
            self.topdirs.add(name, subpath);
        }
    }

    /// What the cache serves. A repository whose directory it lacks is none to a server.
    pub(super) fn finish(self) -> Served {
        let mut prefixes = BTreeSet::new();
        for (prefix, directory) in self.repositories {
            let directory = self.hasher.hash_one(&*clean_directory(&directory));
            let disabled = self.disabled.get(&prefix).is_some_and(|disabled| *disabled);
            if !disabled && self.directories.contains(&directory) {
                prefixes.insert(prefix.into());
            }
        }
        Served {
            topdirs: self.topdirs.found,
            prefixes,
        }
    }
}

/// The topdirs of directories.
#[derive(Default)]
struct Topdirs {
    found: BTreeSet<String>,
    /// The last one: neighbouring directories mostly have the same.
    last: Option<String>,
}

impl Topdirs {
    /// Adds the topdir of a directory, unless its name does not end in the path below that.
    fn add(&mut self, name: &str, subpath: &str) {
        let (name, subpath) = (name.trim_end_matches('/'), subpath.trim_matches('/'));
        let Some(topdir) = name.strip_suffix(subpath) else {
            return;
        };
        // What is cut off begins at a slash or at the name's beginning.
        if !subpath.is_empty() && !topdir.is_empty() && !topdir.ends_with('/') {
            return;
        }
        if self.last.as_deref() != Some(topdir) {
            self.last = Some(topdir.to_owned());
            self.found.insert(clean_directory(topdir).into_owned());
        }
    }
}

/// The prefix in `prefix+arch`.
fn prefix_of(key: &str) -> &str {
    key.rsplit_once('+').map_or(key, |(prefix, _)| prefix)
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

    #[test]
    fn a_message_names_some_of_what_is_gone() {
        assert_eq!(Gone::default().describe(), None);
        let gone = Gone {
            categories: vec![String::new()],
            repositories: (1..=7).map(|number| format!("linux-{number}")).collect(),
        };
        let said = gone.describe().unwrap();
        assert!(
            said.contains("categories (by topdir) \"\" and the repositories \"linux-1\", ")
                && said.contains("\"linux-5\" and 2 more"),
            "{said}"
        );
    }
}
