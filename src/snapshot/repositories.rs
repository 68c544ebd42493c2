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

/// All repositories.
#[derive(Default)]
pub(super) struct RepositoryCatalogue {
    by_key: HashMap<Box<str>, Repository, RandomState>,
    redirects: HashMap<Box<str>, Box<str>, RandomState>,
    disabled: HashSet<Box<str>, RandomState>,
    available: Bytes,
    available_comment: Bytes,
}

/// The repositories of a cache as they are read, before the directories are known.
#[derive(Default)]
pub(super) struct RepositoryCatalogueBuilder {
    /// `prefix+arch` to directory.
    pub(super) directories: HashMap<Box<str>, Box<str>, RandomState>,
    pub(super) redirects: HashMap<Box<str>, Box<str>, RandomState>,
    pub(super) disabled: HashSet<Box<str>, RandomState>,
}

impl RepositoryCatalogue {
    /// The repository with a prefix and an architecture. `scratch` is for the key, so that none is allocated.
    pub(super) fn find(&self, prefix: &str, arch: &str, scratch: &mut String) -> Option<Repository> {
        scratch.clear();
        scratch.push_str(prefix);
        scratch.push('+');
        scratch.push_str(arch);
        self.by_key.get(scratch.as_str()).copied()
    }

    /// The prefix that answers for this one.
    pub(super) fn redirect(&self, prefix: &str) -> Option<&str> {
        self.redirects.get(prefix).map(|to| &**to)
    }

    pub(super) fn is_disabled(&self, prefix: &str) -> bool {
        self.disabled.contains(prefix)
    }

    /// Every prefix that is redirected, and every one that is disabled, in any order.
    pub(super) fn special_prefixes(&self) -> impl Iterator<Item = &str> {
        self.redirects.keys().chain(&self.disabled).map(|prefix| &**prefix)
    }

    /// A line for each repository, in order; shared, since it can have half a megabyte.
    pub(super) fn available(&self) -> &Bytes {
        &self.available
    }

    /// The same as it can stand in an XML comment.
    pub(super) fn available_comment(&self) -> &Bytes {
        &self.available_comment
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Every repository as `prefix+arch`, in any order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Repository)> {
        self.by_key.iter().map(|(key, repository)| (&**key, *repository))
    }
}

impl RepositoryCatalogueBuilder {
    pub(super) fn finish(self, directories: &DirectoryTable, warnings: &mut Warnings) -> RepositoryCatalogue {
        let mut keys: Vec<(Box<str>, Box<str>)> = self.directories.into_iter().collect();
        keys.sort_unstable();
        let mut by_key = HashMap::default();
        let mut available = String::new();
        for (key, directory) in keys {
            let Some((prefix, arch)) = key.rsplit_once('+') else {
                warnings.add(format_args!("repository {key:?}: expected prefix+arch"));
                continue;
            };
            let Some(index) = directories.find(&directory) else {
                warnings.add(format_args!(
                    "repository {key:?}: no host carries its directory {directory:?}"
                ));
                continue;
            };
            for part in ["# repo=", prefix, "&arch=", arch, "\n"] {
                available.push_str(part);
            }
            let repodata = directories.find(&name::repodata(&directory));
            by_key.insert(
                key,
                Repository {
                    directory: index,
                    repodata,
                },
            );
        }
        let mut comment = String::new();
        xml::comment_into(&available, &mut comment);
        let available = Bytes::from(available);
        RepositoryCatalogue {
            by_key,
            redirects: self.redirects,
            disabled: self.disabled,
            available_comment: if comment == available {
                available.clone()
            } else {
                comment.into()
            },
            available,
        }
    }
}
