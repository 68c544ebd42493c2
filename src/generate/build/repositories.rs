//! Repositories to `prefix+arch` and their directories, and the redirects of prefixes and of continents.

use std::collections::{BTreeMap, BTreeSet};

use super::carriers::{CarrierLayout, DirectoryEntry};
use crate::cache::name;
use crate::generate::read::ids::DirectoryId;
use crate::generate::read::rows::{ContinentRedirectRow, RepositoryRedirectRow, RepositoryRow};
use crate::generate::warnings::{RowWarnings, WarningKind};
use crate::geo::CountryCode;
use crate::geo::continent::parse_continent;

/// The repositories that can be asked for.
#[derive(Debug, Default)]
pub(crate) struct RepositoryTable<'a> {
    /// `prefix+arch` to the directory.
    pub(crate) directories: BTreeMap<String, &'a DirectoryEntry>,
    /// Prefixes of which a repository is disabled.
    pub(crate) disabled: BTreeSet<&'a str>,
}

impl<'a> RepositoryTable<'a> {
    /// Sorts out the repositories; of two with the same prefix and arch the last one counts.
    pub(crate) fn new(rows: &'a [RepositoryRow], layout: &'a CarrierLayout, warnings: &mut RowWarnings) -> Self {
        let mut repositories = Self::default();
        for row in rows {
            if let Some(complete) = Complete::of(row, warnings) {
                if row.disabled && name::problem(complete.prefix).is_none() {
                    repositories.disabled.insert(complete.prefix);
                }
                if let Some((key, directory)) = complete.keyed(row, layout, warnings)
                    && repositories.directories.insert(key.clone(), directory).is_some()
                {
                    warnings.add(
                        WarningKind::RepositoryTwice,
                        format_args!(
                            "{key:?} is the prefix and arch of repository {} ({}) and of an earlier one",
                            row.id, row.name
                        ),
                    );
                }
            }
        }
        repositories
    }
}

/// The columns that a repository needs. A row that lacks one of them has no effect.
struct Complete<'a> {
    prefix: &'a str,
    arch: &'a str,
    directory: DirectoryId,
}

impl<'a> Complete<'a> {
    /// The parts of a row; `None` and a warning if one is missing.
    fn of(row: &'a RepositoryRow, warnings: &mut RowWarnings) -> Option<Self> {
        let prefix = row.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let arch = row.arch.as_deref().filter(|arch| !arch.is_empty());
        if let (Some(prefix), Some(_), Some(arch), Some(directory)) = (prefix, row.version, arch, row.directory) {
            return Some(Self {
                prefix,
                arch,
                directory,
            });
        }
        let lacks: Vec<&str> = [
            (prefix.is_none(), "prefix"),
            (row.version.is_none(), "version"),
            (arch.is_none(), "arch"),
            (row.directory.is_none(), "directory"),
        ]
        .into_iter()
        .filter_map(|(lacking, what)| lacking.then_some(what))
        .collect();
        warnings.add(
            WarningKind::RepositoryIncomplete,
            format_args!("repository {} ({}) has no {}", row.id, row.name, lacks.join(" and no ")),
        );
        None
    }

    /// Its key and its directory; `None` and a warning if the cache cannot have them.
    fn keyed<'l>(
        &self,
        row: &RepositoryRow,
        layout: &'l CarrierLayout,
        warnings: &mut RowWarnings,
    ) -> Option<(String, &'l DirectoryEntry)> {
        let described = format_args!("repository {} ({})", row.id, row.name);
        let key = format!("{}+{}", self.prefix, self.arch);
        if let Some(problem) = name::problem(&key) {
            warnings.add(
                WarningKind::RepositoryName,
                format_args!("{described}: {key:?}: {problem}"),
            );
            return None;
        }
        let Some(directory) = layout.directory(self.directory) else {
            warnings.add(
                WarningKind::RepositoryWithoutCategory,
                format_args!("{described}: its directory {} is in no category", self.directory),
            );
            return None;
        };
        warnings.note_replaced(described, &key);
        Some((key, directory))
    }
}

/// The prefix that answers for each prefix that is redirected.
pub(crate) fn redirects<'a>(
    rows: &'a [RepositoryRedirectRow],
    warnings: &mut RowWarnings,
) -> BTreeMap<&'a str, &'a str> {
    let mut redirects = BTreeMap::new();
    for row in rows {
        // A redirect to nothing and one to an empty text are the same mistake.
        let (from, to) = (row.from.as_str(), row.to.as_deref().unwrap_or_default());
        let problem = if from.is_empty() || to.is_empty() {
            Some("it leads nowhere")
        } else {
            name::problem(from).or_else(|| name::problem(to))
        };
        match problem {
            None => {
                for name in [from, to] {
                    warnings.note_replaced("repository_redirect", name);
                }
                redirects.insert(from, to);
            }
            Some(problem) => warnings.add(
                WarningKind::RepositoryRedirect,
                format_args!("repository_redirect from {from:?} to {to:?}: {problem}"),
            ),
        }
    }
    redirects
}

/// Countries and the continents that they count to.
pub(crate) fn continent_redirects(
    rows: &[ContinentRedirectRow],
    warnings: &mut RowWarnings,
) -> BTreeMap<CountryCode, String> {
    let mut redirects = BTreeMap::new();
    for row in rows {
        match (CountryCode::parse(&row.country), parse_continent(&row.continent)) {
            (Some(country), Some(_)) => {
                redirects.insert(country, continent_name(row.continent.trim()));
            }
            _ => warnings.add(
                WarningKind::ContinentRedirect,
                format_args!(
                    "country_continent_redirect: {:?} to {:?} is no country and continent",
                    row.country, row.continent
                ),
            ),
        }
    }
    redirects
}

/// A continent as the cache names it: codes in upper case, as MirrorManager2 writes them; other names as they are.
fn continent_name(name: &str) -> String {
    if name.len() == 2 {
        name.to_ascii_uppercase()
    } else {
        name.to_owned()
    }
}
