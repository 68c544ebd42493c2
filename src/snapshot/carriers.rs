//! The carriers of directories, packed. A carrier is a host with the URLs of one category (a row of MirrorManager2's
//! `host_category`), and a directory's carriers are a bit set. Carriers are found in a cache by `super::build`.
//!
//! Optimised: a cache repeats, for each of 150,000 directories, 50 to 300 hosts and their URL lists, but there are only some 1,500
//! carriers. Carriers that occur together form a group (in practice: a category), and a directory's set is a run of 64-bit
//! words over its group, stored once however many directories have the same. Words without a carrier are left out, so that a
//! set is never larger than what the cache says of it.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::hosts::HostIndex;
use super::urls::{ProtocolSet, UrlRange};
use crate::bits::{BitWords, ones};
use crate::budget::Budget;
use crate::cache::error::{EntryError, TooMany};
use crate::geo::CountryCode;
use crate::index_table::{IndexTable, part, table_indexes};

/// A carrier's index has 24 bits: answers sort hosts by numbers that hold it, see [`crate::mirrorlist`].
pub(super) const MOST_CARRIERS: usize = 1 << 24;

table_indexes! {
    /// A carrier in [`super::Catalogue`]: the base of its group plus its bit there.
    pub struct CarrierIndex for at most MOST_CARRIERS;

    /// A group of carriers that occur in the same directories.
    pub(super) struct CarrierGroup for at most MOST_CARRIERS;
}

impl CarrierIndex {
    /// The number, below 2^24.
    pub fn get(self) -> u32 {
        self.0
    }

    /// The carrier with a number that [`CarrierIndex::get`] gave.
    pub fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The carrier so many after this one.
    pub(super) fn plus(self, bits: u32) -> Self {
        Self(self.0 + bits)
    }
}

/// A host as it carries the directories of one category.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carrier {
    /// The host.
    pub host: HostIndex,
    /// The country that the directory lists the host under; `None` for private hosts.
    pub country: Option<CountryCode>,
    /// Whether the directory lists the host for all clients.
    pub public: bool,
    /// Whether the host is offered to clients of some countries only ([`super::Host::restricted`]).
    pub restricted: bool,
    /// The protocols of its URLs.
    pub protocols: ProtocolSet,
    /// 1 / bandwidth in 1/(Mbit/s): the scale of the carrier's exponential key in a weighted shuffle.
    pub inverse_bandwidth: f32,
    /// Its URLs, best protocol first.
    pub urls: UrlRange,
}

impl Carrier {
    /// Whether a public list can have it. A private host is listed for clients of its own networks only.
    pub fn in_public_list(&self) -> bool {
        self.public || self.country.is_some()
    }
}

/// All carriers of a cache.
pub(crate) type CarrierTable = IndexTable<CarrierIndex, Carrier>;

/// A carrier while a cache is read: its group, and its bit there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CarrierMember {
    pub(super) group: CarrierGroup,
    pub(super) bit: u32,
}

/// A directory's carriers in [`CarrierSets`], by the offset of their first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CarrierSet(u32);

impl Default for CarrierSet {
    /// A set that is not there, and so has no carrier.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// The carriers of all directories. A set is one or more runs, each a header word (see [`Header`]) and then the words.
#[derive(Default)]
pub(super) struct CarrierSets {
    words: Vec<u64>,
    pub(super) bases: GroupBases,
}

/// The first carrier of each group: groups stand one after the other.
pub(super) type GroupBases = IndexTable<CarrierGroup, CarrierIndex>;

/// Adjacent words of a group in a set.
#[derive(Debug, Clone, Copy)]
pub(super) struct CarrierRun<'a> {
    pub(super) group: CarrierGroup,
    /// The number of the first word among the group's.
    pub(super) first_word: u32,
    /// The carrier of the first word's lowest bit.
    pub(super) first: CarrierIndex,
    pub(super) words: &'a [u64],
}

/// The word before a run's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    group: CarrierGroup,
    /// The number of the first word among the group's.
    first_word: u32,
    /// How many words follow.
    words: u32,
    /// Whether another run follows them.
    more: bool,
}

const GROUP_BITS: u32 = 24;
const WORD_BITS: u32 = 19;

impl Header {
    const MORE: u64 = 1 << 63;

    /// There are at most 2^24 carriers ([`MOST_CARRIERS`]) and no group without one, so that every part has room.
    fn encode(self) -> u64 {
        let more = if self.more { Self::MORE } else { 0 };
        u64::from(self.group.0)
            | u64::from(self.first_word) << GROUP_BITS
            | u64::from(self.words) << (GROUP_BITS + WORD_BITS)
            | more
    }

    fn decode(head: u64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "at most 24 bits are left")]
        let part = |shift: u32, bits: u32| (head >> shift & ((1 << bits) - 1)) as u32;
        Self {
            group: CarrierGroup(part(0, GROUP_BITS)),
            first_word: part(GROUP_BITS, WORD_BITS),
            words: part(GROUP_BITS + WORD_BITS, WORD_BITS),
            more: head & Self::MORE != 0,
        }
    }
}

impl CarrierSets {
    /// The carriers of a set, in ascending order within each group.
    pub(super) fn iter(&self, set: CarrierSet) -> impl Iterator<Item = CarrierIndex> + '_ {
        self.runs(set).flat_map(|run| {
            let words = (0..).step_by(64).zip(run.words);
            words.flat_map(move |(base, word)| ones(*word).map(move |bit| run.first.plus(base + bit)))
        })
    }

    /// Memory that the sets take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// A set by groups, in ascending order.
    pub(super) fn runs(&self, set: CarrierSet) -> impl Iterator<Item = CarrierRun<'_>> {
        self.headers(set).map(|(header, words)| CarrierRun {
            group: header.group,
            first_word: header.first_word,
            first: self.bases.at(header.group).plus(header.first_word * 64),
            words,
        })
    }

    fn headers(&self, set: CarrierSet) -> impl Iterator<Item = (Header, &[u64])> {
        let mut rest = self.words.get(set.0 as usize..);
        std::iter::from_fn(move || {
            let (head, tail) = rest?.split_first()?;
            let header = Header::decode(*head);
            let (words, after) = tail.split_at_checked(header.words as usize)?;
            rest = header.more.then_some(after);
            Some((header, words))
        })
    }

    /// The header and words of a set, for comparing sets.
    fn encoded(&self, set: CarrierSet) -> &[u64] {
        let length: usize = self.headers(set).map(|(_, words)| words.len() + 1).sum();
        let start = set.0 as usize;
        part(&self.words, start..start + length)
    }
}

/// A group is shared by all new carriers until it has so many: a word of bits.
const SMALL_GROUP: u32 = 64;

/// The memory of a set and of each of its words while the table grows, in bytes.
const SET_BYTES: usize = 16;
const WORD_BYTES: usize = 16;

/// Puts carriers into groups, and directories' sets into [`CarrierSets`], while a cache is read.
#[derive(Default)]
pub(super) struct CarrierSetsBuilder {
    sets: CarrierSets,
    known: HashTable<CarrierSet>,
    hasher: RandomState,
    groups: IndexTable<CarrierGroup, GroupBits>,
    /// The words of the current set that have a bit, by group and number.
    touched: Vec<(CarrierGroup, u32)>,
    encoded: Vec<u64>,
}

/// A group and its part of the current set.
#[derive(Default)]
struct GroupBits {
    size: u32,
    /// Empty between sets.
    bits: BitWords,
}

impl CarrierSetsBuilder {
    /// A group for carriers that occur with no known one.
    ///
    /// # Errors
    /// If there are as many groups as there may be carriers.
    pub(super) fn new_group(&mut self) -> Result<CarrierGroup, TooMany> {
        match self.groups.last() {
            Some(last) if self.groups.at(last).size < SMALL_GROUP => Ok(last),
            _ => self.groups.push(GroupBits::default()).ok_or(TooMany::Carriers),
        }
    }

    pub(super) fn new_member(&mut self, group: CarrierGroup) -> CarrierMember {
        let bits = self.groups.at_mut(group);
        let bit = bits.size;
        bits.size += 1;
        CarrierMember { group, bit }
    }

    /// Stores a directory's carriers, or finds that an equal set is there already.
    ///
    /// # Errors
    /// If the table is full or would take too much memory.
    pub(super) fn insert(&mut self, members: &[CarrierMember], budget: &mut Budget) -> Result<CarrierSet, EntryError> {
        self.touched.clear();
        for CarrierMember { group, bit } in members {
            if self.groups.at_mut(*group).bits.set(*bit) {
                self.touched.push((*group, bit / 64));
            }
        }
        if !self.touched.is_sorted() {
            self.touched.sort_unstable();
        }
        self.encode();
        self.intern(budget)
    }

    /// Encodes the current set and forgets it.
    fn encode(&mut self) {
        self.encoded.clear();
        // A word without a bit takes no more room than another header.
        let is_near =
            |(group, word): &(CarrierGroup, u32), next: &(CarrierGroup, u32)| *group == next.0 && next.1 <= word + 2;
        let mut runs = self.touched.chunk_by(is_near).peekable();
        while let Some(run) = runs.next() {
            let [(group, first_word), ..] = *run else { continue };
            let last = run.last().map_or(first_word, |(_, word)| *word);
            let header = Header {
                group,
                first_word,
                words: last - first_word + 1,
                more: runs.peek().is_some(),
            };
            self.encoded.push(header.encode());
            let bits = &mut self.groups.at_mut(group).bits;
            self.encoded
                .extend((first_word..=last).map(|word| bits.take_word(word)));
        }
        if self.encoded.is_empty() {
            // A header without words is the empty set.
            self.encoded.push(0);
        }
    }

    fn intern(&mut self, budget: &mut Budget) -> Result<CarrierSet, EntryError> {
        let hash = self.hasher.hash_one(self.encoded.as_slice());
        if let Some(set) = self.known.find(hash, |set| self.sets.encoded(*set) == self.encoded) {
            return Ok(*set);
        }
        let offset = u32::try_from(self.sets.words.len());
        let set = CarrierSet(offset.map_err(|_| TooMany::Directories)?);
        self.sets.words.extend_from_slice(&self.encoded);
        let rehash = |set: &CarrierSet| self.hasher.hash_one(self.sets.encoded(*set));
        self.known.insert_unique(hash, set, rehash);
        budget.take(SET_BYTES + self.encoded.len() * WORD_BYTES)?;
        Ok(set)
    }

    /// The finished sets. A member's carrier index is its group's base plus its bit, see [`CarrierSetsBuilder::bases`].
    pub(super) fn finish(mut self) -> CarrierSets {
        self.sets.bases = self.bases();
        self.sets.words.shrink_to_fit();
        self.sets
    }

    pub(super) fn bases(&self) -> GroupBases {
        let sizes = self.groups.rows().iter().map(|group| group.size);
        let bases: Vec<CarrierIndex> = sizes
            .scan(CarrierIndex(0), |next, size| {
                let base = *next;
                *next = next.plus(size);
                Some(base)
            })
            .collect();
        bases.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_come_back_as_stored_and_equal_ones_are_stored_once() {
        let mut builder = CarrierSetsBuilder::default();
        let a = builder.new_group().unwrap();
        let first: Vec<CarrierMember> = (0..2_000).map(|_| builder.new_member(a)).collect();
        let b = builder.new_group().unwrap();
        let second: Vec<CarrierMember> = (0..3).map(|_| builder.new_member(b)).collect();
        assert_ne!(a, b);
        assert_eq!(builder.new_group(), Ok(b));
        let stored = [
            vec![first[0], first[63], first[64], first[199]],
            vec![],
            vec![second[2], first[5], second[0]],
            vec![first[199], first[0], first[64], first[63]],
            vec![first[1_999], first[0]],
        ];
        let mut budget = Budget::default();
        let handles = stored.map(|members| builder.insert(&members, &mut budget).unwrap());
        let sets = builder.finish();
        let found = |i: usize| sets.iter(handles[i]).map(CarrierIndex::get).collect::<Vec<_>>();
        assert_eq!(found(0), [0, 63, 64, 199]);
        assert_eq!(found(1), [0; 0]);
        assert_eq!(found(2), [5, 2_000, 2_002]);
        assert_eq!(handles[0], handles[3]);
        // Two runs of a word each, however far they are from each other.
        assert_eq!((found(4), sets.encoded(handles[4]).len()), (vec![0, 1_999], 4));
    }

    #[test]
    fn headers_have_room_for_the_most_carriers() {
        let most = u32::try_from(MOST_CARRIERS).unwrap();
        let header = Header {
            group: CarrierGroup(most - 1),
            first_word: most / 64 - 1,
            words: most / 64,
            more: true,
        };
        assert_eq!(Header::decode(header.encode()), header);
    }
}
