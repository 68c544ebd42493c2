//! The choice by distance (`order = "distance"`), without `country=`: netblock and AS as ever, then the client's own country, then all
//! other public hosts, drawn by [`super::distance`]. Continents don't matter.
//!
//! A client of which neither coordinates nor a country are known gets the order by bandwidth.

use rand::RngExt;
use rand_distr::Exp1;

use super::Selection;
use super::by_location::{USUAL_HOSTS, Usable, names};
use super::distance::{DistanceChoice, DistanceMeasure};
use super::first_share::{Candidate, FirstShares};
use super::rank::{RankedHost, Tier};
use super::select::{Observer, Selector};
use crate::mirrorlist::place::place;
use crate::settings::HostOrder;
use crate::snapshot::{Carrier, CarrierIndex};

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
        for mut word in snapshot.carriers_near(self.directory, client, home) {
            self.withdraw_limited(&mut word);
            if !self.scratch.near_hosts.is_empty() {
                self.add_near_hosts(&mut word, &mut selection.hosts, &mut Usable::default());
            }
            // A cache can list a host for its country and not for all clients.
            let all = word.in_country | word.on_continent | word.public;
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
        let first_shares = self.limit_first(&measure, &mut selection.hosts, &mut elsewhere);
        self.cut(&selection.hosts, &mut elsewhere);
        selection.hosts.append(&mut elsewhere);
        self.scratch.elsewhere = elsewhere;
        selection.hosts.sort_unstable();
        if self.names_countries {
            let carriers = selection.hosts.iter().map(|host| self.carrier(*host));
            selection.countries = names(carriers.filter_map(|carrier| carrier.country).collect(), client);
        }
        self.distance = Some(DistanceChoice { measure, first_shares });
        selection
    }

    /// The key of a host of the AS tier: by chance alone, or by the law of an order by distance.
    #[inline]
    pub(super) fn as_key(&mut self, carrier: &Carrier) -> u32 {
        match self.measure {
            Some(measure) => self.key_by_distance(&measure, Tier::AutonomousSystem, carrier),
            None => self.scratch.next_u32(),
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

    /// Leaves out the last hosts of other countries when there are enough before them.
    ///
    /// Optimised: those that stay are selected and not sorted out of all (`cargo bench --bench instructions`).
    fn cut(&self, near: &[RankedHost], elsewhere: &mut Vec<RankedHost>) {
        let near = near.iter().filter(|host| !host.is_demoted() && self.is_listed(**host));
        let enough = self.settings.minimum.max(ENOUGH_HOSTS).saturating_sub(near.count());
        if enough < elsewhere.len() {
            elsewhere.select_nth_unstable(enough);
            elsewhere.truncate(enough);
        }
    }

    /// Draws the first host by shares if `max_share` says that a host would be it too often.
    fn limit_first(
        &mut self,
        measure: &DistanceMeasure,
        near: &mut [RankedHost],
        elsewhere: &mut [RankedHost],
    ) -> Option<FirstShares> {
        let limit = self.settings.max_share?;
        let all = near.iter().chain(&*elsewhere);
        let is_good = |host: &RankedHost| !host.is_demoted() && self.is_listed(*host);
        let good: Vec<RankedHost> = all.copied().filter(is_good).collect();
        if good.iter().any(|host| host.tier() < Tier::Country) {
            // The client's own network comes first, whatever the limit.
            return None;
        }
        let candidates: Vec<Candidate> = good.iter().map(|host| self.candidate(measure, *host)).collect();
        let shares = FirstShares::limited(&candidates, limit.fraction())?;
        let first: CarrierIndex = shares.draw(self.scratch.rng.random())?;
        let mut all = near.iter_mut().chain(elsewhere);
        if let Some(host) = all.find(|host| host.carrier() == first) {
            *host = host.moved_to_front();
        }
        Some(shares)
    }

    fn candidate(&self, measure: &DistanceMeasure, host: RankedHost) -> Candidate {
        let (carrier, catalogue) = (self.carrier(host), self.snapshot.catalogue());
        let kilometres = match measure.is_home(host.tier(), catalogue, carrier.host) {
            true => Some(0.0),
            false => measure.kilometres(catalogue, carrier.host),
        };
        Candidate {
            carrier: host.carrier(),
            weight: 1.0 / f64::from(carrier.inverse_bandwidth * self.divisor(measure, host.tier(), carrier)),
            kilometres,
            is_home: host.tier() == Tier::Country,
        }
    }

    fn carrier(&self, host: RankedHost) -> &Carrier {
        self.snapshot.catalogue().carrier(host.carrier())
    }

    /// Whether the answer lists a URL of the host.
    fn is_listed(&self, host: RankedHost) -> bool {
        self.listed.takes_any(self.carrier(host).protocols)
    }
}
