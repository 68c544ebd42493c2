//! The choice with `country=`: hosts of the countries listed, else of their continents, else as if nothing was asked.

use std::borrow::Cow;

use super::rank::{RankedHost, Tier};
use super::select::Selector;
use super::{Observer, Selection};
use crate::geo::{Continent, CountryCode};
use crate::snapshot::Carrier;

/// How requests and comment lines name the whole world among countries.
pub(super) const GLOBAL: &str = "global";

/// An entry of `country=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AskedCountry<'a> {
    spelling: &'a str,
    place: AskedPlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AskedPlace {
    Country(CountryCode),
    World,
}

/// The entries of `country=`, each country once; what is no country's code is left out.
pub(super) fn asked_countries(text: &str) -> Vec<AskedCountry<'_>> {
    let entries = text.split(',').map(str::trim);
    let parsed = entries.filter_map(|spelling| {
        let place = match spelling.eq_ignore_ascii_case(GLOBAL) {
            true => AskedPlace::World,
            false => AskedPlace::Country(CountryCode::parse(spelling)?),
        };
        Some(AskedCountry { spelling, place })
    });
    let mut asked: Vec<AskedCountry<'_>> = Vec::new();
    for entry in parsed {
        if asked.iter().all(|other| other.place != entry.place) {
            asked.push(entry);
        }
    }
    asked
}

/// The hosts that a condition takes, and the countries in which it takes some, offered to the client or not.
struct Taken {
    hosts: Vec<RankedHost>,
    countries: Vec<CountryCode>,
}

impl<O: Observer> Selector<'_, '_, O> {
    pub(super) fn by_country<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        let taken = self.take(Tier::Country, |carrier, _| {
            asked.iter().any(|asked| match asked.place {
                AskedPlace::Country(country) => carrier.country == Some(country),
                AskedPlace::World => carrier.public,
            })
        });
        if !taken.hosts.is_empty() {
            self.report_network_tiers_off();
            return Selection {
                countries: spellings(asked, &taken.countries),
                hosts: taken.hosts,
                ..Selection::default()
            };
        }
        let snapshot = self.snapshot;
        let continents: Vec<Continent> = asked
            .iter()
            .filter_map(|asked| match asked.place {
                AskedPlace::Country(country) => snapshot.continents().of(country),
                AskedPlace::World => None,
            })
            .collect();
        let taken = self.take(Tier::Continent, |_, continent| {
            continent.is_some_and(|continent| continents.contains(&continent))
        });
        if taken.hosts.is_empty() {
            // Compatibility: `country=` turns the network tiers off even if its countries have no host; `tests/golden` pins it
            // (`country-without-continent-hosts-is-as-absent`). A list of unknown countries only is as absent.
            self.options.prefer_network &= continents.is_empty();
            return self.by_location();
        }
        self.report_network_tiers_off();
        // Compatibility: two countries of one continent repeat its countries in the comment; `tests/golden` pins it
        // (`country-two-of-a-continent-repeat-it`).
        let on = |continent: &Continent| {
            let continent = *continent;
            let found = taken.countries.iter();
            found.filter(move |country| snapshot.continents().of(**country) == Some(continent))
        };
        Selection {
            countries: continents.iter().flat_map(on).map(|c| c.to_string().into()).collect(),
            hosts: taken.hosts,
            ..Selection::default()
        }
    }

    /// Takes the hosts for which a condition on carrier and continent holds, shuffled by bandwidth.
    fn take(&mut self, tier: Tier, takes: impl Fn(&Carrier, Option<Continent>) -> bool) -> Taken {
        let mut taken = Taken {
            hosts: Vec::new(),
            countries: Vec::new(),
        };
        let snapshot = self.snapshot;
        for (index, carrier) in snapshot.catalogue().carriers(self.directory) {
            let continent = carrier.country.and_then(|country| snapshot.continents().of(country));
            if !takes(carrier, continent) {
                continue;
            }
            taken.countries.extend(carrier.country);
            if self.offers(carrier) {
                self.add_weighted(tier, index, carrier, &mut taken.hosts);
            } else {
                self.observer.limited(tier, index);
            }
        }
        taken.countries.sort_unstable();
        taken.countries.dedup();
        taken
    }
}

/// The entries that gave hosts, as they were asked for: countries first, then the world.
fn spellings<'a>(asked: &[AskedCountry<'a>], found: &[CountryCode]) -> Vec<Cow<'a, str>> {
    let of = |takes: fn(&AskedPlace, &[CountryCode]) -> bool| {
        let entries = asked.iter().filter(move |asked| takes(&asked.place, found));
        entries.map(|asked| Cow::from(asked.spelling))
    };
    let countries = of(|place, found| matches!(place, AskedPlace::Country(country) if found.contains(country)));
    countries.chain(of(|place, _| *place == AskedPlace::World)).collect()
}
