//! Repositories to `prefix+arch` and their directories, and the redirects of prefixes and of continents.

use std::collections::{BTreeMap, BTreeSet};

use super::carriers::{CarrierLayout, DirectoryEntry};
use crate::cache::name;
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
            if let Err((kind, problem)) = repositories.add(row, layout, warnings) {
                warnings.add(kind, format_args!("repository {} ({}){problem}", row.id, row.name));
            }
        }
        repositories
    }

    /// Adds what a row says; a row that lacks a column has no effect.
    ///
    /// # Errors
    /// The cache can't have the repository: a warning without the repository's name.
    fn add(
        &mut self,
        row: &'a RepositoryRow,
        layout: &'a CarrierLayout,
        warnings: &mut RowWarnings,
    ) -> Result<(), (WarningKind, String)> {
        let prefix = row.prefix.as_deref().filter(|prefix| !prefix.is_empty());
        let arch = row.arch.as_deref().filter(|arch| !arch.is_empty());
        let (Some(prefix), Some(_), Some(arch), Some(id)) = (prefix, row.version, arch, row.directory) else {
            let lacks = [
                prefix.is_none().then_some("prefix"),
                row.version.is_none().then_some("version"),
                arch.is_none().then_some("arch"),
                row.directory.is_none().then_some("directory"),
            ];
            let lacks: Vec<&str> = lacks.into_iter().flatten().collect();
            let problem = format!(" has no {}", lacks.join(" and no "));
            return Err((WarningKind::RepositoryIncomplete, problem));
        };
        if row.disabled && name::problem(prefix).is_none() {
            self.disabled.insert(prefix);
        }
        let key = format!("{prefix}+{arch}");
        if let Some(problem) = name::problem(&key) {
            return Err((WarningKind::RepositoryName, format!(": {key:?}: {problem}")));
        }
        let Some(directory) = layout.directory(id) else {
            let problem = format!(": its directory {id} is in no category");
            return Err((WarningKind::RepositoryWithoutCategory, problem));
        };
        let described = format_args!("repository {} ({})", row.id, row.name);
        warnings.note_replaced(described, &key);
        if self.directories.insert(key.clone(), directory).is_some() {
            let problem = format_args!("{key:?} is the prefix and arch of {described} and of an earlier one");
            warnings.add(WarningKind::RepositoryTwice, problem);
        }
        Ok(())
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
        if let Some(problem) = problem {
            let problem = format_args!("repository_redirect from {from:?} to {to:?}: {problem}");
            warnings.add(WarningKind::RepositoryRedirect, problem);
            continue;
        }
        for name in [from, to] {
            warnings.note_replaced("repository_redirect", name);
        }
        redirects.insert(from, to);
    }
    redirects
}

/// Countries and the continents that they count to.
pub(crate) fn continent_redirects(
    rows: &[ContinentRedirectRow],
    warnings: &mut RowWarnings,
) -> BTreeMap<CountryCode, String> {
    let mut redirects = BTreeMap::new();
    for ContinentRedirectRow { country, continent } in rows {
        let (Some(code), Some(_)) = (CountryCode::parse(country), parse_continent(continent)) else {
            let problem = format_args!("{country:?} to {continent:?} is no country and continent");
            warnings.add(
                WarningKind::ContinentRedirect,
                format_args!("country_continent_redirect: {problem}"),
            );
            continue;
        };
        // Codes in upper case, as MirrorManager2 writes them; other names as they are.
        let name = match continent.trim() {
            name if name.len() == 2 => name.to_ascii_uppercase(),
            name => name.to_owned(),
        };
        redirects.insert(code, name);
    }
    redirects
}
