//! Who could carry what, before it is known who does: a table for each topdir, with a row for each directory below it and a
//! column for each host that carries one of its categories. [`super::up_to_date`] fills it in.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::FixedState;

use super::findings::{Findings, Kind};
use super::hosts::{HostNumber, Hosts};
use super::ids::{CategoryId, DirectoryId, HostCategoryId, HostId};
use super::tables::{CarrierTables, CategoryDirectoryRow, DirectoryRow, HostCategoryRow, UrlRow};
use crate::cache::name::{self, clean_directory};
use crate::cache::url::BaseUrl;

/// A host with its URLs for a category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The host.
    pub host: HostNumber,
    /// The ids of its URLs, ascending; never empty.
    pub urls: Vec<i64>,
    /// Whether it carries every directory of its category.
    pub always_up_to_date: bool,
    host_category: HostCategoryId,
    category: CategoryNumber,
}

/// A directory below a topdir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryEntry {
    /// The directory's id.
    pub id: DirectoryId,
    /// Its name without slashes at its ends, none doubled; empty for the root.
    pub name: Box<str>,
    /// Where in the name the path below the topdir begins.
    subpath_start: usize,
    /// When it changed on the master, in seconds since the Unix epoch.
    pub changed: Option<i64>,
}

impl DirectoryEntry {
    /// The path below the topdir; empty for the topdir itself.
    pub fn subpath(&self) -> &str {
        self.name.get(self.subpath_start..).unwrap_or_default()
    }
}

/// The number of a category in [`Layout`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct CategoryNumber(usize);

/// The directories below one topdir and the hosts that may carry them.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The topdir's name; empty if it is the root.
    pub topdir: String,
    /// Hosts; those of the same country and then of the same host side by side.
    pub columns: Vec<Column>,
    /// Directories, by id.
    pub rows: Vec<DirectoryEntry>,
}

/// Where a host's state of a category goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) group: usize,
    pub(super) column: usize,
    pub(super) rows: &'a RowIndex,
}

/// The rows of one category's directories.
#[derive(Debug, Clone, Default)]
pub(super) struct RowIndex {
    ids: Vec<i64>,
    rows: Vec<u32>,
    positions: HashMap<i64, u32, FixedState>,
}

/// The crawler writes a host's directories in their order, so the next one is mostly among the next few ids.
const NEAR: usize = 4;

impl RowIndex {
    fn push(&mut self, directory: DirectoryId, row: u32) {
        // There are no more positions than rows.
        let position = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
        if self.positions.insert(directory.0, position).is_none() {
            self.ids.push(directory.0);
            self.rows.push(row);
        }
    }

    /// The row of a directory; none for one that is not of this category. `cursor` is where the last one was found.
    pub(super) fn find(&self, directory: i64, cursor: &mut usize) -> Option<u32> {
        let near = self.ids.get(*cursor..).unwrap_or_default().iter().take(NEAR);
        let position = match near.into_iter().position(|id| *id == directory) {
            Some(ahead) => *cursor + ahead,
            None => *self.positions.get(&directory)? as usize,
        };
        *cursor = position + 1;
        self.rows.get(position).copied()
    }

    fn rows(&self) -> &[u32] {
        &self.rows
    }
}

#[derive(Debug, Clone)]
struct Category {
    group: usize,
    rows: RowIndex,
}

/// Who could carry what.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// A table for each topdir, by its name.
    pub groups: Vec<Group>,
    categories: Vec<Category>,
    columns: HashMap<HostCategoryId, (CategoryNumber, usize), FixedState>,
    /// The group and row of each directory.
    directories: HashMap<DirectoryId, (u32, u32), FixedState>,
    exclusive: HashMap<DirectoryId, HashSet<HostNumber>>,
    /// Active hosts that have a row in host_category, and whether one of those has a URL.
    offers: BTreeMap<HostId, bool>,
}

impl Layout {
    /// Lays out the tables.
    pub fn new(tables: &CarrierTables, hosts: &Hosts, urls: &UrlIndex, findings: &mut Findings) -> Self {
        let mut builder = Builder::new(tables, findings);
        builder.add_directories(tables, findings);
        builder.add_columns(&tables.host_categories, hosts, urls, findings);
        builder.layout.exclusive = exclusive_hosts(tables, hosts, findings);
        builder.layout
    }

    /// The directory with an id; none where the cache doesn't have it.
    pub fn directory(&self, id: DirectoryId) -> Option<&DirectoryEntry> {
        let (group, row) = *self.directories.get(&id)?;
        self.groups.get(group as usize)?.rows.get(row as usize)
    }

    /// How many directories there are.
    pub fn directory_count(&self) -> usize {
        self.directories.len()
    }

    /// Where the directories of a host's category go; none where the host or the category is left out.
    pub(super) fn place(&self, host_category: HostCategoryId) -> Option<Place<'_>> {
        let (category, column) = *self.columns.get(&host_category)?;
        let category = self.categories.get(category.0)?;
        Some(Place {
            group: category.group,
            column,
            rows: &category.rows,
        })
    }

    /// The columns that carry all of their category, each with its group and those rows.
    pub(super) fn always_up_to_date(&self) -> impl Iterator<Item = (usize, usize, &[u32])> {
        self.groups.iter().flat_map(move |group| {
            let always = group.columns.iter().filter(|column| column.always_up_to_date);
            always.filter_map(move |column| {
                let place = self.place(column.host_category)?;
                Some((place.group, place.column, place.rows.rows()))
            })
        })
    }

    /// The only hosts that may serve a directory; none where everybody may.
    pub fn exclusive_hosts(&self, directory: DirectoryId) -> Option<&HashSet<HostNumber>> {
        self.exclusive.get(&directory)
    }

    /// Whether any directory is limited to some hosts.
    pub fn has_exclusive_hosts(&self) -> bool {
        !self.exclusive.is_empty()
    }

    /// Whether an active host offers a URL of some category; none where it has no category at all.
    pub fn offers_url(&self, host: HostId) -> Option<bool> {
        self.offers.get(&host).copied()
    }
}

/// The public URLs of each host and category that can stand in an answer.
#[derive(Debug, Clone, Default)]
pub struct UrlIndex {
    urls: HashMap<HostCategoryId, Vec<i64>>,
}

impl UrlIndex {
    /// Sorts out the URLs, which are in the order of their ids: those that go to the cache, and whose they are.
    pub fn new<'a>(
        rows: &'a [UrlRow],
        host_categories: &[HostCategoryRow],
        hosts: &Hosts,
        findings: &mut Findings,
    ) -> (Self, Vec<(i64, &'a str)>) {
        let owners: HashMap<HostCategoryId, Option<HostId>> =
            host_categories.iter().map(|row| (row.id, row.host)).collect();
        let mut index = Self::default();
        let mut urls = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(owner) = owners.get(&row.host_category) else {
                findings.add(
                    Kind::Orphan,
                    format_args!(
                        "host_category_url {} refers to host_category {}, which is not there",
                        row.id, row.host_category
                    ),
                );
                continue;
            };
            // An owner that is not there is a warning already, at host_category.
            let Some(host) = owner.and_then(|id| hosts.find(id)).map(|(_, host)| host) else {
                continue;
            };
            findings.note_replaced(format_args!("host_category_url {}", row.id), &row.url);
            match BaseUrl::parse(&row.url) {
                Ok(url) if host.site.is_some() => {
                    index.urls.entry(row.host_category).or_default().push(row.id);
                    urls.push((row.id, url.as_str()));
                }
                Ok(_) => {}
                Err(problem) => findings.add(
                    Kind::Url,
                    format_args!(
                        "host {} ({}): URL {:?} is left out: {problem}",
                        host.id, host.name, row.url
                    ),
                ),
            }
        }
        (index, urls)
    }

    fn of(&self, host_category: HostCategoryId) -> Option<&[i64]> {
        self.urls.get(&host_category).map(Vec::as_slice)
    }
}

struct Builder {
    layout: Layout,
    numbers: HashMap<CategoryId, CategoryNumber>,
}

impl Builder {
    /// One group for each topdir, whatever the number of its categories.
    fn new(tables: &CarrierTables, findings: &mut Findings) -> Self {
        let mut topdirs: BTreeMap<String, Vec<CategoryId>> = BTreeMap::new();
        for category in &tables.categories {
            let topdir = category.topdir.and_then(|id| find(&tables.directories, id));
            match topdir
                .and_then(|directory| directory.name.as_deref())
                .map(clean_directory)
            {
                Some(topdir) => topdirs.entry(topdir.into_owned()).or_default().push(category.id),
                None => findings.add(
                    Kind::CategoryWithoutTopdir,
                    format_args!("category {} ({}) has no topdir", category.id, category.name),
                ),
            }
        }
        let mut builder = Self {
            layout: Layout::default(),
            numbers: HashMap::new(),
        };
        for (topdir, categories) in topdirs {
            let group = builder.layout.groups.len();
            builder.layout.groups.push(Group {
                topdir,
                ..Group::default()
            });
            for category in categories {
                builder
                    .numbers
                    .insert(category, CategoryNumber(builder.layout.categories.len()));
                builder.layout.categories.push(Category {
                    group,
                    rows: RowIndex::default(),
                });
            }
        }
        builder
    }

    fn add_directories(&mut self, tables: &CarrierTables, findings: &mut Findings) {
        let known: HashSet<CategoryId> = tables.categories.iter().map(|category| category.id).collect();
        let mut names: HashSet<Box<str>, FixedState> = HashSet::default();
        for rows in tables.category_directories.chunk_by(|a, b| a.directory == b.directory) {
            let Some(directory) = rows.first().and_then(|row| find(&tables.directories, row.directory)) else {
                for row in rows {
                    findings.add(
                        Kind::Orphan,
                        format_args!(
                            "category_directory refers to directory {}, which is not there",
                            row.directory
                        ),
                    );
                }
                continue;
            };
            let Some(typed) = directory.name.as_deref() else {
                findings.add(
                    Kind::DirectoryName,
                    format_args!("directory {} has no name", directory.id),
                );
                continue;
            };
            let name = clean_directory(typed);
            let Some(categories) = self.categories_of(directory, &name, rows, &known, findings) else {
                continue;
            };
            let problem = if names.insert(name.as_ref().into()) {
                name::problem(&name)
            } else {
                Some("the name is another directory's")
            };
            if let Some(problem) = problem {
                findings.add(
                    Kind::DirectoryName,
                    format_args!("directory {} ({typed:?}): {problem}", directory.id),
                );
                continue;
            }
            findings.note_replaced(format_args!("directory {}", directory.id), &name);
            self.add_directory(directory, &name, &categories);
        }
    }

    /// The categories that a directory's hosts come from: those whose topdir is its longest prefix.
    fn categories_of(
        &self,
        directory: &DirectoryRow,
        name: &str,
        rows: &[CategoryDirectoryRow],
        known: &HashSet<CategoryId>,
        findings: &mut Findings,
    ) -> Option<Vec<CategoryNumber>> {
        let mut best: Option<(usize, Vec<CategoryNumber>)> = None;
        for row in rows {
            if !known.contains(&row.category) {
                findings.add(
                    Kind::Orphan,
                    format_args!(
                        "category_directory refers to category {}, which is not there",
                        row.category
                    ),
                );
                continue;
            }
            // A category without a topdir is a warning of its own.
            let Some((number, topdir)) = self.category(row.category) else {
                continue;
            };
            if subpath_start(name, topdir).is_none() {
                findings.add(
                    Kind::TopdirNotPrefix,
                    format_args!(
                        "directory {} ({name:?}) is not below {topdir:?}, the topdir of its category {}",
                        directory.id, row.category
                    ),
                );
                continue;
            }
            match &mut best {
                Some((length, _)) if *length > topdir.len() => {}
                Some((length, numbers)) if *length == topdir.len() => numbers.push(number),
                _ => best = Some((topdir.len(), vec![number])),
            }
        }
        best.map(|(_, numbers)| numbers)
    }

    fn category(&self, id: CategoryId) -> Option<(CategoryNumber, &str)> {
        let number = *self.numbers.get(&id)?;
        let category = self.layout.categories.get(number.0)?;
        let group = self.layout.groups.get(category.group)?;
        Some((number, &group.topdir))
    }

    fn add_directory(&mut self, directory: &DirectoryRow, name: &str, categories: &[CategoryNumber]) {
        // All of them share the topdir, and so the group.
        let category = categories
            .first()
            .and_then(|number| self.layout.categories.get(number.0));
        let Some(group_number) = category.map(|category| category.group) else {
            return;
        };
        let Some(group) = self.layout.groups.get_mut(group_number) else {
            return;
        };
        // Ids of directories have 32 bits in the database, so there are no more rows or groups.
        let (Ok(row), Ok(group_number)) = (u32::try_from(group.rows.len()), u32::try_from(group_number)) else {
            return;
        };
        self.layout.directories.insert(directory.id, (group_number, row));
        group.rows.push(DirectoryEntry {
            id: directory.id,
            name: name.into(),
            subpath_start: subpath_start(name, &group.topdir).unwrap_or(name.len()),
            changed: directory.changed,
        });
        for number in categories {
            if let Some(category) = self.layout.categories.get_mut(number.0) {
                category.rows.push(directory.id, row);
            }
        }
    }

    fn add_columns(&mut self, rows: &[HostCategoryRow], hosts: &Hosts, urls: &UrlIndex, findings: &mut Findings) {
        for row in rows {
            let described = format_args!("host_category {}", row.id);
            let Some(host) = hosts
                .referred(row.host, described, findings)
                .filter(|host| host.is_active())
            else {
                continue;
            };
            let Some(category) = row.category.and_then(|id| self.numbers.get(&id).copied()) else {
                findings.add(
                    Kind::Orphan,
                    format_args!(
                        "host_category {} of host {} ({}) has no usable category",
                        row.id, host.id, host.name
                    ),
                );
                continue;
            };
            let offers = self.layout.offers.entry(host.id).or_default();
            let Some((number, _)) = hosts.find(host.id) else {
                continue;
            };
            let Some(urls) = urls.of(row.id) else {
                continue;
            };
            *offers = true;
            let group = self.layout.categories.get(category.0).map(|category| category.group);
            if let Some(group) = group.and_then(|group| self.layout.groups.get_mut(group)) {
                group.columns.push(Column {
                    host: number,
                    urls: urls.to_vec(),
                    always_up_to_date: row.always_up_to_date,
                    host_category: row.id,
                    category,
                });
            }
        }
        for group in &mut self.layout.groups {
            group.columns.sort_by_key(|column| {
                let country = hosts.get(column.host).and_then(|host| host.country);
                (country, column.host, column.host_category)
            });
            for (position, column) in group.columns.iter().enumerate() {
                self.layout
                    .columns
                    .insert(column.host_category, (column.category, position));
            }
        }
    }
}

fn exclusive_hosts(
    tables: &CarrierTables,
    hosts: &Hosts,
    findings: &mut Findings,
) -> HashMap<DirectoryId, HashSet<HostNumber>> {
    let mut exclusive: HashMap<DirectoryId, HashSet<HostNumber>> = HashMap::new();
    for row in &tables.exclusive_hosts {
        // A directory with a row is limited even where the row's host is not there.
        let allowed = exclusive.entry(row.directory).or_default();
        match hosts.find(row.host) {
            Some((number, _)) => {
                allowed.insert(number);
            }
            None => findings.add(
                Kind::Orphan,
                format_args!(
                    "directory_exclusive_host refers to host {}, which is not there",
                    row.host
                ),
            ),
        }
    }
    exclusive
}

fn find(directories: &[DirectoryRow], id: DirectoryId) -> Option<&DirectoryRow> {
    let position = directories.binary_search_by_key(&id, |directory| directory.id).ok()?;
    directories.get(position)
}

/// Where in a directory's name the path below the topdir begins; none where it is not below it. Everything is below the root.
fn subpath_start(name: &str, topdir: &str) -> Option<usize> {
    let below = name.strip_prefix(topdir)?;
    if topdir.is_empty() {
        return Some(0);
    }
    if below.is_empty() {
        return Some(name.len());
    }
    below.starts_with('/').then_some(topdir.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subpath_begins_at_a_slash() {
        assert_eq!(subpath_start("pub/fedora/linux", "pub/fedora"), Some(11));
        assert_eq!(subpath_start("pub/fedora", "pub/fedora"), Some(10));
        assert_eq!(subpath_start("pub/fedora-secondary", "pub/fedora"), None);
        assert_eq!(subpath_start("pub", "pub/fedora"), None);
        assert_eq!(subpath_start("pub/fedora", ""), Some(0));
        assert_eq!(subpath_start("", ""), Some(0));
        assert_eq!(subpath_start("", "pub"), None);
    }

    #[test]
    fn rows_are_found_in_any_order() {
        let mut index = RowIndex::default();
        for (row, id) in [(0, 3), (1, 5), (2, 9), (3, 12), (4, 40), (5, 41)] {
            index.push(DirectoryId(id), row);
        }
        let mut cursor = 0;
        for (id, row) in [
            (3, Some(0)),
            (41, Some(5)),
            (5, Some(1)),
            (12, Some(3)),
            (4, None),
            (40, Some(4)),
        ] {
            assert_eq!(index.find(id, &mut cursor), row, "{id}");
        }
    }
}
