//! Sets of small numbers, as bits in words of 64.

/// A set of numbers. Words at the end that have no bit can be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct BitWords(Vec<u64>);

impl BitWords {
    /// Sets a bit. Returns whether it is the first one in its word.
    #[inline]
    pub(crate) fn set(&mut self, bit: u32) -> bool {
        let number = (bit / 64) as usize;
        if self.0.len() <= number {
            self.grow_to(number);
        }
        self.0.get_mut(number).is_some_and(|word| {
            let is_first = *word == 0;
            *word |= 1 << (bit % 64);
            is_first
        })
    }

    #[cold]
    fn grow_to(&mut self, number: usize) {
        self.0.resize(number + 1, 0);
    }

    /// The word with a number.
    #[inline]
    pub(crate) fn word(&self, number: u32) -> u64 {
        self.0.get(number as usize).copied().unwrap_or(0)
    }

    /// Takes all bits out of the word with a number.
    pub(crate) fn take_word(&mut self, number: u32) -> u64 {
        self.0.get_mut(number as usize).map_or(0, std::mem::take)
    }
}

/// The numbers of the bits in a word, in ascending order.
#[inline]
pub(crate) fn ones(word: u64) -> impl Iterator<Item = u32> {
    let mut left = word;
    std::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let bit = left.trailing_zeros();
        left &= left - 1;
        Some(bit)
    })
}
