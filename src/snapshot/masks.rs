//! Which carriers are where, as bit masks over the groups of [`super::carriers`]: what a request wants of a directory's carriers
//! is found 64 at a time.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Carrier;
use super::carriers::{CarrierIndex, Run};
use crate::geo::{Continent, ContinentTable, CountryCode};

/// A run of words as in a group's sets; words at its end that have no bit can be missing.
type Mask = Vec<u64>;

/// Which carriers of a group are where.
#[derive(Default)]
struct GroupMasks {
    public: Mask,
    restricted: Mask,
    countries: HashMap<CountryCode, Mask, FixedState>,
    continents: HashMap<Continent, Mask, FixedState>,
}

/// Which carriers of each group are where.
#[derive(Default)]
pub(super) struct CarrierMasks {
    groups: Vec<GroupMasks>,
}

/// Up to 64 carriers of a directory, each a bit, and which of them are near a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CarrierWord {
    first: CarrierIndex,
    /// Those that carry the directory; the following are some of them.
    pub carriers: u64,
    /// Those in the client's country.
    pub in_country: u64,
    /// Those elsewhere on its continent.
    pub on_continent: u64,
    /// Those listed for everybody.
    pub public: u64,
    /// Those offered to clients of some countries only.
    pub restricted: u64,
}

impl CarrierWord {
    /// The carriers of some bits.
    pub fn indexes(self, bits: u64) -> impl Iterator<Item = (u64, CarrierIndex)> {
        let mut left = bits;
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let number = left.trailing_zeros();
            left &= left - 1;
            Some((1 << number, CarrierIndex(self.first.get() + number)))
        })
    }
}

impl CarrierMasks {
    /// The masks of carriers that are numbered group by group.
    pub(super) fn new(groups: &[u32], carriers: &[Carrier], continents: &ContinentTable) -> Self {
        Self {
            groups: members(groups, carriers)
                .map(|members| GroupMasks::new(members, continents))
                .collect(),
        }
    }

    /// What [`CarrierMasks::new`] takes at most, in bytes, whatever continents there are.
    pub(super) fn most_bytes(groups: &[u32], carriers: &[Carrier]) -> usize {
        // Masks that grow, and a table of countries that does.
        const MASK: usize = 48;
        const COUNTRY: usize = 2 * size_of::<(CountryCode, Mask)>() + MASK;
        let mut seen = vec![0; CountryCode::COUNT];
        let mut bytes = 0;
        for (number, members) in (1_usize..).zip(members(groups, carriers)) {
            let mut countries = 0;
            for country in members.iter().filter_map(|carrier| carrier.country) {
                if let Some(last) = seen.get_mut(country.index())
                    && *last != number
                {
                    *last = number;
                    countries += 1;
                }
            }
            // Each country can have a continent of its own.
            let places = 2 * countries;
            let words = 2 * members.len().div_ceil(64) * size_of::<u64>();
            bytes += size_of::<GroupMasks>() + places * COUNTRY + (places + 2) * (MASK + words);
        }
        bytes
    }

    /// A run of a directory's set of carriers as words.
    pub(super) fn words(
        &self,
        run: Run<'_>,
        country: Option<CountryCode>,
        continent: Option<Continent>,
    ) -> impl Iterator<Item = CarrierWord> {
        let masks = self.groups.get(run.group as usize);
        let in_country = masks.and_then(|masks| masks.countries.get(&country?));
        let on_continent = masks.and_then(|masks| masks.continents.get(&continent?));
        let public = masks.map(|masks| &masks.public);
        let restricted = masks.map(|masks| &masks.restricted);
        let numbers = (run.first_word as usize..).zip((run.first.get()..).step_by(64));
        numbers.zip(run.words).map(move |((number, first), carriers)| {
            let of = |mask: Option<&Mask>| carriers & mask.and_then(|mask| mask.get(number)).copied().unwrap_or(0);
            CarrierWord {
                first: CarrierIndex(first),
                carriers: *carriers,
                in_country: of(in_country),
                on_continent: of(on_continent) & !of(in_country),
                public: of(public),
                restricted: of(restricted),
            }
        })
    }
}

/// The carriers of each group.
fn members<'a>(groups: &'a [u32], carriers: &'a [Carrier]) -> impl Iterator<Item = &'a [Carrier]> {
    let ends = groups.iter().skip(1).map(|end| *end as usize).chain([carriers.len()]);
    let ranges = groups.iter().zip(ends);
    ranges.map(|(start, end)| carriers.get(*start as usize..end).unwrap_or_default())
}

impl GroupMasks {
    fn new(carriers: &[Carrier], continents: &ContinentTable) -> Self {
        let mut masks = Self::default();
        for (bit, carrier) in carriers.iter().enumerate() {
            if let Some(country) = carrier.country {
                set(masks.countries.entry(country).or_default(), bit);
                if let Some(continent) = continents.of(country) {
                    set(masks.continents.entry(continent).or_default(), bit);
                }
            }
            if carrier.public {
                set(&mut masks.public, bit);
            }
            if carrier.restricted {
                set(&mut masks.restricted, bit);
            }
        }
        masks
    }
}

fn set(mask: &mut Mask, bit: usize) {
    if mask.len() <= bit / 64 {
        mask.resize(bit / 64 + 1, 0);
    }
    if let Some(word) = mask.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}
