//! Which carriers are where, as bit masks over the groups of [`super::carriers`]: what a request wants of a directory's carriers
//! is found 64 at a time.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Carrier;
use super::carriers::{CarrierIndex, Group};
use crate::geo::{Continent, ContinentTable, CountryCode};

/// What carriers have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Trait {
    Country(CountryCode),
    Continent(Continent),
    Public,
    Restricted,
}

/// For each group of carriers and each trait that some of them have: a run of words as in the group's sets.
#[derive(Default)]
pub(super) struct CarrierMasks {
    masks: HashMap<(Group, Trait), Vec<u64>, FixedState>,
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
        let mut masks = Self::default();
        let ends = groups.iter().skip(1).map(|end| *end as usize).chain([carriers.len()]);
        for (group, (start, end)) in (0..).zip(groups.iter().zip(ends)) {
            let members = carriers.get(*start as usize..end).unwrap_or_default();
            for (bit, carrier) in members.iter().enumerate() {
                masks.add(group, bit, carrier, continents);
            }
        }
        masks
    }

    fn add(&mut self, group: Group, bit: usize, carrier: &Carrier, continents: &ContinentTable) {
        let traits = [
            carrier.country.map(Trait::Country),
            carrier
                .country
                .and_then(|country| continents.of(country))
                .map(Trait::Continent),
            carrier.public.then_some(Trait::Public),
            carrier.restricted.then_some(Trait::Restricted),
        ];
        for of in traits.into_iter().flatten() {
            let mask = self.masks.entry((group, of)).or_default();
            if mask.len() <= bit / 64 {
                mask.resize(bit / 64 + 1, 0);
            }
            if let Some(word) = mask.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    /// A run of a directory's set of carriers, whose first is `base`, as words.
    pub(super) fn words(
        &self,
        group: Group,
        base: CarrierIndex,
        run: &[u64],
        country: Option<CountryCode>,
        continent: Option<Continent>,
    ) -> impl Iterator<Item = CarrierWord> {
        let mask = |of: Option<Trait>| {
            let mask = of.and_then(|of| self.masks.get(&(group, of)));
            mask.map_or(&[][..], Vec::as_slice)
        };
        let in_country = mask(country.map(Trait::Country));
        let on_continent = mask(continent.map(Trait::Continent));
        let public = mask(Some(Trait::Public));
        let restricted = mask(Some(Trait::Restricted));
        (base.get()..)
            .step_by(64)
            .zip(run)
            .enumerate()
            .map(move |(number, (first, carriers))| {
                let of = |mask: &[u64]| carriers & mask.get(number).copied().unwrap_or(0);
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
