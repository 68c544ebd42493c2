//! Sets of a few carriers, as words of bits. Memory grows with the carriers that are named, not with the cache.

use super::super::carriers::CarrierIndex;
use crate::bits::ones;

/// A set of carriers: pairs of a word's number and the word, in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CarrierBits(Box<[(u32, u64)]>);

impl CarrierBits {
    /// The set of these carriers, in any order.
    pub(super) fn new(carriers: impl IntoIterator<Item = CarrierIndex>) -> Self {
        let mut numbers: Vec<u32> = carriers.into_iter().map(CarrierIndex::get).collect();
        numbers.sort_unstable();
        let mut words: Vec<(u32, u64)> = Vec::new();
        for number in numbers {
            let bit = 1 << (number % 64);
            match words.last_mut() {
                Some((word, bits)) if *word == number / 64 => *bits |= bit,
                _ => words.push((number / 64, bit)),
            }
        }
        Self(words.into())
    }

    /// Whether the set has no carrier.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The carriers of the set, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = CarrierIndex> {
        let words = self.0.iter();
        words.flat_map(|(word, bits)| ones(*bits).map(move |bit| CarrierIndex::from_number(word * 64 + bit)))
    }

    /// Whether a carrier is in the set.
    #[inline]
    pub fn contains(&self, carrier: CarrierIndex) -> bool {
        let number = carrier.get();
        self.word(number / 64) >> (number % 64) & 1 == 1
    }

    /// The 64 carriers from this one on, as bits.
    #[inline]
    pub fn window(&self, first: CarrierIndex) -> u64 {
        let (word, shift) = (first.get() / 64, first.get() % 64);
        let low = self.word(word) >> shift;
        match shift {
            0 => low,
            _ => low | self.word(word + 1) << (64 - shift),
        }
    }

    #[inline]
    fn word(&self, number: u32) -> u64 {
        let found = self.0.binary_search_by_key(&number, |(word, _)| *word);
        let pair = found.ok().and_then(|place| self.0.get(place));
        pair.map_or(0, |(_, bits)| *bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_show_the_carriers_of_the_set_wherever_they_begin() {
        let members = [0, 1, 63, 64, 130, 200, 4_000];
        let bits = CarrierBits::new(members.map(CarrierIndex::from_number));
        for first in 0..4_100 {
            let expected = members.iter().filter(|member| (first..first + 64).contains(*member));
            let expected = expected.fold(0_u64, |word, member| word | 1 << (member - first));
            assert_eq!(bits.window(CarrierIndex::from_number(first)), expected, "from {first}");
            assert_eq!(
                bits.contains(CarrierIndex::from_number(first)),
                members.contains(&first)
            );
        }
        assert!(CarrierBits::default().is_empty() && !bits.is_empty());
    }
}
