//! The directories below each topdir and the hosts that may carry them: rows and columns of the tables whose bits
//! [`super::matrix`] sets. Made by [`super::lay_out`].

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::cache::write::CarrierColumn;
use crate::generate::read::ids::{CategoryId, DirectoryId, HostCategoryId, HostId};
use crate::index_table::{IndexTable, MOST_ROWS, table_indexes};

table_indexes! {
    /// The number of a topdir in a [`CarrierLayout`].
    pub(crate) struct TopdirNumber for at most MOST_ROWS;

    /// The number of a directory in a [`Topdir`].
    pub(crate) struct DirectoryNumber for at most MOST_ROWS;
}

/// A topdir, with the directories below it and the hosts that may carry them.
#[derive(Debug, Default)]
pub(crate) struct Topdir {
    /// Its name; empty for the root.
    pub(crate) name: String,
    /// Sorted by country, then by host.
    pub(crate) columns: Vec<HostColumn>,
    /// By id.
    pub(crate) directories: IndexTable<DirectoryNumber, DirectoryEntry>,
}

/// A host with its URLs for a category.
#[derive(Debug)]
pub(crate) struct HostColumn {
    pub(crate) carrier: CarrierColumn,
    pub(crate) category: CategoryId,
    pub(crate) host_category: HostCategoryId,
    /// Whether it carries every directory of its category.
    pub(crate) always_up_to_date: bool,
}

impl HostColumn {
    pub(crate) fn host(&self) -> HostId {
        HostId(self.carrier.host)
    }
}

/// A directory below a topdir.
#[derive(Debug, Default)]
pub(crate) struct DirectoryEntry {
    pub(crate) id: DirectoryId,
    /// Without slashes at its ends, none doubled; empty for the root.
    pub(crate) name: Box<str>,
    /// The number of bytes before the subpath, at most all of the name.
    pub(super) subpath_start: usize,
    /// When it changed on the master, in seconds since the Unix epoch.
    pub(crate) changed: Option<i64>,
}

impl DirectoryEntry {
    /// The path below the topdir; empty for the topdir itself.
    pub(crate) fn subpath(&self) -> &str {
        self.name.split_at(self.subpath_start).1
    }
}

/// A category: its topdir, and its directories among those of the topdir.
#[derive(Debug)]
pub(crate) struct Category {
    pub(super) topdir: TopdirNumber,
    pub(super) directories: CategoryDirectories,
}

/// The place of a host's category: a column of a topdir.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColumnPlace {
    pub(super) category: CategoryId,
    pub(super) column: usize,
}

/// All topdirs, and what is found in them.
#[derive(Debug, Default)]
pub(crate) struct CarrierLayout {
    /// By name.
    pub(crate) topdirs: IndexTable<TopdirNumber, Topdir>,
    pub(super) categories: HashMap<CategoryId, Category>,
    pub(super) columns: HashMap<HostCategoryId, ColumnPlace, FixedState>,
    pub(super) directories: HashMap<DirectoryId, (TopdirNumber, DirectoryNumber), FixedState>,
    /// The only hosts that may serve a directory; all may serve others.
    pub(super) exclusive: HashMap<DirectoryId, HashSet<HostId>>,
    /// Active hosts that have a row in host_category, and whether one of those rows has a URL.
    pub(crate) offers: BTreeMap<HostId, bool>,
}

impl CarrierLayout {
    /// The directory with an id; `None` if the cache does not have it.
    pub(crate) fn directory(&self, id: DirectoryId) -> Option<&DirectoryEntry> {
        let (topdir, directory) = *self.directories.get(&id)?;
        Some(self.topdirs.at(topdir).directories.at(directory))
    }

    /// A category with a topdir. It is only asked for categories that a column or a directory has.
    pub(super) fn category(&self, id: CategoryId) -> Option<&Category> {
        let category = self.categories.get(&id);
        debug_assert!(category.is_some(), "category {id} has no topdir");
        category
    }

    /// The category and the column of a host's category; `None` if the host or the category is left out.
    pub(super) fn place(&self, host_category: HostCategoryId) -> Option<(&Category, usize)> {
        let ColumnPlace { category, column } = *self.columns.get(&host_category)?;
        Some((self.category(category)?, column))
    }
}

/// The directories of one category, found by their ids.
#[derive(Debug, Default)]
pub(crate) struct CategoryDirectories {
    directories: Vec<(DirectoryId, DirectoryNumber)>,
    positions: HashMap<DirectoryId, usize, FixedState>,
}

/// The crawler writes a host's directories in their order, so the next one is mostly among the next few ids.
const NEAR: usize = 4;

impl CategoryDirectories {
    pub(super) fn push(&mut self, id: DirectoryId, index: DirectoryNumber) {
        if let Entry::Vacant(vacant) = self.positions.entry(id) {
            vacant.insert(self.directories.len());
            self.directories.push((id, index));
        }
    }

    /// The number of a directory; `None` if it is not of this category. `cursor` is the position after the last one.
    pub(super) fn find(&self, id: DirectoryId, cursor: &mut usize) -> Option<DirectoryNumber> {
        let near = self.directories.iter().skip(*cursor).take(NEAR);
        let position = match near.into_iter().position(|(near, _)| *near == id) {
            Some(ahead) => *cursor + ahead,
            None => *self.positions.get(&id)?,
        };
        *cursor = position + 1;
        self.directories.get(position).map(|(_, index)| *index)
    }

    pub(super) fn indexes(&self) -> impl Iterator<Item = DirectoryNumber> {
        self.directories.iter().map(|(_, index)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index_table::TableIndex as _;

    #[test]
    fn directories_are_found_in_any_order() {
        let mut directories = CategoryDirectories::default();
        let ids = [3, 5, 9, 12, 40, 41];
        for (row, id) in ids.into_iter().enumerate() {
            directories.push(DirectoryId(id), DirectoryNumber::from_row(row).unwrap());
        }
        let mut cursor = 0;
        for id in [3, 41, 5, 12, 4, 40] {
            let found = directories.find(DirectoryId(id), &mut cursor);
            let row = ids.iter().position(|known| *known == id);
            assert_eq!(found.map(|index| index.row()), row, "{id}");
        }
    }
}
