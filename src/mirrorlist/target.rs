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

/// The architecture of a request: that of a source repository is always `source`.
fn effective_arch<'a>(repo: &str, arch: &'a str) -> &'a str {
    if repo.contains("source") { "source" } else { arch }
}

fn repository<'a>(
    catalogue: &'a Catalogue,
    endpoint: Endpoint,
    asked: &'a str,
    arch: &'a str,
    scratch: &mut String,
) -> Result<Target<'a>, Refusal<'a>> {
    let arch = effective_arch(asked, arch);
    let repo = catalogue.repository_redirect(asked).unwrap_or(asked);
    if catalogue.is_disabled(repo) {
        return Err(Refusal::RepositoryDisabled);
    }
    let found = catalogue
        .repository(repo, arch, scratch)
        .ok_or(Refusal::UnknownRepository { repo, arch })?;
    let (directory, file) = match endpoint {
        Endpoint::Mirrorlist => (found.directory, None),
        Endpoint::Metalink => {
            let directory = found.repodata.ok_or_else(|| Refusal::NoFileDetails {
                directory: name::repodata(catalogue.directory_name(found.directory)),
                file: REPOSITORY_INDEX.into(),
            })?;
            (directory, Some(REPOSITORY_INDEX.into()))
        }
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
    if let Some(directory) = catalogue.directory(&path) {
        return Ok(Target {
            asked: Asked::Path(path),
            directory,
            file: None,
        });
    }
    // A name without a slash is in the root.
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
    if matches!(name, "" | "." | "..") {
        return Err(Refusal::UnknownPath);
    }
    let directory = catalogue.directory(parent).ok_or(Refusal::UnknownPath)?;
    let file = Cow::Owned(name.to_owned());
    Ok(Target {
        asked: Asked::Path(path),
        directory,
        file: Some(file),
    })
}
