//! The common part of [`super::by_country`] and [`super::by_location`]: the rule of countries that hosts are limited to, the
//! weighted shuffle, and a view into a choice while it is made.
//!
//! A weighted shuffle gives each host a key E / bandwidth, with E drawn from the exponential distribution. In ascending order of
//! keys the hosts come as if drawn without replacement, with probabilities proportional to bandwidth (Efraimidis and Spirakis,
//! "Weighted random sampling with a reservoir", 2006).

use rand::RngExt;
use rand_distr::Exp1;

use super::Scratch;
use super::distance::DistanceMeasure;
use super::exclusions::{Exclusion, Exclusions};
use super::health::HealthOfHosts;
use super::rank::{RankedHost, Tier};
use super::rules::AppliedRules;
use crate::geo::CountryCode;
use crate::mirrorlist::locate::ClientLocation;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::settings::ChoiceSettings;
use crate::snapshot::{Carrier, CarrierIndex, CarrierTable, CarrierWord, DirectoryIndex, HostIndex, Snapshot};

/// Watches a choice: what keeps a host out is reported where the rule is applied, never worked out a second time. An answer needs
/// no observer: `()` ignores everything and costs nothing (`cargo bench --bench instructions`).
pub trait Observer {
    /// The choice starts over without some of its exclusions, or without a rule: earlier reports no longer count.
    fn started_over(&mut self) {}

    /// No tier takes this host, since the request excludes it. Reported for each reason, and for each host of the directory.
    fn excluded(&mut self, _carrier: CarrierIndex, _exclusion: Exclusion) {}

    /// A tier takes this host, but it is not offered to clients of this country. [`Tier::Global`] is reported before it is known
    /// whether the choice needs it.
    fn limited(&mut self, _tier: Tier, _carrier: CarrierIndex) {}

    /// The request turns the netblock and AS tiers off; they would list the hosts that `neighbours` gives.
    fn network_tiers_off<N: Iterator<Item = HostIndex>>(&mut self, _neighbours: impl FnOnce() -> N) {}

    /// The nearer tiers list fewer hosts than the minimum, so that the global tier is needed.
    fn needs_global_tier(&mut self) {}
}

impl Observer for () {}

/// One selection under way.
pub(super) struct Selector<'s, 'r, O> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) directory: DirectoryIndex,
    pub(super) location: ClientLocation,
    /// Which URLs count as usable.
    pub(super) protocols: ProtocolFilter,
    /// Which URLs the answer lists: of the usable ones, for a redirect, those of the web.
    pub(super) listed: ProtocolFilter,
    /// Whether the netblock and AS tiers are off.
    pub(super) network_off: bool,
    /// When fewer usable hosts than the minimum are in the nearer tiers, the global tier is added.
    pub(super) minimum: usize,
    /// The settings of the choice, but for those that rules can override.
    pub(super) settings: &'s ChoiceSettings,
    /// Whether the answer names the countries in which hosts were found.
    pub(super) names_countries: bool,
    /// Which hosts no tier takes.
    pub(super) exclusions: Exclusions<'s>,
    /// `None` if all URLs can be listed.
    pub(super) health: Option<HealthOfHosts<'s>>,
    /// The carriers, with the weights that rules give them.
    pub(super) table: &'s CarrierTable,
    /// The operators' rules for this request.
    pub(super) rules: Option<Box<AppliedRules<'s>>>,
    /// Measures hosts from the client; `None` if the selection is not by distance.
    pub(super) measure: Option<DistanceMeasure>,
    pub(super) scratch: &'r mut Scratch,
    pub(super) observer: &'r mut O,
}

impl<O: Observer> Selector<'_, '_, O> {
    /// The client's country.
    pub(super) fn client(&self) -> Option<CountryCode> {
        self.location.country_code()
    }

    /// Whether a host is offered to the client beyond its own networks.
    pub(super) fn offers(&self, carrier: &Carrier) -> bool {
        !carrier.restricted || self.snapshot.catalogue().host(carrier.host).allows(self.client())
    }

    /// Whether a host is bad: no URL that the answer can list is good.
    #[inline]
    pub(super) fn is_bad(&self, tier: Tier, index: CarrierIndex, carrier: &Carrier) -> bool {
        let catalogue = self.snapshot.catalogue();
        self.health
            .is_some_and(|health| health.is_bad(catalogue, index, carrier, tier))
    }

    /// Takes the hosts that no tier takes out of all masks of a word: those that rules leave out, then those that the request excludes.
    #[inline(always)]
    pub(super) fn withdraw_left_out(&mut self, word: &mut CarrierWord) {
        if let Some(rules) = &mut self.rules {
            rules.restrict(word);
        }
        if !self.exclusions.is_empty() {
            self.withdraw_excluded(word);
        }
    }

    #[cold]
    fn withdraw_excluded(&mut self, word: &mut CarrierWord) {
        for (bit, index, carrier) in self.carriers(*word, word.carriers) {
            if self.excludes(index, carrier) {
                word.withdraw(bit);
            }
        }
    }

    /// Whether a tier can take a host. What [`Selector::withdraw_left_out`] is for words, this is for one host.
    #[inline]
    pub(super) fn is_candidate(&mut self, index: CarrierIndex, carrier: &Carrier) -> bool {
        let is_kept = self.rules.as_mut().is_none_or(|rules| rules.keeps(index));
        is_kept && (self.exclusions.is_empty() || !self.excludes(index, carrier))
    }

    /// Whether the request excludes a host. Tells the observer each reason.
    fn excludes(&mut self, index: CarrierIndex, carrier: &Carrier) -> bool {
        let places = self.stage().and_then(|stage| stage.places(index));
        let exclusions = self.exclusions.of(self.snapshot.catalogue(), index, carrier, places);
        let mut is_excluded = false;
        for exclusion in exclusions {
            self.observer.excluded(index, exclusion);
            is_excluded = true;
        }
        is_excluded
    }

    /// Adds a host of a tier that is shuffled by bandwidth. Returns whether it is bad.
    #[inline(always)]
    pub(super) fn add_weighted(
        &mut self,
        tier: Tier,
        index: CarrierIndex,
        carrier: &Carrier,
        hosts: &mut Vec<RankedHost>,
    ) -> bool {
        let is_bad = self.is_bad(tier, index, carrier);
        let key = self.weighted_key(carrier);
        hosts.push(RankedHost::new(tier, key, index).demoted_if(is_bad));
        is_bad
    }

    /// The key of a host in a weighted shuffle.
    #[inline(always)]
    pub(super) fn weighted_key(&mut self, carrier: &Carrier) -> u32 {
        let exponential: f32 = self.scratch.rng.sample(Exp1);
        // The bits of floats that are not negative are in the order of the floats.
        (exponential * carrier.inverse_bandwidth).to_bits()
    }
}
