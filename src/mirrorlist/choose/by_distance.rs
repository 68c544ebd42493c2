//! The choice by distance (`order = "distance"`), without `country=`: netblock and AS as ever, then the client's own country, then all
//! other public hosts, drawn by [`super::distance`]. Continents don't matter.
//!
//! A client of which neither coordinates nor a country are known gets the order by bandwidth.

use rand::RngExt;
use rand_distr::Exp1;

use super::by_location::{USUAL_HOSTS, Usable, names};
use super::distance::DistanceMeasure;
use super::first_share::{Candidate, FirstShares};
use super::rank::{RankedHost, Tier};
use super::select::{Observer, Selector};
use super::sticky::StickyNetwork;
use super::weights::Weights;
use super::{Choice, Scratch, Selection};
use crate::mirrorlist::place::place;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::settings::{AsOrder, ChoiceSettings, HostOrder, Share};
use crate::snapshot::{Carrier, Catalogue, Snapshot};

/// Hosts of other countries are listed until an answer has so many hosts, or `minimum` if that is more: enough for clients whose first
/// hosts fail.
const ENOUGH_HOSTS: usize = 20;

impl<O: Observer> Selector<'_, '_, O> {
    /// Chooses in the order that is set.
    pub(super) fn in_order<'a>(&mut self) -> Selection<'a> {
        if self.settings.order == HostOrder::Distance
            && let Some(place) = place(self.snapshot, &self.location)
        {
            return self.by_distance(DistanceMeasure::new(place));
        }
        self.by_location()
    }

    /// All hosts, those of other countries after the rest, for [`Choice::finish_by_distance`].
    fn by_distance<'a>(&mut self, measure: DistanceMeasure) -> Selection<'a> {
        self.measure = Some(measure);
        let mut selection = Selection {
            hosts: Vec::with_capacity(USUAL_HOSTS),
            ..Selection::default()
        };
        selection.asn = self.find_near_hosts();
        let (snapshot, client) = (self.snapshot, self.client());
        let home = client.and_then(|country| snapshot.continents().of(country));
        let mut elsewhere = std::mem::take(&mut self.scratch.elsewhere);
        elsewhere.clear();
        let stage = self.rules.as_ref().and_then(|rules| rules.stage);
        for mut word in snapshot.carriers_near(stage, self.directory, client, home) {
            self.withdraw_left_out(&mut word);
            self.withdraw_limited(&mut word);
            if !self.scratch.near_hosts.is_empty() {
                self.add_near_hosts(&mut word, &mut selection.hosts, &mut Usable::default());
            }
            // A cache can list a host for its country and not for all clients.
            let all = word.in_country | word.on_continent | word.public | self.preferred_elsewhere(&word);
            for (bit, index, carrier) in self.carriers(word, all) {
                let tier = match word.in_country & bit != 0 {
                    true => Tier::Country,
                    false => Tier::Distance,
                };
                if tier == Tier::Distance && !self.listed.takes_any(carrier.protocols) {
                    continue;
                }
                let is_bad = self.is_bad(tier, index, carrier);
                let key = self.key_by_distance(&measure, tier, carrier);
                let host = RankedHost::new(tier, key, index).demoted_if(is_bad);
                match tier {
                    Tier::Distance => elsewhere.push(host),
                    _ => selection.hosts.push(host),
                }
            }
        }
        self.scratch.near_hosts.clear();
        self.observer.needs_global_tier();
        selection.hosts.append(&mut elsewhere);
        self.scratch.elsewhere = elsewhere;
        selection
    }

    /// The key of a host of the AS tier: by the law of an order by distance, or else as `as_order` says.
    #[inline]
    pub(super) fn as_key(&mut self, carrier: &Carrier) -> u32 {
        match (self.measure, self.settings.as_order) {
            (Some(measure), _) => self.key_by_distance(&measure, Tier::AutonomousSystem, carrier),
            (None, AsOrder::Random) => self.scratch.next_u32(),
            (None, AsOrder::Bandwidth) => self.weighted_key(carrier),
        }
    }

    /// A random key that sorts hosts as if drawn by weight, see [`super::select`].
    #[inline]
    fn key_by_distance(&mut self, measure: &DistanceMeasure, tier: Tier, carrier: &Carrier) -> u32 {
        let exponential: f32 = self.scratch.rng.sample(Exp1);
        (exponential * carrier.inverse_bandwidth * self.divisor(measure, tier, carrier)).to_bits()
    }

    #[inline]
    fn divisor(&self, measure: &DistanceMeasure, tier: Tier, carrier: &Carrier) -> f32 {
        let catalogue = self.snapshot.catalogue();
        match measure.is_home(tier, catalogue, carrier.host) {
            true => 1.0,
            false => measure.divisor(catalogue, carrier.host),
        }
    }
}

impl Choice<'_> {
    /// Draws the first host by shares where `max_share` asks for it, then leaves out the last hosts of other countries when there are
    /// enough before them. Both look at ranks, so all settings that change ranks come before.
    ///
    /// Optimised: the hosts that stay are selected and not sorted out of all (`cargo bench --bench instructions`).
    pub(super) fn finish_by_distance(
        &mut self,
        snapshot: &Snapshot,
        settings: &ChoiceSettings,
        minimum: usize,
        sticky: Option<&StickyNetwork>,
        scratch: &mut Scratch,
    ) {
        let is_limited = settings
            .max_share
            .is_some_and(|limit| self.limit_first(snapshot, settings, limit, sticky, scratch));
        let catalogue = snapshot.catalogue();
        let hosts = &mut self.selection.hosts;
        let near = hosts.partition_point(|host| host.tier() != Tier::Distance);
        let (at_home, elsewhere) = hosts.split_at_mut(near);
        let is_listed = |host: &RankedHost| lists(self.protocols, catalogue, *host);
        let good = at_home
            .iter()
            .filter(|host| !host.is_demoted() && !host.is_behind() && is_listed(host));
        let enough = minimum.max(ENOUGH_HOSTS).saturating_sub(good.count());
        // A host that was drawn as the first stays, even if there are enough at home.
        let enough = enough.max(usize::from(is_limited));
        if enough < elsewhere.len() {
            elsewhere.select_nth_unstable(enough);
            self.selection.farther = hosts.split_off(near + enough);
        }
    }

    /// Names the countries in which hosts were found.
    pub(super) fn name_countries(&mut self, catalogue: &Catalogue) {
        let countries = self.carriers(catalogue).filter_map(|carrier| carrier.country).collect();
        self.selection.countries = names(countries, self.location.country_code());
    }

    /// Draws the first host by shares if a host would be it too often. Returns whether it did.
    fn limit_first(
        &mut self,
        snapshot: &Snapshot,
        settings: &ChoiceSettings,
        limit: Share,
        sticky: Option<&StickyNetwork>,
        scratch: &mut Scratch,
    ) -> bool {
        let (catalogue, stage) = (snapshot.catalogue(), self.rules.as_ref().and_then(|rules| rules.stage));
        let Some(distance) = &mut self.distance else {
            return false;
        };
        let hosts = &mut self.selection.hosts;
        let is_good = |host: &RankedHost| !host.is_demoted() && lists(self.protocols, catalogue, *host);
        let good: Vec<RankedHost> = hosts.iter().copied().filter(is_good).collect();
        let best = good.iter().map(|host| host.class()).min();
        let first = || good.iter().copied().filter(|host| Some(host.class()) == best);
        if first().any(|host| host.tier() < Tier::Country) {
            // The client's own network comes first, whatever the limit.
            return false;
        }
        let weights = Weights::new(snapshot, stage, settings, Some(distance));
        let candidates = first().map(|host| candidate(catalogue, &distance.measure, weights.of(host), host));
        let candidates: Vec<Candidate> = candidates.collect();
        let Some(shares) = FirstShares::limited(&candidates, limit.fraction()) else {
            return false;
        };
        let drawn = match sticky {
            Some(network) => network.draw(catalogue, &shares),
            None => shares.draw(scratch.rng.random()),
        };
        if let Some(host) = hosts.iter_mut().find(|host| Some(host.carrier()) == drawn) {
            *host = host.moved_to_front();
        }
        distance.first_shares = Some(shares);
        true
    }
}

fn candidate(catalogue: &Catalogue, measure: &DistanceMeasure, weight: f64, host: RankedHost) -> Candidate {
    let index = catalogue.carrier(host.carrier()).host;
    let kilometres = match measure.is_home(host.tier(), catalogue, index) {
        true => Some(0.0),
        false => measure.kilometres(catalogue, index),
    };
    Candidate {
        carrier: host.carrier(),
        weight,
        kilometres,
        is_home: host.tier() == Tier::Country,
    }
}

/// Whether an answer lists a URL of a host.
fn lists(listed: ProtocolFilter, catalogue: &Catalogue, host: RankedHost) -> bool {
    listed.takes_any(catalogue.carrier(host.carrier()).protocols)
}
