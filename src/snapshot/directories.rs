//! The directories of a cache by name: names in one arena, a hash index, and for each directory who carries it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::carriers::CarrierSet;

/// The number of a directory in [`super::Catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DirectoryIndex(u32);

impl DirectoryIndex {
    /// The number, for tables by directory.
    pub fn get(self) -> usize {
        self.0 as usize
    }
}

/// A directory's path below its category's top directory, which is what follows a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subpath {
    /// The last bytes of the directory's name, as always in MirrorManager2's caches.
    Suffix(u16),
    /// Another text, by its number in [`DirectoryTable::odd_subpaths`].
    Odd(u32),
}

#[derive(Debug, Clone, Copy)]
struct Directory {
    name_start: u32,
    name_length: u16,
    subpath: Subpath,
    carriers: CarrierSet,
}

/// What became of a directory that was inserted.
pub(super) struct Inserted {
    /// Whether it was not there before.
    pub(super) new: bool,
    /// Whether its subpath is stored by itself.
    pub(super) odd_subpath: bool,
}

/// All directories.
#[derive(Default)]
pub(super) struct DirectoryTable {
    names: String,
    directories: Vec<Directory>,
    by_name: HashTable<DirectoryIndex>,
    hasher: RandomState,
    odd_subpaths: Vec<Box<str>>,
}

impl DirectoryTable {
    /// What a directory takes while the tables grow, in bytes, beside its name.
    pub(super) const DIRECTORY_BYTES: usize = 56;

    /// The directory with this name: no slash at either end, none doubled.
    pub(super) fn find(&self, name: &str) -> Option<DirectoryIndex> {
        let hash = self.hasher.hash_one(name);
        self.by_name.find(hash, |index| self.name(*index) == name).copied()
    }

    pub(super) fn name(&self, index: DirectoryIndex) -> &str {
        self.directory(index).map_or("", |directory| self.name_of(directory))
    }

    pub(super) fn subpath(&self, index: DirectoryIndex) -> &str {
        let Some(directory) = self.directory(index) else {
            return "";
        };
        match directory.subpath {
            Subpath::Suffix(length) => {
                let name = self.name_of(directory);
                name.get(name.len() - usize::from(length)..).unwrap_or_default()
            }
            Subpath::Odd(number) => self.odd_subpaths.get(number as usize).map_or("", |text| text),
        }
    }

    pub(super) fn carriers(&self, index: DirectoryIndex) -> Option<CarrierSet> {
        self.directory(index).map(|directory| directory.carriers)
    }

    pub(super) fn len(&self) -> usize {
        self.directories.len()
    }

    /// All directories, in the order of the cache.
    pub(super) fn iter(&self) -> impl Iterator<Item = DirectoryIndex> + use<> {
        // `insert` keeps their number within 32 bits.
        (0..u32::try_from(self.directories.len()).unwrap_or(u32::MAX)).map(DirectoryIndex)
    }

    /// Adds a directory, or replaces who carries it. The subpath has no slash at either end.
    ///
    /// # Errors
    /// Where the name is too long or the table is full.
    pub(super) fn insert(&mut self, name: &str, subpath: &str, carriers: CarrierSet) -> Result<Inserted, &'static str> {
        let name_length = u16::try_from(name.len()).map_err(|_| "its name is longer than 65,535 bytes")?;
        let subpath = self.store_subpath(name, subpath)?;
        let odd_subpath = matches!(subpath, Subpath::Odd(_));
        if let Some(known) = self.find(name) {
            if let Some(directory) = self.directories.get_mut(known.get()) {
                directory.subpath = subpath;
                directory.carriers = carriers;
            }
            return Ok(Inserted {
                new: false,
                odd_subpath,
            });
        }
        const FULL: &str = "there are too many directories";
        let index = DirectoryIndex(u32::try_from(self.directories.len()).map_err(|_| FULL)?);
        let name_start = u32::try_from(self.names.len()).map_err(|_| FULL)?;
        self.names.push_str(name);
        self.directories.push(Directory {
            name_start,
            name_length,
            subpath,
            carriers,
        });
        let hasher = &self.hasher;
        let (names, directories) = (&self.names, &self.directories);
        self.by_name.insert_unique(hasher.hash_one(name), index, |index| {
            hasher.hash_one(directories.get(index.get()).map_or("", |d| name_in(names, d)))
        });
        Ok(Inserted { new: true, odd_subpath })
    }

    /// Gives back the memory that was kept for growing.
    pub(super) fn shrink(&mut self) {
        self.names.shrink_to_fit();
        self.directories.shrink_to_fit();
    }

    /// Memory that the table takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.names.capacity()
            + self.directories.capacity() * size_of::<Directory>()
            + self.by_name.capacity() * size_of::<DirectoryIndex>()
    }

    fn store_subpath(&mut self, name: &str, subpath: &str) -> Result<Subpath, &'static str> {
        if name.ends_with(subpath) {
            // No longer than the name, whose length was checked.
            return Ok(Subpath::Suffix(u16::try_from(subpath.len()).unwrap_or(u16::MAX)));
        }
        let number = u32::try_from(self.odd_subpaths.len()).map_err(|_| "there are too many directories")?;
        self.odd_subpaths.push(subpath.into());
        Ok(Subpath::Odd(number))
    }

    fn directory(&self, index: DirectoryIndex) -> Option<&Directory> {
        self.directories.get(index.get())
    }

    fn name_of(&self, directory: &Directory) -> &str {
        name_in(&self.names, directory)
    }
}

fn name_in<'a>(names: &'a str, directory: &Directory) -> &'a str {
    let start = directory.name_start as usize;
    names
        .get(start..start + usize::from(directory.name_length))
        .unwrap_or_default()
}
