//! The countries and continents of carriers, as bit masks over the groups of [`super::carriers`]. They are made for each snapshot, because
//! continents can change without the cache.
//!
//! Optimised: a request looks at 64 carriers of a directory at a time.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::Carrier;
use super::carriers::{CarrierGroup, CarrierIndex, CarrierRun, GroupBases};
use crate::bits::{BitWords, ones};
use crate::geo::{Continent, ContinentTable, CountryCode};
use crate::index_table::{IndexTable, TableIndex, part};

/// The masks of one group, with a bit for each of its carriers.
#[derive(Default)]
struct GroupMasks {
    public: BitWords,
    restricted: BitWords,
    countries: HashMap<CountryCode, BitWords, FixedState>,
    continents: HashMap<Continent, BitWords, FixedState>,
}

#[derive(Default)]
pub(super) struct CarrierMasks {
    groups: IndexTable<CarrierGroup, GroupMasks>,
}

/// Up to 64 carriers of a directory, each a bit, and which of them are near a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierWord {
    first: CarrierIndex,
    /// Those that carry the directory; the other masks are parts of this one.
    pub carriers: u64,
    /// Those in the client's country.
    pub in_country: u64,
    /// Those elsewhere on its continent.
    pub on_continent: u64,
    /// Those listed for all clients.
    pub public: u64,
    /// Those offered to clients of some countries only.
    pub restricted: u64,
}

impl CarrierWord {
    /// Takes the carriers of some bits out of all masks.
    pub fn withdraw(&mut self, bits: u64) {
        let Self {
            first: _,
            carriers,
            in_country,
            on_continent,
            public,
            restricted,
        } = self;
        for mask in [carriers, in_country, on_continent, public, restricted] {
            *mask &= !bits;
        }
    }

    /// The carriers of some bits.
    pub fn indexes(self, bits: u64) -> impl Iterator<Item = (u64, CarrierIndex)> {
        ones(bits).map(move |number| (1 << number, self.first.plus(number)))
    }
}

impl CarrierMasks {
    /// The masks of carriers that stand group by group.
    pub(super) fn new(bases: &GroupBases, carriers: &[Carrier], continents: &ContinentTable) -> Self {
        let groups: Vec<GroupMasks> = groups(bases, carriers)
            .map(|carriers| GroupMasks::new(carriers, continents))
            .collect();
        Self { groups: groups.into() }
    }

    /// The most that [`CarrierMasks::new`] takes, in bytes, whatever continents there are.
    pub(super) fn most_bytes(bases: &GroupBases, carriers: &[Carrier]) -> usize {
        // Masks that grow, and a table of countries that does.
        const MASK: usize = 48;
        const COUNTRY: usize = 2 * size_of::<(CountryCode, BitWords)>() + MASK;
        let mut countries = HashSet::<CountryCode, FixedState>::default();
        let mut bytes = 0;
        for carriers in groups(bases, carriers) {
            countries.clear();
            countries.extend(carriers.iter().filter_map(|carrier| carrier.country));
            // Each country can have a continent of its own.
            let places = 2 * countries.len();
            let words = 2 * carriers.len().div_ceil(64) * size_of::<u64>();
            bytes += size_of::<GroupMasks>() + places * COUNTRY + (places + 2) * (MASK + words);
        }
        bytes
    }

    /// A run of a directory's set of carriers as words.
    pub(super) fn words(
        &self,
        run: CarrierRun<'_>,
        country: Option<CountryCode>,
        continent: Option<Continent>,
    ) -> impl Iterator<Item = CarrierWord> {
        let masks = self.groups.at(run.group);
        let in_country = country.and_then(|country| masks.countries.get(&country));
        let on_continent = continent.and_then(|continent| masks.continents.get(&continent));
        let numbers = (run.first_word..).zip((0..).step_by(64));
        numbers.zip(run.words).map(move |((number, first), carriers)| {
            let near = |mask: Option<&BitWords>| carriers & mask.map_or(0, |mask| mask.word(number));
            let in_country = near(in_country);
            CarrierWord {
                first: run.first.plus(first),
                carriers: *carriers,
                in_country,
                on_continent: near(on_continent) & !in_country,
                public: carriers & masks.public.word(number),
                restricted: carriers & masks.restricted.word(number),
            }
        })
    }
}

fn groups<'a>(bases: &'a GroupBases, carriers: &'a [Carrier]) -> impl Iterator<Item = &'a [Carrier]> {
    let starts = bases.rows().iter().map(|base| base.row());
    let ends = starts.clone().skip(1).chain([carriers.len()]);
    starts.zip(ends).map(|(start, end)| part(carriers, start..end))
}

impl GroupMasks {
    fn new(carriers: &[Carrier], continents: &ContinentTable) -> Self {
        let mut masks = Self::default();
        for (bit, carrier) in (0..).zip(carriers) {
            if let Some(country) = carrier.country {
                masks.countries.entry(country).or_default().set(bit);
                if let Some(continent) = continents.of(country) {
                    masks.continents.entry(continent).or_default().set(bit);
                }
            }
            if carrier.public {
                masks.public.set(bit);
            }
            if carrier.restricted {
                masks.restricted.set(bit);
            }
        }
        masks
    }
}
