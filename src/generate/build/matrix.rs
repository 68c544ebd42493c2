//! Which host carries which directory: a bit for each directory and column of a [`CarrierLayout`], so that 20 million rows of
//! host_category_dir take 3 MB.

use std::collections::HashMap;

use super::carriers::{CarrierLayout, DirectoryNumber, Topdir, TopdirNumber};
use crate::cache::write::ones;
use crate::generate::read::ids::{DirectoryId, HostCategoryId, HostId};
use crate::index_table::{IndexTable, TableIndex as _};

pub(crate) struct CarrierMatrix(IndexTable<TopdirNumber, TopdirBits>);

/// The bits of a topdir: words for each directory, a bit for each column.
#[derive(Default)]
struct TopdirBits {
    /// At least one.
    words_of_directory: usize,
    words: Vec<u64>,
}

impl TopdirBits {
    fn new(topdir: &Topdir) -> Self {
        let words_of_directory = topdir.columns.len().div_ceil(64).max(1);
        Self {
            words_of_directory,
            words: vec![0; words_of_directory * topdir.directories.len()],
        }
    }

    fn set(&mut self, directory: DirectoryNumber, column: usize) {
        let word = directory.row() * self.words_of_directory + column / 64;
        let word = self.words.get_mut(word);
        debug_assert!(word.is_some(), "{directory:?} is not of this topdir");
        if let Some(word) = word {
            *word |= 1 << (column % 64);
        }
    }

    fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.words_of_directory)
    }
}

impl CarrierMatrix {
    /// A matrix without a bit that is set.
    pub(crate) fn new(layout: &CarrierLayout) -> Self {
        let bits: Vec<TopdirBits> = layout.topdirs.rows().iter().map(TopdirBits::new).collect();
        Self(bits.into())
    }

    /// Sets the bits of a host that carries these directories for a category. `ids` has 4 bytes for each, the most significant
    /// first.
    pub(crate) fn carry(&mut self, layout: &CarrierLayout, host_category: HostCategoryId, ids: &[u8]) {
        let Some((category, column)) = layout.place(host_category) else {
            return;
        };
        let bits = self.0.at_mut(category.topdir);
        let mut cursor = 0;
        let (ids, _) = ids.as_chunks::<4>();
        for id in ids {
            let id = DirectoryId(i32::from_be_bytes(*id).into());
            if let Some(directory) = category.directories.find(id, &mut cursor) {
                bits.set(directory, column);
            }
        }
    }

    /// Adds the bits of another matrix of the same layout.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (topdir, others) in other.0.iter() {
            for (word, other) in self.0.at_mut(topdir).words.iter_mut().zip(&others.words) {
                *word |= other;
            }
        }
    }

    /// Applies what is independent of the crawler: hosts that always carry everything, directories that only some may serve.
    pub(crate) fn apply_rules(&mut self, layout: &CarrierLayout) {
        for (index, topdir) in layout.topdirs.iter() {
            let bits = self.0.at_mut(index);
            for (number, column) in topdir.columns.iter().enumerate() {
                if column.always_up_to_date
                    && let Some(category) = layout.category(column.category)
                {
                    for directory in category.directories.indexes() {
                        bits.set(directory, number);
                    }
                }
            }
            let rows = bits.words.chunks_exact_mut(bits.words_of_directory);
            for (directory, row) in topdir.directories.rows().iter().zip(rows) {
                if let Some(allowed) = layout.exclusive.get(&directory.id) {
                    // A word of a row for each 64 columns.
                    for (word, columns) in row.iter_mut().zip(topdir.columns.chunks(64)) {
                        for (bit, column) in columns.iter().enumerate() {
                            *word &= !(u64::from(!allowed.contains(&column.host())) << bit);
                        }
                    }
                }
            }
        }
    }

    /// The bits of each directory of each topdir of the layout, in its order.
    pub(crate) fn topdirs(&self) -> impl Iterator<Item = impl Iterator<Item = &[u64]>> {
        self.0.rows().iter().map(TopdirBits::rows)
    }

    /// The number of directories that each host carries; a directory that it carries for several categories counts once.
    pub(crate) fn directories_by_host(&self, layout: &CarrierLayout) -> HashMap<HostId, u64> {
        let mut by_host = HashMap::new();
        for (topdir, rows) in layout.topdirs.rows().iter().zip(self.topdirs()) {
            let hosts: Vec<HostId> = topdir.columns.iter().map(|column| column.host()).collect();
            // The columns of a host are neighbours.
            let mut counts = vec![0; hosts.len()];
            for row in rows {
                let mut last = None;
                for column in ones(row.iter().copied()) {
                    let host = hosts.get(column);
                    debug_assert!(host.is_some(), "there is no column {column}");
                    if let (Some(count), true) = (counts.get_mut(column), host != last) {
                        *count += 1;
                    }
                    last = host;
                }
            }
            for (host, count) in hosts.iter().zip(counts) {
                *by_host.entry(*host).or_default() += count;
            }
        }
        by_host
    }
}
