//! The choice with `country=`: hosts of the countries listed, else of their continents, else as if nothing was asked.

use std::borrow::Cow;

use super::rank::{RankedHost, Tier};
use super::select::Selector;
use super::{Observer, Selection};
use crate::geo::{Continent, CountryCode};

/// How requests and comment lines name the whole world among countries.
pub(super) const GLOBAL: &str = "global";

/// An entry of `country=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AskedCountry<'a> {
    spelling: &'a str,
    /// `None`: the whole world.
    country: Option<CountryCode>,
}

/// The entries of `country=` that ask for a place, each once; what is no country's code is left out.
pub(super) fn asked_countries(text: &str) -> Vec<AskedCountry<'_>> {
    let entries = text.split(',').map(str::trim);
    let parsed = entries.filter_map(|spelling| {
        let country = match spelling.eq_ignore_ascii_case(GLOBAL) {
            true => None,
            false => Some(CountryCode::parse(spelling)?),
        };
        Some(AskedCountry { spelling, country })
    });
    let mut asked: Vec<AskedCountry<'_>> = Vec::new();
    for entry in parsed {
        if asked.iter().all(|other| other.country != entry.country) {
            asked.push(entry);
        }
    }
    asked
}

impl<O: Observer> Selector<'_, '_, O> {
    pub(super) fn by_country<'a>(&mut self, asked: &[AskedCountry<'a>]) -> Selection<'a> {
        let countries: Vec<CountryCode> = asked.iter().filter_map(|asked| asked.country).collect();
        let takes_all = countries.len() < asked.len();
        let (hosts, found) = self.take(Tier::Country, takes_all, &countries, |country| {
            countries.contains(&country)
        });
        if !hosts.is_empty() {
            self.report_network_tiers_off();
            return Selection {
                hosts,
                countries: spellings(asked, &found),
                ..Selection::default()
            };
        }
        let table = self.snapshot.continents();
        let continents = asked.iter().filter_map(|asked| table.of(asked.country?));
        let continents: Vec<Continent> = continents.collect();
        let (hosts, found) = self.take(Tier::Continent, false, &[], |country| {
            table
                .of(country)
                .is_some_and(|continent| continents.contains(&continent))
        });
        if hosts.is_empty() {
            // Compatibility: `country=` turns the network tiers off even if its countries have no host; `tests/golden` pins it
            // (`country-without-continent-hosts-is-as-absent`). A list of unknown countries only is as absent.
            self.network_off |= !continents.is_empty();
            return self.in_order();
        }
        self.report_network_tiers_off();
        // Compatibility: two countries of one continent repeat its countries in the comment; `tests/golden` pins it
        // (`country-two-of-a-continent-repeat-it`).
        let on = |continent| {
            let found = found.iter();
            found.filter(move |country| table.of(**country) == Some(continent))
        };
        Selection {
            countries: continents
                .into_iter()
                .flat_map(on)
                .map(|c| c.to_string().into())
                .collect(),
            hosts,
            ..Selection::default()
        }
    }

    /// Takes the hosts of which a country is taken, and all public ones if `takes_all`, shuffled by bandwidth. Returns those that are
    /// offered to the client, and the countries of all. A host that is everywhere is in the countries of `everywhere`.
    fn take(
        &mut self,
        tier: Tier,
        takes_all: bool,
        everywhere: &[CountryCode],
        takes: impl Fn(CountryCode) -> bool,
    ) -> (Vec<RankedHost>, Vec<CountryCode>) {
        let (mut hosts, mut countries) = (Vec::new(), Vec::new());
        let (snapshot, table) = (self.snapshot, self.table);
        for (index, _) in snapshot.catalogue().carriers(self.directory) {
            let carrier = table.at(index);
            if !self.is_candidate(index, carrier) {
                continue;
            }
            let located = self.countries_of(index, carrier, everywhere);
            if !(takes_all && carrier.public || located.iter().any(|country| takes(*country))) {
                continue;
            }
            countries.extend(located);
            if self.offers_by_rules(index, carrier) {
                self.add_weighted(tier, index, carrier, &mut hosts);
            } else {
                self.observer.limited(tier, index);
            }
        }
        countries.sort_unstable();
        countries.dedup();
        (hosts, countries)
    }
}

/// The entries that gave hosts, as they were asked for: countries first, then the world.
fn spellings<'a>(asked: &[AskedCountry<'a>], found: &[CountryCode]) -> Vec<Cow<'a, str>> {
    let named = |asked: &AskedCountry<'_>| asked.country.is_some_and(|country| found.contains(&country));
    let countries = asked.iter().filter(|asked| named(asked));
    let world = asked.iter().filter(|asked| asked.country.is_none());
    countries.chain(world).map(|asked| asked.spelling.into()).collect()
}
