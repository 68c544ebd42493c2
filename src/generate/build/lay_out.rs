//! Rows to a [`CarrierLayout`]: which directories are below which topdir, and which hosts may carry them.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::carriers::{
    CarrierLayout, Category, CategoryDirectories, ColumnPlace, DirectoryEntry, HostColumn, Topdir, TopdirNumber,
};
use super::hosts::Hosts;
use super::urls::HostUrls;
use crate::cache::name::{self, clean_directory};
use crate::cache::write::CarrierColumn;
use crate::generate::read::ids::{CategoryId, DirectoryId, HostId};
use crate::generate::read::rows::{CategoryDirectoryRow, DirectoryRow, HostCategoryRow};
use crate::generate::read::tables::CarrierTables;
use crate::generate::warnings::{RowWarnings, WarningKind};

impl CarrierLayout {
    /// Lays out the tables.
    pub(crate) fn new(tables: &CarrierTables, hosts: &Hosts, urls: &HostUrls, warnings: &mut RowWarnings) -> Self {
        let mut layout = Self::default();
        layout.add_topdirs(tables, warnings);
        layout.add_directories(tables, warnings);
        layout.add_columns(&tables.host_categories, hosts, urls, warnings);
        layout.exclusive = exclusive_hosts(tables, hosts, warnings);
        layout
    }

    /// Adds each topdir once, whatever the number of its categories.
    fn add_topdirs(&mut self, tables: &CarrierTables, warnings: &mut RowWarnings) {
        let mut topdirs: BTreeMap<String, Vec<CategoryId>> = BTreeMap::new();
        for category in &tables.categories {
            let topdir = category.topdir.and_then(|id| find(&tables.directories, id));
            let Some(topdir) = topdir.and_then(|directory| directory.name.as_deref()) else {
                let problem = format_args!("category {} ({}) has no topdir", category.id, category.name);
                warnings.add(WarningKind::CategoryWithoutTopdir, problem);
                continue;
            };
            let name = clean_directory(topdir).into_owned();
            topdirs.entry(name).or_default().push(category.id);
        }
        for (name, categories) in topdirs {
            let topdir = Topdir {
                name,
                ..Topdir::default()
            };
            // Memory is full before the index has no room.
            let Some(topdir) = self.topdirs.push(topdir) else {
                return;
            };
            for id in categories {
                let directories = CategoryDirectories::default();
                self.categories.insert(id, Category { topdir, directories });
            }
        }
    }

    fn add_directories(&mut self, tables: &CarrierTables, warnings: &mut RowWarnings) {
        let known: HashSet<CategoryId> = tables.categories.iter().map(|category| category.id).collect();
        let mut names: HashSet<Box<str>, FixedState> = HashSet::default();
        for rows in tables.category_directories.chunk_by(|a, b| a.directory == b.directory) {
            let Some(directory) = rows.first().and_then(|row| find(&tables.directories, row.directory)) else {
                for row in rows {
                    warnings.orphan("category_directory", format_args!("directory {}", row.directory));
                }
                continue;
            };
            let described = format_args!("directory {}", directory.id);
            let Some(typed) = directory.name.as_deref() else {
                warnings.add(WarningKind::DirectoryName, format_args!("{described} has no name"));
                continue;
            };
            let name = clean_directory(typed);
            let Some(found) = self.categories_of(directory.id, &name, rows, &known, warnings) else {
                continue;
            };
            let problem = match names.insert(name.as_ref().into()) {
                true => name::problem(&name),
                false => Some("the name is another directory's"),
            };
            if let Some(problem) = problem {
                let problem = format_args!("{described} ({typed:?}): {problem}");
                warnings.add(WarningKind::DirectoryName, problem);
                continue;
            }
            warnings.note_replaced(described, &name);
            self.add_directory(directory, &name, found);
        }
    }

    /// The categories that a directory's hosts come from: those whose topdir is its longest prefix.
    fn categories_of<'n>(
        &self,
        directory: DirectoryId,
        name: &'n str,
        rows: &[CategoryDirectoryRow],
        known: &HashSet<CategoryId>,
        warnings: &mut RowWarnings,
    ) -> Option<Below<'n>> {
        let mut best: Option<Below<'n>> = None;
        for CategoryDirectoryRow { category, .. } in rows {
            if !known.contains(category) {
                warnings.orphan("category_directory", format_args!("category {category}"));
                continue;
            }
            // A category without a topdir is a warning of its own.
            let Some(index) = self.categories.get(category).map(|category| category.topdir) else {
                continue;
            };
            let topdir = &self.topdirs.at(index).name;
            let Some(subpath) = subpath(name, topdir) else {
                warnings.add(
                    WarningKind::TopdirNotPrefix,
                    format_args!(
                        "directory {directory} ({name:?}) is not below {topdir:?}, the topdir of its category {category}"
                    ),
                );
                continue;
            };
            match &mut best {
                Some(best) if best.topdir == index => best.categories.push(*category),
                Some(best) if best.subpath.len() < subpath.len() => {}
                _ => {
                    best = Some(Below {
                        topdir: index,
                        subpath,
                        categories: vec![*category],
                    });
                }
            }
        }
        best
    }

    fn add_directory(&mut self, directory: &DirectoryRow, name: &str, below: Below<'_>) {
        let entry = DirectoryEntry {
            id: directory.id,
            name: name.into(),
            // The subpath is the end of the name.
            subpath_start: name.len() - below.subpath.len(),
            changed: directory.changed,
        };
        // Memory is full before the index has no room.
        let Some(index) = self.topdirs.at_mut(below.topdir).directories.push(entry) else {
            return;
        };
        self.directories.insert(directory.id, (below.topdir, index));
        for id in below.categories {
            if let Some(category) = self.categories.get_mut(&id) {
                category.directories.push(directory.id, index);
            }
        }
    }

    fn add_columns(&mut self, rows: &[HostCategoryRow], hosts: &Hosts, urls: &HostUrls, warnings: &mut RowWarnings) {
        for row in rows {
            let described = format_args!("host_category {}", row.id);
            let Some(host) = hosts.referred_active(row.host, described, warnings) else {
                continue;
            };
            let known = row.category.and_then(|id| Some((id, self.categories.get(&id)?)));
            let Some((category, Category { topdir, .. })) = known else {
                let problem = format_args!("{described} of {host} has no usable category");
                warnings.add(WarningKind::Orphan, problem);
                continue;
            };
            let urls = urls.by_host_category.get(&row.id);
            *self.offers.entry(host.id).or_default() |= urls.is_some();
            if let Some(urls) = urls {
                self.topdirs.at_mut(*topdir).columns.push(HostColumn {
                    carrier: CarrierColumn {
                        host: host.id.0,
                        country: host.country,
                        public: !host.private,
                        internet2: host.internet2,
                        urls: urls.clone(),
                    },
                    category,
                    host_category: row.id,
                    always_up_to_date: row.always_up_to_date,
                });
            }
        }
        for topdir in self.topdirs.indexes() {
            let columns = &mut self.topdirs.at_mut(topdir).columns;
            columns.sort_by_key(|column| (column.carrier.country, column.carrier.host, column.host_category));
            for (column, of_host) in columns.iter().enumerate() {
                let category = of_host.category;
                self.columns
                    .insert(of_host.host_category, ColumnPlace { category, column });
            }
        }
    }
}

/// The place of a directory: the longest topdir that it is below, and those of its categories that have this topdir.
struct Below<'n> {
    topdir: TopdirNumber,
    subpath: &'n str,
    categories: Vec<CategoryId>,
}

fn exclusive_hosts(
    tables: &CarrierTables,
    hosts: &Hosts,
    warnings: &mut RowWarnings,
) -> HashMap<DirectoryId, HashSet<HostId>> {
    let mut exclusive: HashMap<DirectoryId, HashSet<HostId>> = HashMap::new();
    for row in &tables.exclusive_hosts {
        // A directory with a row is limited, even if the row's host is not there.
        let allowed = exclusive.entry(row.directory).or_default();
        match hosts.find(row.host) {
            Some(host) => _ = allowed.insert(host.id),
            None => warnings.orphan("directory_exclusive_host", format_args!("host {}", row.host)),
        }
    }
    exclusive
}

fn find(directories: &[DirectoryRow], id: DirectoryId) -> Option<&DirectoryRow> {
    let position = directories.binary_search_by_key(&id, |directory| directory.id).ok()?;
    directories.get(position)
}

/// The path of a directory below a topdir; `None` if it is not below it. Everything is below the root.
fn subpath<'n>(name: &'n str, topdir: &str) -> Option<&'n str> {
    let below = name.strip_prefix(topdir)?;
    match topdir.is_empty() || below.is_empty() {
        true => Some(below),
        false => below.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subpath_begins_at_a_slash() {
        for (name, topdir, expected) in [
            ("pub/fedora/linux", "pub/fedora", Some("linux")),
            ("pub/fedora", "pub/fedora", Some("")),
            ("pub/fedora-secondary", "pub/fedora", None),
            ("pub", "pub/fedora", None),
            ("pub/fedora", "", Some("pub/fedora")),
            ("", "", Some("")),
            ("", "pub", None),
        ] {
            assert_eq!(subpath(name, topdir), expected, "{name:?} below {topdir:?}");
        }
    }
}
