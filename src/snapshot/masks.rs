//! Which carriers are where, as bit masks over the groups of [`super::carriers`]: what a request wants of a directory's carriers
//! is found 64 at a time.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::Carrier;
use super::carriers::{CarrierIndex, Group};
use crate::geo::{Continent, ContinentTable, CountryCode};

/// A run of words as in a group's sets; words at its end that have no bit can be missing.
type Mask = Vec<u64>;

/// Which carriers of a group are where.
#[derive(Default)]
struct GroupMasks {
    public: Mask,
    restricted: Mask,
    countries: HashMap<CountryCode, Mask, FixedState>,
    continents: [Mask; Continent::ALL.len()],
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
        let ends = groups.iter().skip(1).map(|end| *end as usize).chain([carriers.len()]);
        let members = groups.iter().zip(ends).map(|(start, end)| {
            let members = carriers.get(*start as usize..end).unwrap_or_default();
            GroupMasks::new(members, continents)
        });
        Self {
            groups: members.collect(),
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
        let masks = self.groups.get(group as usize);
        let in_country = masks.and_then(|masks| masks.countries.get(&country?));
        let on_continent = masks.and_then(|masks| masks.continents.get(continent?.index()));
        let public = masks.map(|masks| &masks.public);
        let restricted = masks.map(|masks| &masks.restricted);
        (base.get()..)
            .step_by(64)
            .zip(run)
            .enumerate()
            .map(move |(number, (first, carriers))| {
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

impl GroupMasks {
    fn new(carriers: &[Carrier], continents: &ContinentTable) -> Self {
        let mut masks = Self::default();
        for (bit, carrier) in carriers.iter().enumerate() {
            if let Some(country) = carrier.country {
                set(masks.countries.entry(country).or_default(), bit);
                let continent = continents.of(country);
                if let Some(mask) = continent.and_then(|continent| masks.continents.get_mut(continent.index())) {
                    set(mask, bit);
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
