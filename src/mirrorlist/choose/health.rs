//! What bad and unreachable URLs change in a choice: a host without a good URL comes last, and of others only the good URLs are
//! listed. Nothing is taken out, so an answer is never shorter. A URL that the client's family of addresses does not reach counts as
//! if the host did not have it, unless the host has no other.

use super::Tier;
use super::families::FamilyFilter;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::snapshot::health::table::{HealthView, url_mask};
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, ProtocolSet};

/// The health of the hosts of a request.
#[derive(Clone, Copy)]
pub(super) struct HealthOfHosts<'a> {
    /// `None` if no URL is bad.
    view: Option<HealthView<'a>>,
    /// The family of addresses that the request is limited to; `None` if it reaches all URLs.
    family: Option<FamilyFilter<'a>>,
    /// Which URLs the answer lists.
    pub(super) listed: ProtocolFilter,
}

/// What the listed URLs of a host are like.
enum Listed {
    /// None is bad, or none that is listed.
    AllGood,
    /// These are bad, and others are good.
    SomeGood(u64),
    /// None is good.
    AllBad,
}

impl<'a> HealthOfHosts<'a> {
    /// Returns `None` if all URLs are good and within reach.
    pub(super) fn new(
        view: Option<HealthView<'a>>,
        family: Option<FamilyFilter<'a>>,
        listed: ProtocolFilter,
    ) -> Option<Self> {
        (view.is_some() || family.is_some()).then_some(Self { view, family, listed })
    }

    /// The same with another family of addresses.
    pub(super) fn with_family(
        health: Option<Self>,
        family: Option<FamilyFilter<'a>>,
        listed: ProtocolFilter,
    ) -> Option<Self> {
        Self::new(health.and_then(|health| health.view), family, listed)
    }

    /// Whether no URL of a host that the answer can list is good.
    #[inline]
    pub(super) fn is_bad(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> bool {
        let bad = self.bad_urls(index, carrier, tier);
        bad != 0 && {
            let unreachable = self.unreachable(catalogue, index, carrier);
            matches!(self.look_at(catalogue, carrier, bad, unreachable), Listed::AllBad)
        }
    }

    /// The URLs that are not listed, as a mask: bad ones of a host that has a good one, and those beyond the client's reach.
    #[inline(never)]
    pub(super) fn withheld(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> u64 {
        let unreachable = self.unreachable(catalogue, index, carrier);
        let bad = self.bad_urls(index, carrier, tier);
        if bad == 0 {
            return unreachable;
        }
        match self.look_at(catalogue, carrier, bad, unreachable) {
            Listed::SomeGood(bad) => bad | unreachable,
            Listed::AllGood | Listed::AllBad => unreachable,
        }
    }

    #[inline]
    fn bad_urls(&self, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> u64 {
        let is_near = matches!(tier, Tier::Netblock | Tier::AutonomousSystem);
        match self.view {
            Some(view) if carrier.in_public_list() => view.bad_urls(index, is_near),
            _ => 0,
        }
    }

    #[inline]
    fn unreachable(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier) -> u64 {
        self.family
            .map_or(0, |family| family.withheld(catalogue, index, carrier))
    }

    /// Only URLs of http and https are judged: others make a host neither good nor bad.
    #[cold]
    fn look_at(&self, catalogue: &Catalogue, carrier: &Carrier, bad: u64, unreachable: u64) -> Listed {
        let (mut good, mut listed_bad) = (false, 0);
        for (bit, url) in (0..).zip(catalogue.urls(carrier)) {
            let is_listed = self.listed.takes(url.protocol) && url_mask(bit) & unreachable == 0;
            if is_listed && ProtocolSet::WEB.contains(url.protocol) {
                let mask = url_mask(bit) & bad;
                good |= mask == 0;
                listed_bad |= mask;
            }
        }
        match (listed_bad, good) {
            (0, _) => Listed::AllGood,
            (bad, true) => Listed::SomeGood(bad),
            (_, false) => Listed::AllBad,
        }
    }
}
