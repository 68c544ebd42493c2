//! Resolves the target of a request: a repository or a path becomes a directory of the cache, and perhaps a file in it.

use std::borrow::Cow;

use super::query::MirrorQuery;
use super::{Endpoint, Refusal};
use crate::cache::name::{self, clean_directory};
use crate::snapshot::{Catalogue, DirectoryIndex};

/// The file of a repository that a metalink describes.
const REPOSITORY_INDEX: &str = "repomd.xml";

/// The target as the request names it; the comment line repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A known repository.
    Repository {
        /// The prefix that was asked for, before redirects.
        asked: &'a str,
        /// The prefix that answers.
        repo: Cow<'a, str>,
        /// The architecture.
        arch: &'a str,
    },
    /// A path without needless slashes.
    Path(Cow<'a, str>),
}

/// A directory of the cache, or a file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target<'a> {
    /// The target as the request names it.
    pub asked: Asked<'a>,
    /// The directory; the hosts that carry it are candidates.
    pub directory: DirectoryIndex,
    /// A file in it; `None`: the directory itself.
    pub file: Option<Cow<'a, str>>,
}

/// Resolves the target of a request. `scratch` is reused between requests.
///
/// # Errors
/// The request names no target, or the cache doesn't have it.
pub fn resolve<'a>(
    catalogue: &'a Catalogue,
    endpoint: Endpoint,
    query: &'a MirrorQuery<'_>,
    scratch: &mut String,
) -> Result<Target<'a>, Refusal<'a>> {
    match (&query.path, &query.repo, &query.arch) {
        // A proxy that rewrites paths appends the client's own query to its path.
        (Some(path), _, _) => by_path(catalogue, path),
        (None, Some(repo), Some(arch)) => repository(catalogue, endpoint, repo, arch, scratch),
        _ => Err(Refusal::MissingParameters),
    }
}

fn repository<'a>(
    catalogue: &'a Catalogue,
    endpoint: Endpoint,
    asked: &'a str,
    arch: &'a str,
    scratch: &mut String,
) -> Result<Target<'a>, Refusal<'a>> {
    // Source repositories have one architecture, whatever that of the client is.
    let arch = if asked.contains("source") { "source" } else { arch };
    let repo = catalogue.repository_redirect(asked).unwrap_or(asked);
    if catalogue.is_disabled(repo) {
        return Err(Refusal::RepositoryDisabled);
    }
    let found = catalogue
        .repository(repo, arch, scratch)
        .ok_or(Refusal::UnknownRepository { repo, arch })?;
    let no_details = || Refusal::NoFileDetails {
        directory: name::repodata(catalogue.directory_name(found.directory)),
        file: REPOSITORY_INDEX.into(),
    };
    let (directory, file) = match endpoint {
        Endpoint::Mirrorlist => (found.directory, None),
        Endpoint::Metalink => (found.repodata.ok_or_else(no_details)?, Some(REPOSITORY_INDEX.into())),
    };
    Ok(Target {
        asked: Asked::Repository {
            asked,
            repo: repo.into(),
            arch,
        },
        directory,
        file,
    })
}

fn by_path<'a>(catalogue: &'a Catalogue, path: &'a str) -> Result<Target<'a>, Refusal<'a>> {
    let path = clean_directory(path);
    let (directory, file) = match catalogue.directory(&path) {
        Some(directory) => (directory, None),
        None => {
            // A name without a slash is in the root.
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
            if matches!(name, "" | "." | "..") {
                return Err(Refusal::UnknownPath);
            }
            let parent = catalogue.directory(parent).ok_or(Refusal::UnknownPath)?;
            (parent, Some(name.to_owned().into()))
        }
    };
    Ok(Target {
        asked: Asked::Path(path),
        directory,
        file,
    })
}
