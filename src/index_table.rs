//! Tables whose rows are found by an index type of their own, so that no index of one table is looked up in another.
//!
//! A look-up always gives a row. An index without a row is a defect, which is loud in tests: a debug build panics. A release build
//! goes on with the default row, which a row's type has to choose so that it serves no mirror.

use std::marker::PhantomData;
use std::ops::Range;

/// An index of an [`IndexTable`].
pub(crate) trait TableIndex: Copy {
    /// The index of a row; `None` when the index has no room for more rows.
    fn from_row(row: usize) -> Option<Self>;

    /// The row.
    fn row(self) -> usize;
}

/// Makes types of indexes: 32 bits each, for at most as many rows as said.
macro_rules! table_indexes {
    ($($(#[$attribute:meta])* $visibility:vis struct $name:ident for at most $rows:expr;)*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $visibility struct $name(u32);

        impl $crate::index_table::TableIndex for $name {
            #[inline]
            fn from_row(row: usize) -> Option<Self> {
                u32::try_from(row).ok().filter(|_| row < $rows).map(Self)
            }

            #[inline(always)]
            fn row(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
pub(crate) use table_indexes;

/// As many rows as an index of 32 bits has room for.
pub(crate) const MOST_ROWS: usize = u32::MAX as usize;

/// Rows that are found by their index.
#[derive(Debug, Clone, Default)]
pub(crate) struct IndexTable<I, T> {
    rows: Vec<T>,
    /// Stands for a row that is not there.
    default: T,
    index: PhantomData<I>,
}

impl<I, T: Default> From<Vec<T>> for IndexTable<I, T> {
    fn from(rows: Vec<T>) -> Self {
        Self {
            rows,
            default: T::default(),
            index: PhantomData,
        }
    }
}

impl<I: TableIndex, T: Default> IndexTable<I, T> {
    /// The row with an index.
    #[inline]
    pub(crate) fn at(&self, index: I) -> &T {
        match self.rows.get(index.row()) {
            Some(row) => row,
            None => {
                missing(index.row(), self.rows.len());
                &self.default
            }
        }
    }

    /// The row with an index, for changing it.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: I) -> &mut T {
        let rows = self.rows.len();
        match self.rows.get_mut(index.row()) {
            Some(row) => row,
            None => {
                missing(index.row(), rows);
                self.default = T::default();
                &mut self.default
            }
        }
    }

    /// Adds a row. Returns `None` when the index has no room for it.
    pub(crate) fn push(&mut self, row: T) -> Option<I> {
        let index = I::from_row(self.rows.len())?;
        self.rows.push(row);
        Some(index)
    }

    /// The index of the last row.
    pub(crate) fn last(&self) -> Option<I> {
        I::from_row(self.rows.len().checked_sub(1)?)
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows, in order.
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The rows, in order, without their indexes.
    pub(crate) fn into_rows(self) -> Vec<T> {
        self.rows
    }

    /// The indexes of all rows, in order.
    pub(crate) fn indexes(&self) -> impl Iterator<Item = I> + use<I, T> {
        // Every row that was pushed has one.
        (0..self.rows.len()).map_while(I::from_row)
    }

    /// The rows with their indexes, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &T)> {
        self.indexes().zip(&self.rows)
    }

    /// Removes all rows and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }

    /// Gives back the memory that was kept for growing.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.rows.shrink_to_fit();
    }

    /// The memory that the rows take, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<T>()
    }
}

impl<I: TableIndex, T: Default + Clone> IndexTable<I, T> {
    /// Adds default rows up to that of an index.
    #[cold]
    pub(crate) fn grow_to(&mut self, index: I) {
        self.rows.resize(index.row() + 1, T::default());
    }
}

/// The part of a list that its table knows to be there.
#[inline]
pub(crate) fn part<T>(list: &[T], range: Range<usize>) -> &[T] {
    let (end, rows) = (range.end, list.len());
    list.get(range).unwrap_or_else(|| {
        missing(end, rows);
        &[]
    })
}

/// The part of a text that its table knows to be there.
#[inline]
pub(crate) fn text_part(text: &str, range: Range<usize>) -> &str {
    let (end, bytes) = (range.end, text.len());
    text.get(range).unwrap_or_else(|| {
        missing(end, bytes);
        ""
    })
}

#[cold]
fn missing(index: usize, rows: usize) {
    debug_assert!(false, "there is no row {index} of {rows}");
}

#[cfg(test)]
mod tests {
    use super::*;

    table_indexes! {
        /// An index of few rows.
        struct SmallIndex for at most 2;
    }

    #[test]
    fn rows_are_found_by_the_index_that_pushing_gave_until_there_is_no_room() {
        let mut table = IndexTable::<SmallIndex, &str>::default();
        let (first, second) = (table.push("a").unwrap(), table.push("b").unwrap());
        assert_eq!(table.push("c"), None);
        *table.at_mut(first) = "d";
        assert_eq!((*table.at(second), table.last()), ("b", Some(second)));
        assert_eq!(table.iter().collect::<Vec<_>>(), [(first, &"d"), (second, &"b")]);
    }

    #[test]
    #[should_panic(expected = "there is no row 1 of 0")]
    fn an_index_without_a_row_is_loud() {
        IndexTable::<SmallIndex, u8>::default().at(SmallIndex(1));
    }
}
