//! The repositories of a cache: prefix and architecture to directory, redirects, disabled ones, and the ready-made text that
//! lists them all.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::directories::{DirectoryIndex, DirectoryTable};
use crate::cache::name;
use crate::warnings::Warnings;
use crate::xml;

/// The directories of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repository {
    /// The directory that the mirrorlist lists.
    pub directory: DirectoryIndex,
    /// The directory of its `repomd.xml`, if some host carries it.
    pub repodata: Option<DirectoryIndex>,
}

#[derive(Default)]
pub(super) struct RepositoryTable {
    /// By `prefix+arch`.
    pub(super) by_key: HashMap<Box<str>, Repository, RandomState>,
    /// The prefix that answers for another.
    pub(super) redirects: HashMap<Box<str>, Box<str>, RandomState>,
    /// Prefixes.
    pub(super) disabled: HashSet<Box<str>, RandomState>,
    /// A line for each repository, in order; shared, since it can have half a megabyte.
    pub(super) available: Bytes,
    /// The same as it can stand in an XML comment.
    pub(super) available_comment: Bytes,
}

impl RepositoryTable {
    /// Adds the repositories with these keys and directories.
    pub(super) fn add_all(
        &mut self,
        repositories: HashMap<Box<str>, Box<str>, RandomState>,
        directories: &DirectoryTable,
        warnings: &mut Warnings,
    ) {
        let mut repositories: Vec<(Box<str>, Box<str>)> = repositories.into_iter().collect();
        repositories.sort_unstable();
        let mut available = String::new();
        for (key, name) in repositories {
            let Some((prefix, arch)) = key.rsplit_once('+') else {
                warnings.add(format_args!("repository {key:?}: expected prefix+arch"));
                continue;
            };
            let Some(directory) = directories.find(&name) else {
                warnings.add(format_args!(
                    "repository {key:?}: no host carries its directory {name:?}"
                ));
                continue;
            };
            for part in ["# repo=", prefix, "&arch=", arch, "\n"] {
                available.push_str(part);
            }
            let repodata = directories.find(&name::repodata(&name));
            self.by_key.insert(key, Repository { directory, repodata });
        }
        let mut comment = String::new();
        xml::comment_into(&available, &mut comment);
        self.available = Bytes::from(available);
        self.available_comment = if comment == self.available {
            self.available.clone()
        } else {
            comment.into()
        };
    }
}
