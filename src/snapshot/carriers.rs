//! Who carries a directory, packed: a carrier is a host with the URLs of one category (a row of MirrorManager2's
//! `host_category`), and a directory's carriers are a bit set.
//!
//! A cache repeats, for each of 150,000 directories, 50 to 300 hosts and their URL lists, but there are only some 1,500
//! carriers. Carriers that occur together form a group (in practice: a category), and a directory's set is a run of 64-bit
//! words over its group, stored once however many directories have the same.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::hosts::HostIndex;
use super::urls::{ProtocolSet, UrlRange};
use crate::geo::CountryCode;

/// The number of a carrier in [`super::Catalogue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CarrierIndex(pub(super) u32);

impl CarrierIndex {
    /// The number, below 2^24.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The carrier with a number that [`CarrierIndex::get`] gave.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// A host as it carries the directories of one category.
#[derive(Debug, Clone, Copy)]
pub struct Carrier {
    /// The host.
    pub host: HostIndex,
    /// The country that the directory lists the host under; none for private hosts.
    pub country: Option<CountryCode>,
    /// Whether the directory lists the host for everybody.
    pub public: bool,
    /// Whether the host is offered to clients of some countries only ([`super::Host::allowed_countries`]).
    pub restricted: bool,
    /// The protocols of its URLs.
    pub protocols: ProtocolSet,
    /// 1 / bandwidth in 1/(Mbit/s): the scale of the carrier's exponential key in a weighted shuffle.
    pub inverse_bandwidth: f32,
    /// Its URLs, best protocol first.
    pub urls: UrlRange,
}

/// A group of carriers that occur in the same directories.
pub(super) type Group = u32;

/// A carrier while a cache is read: which group it is in, and its bit there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) group: Group,
    pub(super) bit: u32,
}

/// Where a directory's carriers stand in [`CarrierSets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CarrierSet(u32);

/// The carriers of all directories. A set is one or more runs, each a header word (group, number of words, whether another
/// run follows) and then the words.
#[derive(Default)]
pub(super) struct CarrierSets {
    words: Vec<u64>,
    /// The first carrier of each group.
    bases: Vec<u32>,
}

const MORE: u64 = 1 << 63;

fn header(group: Group, words: usize, more: bool) -> u64 {
    // A group has fewer than 2^24 carriers, so its words fit in 31 bits.
    u64::from(group) | ((words as u64) << 32) | if more { MORE } else { 0 }
}

impl CarrierSets {
    /// The carriers of a set, in ascending order within each group.
    pub(super) fn iter(&self, set: CarrierSet) -> impl Iterator<Item = CarrierIndex> + '_ {
        self.runs(set).flat_map(|(_, base, words)| {
            (base.get()..).step_by(64).zip(words).flat_map(|(base, word)| {
                let mut left = *word;
                std::iter::from_fn(move || {
                    if left == 0 {
                        return None;
                    }
                    let bit = left.trailing_zeros();
                    left &= left - 1;
                    Some(CarrierIndex(base + bit))
                })
            })
        })
    }

    /// Memory that the sets take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// The first carrier of each group, where groups stand one after the other.
    pub(super) fn bases(&self) -> &[u32] {
        &self.bases
    }

    /// A set by groups: the group, its first carrier and a bit for each of the group's carriers.
    pub(super) fn runs(&self, set: CarrierSet) -> impl Iterator<Item = (Group, CarrierIndex, &[u64])> {
        let base = |group: Group| CarrierIndex(self.bases.get(group as usize).copied().unwrap_or(0));
        let mut rest = self.words.get(set.0 as usize..);
        std::iter::from_fn(move || {
            let (head, tail) = rest?.split_first()?;
            let (group, length) = split_header(*head);
            let (words, after) = tail.split_at_checked(length)?;
            rest = (head & MORE != 0).then_some(after);
            Some((group, base(group), words))
        })
    }

    /// The header and words of a set, for comparing sets.
    fn encoded(&self, set: CarrierSet) -> &[u64] {
        let length: usize = self.runs(set).map(|(_, _, words)| words.len() + 1).sum();
        let start = set.0 as usize;
        self.words.get(start..start + length).unwrap_or_default()
    }
}

fn split_header(head: u64) -> (Group, usize) {
    let group = head & u64::from(u32::MAX);
    let words = (head & !MORE) >> 32;
    // Both came from numbers of these types in `header`.
    (u32::try_from(group).unwrap_or(0), usize::try_from(words).unwrap_or(0))
}

/// Puts carriers into groups and directories' sets into [`CarrierSets`], as a cache is read.
#[derive(Default)]
pub(super) struct CarrierSetsBuilder {
    sets: CarrierSets,
    known: HashTable<CarrierSet>,
    group_sizes: Vec<u32>,
    runs: Vec<(Group, Vec<u64>)>,
    encoded: Vec<u64>,
}

impl CarrierSetsBuilder {
    /// A new group, without carriers.
    pub(super) fn new_group(&mut self) -> Group {
        self.group_sizes.push(0);
        // One directory makes at most one group, and their number fits in 32 bits.
        u32::try_from(self.group_sizes.len() - 1).unwrap_or(u32::MAX)
    }

    /// A new carrier in a group.
    pub(super) fn new_member(&mut self, group: Group) -> Member {
        let bit = match self.group_sizes.get_mut(group as usize) {
            Some(size) => {
                *size += 1;
                *size - 1
            }
            None => 0,
        };
        Member { group, bit }
    }

    /// Stores a directory's carriers, or finds that an equal set is there already. None where the table is full.
    pub(super) fn insert(&mut self, members: impl Iterator<Item = Member>) -> Option<CarrierSet> {
        for run in &mut self.runs {
            run.1.clear();
        }
        let mut last = 0;
        for member in members {
            if self.runs.get(last).is_none_or(|run| run.0 != member.group) {
                last = match self.runs.iter().position(|run| run.0 == member.group) {
                    Some(position) => position,
                    None => {
                        self.runs.push((member.group, Vec::new()));
                        self.runs.len() - 1
                    }
                };
            }
            let Some((_, words)) = self.runs.get_mut(last) else {
                continue;
            };
            let word = (member.bit / 64) as usize;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            if let Some(word) = words.get_mut(word) {
                *word |= 1 << (member.bit % 64);
            }
        }
        self.encode();
        self.intern()
    }

    fn encode(&mut self) {
        self.encoded.clear();
        let mut left = self.runs.iter().filter(|(_, words)| !words.is_empty()).count();
        if left == 0 {
            self.encoded.push(header(0, 0, false));
        }
        for (group, words) in self.runs.iter().filter(|(_, words)| !words.is_empty()) {
            left -= 1;
            self.encoded.push(header(*group, words.len(), left > 0));
            self.encoded.extend_from_slice(words);
        }
    }

    fn intern(&mut self) -> Option<CarrierSet> {
        let hasher = FixedState::default();
        let hash = hasher.hash_one(self.encoded.as_slice());
        let sets = &self.sets;
        if let Some(set) = self.known.find(hash, |set| sets.encoded(*set) == self.encoded) {
            return Some(*set);
        }
        let set = CarrierSet(u32::try_from(self.sets.words.len()).ok()?);
        self.sets.words.extend_from_slice(&self.encoded);
        let sets = &self.sets;
        self.known
            .insert_unique(hash, set, |set| hasher.hash_one(sets.encoded(*set)));
        Some(set)
    }

    /// The finished sets. A member's carrier index is then its group's base plus its bit, see [`CarrierSetsBuilder::bases`].
    pub(super) fn finish(mut self) -> CarrierSets {
        self.sets.bases = self.bases();
        self.sets.words.shrink_to_fit();
        self.sets
    }

    /// The first carrier of each group, where groups stand one after the other.
    pub(super) fn bases(&self) -> Vec<u32> {
        self.group_sizes
            .iter()
            .scan(0, |next, size| {
                let base = *next;
                *next += size;
                Some(base)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_back_as_stored_and_equal_ones_are_stored_once() {
        let mut builder = CarrierSetsBuilder::default();
        let (a, b) = (builder.new_group(), builder.new_group());
        let first: Vec<Member> = (0..200).map(|_| builder.new_member(a)).collect();
        let second: Vec<Member> = (0..3).map(|_| builder.new_member(b)).collect();
        let stored = [
            vec![first[0], first[63], first[64], first[199]],
            vec![],
            vec![second[2], first[5], second[0]],
            vec![first[199], first[0], first[64], first[63]],
        ];
        let handles: Vec<CarrierSet> = stored
            .iter()
            .map(|s| builder.insert(s.iter().copied()).unwrap())
            .collect();
        let sets = builder.finish();
        let found = |i: usize| {
            let mut numbers: Vec<u32> = sets.iter(handles[i]).map(CarrierIndex::get).collect();
            numbers.sort_unstable();
            numbers
        };
        assert_eq!(found(0), [0, 63, 64, 199]);
        assert_eq!(found(1), [0; 0]);
        assert_eq!(found(2), [5, 200, 202]);
        assert_eq!(handles[0], handles[3]);
    }
}
