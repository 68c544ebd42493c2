//! Repositories to `prefix+arch` and their directories, and the redirects of prefixes and of continents.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::{Findings, Kind};
use super::ids::DirectoryId;
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
            let Some(complete) = Complete::of(row, findings) else {
                continue;
            };
            if row.disabled && name::problem(complete.prefix).is_none() {
                repositories.disabled.insert(complete.prefix);
            }
            if let Some((key, directory)) = keyed(row, &complete, layout, findings)
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

/// What a repository has to have; without one of them, its row has no effect.
struct Complete<'a> {
    prefix: &'a str,
    arch: &'a str,
    directory: DirectoryId,
}

impl<'a> Complete<'a> {
    /// What a row has, if that is all. Otherwise it is a warning.
    fn of(row: &'a RepositoryRow, findings: &mut Findings) -> Option<Self> {
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
        .filter(|(lacking, _)| *lacking)
        .map(|(_, what)| what)
        .collect();
        findings.add(
            Kind::RepositoryIncomplete,
            format_args!("repository {} ({}) has no {}", row.id, row.name, lacks.join(" and no ")),
        );
        None
    }
}

fn keyed<'a>(
    row: &RepositoryRow,
    complete: &Complete<'_>,
    layout: &'a Layout,
    findings: &mut Findings,
) -> Option<(String, &'a DirectoryEntry)> {
    let Complete {
        prefix,
        arch,
        directory: id,
    } = complete;
    let key = format!("{prefix}+{arch}");
    if let Some(problem) = name::problem(&key) {
        findings.add(
            Kind::RepositoryName,
            format_args!("repository {} ({}): {key:?}: {problem}", row.id, row.name),
        );
        return None;
    }
    let directory = layout.directory(*id);
    if directory.is_none() {
        findings.add(
            Kind::RepositoryWithoutCategory,
            format_args!(
                "repository {} ({}): its directory {id} is in no category",
                row.id, row.name
            ),
        );
    }
    let directory = directory?;
    findings.note_replaced(format_args!("repository {} ({})", row.id, row.name), &key);
    Some((key, directory))
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
                for name in [from, to] {
                    findings.note_replaced("repository_redirect", name);
                }
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
