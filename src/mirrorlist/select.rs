//! Which hosts a client gets, and in which order: the tiers of the mirrorlist contract.
//!
//! Every host of a directory is looked at once and put into the best tier that takes it; then one sort puts tiers and, in
//! them, the shuffled hosts in order. A weighted shuffle gives each host a key E/bandwidth, where E is drawn from the
//! exponential distribution: in ascending order of keys the hosts come as if drawn without replacement with probabilities
//! proportional to bandwidth (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).

use std::borrow::Cow;

use rand::{Rng, RngExt};
use rand_distr::Exp1;
use serde::Serialize;

use super::locate::ClientLocation;
use super::protocols::ProtocolFilter;
use crate::geo::{AsNumber, Continent, CountryCode};
use crate::snapshot::{Carrier, CarrierIndex, CarrierWord, DirectoryIndex, Snapshot};

/// Why a host is listed, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// It registered a network that holds the client.
    Netblock,
    /// It is in the client's autonomous system.
    #[serde(rename = "as")]
    AutonomousSystem,
    /// It is in the client's country, or in one that was asked for.
    Country,
    /// It is elsewhere on that continent.
    Continent,
    /// It is open to everybody.
    Global,
}

impl Tier {
    /// All tiers, best first.
    pub const ALL: [Self; 5] = [
        Self::Netblock,
        Self::AutonomousSystem,
        Self::Country,
        Self::Continent,
        Self::Global,
    ];
}

/// A country, or all of them, that a request asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AskedCountry<'a> {
    spelling: &'a str,
    /// None: the whole world.
    country: Option<CountryCode>,
}

/// What a request wishes, beside its target.
#[derive(Debug, Clone, Copy)]
pub struct Wishes<'a> {
    /// The value of `country=`.
    pub countries: Option<&'a str>,
    /// Which URLs count.
    pub protocols: ProtocolFilter,
    /// Whether hosts of the client's network and AS come first.
    pub prefer_network: bool,
    /// With fewer listed hosts than this, the global tier is added.
    pub minimum: usize,
    /// Whether the answer names the countries in which hosts were found.
    pub names_countries: bool,
}

/// A host's place in an answer: tier, then key, then carrier, packed so that a plain sort orders an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

impl Place {
    fn new(tier: Tier, key: u32, carrier: CarrierIndex) -> Self {
        Self((tier as u64) << 56 | u64::from(key) << 24 | u64::from(carrier.get()))
    }

    /// The tier that put it there.
    pub fn tier(self) -> Tier {
        match self.0 >> 56 {
            0 => Tier::Netblock,
            1 => Tier::AutonomousSystem,
            2 => Tier::Country,
            3 => Tier::Continent,
            _ => Tier::Global,
        }
    }

    /// The host, as a carrier of the directory.
    pub fn carrier(self) -> CarrierIndex {
        let number = self.0 & 0xff_ffff;
        CarrierIndex::from_number(u32::try_from(number).unwrap_or(0))
    }
}

/// The hosts that a client gets, best first, and what the answer says about the choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The hosts, in order.
    pub places: Vec<Place>,
    /// Whether some host registered a network that holds the client.
    pub preferred_netblock: bool,
    /// The client's AS, where any host is in it.
    pub asn: Option<AsNumber>,
    /// The countries in which hosts were found, if the answer names them, as they are to be repeated; one that is found on behalf of two is there
    /// twice. Compatibility: hosts that the client is not offered make their country count here; the recorded answers of
    /// the server before this one pin it.
    pub countries: Vec<Cow<'a, str>>,
}

/// Most answers have at most so many hosts.
const USUAL_HOSTS: usize = 128;

/// How a mirrorlist names the whole world among countries.
const GLOBAL: &str = "global";

/// What a request of a worker leaves behind for its next one, so that nothing is allocated anew.
#[derive(Debug, Default)]
pub struct Workspace {
    /// How a host is preferred by network, by host number; [`NOT_PREFERRED`] for all between requests.
    preference: Vec<u8>,
    preferred: Vec<usize>,
    /// Hosts that the global tier would add: some bits of each word.
    world: Vec<(CarrierWord, u64)>,
}

/// Netblocks are preferred by 128 minus their prefix length.
const SHORTEST_NETBLOCK: u8 = 128;
const SAME_AS: u8 = 129;
const NOT_PREFERRED: u8 = u8::MAX;

/// Chooses the hosts of a directory for a client.
pub fn select<'a>(
    snapshot: &Snapshot,
    directory: DirectoryIndex,
    location: &ClientLocation,
    wishes: &Wishes<'a>,
    rng: &mut impl Rng,
    workspace: &mut Workspace,
) -> Selection<'a> {
    let choice = Choice {
        snapshot,
        directory,
        client: location.country_code(),
        rng,
    };
    let mut selection = match wishes.countries.map(asked_countries) {
        Some(asked) if !asked.is_empty() => choice.by_asked_country(&asked, location, wishes, workspace),
        _ => choice.by_location(location, wishes, workspace),
    };
    selection.places.sort_unstable();
    selection
}

fn asked_countries(text: &str) -> Vec<AskedCountry<'_>> {
    text.split(',')
        .map(str::trim)
        .filter_map(|spelling| {
            let country = if spelling.eq_ignore_ascii_case(GLOBAL) {
                None
            } else {
                Some(CountryCode::parse(spelling)?)
            };
            Some(AskedCountry { spelling, country })
        })
        .collect()
}

struct Choice<'s, 'r, R> {
    snapshot: &'s Snapshot,
    directory: DirectoryIndex,
    client: Option<CountryCode>,
    rng: &'r mut R,
}

impl<'s, R: Rng> Choice<'s, '_, R> {
    /// With `country=`: the countries listed, else their continents, else as if nothing was asked.
    fn by_asked_country<'a>(
        mut self,
        asked: &[AskedCountry<'a>],
        location: &ClientLocation,
        wishes: &Wishes<'a>,
        workspace: &mut Workspace,
    ) -> Selection<'a> {
        let (mut places, mut found) = self.collect(Tier::Country, |carrier, _| {
            asked.iter().any(|asked| match asked.country {
                Some(country) => carrier.country == Some(country),
                None => carrier.public,
            })
        });
        if !places.is_empty() {
            let gave = |asked: &&AskedCountry<'_>| asked.country.is_none_or(|country| found.contains(&country));
            let (global, listed): (Vec<_>, Vec<_>) =
                asked.iter().filter(gave).partition(|asked| asked.country.is_none());
            return Selection {
                places,
                countries: listed
                    .into_iter()
                    .chain(global)
                    .map(|asked| asked.spelling.into())
                    .collect(),
                ..Selection::default()
            };
        }
        let continents: Vec<Continent> = asked
            .iter()
            .filter_map(|asked| self.snapshot.continents().of(asked.country?))
            .collect();
        (places, found) = self.collect(Tier::Continent, |_, continent| {
            continent.is_some_and(|continent| continents.contains(&continent))
        });
        if places.is_empty() {
            // Compatibility: who asks for countries gets no host by network, even where those countries have none; the
            // recorded answers of the server before this one pin it. Countries that nobody knows were not asked for.
            let wishes = Wishes {
                prefer_network: wishes.prefer_network && continents.is_empty(),
                ..*wishes
            };
            return self.by_location(location, &wishes, workspace);
        }
        // Compatibility: two countries of one continent repeat its countries in the comment; the recorded answers of the
        // server before this one pin it.
        let on = |continent: &Continent| {
            let continent = *continent;
            let continents = self.snapshot.continents();
            found
                .iter()
                .filter(move |country| continents.of(**country) == Some(continent))
        };
        Selection {
            countries: continents.iter().flat_map(on).map(|c| c.to_string().into()).collect(),
            places,
            ..Selection::default()
        }
    }

    /// The hosts that a condition on country and continent takes, shuffled by bandwidth, and the countries they are in.
    fn collect(
        &mut self,
        tier: Tier,
        takes: impl Fn(&Carrier, Option<Continent>) -> bool,
    ) -> (Vec<Place>, Vec<CountryCode>) {
        let (mut places, mut countries) = (Vec::new(), Vec::new());
        for (index, carrier) in self.snapshot.catalogue().carriers(self.directory) {
            let continent = carrier
                .country
                .and_then(|country| self.snapshot.continents().of(country));
            if takes(carrier, continent) {
                note(&mut countries, carrier.country);
                if offers(self.snapshot, carrier, self.client) {
                    places.push(Place::new(tier, weighted_key(carrier, self.rng), index));
                }
            }
        }
        countries.sort_unstable();
        (places, countries)
    }

    /// Without `country=`: netblock, AS, country, continent, and the world if that is not enough.
    fn by_location<'a>(
        mut self,
        location: &ClientLocation,
        wishes: &Wishes<'_>,
        workspace: &mut Workspace,
    ) -> Selection<'a> {
        let mut selection = Selection {
            places: Vec::with_capacity(USUAL_HOSTS),
            ..Selection::default()
        };
        if wishes.prefer_network {
            selection.asn = self.prefer_by_network(location, workspace);
        }
        let continents = self.snapshot.continents();
        let home = self.client.and_then(|country| continents.of(country));
        let mut countries = Vec::new();
        let (mut usable, mut anywhere) = (0, false);
        workspace.world.clear();
        for mut word in self.snapshot.carriers_near(self.directory, self.client, home) {
            if wishes.names_countries {
                let near = word.indexes(word.in_country | word.on_continent);
                countries.extend(near.filter_map(|(_, index)| self.carrier(index)?.country));
            }
            self.withdraw_refused(&mut word);
            anywhere |= word.public != 0;
            let mut world = word.public & !word.in_country & !word.on_continent;
            if !workspace.preferred.is_empty() {
                for (bit, place) in self.preferred(&word, workspace) {
                    selection.preferred_netblock |= place.tier() == Tier::Netblock;
                    usable += self.usable(place.carrier(), wishes);
                    selection.places.push(place);
                    word.in_country &= !bit;
                    word.on_continent &= !bit;
                    world &= !bit;
                }
            }
            for (bit, index) in word.indexes(word.in_country | word.on_continent) {
                let Some(carrier) = self.carrier(index) else {
                    continue;
                };
                let tier = if word.in_country & bit != 0 {
                    Tier::Country
                } else {
                    Tier::Continent
                };
                usable += usize::from(wishes.protocols.takes_any(carrier.protocols));
                let key = weighted_key(carrier, self.rng);
                selection.places.push(Place::new(tier, key, index));
            }
            if world != 0 {
                workspace.world.push((word, world));
            }
        }
        workspace.forget();
        countries.sort_unstable_by_key(|country| (Some(*country) != self.client, *country));
        countries.dedup();
        selection.countries = countries
            .into_iter()
            .map(|country| country.to_string().into())
            .collect();
        if usable < wishes.minimum && anywhere {
            for (word, bits) in &workspace.world {
                let indexes = word.indexes(*bits);
                let places = indexes.filter_map(|(_, index)| self.weighted(Tier::Global, index));
                selection.places.extend(places);
            }
            selection.countries.push(GLOBAL.into());
        }
        selection
    }

    fn carrier(&self, index: CarrierIndex) -> Option<&'s Carrier> {
        self.snapshot.catalogue().carrier(index)
    }

    /// A place among a tier's hosts, by bandwidth and chance.
    fn weighted(&mut self, tier: Tier, index: CarrierIndex) -> Option<Place> {
        let carrier = self.snapshot.catalogue().carrier(index)?;
        Some(Place::new(tier, weighted_key(carrier, self.rng), index))
    }

    /// 1 for a host that the answer can list, else 0.
    fn usable(&self, index: CarrierIndex, wishes: &Wishes<'_>) -> usize {
        let carrier = self.carrier(index);
        usize::from(carrier.is_some_and(|carrier| wishes.protocols.takes_any(carrier.protocols)))
    }

    /// Takes hosts that are not offered to clients of this country out of all but `carriers`.
    fn withdraw_refused(&self, word: &mut CarrierWord) {
        for (bit, index) in word.indexes(word.restricted) {
            let offered = self
                .carrier(index)
                .is_some_and(|carrier| offers(self.snapshot, carrier, self.client));
            if !offered {
                word.in_country &= !bit;
                word.on_continent &= !bit;
                word.public &= !bit;
            }
        }
    }

    /// The hosts that are near the client by network, whoever else they are offered to.
    fn preferred(&mut self, word: &CarrierWord, workspace: &Workspace) -> Vec<(u64, Place)> {
        let indexes = word.indexes(word.carriers);
        let places = indexes.filter_map(|(bit, index)| {
            let carrier = self.snapshot.catalogue().carrier(index)?;
            let place = match workspace.preference_of(carrier) {
                rank @ ..=SHORTEST_NETBLOCK => {
                    let key = u32::from(rank) << 24 | self.rng.next_u32() >> 8;
                    Place::new(Tier::Netblock, key, index)
                }
                SAME_AS => Place::new(Tier::AutonomousSystem, self.rng.next_u32(), index),
                _ => return None,
            };
            Some((bit, place))
        });
        places.collect()
    }

    /// Notes which hosts are near the client by network. Gives the client's AS if any host is in it.
    fn prefer_by_network(&self, location: &ClientLocation, workspace: &mut Workspace) -> Option<AsNumber> {
        let catalogue = self.snapshot.catalogue();
        let asn = self
            .snapshot
            .autonomous_systems()
            .lookup(location.address)
            .map(|(_, asn)| asn);
        let neighbours = asn.map_or(&[][..], |asn| catalogue.as_hosts(asn));
        for host in neighbours {
            workspace.prefer(host.get(), SAME_AS, catalogue.host_count());
        }
        for (network, hosts) in catalogue.netblock_hosts(location.address) {
            let rank = SHORTEST_NETBLOCK.saturating_sub(network.netmask());
            for host in hosts {
                workspace.prefer(host.get(), rank, catalogue.host_count());
            }
        }
        asn.filter(|_| !neighbours.is_empty())
    }
}

impl Workspace {
    fn prefer(&mut self, host: usize, rank: u8, hosts: usize) {
        if self.preference.len() < hosts {
            self.preference.resize(hosts, NOT_PREFERRED);
        }
        if let Some(preference) = self.preference.get_mut(host) {
            if *preference == NOT_PREFERRED {
                self.preferred.push(host);
            }
            *preference = rank.min(*preference);
        }
    }

    fn preference_of(&self, carrier: &Carrier) -> u8 {
        self.preference
            .get(carrier.host.get())
            .copied()
            .unwrap_or(NOT_PREFERRED)
    }

    fn forget(&mut self) {
        for host in self.preferred.drain(..) {
            if let Some(preference) = self.preference.get_mut(host) {
                *preference = NOT_PREFERRED;
            }
        }
    }
}

/// Whether a host may be offered to a client beyond its own networks.
fn offers(snapshot: &Snapshot, carrier: &Carrier, client: Option<CountryCode>) -> bool {
    !carrier.restricted
        || snapshot
            .catalogue()
            .host(carrier.host)
            .is_some_and(|host| host.allows(client))
}

fn weighted_key(carrier: &Carrier, rng: &mut impl Rng) -> u32 {
    let exponential: f32 = rng.sample(Exp1);
    // The bits of floats that are not negative are in the order of the floats.
    (exponential * carrier.inverse_bandwidth).to_bits()
}

fn note(countries: &mut Vec<CountryCode>, country: Option<CountryCode>) {
    if let Some(country) = country
        && !countries.contains(&country)
    {
        countries.push(country);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order_of_tier_then_key_and_tell_both_tier_and_carrier() {
        let mut places = Vec::new();
        for tier in Tier::ALL {
            for (key, carrier) in [(0, 7), (0, 8), (u32::MAX, 0)] {
                let place = Place::new(tier, key, CarrierIndex::from_number(carrier));
                assert_eq!((place.tier(), place.carrier().get()), (tier, carrier));
                places.push(place);
            }
        }
        assert!(places.is_sorted());
    }
}
