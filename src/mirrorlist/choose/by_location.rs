//! The choice without `country=`: netblock, AS, country, continent, and the world if these give too few hosts.
//!
//! Optimised: the hosts of a directory are bits of words, and a tier is a mask over them ([`CarrierWord`]). Of a directory's 250
//! hosts in Fedora's cache only the 60 that are chosen are looked at (`cargo bench --bench stages`, `choose`).

use std::borrow::Cow;

use super::by_country::GLOBAL;
use super::by_network::{Proximity, client_as, near_hosts};
use super::rank::{RankedHost, Tier};
use super::select::Selector;
use super::{Observer, Selection};
use crate::geo::{AsNumber, CountryCode};
use crate::snapshot::{Carrier, CarrierIndex, CarrierWord};

/// Most answers have at most so many hosts.
pub(super) const USUAL_HOSTS: usize = 128;

/// How many hosts have a URL of a protocol that is asked for.
#[derive(Clone, Copy, Default)]
pub(super) struct Usable {
    all: usize,
    bad: usize,
    /// Those that are not bad and have a URL that the answer can list: a redirect lists no ftp. Not counted without health files.
    good: usize,
}

impl Usable {
    /// Whether the tiers so far give too few hosts.
    fn are_less_than(self, minimum: usize) -> bool {
        self.all < minimum || self.bad > 0 && self.good < minimum
    }
}

impl<'s, O: Observer> Selector<'s, '_, O> {
    pub(super) fn by_location<'a>(&mut self) -> Selection<'a> {
        let mut selection = Selection {
            hosts: Vec::with_capacity(USUAL_HOSTS),
            ..Selection::default()
        };
        selection.asn = self.find_near_hosts();
        let (snapshot, client) = (self.snapshot, self.client());
        let home = client.and_then(|country| snapshot.continents().of(country));
        let mut countries = Vec::new();
        let (mut usable, mut any_public) = (Usable::default(), false);
        let stage = self.rules.as_ref().and_then(|rules| rules.stage);
        self.scratch.global.clear();
        for mut word in snapshot.carriers_near(stage, self.directory, client, home) {
            self.withdraw_left_out(&mut word);
            if self.names_countries {
                self.name_countries(&word, client, home, &mut countries);
            }
            self.withdraw_limited(&mut word);
            any_public |= word.public != 0;
            if !self.scratch.near_hosts.is_empty() {
                self.add_near_hosts(&mut word, &mut selection.hosts, &mut usable);
            }
            self.add_nearby(&word, &mut selection.hosts, &mut usable);
            if self.rules.is_some() {
                self.add_preferred(&mut word, &mut selection.hosts, &mut usable);
            }
            word.public &= !word.in_country & !word.on_continent;
            if word.public != 0 {
                self.scratch.global.push(word);
            }
        }
        self.scratch.near_hosts.clear();
        selection.countries = names(countries, client);
        if usable.are_less_than(self.minimum) {
            self.fall_back_to_global(&mut selection, usable, any_public);
        }
        selection
    }

    /// Notes the hosts that are near the client by network, unless the request turns that off. Returns the client's AS, if any host is
    /// in it.
    #[inline]
    pub(super) fn find_near_hosts(&mut self) -> Option<AsNumber> {
        if self.network_off {
            self.report_network_tiers_off();
            return None;
        }
        let (snapshot, address) = (self.snapshot, self.location.address);
        let asn = client_as(snapshot, address);
        self.scratch.near_hosts.fill(near_hosts(snapshot, address, asn));
        self.add_ruled_networks();
        asn
    }

    /// Adds the global tier, unless only bad hosts call for it and it has no good ones either.
    fn fall_back_to_global(&mut self, selection: &mut Selection<'_>, usable: Usable, any_public: bool) {
        let near = selection.hosts.len();
        let mut usable_with_global = usable;
        if any_public {
            self.add_global(&mut selection.hosts, &mut usable_with_global);
        }
        if usable.all >= self.minimum && usable_with_global.good == 0 {
            selection.hosts.truncate(near);
            return;
        }
        self.observer.needs_global_tier();
        if any_public {
            selection.countries.push(GLOBAL.into());
        }
    }

    /// Tells the observer that no host is chosen for its network.
    pub(super) fn report_network_tiers_off(&mut self) {
        let (snapshot, address) = (self.snapshot, self.location.address);
        let stage = self.rules.as_ref().and_then(|rules| rules.stage);
        self.observer.network_tiers_off(|| {
            let near = near_hosts(snapshot, address, client_as(snapshot, address));
            let ruled = stage.into_iter().flat_map(|stage| stage.netblock_hosts(address));
            near.map(|(host, _)| host)
                .chain(ruled.flat_map(|(_, hosts)| hosts).copied())
        });
    }

    /// The carriers of some bits of a word.
    pub(super) fn carriers(
        &self,
        word: CarrierWord,
        bits: u64,
    ) -> impl Iterator<Item = (u64, CarrierIndex, &'s Carrier)> + use<'s, O> {
        let table = self.table;
        word.indexes(bits).map(|(bit, index)| (bit, index, table.at(index)))
    }

    /// Takes hosts that are not offered to clients of this country out of all masks but `carriers`.
    pub(super) fn withdraw_limited(&mut self, word: &mut CarrierWord) {
        for (bit, index, carrier) in self.carriers(*word, word.restricted) {
            if self.offers(carrier) {
                continue;
            }
            for (tier, mask) in [
                (Tier::Country, &mut word.in_country),
                (Tier::Continent, &mut word.on_continent),
                (Tier::Global, &mut word.public),
            ] {
                if *mask & bit != 0 {
                    self.observer.limited(tier, index);
                    *mask &= !bit;
                }
            }
        }
    }

    /// Adds the hosts near the client by network, whatever countries they are limited to, and takes them out of the other tiers.
    pub(super) fn add_near_hosts(&mut self, word: &mut CarrierWord, hosts: &mut Vec<RankedHost>, usable: &mut Usable) {
        for (bit, index, carrier) in self.carriers(*word, word.carriers) {
            let host = match self.scratch.near_hosts.get(carrier.host) {
                Some(Proximity::Netblock(length)) => RankedHost::in_netblock(length, self.scratch.next_u32(), index),
                Some(Proximity::AutonomousSystem) => {
                    RankedHost::new(Tier::AutonomousSystem, self.as_key(carrier), index)
                }
                None => continue,
            };
            let is_bad = self.is_bad(host.tier(), index, carrier);
            hosts.push(host.demoted_if(is_bad));
            self.count(carrier, is_bad, usable);
            word.in_country &= !bit;
            word.on_continent &= !bit;
            word.public &= !bit;
        }
    }

    /// Adds the hosts in the client's country and on its continent.
    fn add_nearby(&mut self, word: &CarrierWord, hosts: &mut Vec<RankedHost>, usable: &mut Usable) {
        for (bit, index, carrier) in self.carriers(*word, word.in_country | word.on_continent) {
            let tier = match word.in_country & bit != 0 {
                true => Tier::Country,
                false => Tier::Continent,
            };
            let is_bad = self.add_weighted(tier, index, carrier, hosts);
            self.count(carrier, is_bad, usable);
        }
    }

    /// Adds all other public hosts.
    fn add_global(&mut self, hosts: &mut Vec<RankedHost>, usable: &mut Usable) {
        let words = std::mem::take(&mut self.scratch.global);
        for word in &words {
            for (_, index, carrier) in self.carriers(*word, word.public) {
                let is_bad = self.add_weighted(Tier::Global, index, carrier, hosts);
                self.count(carrier, is_bad, usable);
            }
        }
        self.scratch.global = words;
    }

    /// Counts a host.
    #[inline(always)]
    pub(super) fn count(&self, carrier: &Carrier, is_bad: bool, usable: &mut Usable) {
        usable.all += usize::from(self.protocols.takes_any(carrier.protocols));
        if let Some(health) = &self.health {
            usable.bad += usize::from(is_bad);
            usable.good += usize::from(!is_bad && health.listed.takes_any(carrier.protocols));
        }
    }
}

/// Countries as the comment line names them: the client's first, each once.
pub(super) fn names<'a>(mut countries: Vec<CountryCode>, client: Option<CountryCode>) -> Vec<Cow<'a, str>> {
    countries.sort_unstable_by_key(|country| (Some(*country) != client, *country));
    countries.dedup();
    countries.iter().map(|country| country.to_string().into()).collect()
}
