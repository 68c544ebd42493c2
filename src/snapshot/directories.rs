//! The directories of a cache by name: all names in one text, a hash index, and for each directory the set of its carriers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::carriers::CarrierSet;
use crate::budget::Budget;
use crate::cache::error::{EntryError, TooMany};
use crate::index_table::{IndexTable, MOST_ROWS, table_indexes, text_part};

table_indexes! {
    /// A directory in [`super::Catalogue`].
    pub struct DirectoryIndex for at most MOST_ROWS;

    /// A subpath that is not a part of its directory's name.
    struct OddSubpath for at most MOST_ROWS;
}

/// A directory's path below its category's top directory, which is what follows a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subpath {
    /// The last bytes of the directory's name, as always in MirrorManager2's caches.
    Suffix(u16),
    /// Another text.
    Odd(OddSubpath),
}

impl Default for Subpath {
    fn default() -> Self {
        Self::Suffix(0)
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Directory {
    name_start: u32,
    name_length: u16,
    subpath: Subpath,
    carriers: CarrierSet,
}

/// The memory of a directory while the tables grow, in bytes, without its name.
const DIRECTORY_BYTES: usize = 56;

/// The memory of a subpath that is not a part of its directory's name, in bytes, without its text.
const ODD_SUBPATH_BYTES: usize = 56;

#[derive(Default)]
pub(super) struct DirectoryTable {
    names: String,
    pub(super) table: IndexTable<DirectoryIndex, Directory>,
    by_name: HashTable<DirectoryIndex>,
    hasher: RandomState,
    odd_subpaths: IndexTable<OddSubpath, Box<str>>,
}

impl DirectoryTable {
    /// The directory with this name: no slash at either end, none doubled.
    pub(super) fn find(&self, name: &str) -> Option<DirectoryIndex> {
        let hash = self.hasher.hash_one(name);
        self.by_name.find(hash, |index| self.name(*index) == name).copied()
    }

    pub(super) fn name(&self, index: DirectoryIndex) -> &str {
        name_in(&self.names, self.table.at(index))
    }

    pub(super) fn subpath(&self, index: DirectoryIndex) -> &str {
        let directory = self.table.at(index);
        match directory.subpath {
            Subpath::Suffix(length) => {
                let name = name_in(&self.names, directory);
                text_part(name, name.len().saturating_sub(length.into())..name.len())
            }
            Subpath::Odd(number) => self.odd_subpaths.at(number),
        }
    }

    pub(super) fn carriers(&self, index: DirectoryIndex) -> CarrierSet {
        self.table.at(index).carriers
    }

    /// Adds a directory, or replaces the subpath and carriers of a known one. The name follows the rules of [`crate::cache::name`]; the
    /// subpath has no slash at either end. Returns whether the directory is new.
    ///
    /// # Errors
    /// If the table is full or would take too much memory.
    pub(super) fn insert(
        &mut self,
        name: &str,
        subpath: &str,
        carriers: CarrierSet,
        budget: &mut Budget,
    ) -> Result<bool, EntryError> {
        let name_length = length(name)?;
        let subpath = self.store_subpath(name, subpath, budget)?;
        if let Some(known) = self.find(name) {
            let directory = self.table.at_mut(known);
            directory.subpath = subpath;
            directory.carriers = carriers;
            return Ok(false);
        }
        let name_start = u32::try_from(self.names.len()).map_err(|_| TooMany::Directories)?;
        let directory = Directory {
            name_start,
            name_length,
            subpath,
            carriers,
        };
        let index = self.table.push(directory).ok_or(TooMany::Directories)?;
        self.names.push_str(name);
        self.by_name.insert_unique(self.hasher.hash_one(name), index, |index| {
            self.hasher.hash_one(name_in(&self.names, self.table.at(*index)))
        });
        budget.take(DIRECTORY_BYTES + 2 * name.len())?;
        Ok(true)
    }

    /// Gives back the memory that was kept for growing.
    pub(super) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.table.shrink_to_fit();
    }

    /// Memory that the table takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.names.capacity() + self.table.bytes() + self.by_name.capacity() * size_of::<DirectoryIndex>()
    }

    fn store_subpath(&mut self, name: &str, subpath: &str, budget: &mut Budget) -> Result<Subpath, EntryError> {
        if name.ends_with(subpath) {
            return Ok(Subpath::Suffix(length(subpath)?));
        }
        budget.take(ODD_SUBPATH_BYTES + subpath.len())?;
        let odd = self.odd_subpaths.push(subpath.into());
        Ok(Subpath::Odd(odd.ok_or(TooMany::Directories)?))
    }
}

/// The length of a name, which is at most [`crate::cache::name::LONGEST_NAME`].
fn length(name: &str) -> Result<u16, TooMany> {
    u16::try_from(name.len()).map_err(|_| TooMany::Directories)
}

fn name_in<'a>(names: &'a str, directory: &Directory) -> &'a str {
    let start = directory.name_start as usize;
    text_part(names, start..start + usize::from(directory.name_length))
}
