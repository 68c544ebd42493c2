//! Where the selection of hosts asks the rules.

use super::super::by_location::Usable;
use super::super::by_network::Proximity;
use super::super::rank::{RankedHost, Tier};
use super::super::select::{Observer, Selector};
use crate::geo::{Continent, CountryCode};
use crate::snapshot::rules::mirrors::MirrorStage;
use crate::snapshot::{Carrier, CarrierIndex, CarrierWord, Places};

impl<O: Observer> Selector<'_, '_, O> {
    /// Whether a host is offered to the client beyond its own networks, or a rule names it.
    pub(in super::super) fn offers_by_rules(&self, index: CarrierIndex, carrier: &Carrier) -> bool {
        self.offers(carrier) || self.rules.as_ref().is_some_and(|rules| rules.names(index))
    }

    /// What the rules about mirrors say.
    #[inline]
    pub(in super::super) fn stage(&self) -> Option<&MirrorStage> {
        self.rules.as_ref()?.stage
    }

    /// The countries that a host is in. One that is everywhere is in those of `everywhere`.
    #[inline]
    pub(in super::super) fn countries_of<'c>(
        &'c self,
        index: CarrierIndex,
        carrier: &'c Carrier,
        everywhere: &'c [CountryCode],
    ) -> &'c [CountryCode] {
        match self.stage().and_then(|stage| stage.places(index)) {
            None => carrier.country.as_slice(),
            Some(Places::In(countries)) => countries,
            Some(Places::Everywhere) => everywhere,
        }
    }

    /// The hosts of a word that a rule prefers for the client and that are in no nearer tier.
    pub(in super::super) fn preferred_elsewhere(&self, word: &CarrierWord) -> u64 {
        let client = self.rules.as_ref().and_then(|rules| rules.client);
        let Some(prefer) = client.and_then(|client| client.prefer.as_ref()) else {
            return 0;
        };
        let far = prefer.window(word.first()) & word.carriers & !word.in_country & !word.on_continent;
        let is_near = |carrier: &Carrier| self.scratch.near_hosts.get(carrier.host).is_some();
        let near = self.carriers(*word, far).filter(|(_, _, carrier)| is_near(carrier));
        near.fold(far, |far, (bit, _, _)| far & !bit)
    }

    /// Adds the preferred hosts of a word that are in no nearer tier.
    pub(in super::super) fn add_preferred(
        &mut self,
        word: &mut CarrierWord,
        hosts: &mut Vec<RankedHost>,
        usable: &mut Usable,
    ) {
        let far = self.preferred_elsewhere(word);
        for (bit, index, carrier) in self.carriers(*word, far) {
            let is_bad = self.add_weighted(Tier::Global, index, carrier, hosts);
            self.count(carrier, is_bad, usable);
            word.public &= !bit;
        }
    }

    /// Adds the countries of the hosts of a word in the client's country and on its continent.
    pub(in super::super) fn name_countries(
        &self,
        word: &CarrierWord,
        client: Option<CountryCode>,
        home: Option<Continent>,
        countries: &mut Vec<CountryCode>,
    ) {
        if self.stage().is_none_or(|stage| !stage.has_places()) {
            let near = self.carriers(*word, word.in_country | word.on_continent);
            countries.extend(near.filter_map(|(_, _, carrier)| carrier.country));
            return;
        }
        if word.in_country != 0 {
            countries.extend(client);
        }
        let continents = self.snapshot.continents();
        for (_, index, carrier) in self.carriers(*word, word.on_continent) {
            let here = self.countries_of(index, carrier, &[]).iter();
            countries.extend(here.filter(|country| continents.of(**country) == home));
        }
    }

    /// Notes the networks that rules give to hosts.
    pub(in super::super) fn add_ruled_networks(&mut self) {
        let Some(stage) = self.rules.as_ref().and_then(|rules| rules.stage) else {
            return;
        };
        for (network, hosts) in stage.netblock_hosts(self.location.address) {
            let proximity = Proximity::Netblock(network.netmask());
            self.scratch.near_hosts.add(hosts.iter().map(|host| (*host, proximity)));
        }
    }
}
