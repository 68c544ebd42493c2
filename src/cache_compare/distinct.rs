//! A table of distinct values, each found by its index and by itself.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::index_table::{IndexTable, TableIndex};

/// Distinct values, in the order in which they were first seen.
#[derive(Default)]
pub(super) struct DistinctTable<I, T> {
    values: IndexTable<I, T>,
    indexes: HashTable<I>,
    hasher: FixedState,
}

impl<I: TableIndex + Default, T: Hash + Eq + Default> DistinctTable<I, T> {
    /// The index of a value, which is added if it is new.
    pub(super) fn insert(&mut self, value: T) -> I {
        self.find(&value).unwrap_or_else(|| self.add(value))
    }

    /// The index of a value that is known.
    pub(super) fn find(&self, value: &T) -> Option<I> {
        let same = |index: &I| self.at(*index) == value;
        self.indexes.find(self.hasher.hash_one(value), same).copied()
    }

    /// The value with an index.
    pub(super) fn at(&self, index: I) -> &T {
        self.values.at(index)
    }

    /// All values, in the order of their indexes.
    pub(super) fn values(&self) -> &[T] {
        self.values.rows()
    }

    fn add(&mut self, value: T) -> I {
        let hash = self.hasher.hash_one(&value);
        let index = self.values.push(value);
        debug_assert!(index.is_some(), "four billion values take more memory than there is");
        let index = index.unwrap_or_default();
        let (values, hasher) = (&self.values, &self.hasher);
        self.indexes
            .insert_unique(hash, index, |index| hasher.hash_one(values.at(*index)));
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index_table::{MOST_ROWS, table_indexes};

    table_indexes! {
        /// An index.
        struct TextIndex for at most MOST_ROWS;
    }

    #[test]
    fn equal_values_have_one_index() {
        let mut texts = DistinctTable::<TextIndex, String>::default();
        let indexes: Vec<TextIndex> = (0..2_000).map(|i| texts.insert((i % 1_000).to_string())).collect();
        assert_eq!(indexes[..1_000], indexes[1_000..]);
        assert_eq!(texts.find(&"999".to_owned()), Some(indexes[999]));
        assert_eq!(texts.find(&"1000".to_owned()), None);
        assert_eq!(texts.at(indexes[7]), "7");
        assert_eq!(texts.values().len(), 1_000);
    }
}
