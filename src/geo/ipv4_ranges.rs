//! IPv4 address to a value, such as a country or an AS. A look-up is three reads of memory; a walk down a tree is some twenty that
//! wait for each other.

use std::net::Ipv4Addr;

use super::ranges::{Address, Entry, for_each_range};

/// The ranges of addresses that have the same value, in each of the 65,536 blocks of addresses that share their first half.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ipv4Ranges<T> {
    /// The first range of each block, and the end of the last one.
    blocks: Vec<u32>,
    /// The second half of each range's first address; a block's first range begins with 0.
    starts: Vec<u16>,
    values: Vec<T>,
}

/// The most prefixes of a table; the Internet has less than a million.
pub(super) const MOST_PREFIXES: usize = 1 << 22;

impl<T: Copy + PartialEq> Ipv4Ranges<T> {
    /// Asks for one address after the other, beginning with 0.0.0.0. The answer is the length in bits of the prefix that has the
    /// same value as the address, and this value. `None` if an answer is missing or there are more than `most` prefixes.
    pub(super) fn ask(most: usize, mut ask: impl FnMut(Ipv4Addr) -> Option<(u8, T)>) -> Option<Self> {
        let mut ranges = Self::empty();
        let mut next = 0;
        for _ in 0..most.min(MOST_PREFIXES) {
            let (length, value) = ask(Ipv4Addr::from_bits(next))?;
            ranges.add(next, value);
            match next.last_of(length).next() {
                Some(address) => next = address,
                None => return Some(ranges.finish()),
            }
        }
        None
    }

    /// The ranges of these networks, see [`for_each_range`].
    pub(super) fn of_networks(networks: Vec<Entry<u32, T>>, other: T) -> Self {
        let mut ranges = Self::empty();
        for_each_range(networks, other, |first, value| ranges.add(first, value));
        ranges.finish()
    }

    /// The value of an address.
    pub(super) fn get(&self, address: Ipv4Addr) -> Option<T> {
        let [a, b, c, d] = address.octets();
        let block = usize::from(u16::from_be_bytes([a, b]));
        let [first, end] = *self.blocks.get(block..)?.first_chunk()?;
        let starts = self.starts.get(first as usize..end as usize)?;
        let place = u16::from_be_bytes([c, d]);
        // The block's first range begins with 0, so that at least one begins at or before the place.
        let range = first as usize + starts.partition_point(|start| *start <= place) - 1;
        self.values.get(range).copied()
    }

    /// Every range in each block: its first address and its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, T)> {
        let bounds = self.blocks.iter().zip(self.blocks.iter().skip(1));
        bounds.zip(0_u32..).flat_map(|((first, end), block)| {
            let (first, length) = (*first as usize, (end - first) as usize);
            let ranges = self.starts.iter().skip(first).zip(self.values.iter().skip(first));
            ranges
                .take(length)
                .map(move |(start, value)| (Ipv4Addr::from_bits(block << 16 | u32::from(*start)), *value))
        })
    }

    fn empty() -> Self {
        Self {
            blocks: Vec::with_capacity(BLOCKS + 1),
            starts: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Adds a range that follows the last one; the first one begins with 0.0.0.0.
    fn add(&mut self, first: u32, value: T) {
        let [a, b, c, d] = first.to_be_bytes();
        let (block, start) = (usize::from(u16::from_be_bytes([a, b])), u16::from_be_bytes([c, d]));
        self.begin_blocks(block + usize::from(start > 0));
        if start == 0 {
            self.end_block();
            self.push(0, value);
        } else if self.values.last() != Some(&value) {
            self.push(start, value);
        }
    }

    /// Has that many blocks begin: those that are missing with the value of the last range.
    fn begin_blocks(&mut self, number: usize) {
        while let Some(value) = self.values.last().copied().filter(|_| self.blocks.len() < number) {
            self.end_block();
            self.push(0, value);
        }
    }

    fn push(&mut self, start: u16, value: T) {
        self.starts.push(start);
        self.values.push(value);
    }

    /// The next range is of the next block.
    fn end_block(&mut self) {
        // There are at most as many ranges as addresses.
        self.blocks.push(u32::try_from(self.starts.len()).unwrap_or(u32::MAX));
    }

    fn finish(mut self) -> Self {
        self.begin_blocks(BLOCKS);
        self.end_block();
        self.starts.shrink_to_fit();
        self.values.shrink_to_fit();
        self
    }
}

const BLOCKS: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expected(networks: &[Entry<u32, u8>], address: u32) -> Option<u8> {
        let holding = networks.iter().filter(|n| (n.first..=n.last()).contains(&address));
        holding.max_by_key(|n| n.length).map(|n| n.value)
    }

    fn networks() -> impl Strategy<Value = Vec<Entry<u32, u8>>> {
        let parts = (any::<u32>(), prop_oneof![0..=32_u8, 14..=18_u8], 0..4_u8);
        let network = parts.prop_map(|(address, length, value)| {
            // Few first halves, so that networks are inside each other.
            let first = (address & 0x0103_ffff) & !u32::MAX.unbounded_shr(length.into());
            Entry::new(first, length, value)
        });
        prop::collection::vec(network, 0..40)
    }

    fn borders(networks: &[Entry<u32, u8>]) -> impl Iterator<Item = u32> {
        networks.iter().flat_map(|network| {
            let (first, last) = (network.first, network.last());
            [first.wrapping_sub(1), first, last, last.wrapping_add(1)]
        })
    }

    proptest! {
        #[test]
        fn every_address_has_the_value_of_its_longest_prefix(
            networks in networks(),
            addresses in prop::collection::vec(any::<u32>(), 20),
        ) {
            let of_networks = Ipv4Ranges::of_networks(
                networks.iter().map(|n| Entry::new(n.first, n.length, Some(n.value))).collect(),
                None,
            );
            // As a tree answers: with the longest prefix of the address that no network begins or ends in.
            let asked = Ipv4Ranges::ask(MOST_PREFIXES, |address| {
                let address = address.to_bits();
                let lengths = networks.iter().map(|network| {
                    let common = (network.first ^ address).leading_zeros();
                    u32::from(network.length).min(common + 1)
                });
                Some((u8::try_from(lengths.max().unwrap_or(0)).unwrap(), expected(&networks, address)))
            });
            let asked = asked.unwrap();
            for address in addresses.into_iter().chain(borders(&networks)) {
                let expected = Some(expected(&networks, address));
                prop_assert_eq!(of_networks.get(Ipv4Addr::from_bits(address)), expected);
                prop_assert_eq!(asked.get(Ipv4Addr::from_bits(address)), expected);
            }
        }
    }

    #[test]
    fn what_is_too_much_or_unknown_makes_no_table() {
        assert_eq!(Ipv4Ranges::ask(MOST_PREFIXES, |_| Some((32, ()))), None);
        assert_eq!(Ipv4Ranges::ask(255, |_| Some((8, ()))), None);
        assert!(Ipv4Ranges::ask(256, |_| Some((8, ()))).is_some());
        assert!(Ipv4Ranges::ask(MOST_PREFIXES, |address| Some((8, address))).is_some());
        let unknown_from_7 = |address: Ipv4Addr| (address.to_bits() < 7 << 24).then_some((8, ()));
        assert_eq!(Ipv4Ranges::ask(MOST_PREFIXES, unknown_from_7), None);
    }
}
