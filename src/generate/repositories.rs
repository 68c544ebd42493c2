//! Repositories to `prefix+arch` and their directories, and the redirects of prefixes and of continents.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, Kind};
use super::layout::{DirectoryEntry, Layout};
use super::tables::{ContinentRedirectRow, RepositoryRedirectRow, RepositoryRow};
use crate::cache::name;
use crate::geo::CountryCode;
use crate::geo::continent::parse_continent;

/// The repositories that can be asked for.
#[derive(Debug, Default)]
pub struct Repositories<'a> {
    /// `prefix+arch` to the directory.
    pub directories: BTreeMap<String, &'a DirectoryEntry>,
    /// Prefixes of which a repository is disabled.
    pub disabled: BTreeSet<&'a str>,
}

impl<'a> Repositories<'a> {
    /// Sorts out the repositories; of two with the same prefix and arch the last one counts.
    pub fn new(rows: &'a [RepositoryRow], layout: &'a Layout, findings: &mut Findings) -> Self {
        let mut repositories = Self::default();
        for row in rows {
            if let Some(prefix) = row
                .prefix
                .as_deref()
                .filter(|prefix| row.disabled && !prefix.is_empty() && name::problem(prefix).is_none())
            {
                repositories.disabled.insert(prefix);
            }
            if let Some((key, directory)) = keyed(row, layout, findings)
                && repositories.directories.insert(key.clone(), directory).is_some()
            {
                findings.add(
                    Kind::RepositoryTwice,
                    format_args!(
                        "{key:?} is the prefix and arch of repository {} ({}) and of an earlier one",
                        row.id, row.name
                    ),
                );
            }
        }
        repositories
    }
}

fn keyed<'a>(row: &RepositoryRow, layout: &'a Layout, findings: &mut Findings) -> Option<(String, &'a DirectoryEntry)> {
    let filled = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    let lacks: Vec<&str> = [
        (filled(&row.prefix), "prefix"),
        (row.version.is_some(), "version"),
        (filled(&row.arch), "arch"),
        (row.directory.is_some(), "directory"),
    ]
    .into_iter()
    .filter(|(there, _)| !there)
    .map(|(_, what)| what)
    .collect();
    let (Some(prefix), Some(arch), Some(id), true) = (&row.prefix, &row.arch, row.directory, lacks.is_empty()) else {
        findings.add(
            Kind::RepositoryIncomplete,
            format_args!("repository {} ({}) has no {}", row.id, row.name, lacks.join(" and no ")),
        );
        return None;
    };
    let key = format!("{prefix}+{arch}");
    if let Some(problem) = name::problem(&key) {
        findings.add(
            Kind::RepositoryName,
            format_args!("repository {} ({}): {key:?}: {problem}", row.id, row.name),
        );
        return None;
    }
    let directory = layout.directory(id);
    if directory.is_none() {
        findings.add(
            Kind::RepositoryWithoutCategory,
            format_args!(
                "repository {} ({}): its directory {id} is in no category",
                row.id, row.name
            ),
        );
    }
    Some((key, directory?))
}

/// The prefix that answers in the place of each prefix.
pub fn redirects<'a>(rows: &'a [RepositoryRedirectRow], findings: &mut Findings) -> BTreeMap<&'a str, &'a str> {
    let mut redirects = BTreeMap::new();
    for row in rows {
        let (from, to) = (row.from.as_str(), row.to.as_deref().unwrap_or_default());
        let problem = if from.is_empty() || to.is_empty() {
            Some("it leads nowhere")
        } else {
            name::problem(from).or_else(|| name::problem(to))
        };
        match problem {
            None => {
                redirects.insert(from, to);
            }
            Some(problem) => findings.add(
                Kind::RepositoryRedirect,
                format_args!("repository_redirect from {from:?} to {to:?}: {problem}"),
            ),
        }
    }
    redirects
}

/// Countries and the continents that they count to.
pub fn continent_redirects(rows: &[ContinentRedirectRow], findings: &mut Findings) -> BTreeMap<CountryCode, String> {
    let mut redirects = BTreeMap::new();
    for row in rows {
        match (CountryCode::parse(&row.country), parse_continent(&row.continent)) {
            (Some(country), Some(_)) => {
                redirects.insert(country, continent_name(row.continent.trim()));
            }
            _ => findings.add(
                Kind::ContinentRedirect,
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
