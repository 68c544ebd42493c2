//! Vectors whose rows are found by numbers of a type of their own: the one place where such a look-up can fail.

use std::fmt::Debug;
use std::marker::PhantomData;

/// A vector that only numbers of type `N` look into. They come from [`RowTable::push`], so that a look-up finds its row: one that
/// does not fails in tests, and gives nothing in a release build, never another row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RowTable<N, T> {
    rows: Vec<T>,
    numbers: PhantomData<fn() -> N>,
}

impl<N, T> Default for RowTable<N, T> {
    fn default() -> Self {
        Self::from_iter([])
    }
}

impl<N, T> FromIterator<T> for RowTable<N, T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self {
            rows: rows.into_iter().collect(),
            numbers: PhantomData,
        }
    }
}

impl<N: Copy + Debug + From<usize> + Into<usize>, T> RowTable<N, T> {
    /// Adds a row. Returns its number.
    pub(crate) fn push(&mut self, row: T) -> N {
        self.rows.push(row);
        (self.rows.len() - 1).into()
    }

    pub(crate) fn get(&self, number: N) -> Option<&T> {
        let row = self.rows.get(number.into());
        debug_assert!(row.is_some(), "there is no {number:?}");
        row
    }

    pub(crate) fn get_mut(&mut self, number: N) -> Option<&mut T> {
        let row = self.rows.get_mut(number.into());
        debug_assert!(row.is_some(), "there is no {number:?}");
        row
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.rows.iter_mut()
    }
}

/// Makes a type of numbers for a [`RowTable`].
macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(usize);

        impl From<usize> for $name {
            fn from(number: usize) -> Self {
                Self(number)
            }
        }

        impl From<$name> for usize {
            fn from(number: $name) -> Self {
                number.0
            }
        }
    };
}

pub(crate) use number;

#[cfg(test)]
mod tests {
    use super::*;

    number!(RowOfTest);

    #[test]
    fn a_number_finds_its_row() {
        let mut table = RowTable::<RowOfTest, &str>::default();
        let (first, second) = (table.push("one"), table.push("two"));
        assert_eq!((table.get(first), table.get(second)), (Some(&"one"), Some(&"two")));
    }

    #[test]
    #[should_panic(expected = "there is no RowOfTest(1)")]
    fn a_number_of_another_table_is_noticed() {
        RowTable::<RowOfTest, u8>::from_iter([0]).get(RowOfTest(1));
    }
}
