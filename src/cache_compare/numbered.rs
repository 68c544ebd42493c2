//! A list of distinct values that are referred to by their numbers.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Distinct values, numbered in the order in which they were first seen.
pub(super) struct Numbered<T> {
    values: Vec<T>,
    numbers: HashTable<u32>,
    hasher: FixedState,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            numbers: HashTable::new(),
            hasher: FixedState::default(),
        }
    }
}

impl<T: Hash + Eq> Numbered<T> {
    /// The number of a value, which is added if it is new.
    pub(super) fn number<Q>(&mut self, value: &Q) -> u32
    where
        T: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.find(value).unwrap_or_else(|| self.add(value.into()))
    }

    /// The number of a value that is known.
    pub(super) fn find<Q: Hash + Eq + ?Sized>(&self, value: &Q) -> Option<u32>
    where
        T: Borrow<Q>,
    {
        let same = |number: &u32| self.get(*number).is_some_and(|known| known.borrow() == value);
        self.numbers.find(self.hasher.hash_one(value), same).copied()
    }

    /// The number of a value, which moves in if it is new.
    pub(super) fn number_of(&mut self, value: T) -> u32 {
        self.find(&value).unwrap_or_else(|| self.add(value))
    }

    fn add(&mut self, value: T) -> u32 {
        // Each value has taken at least a byte of a file of at most some gigabytes.
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let Self {
            values,
            numbers,
            hasher,
        } = self;
        numbers.insert_unique(hasher.hash_one(&value), number, |number| {
            values.get(*number as usize).map_or(0, |value| hasher.hash_one(value))
        });
        values.push(value);
        number
    }
}

impl<T> Numbered<T> {
    /// The value with a number.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.values.get(number as usize)
    }

    /// How many values there are.
    pub(super) fn count(&self) -> usize {
        self.values.len()
    }

    /// All values, in the order of their numbers.
    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    /// All values, without the means to find their numbers.
    pub(super) fn into_values(self) -> Vec<T> {
        self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_number() {
        let mut texts = Numbered::<Box<str>>::default();
        let numbers: Vec<u32> = (0..2_000)
            .map(|i| texts.number((i % 1_000).to_string().as_str()))
            .collect();
        assert_eq!(numbers[..1_000], numbers[1_000..]);
        assert_eq!(texts.find("999"), Some(999));
        assert_eq!(texts.find("1000"), None);
        assert_eq!(texts.get(7).map(|text| &**text), Some("7"));
        assert_eq!(texts.into_values().len(), 1_000);
    }
}
