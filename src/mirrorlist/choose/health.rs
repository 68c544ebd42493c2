//! What bad URLs change in a choice: a host without a good URL comes last, and of others only the good URLs are listed. Nothing is
//! taken out, so an answer is never shorter.

use super::Tier;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::snapshot::health::table::{HealthView, url_mask};
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, ProtocolSet};

/// The health of the hosts of a request.
#[derive(Clone, Copy)]
pub(super) struct HealthOfHosts<'a> {
    pub(super) view: HealthView<'a>,
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

impl HealthOfHosts<'_> {
    /// Whether no URL of a host that the answer can list is good.
    #[inline]
    pub(super) fn is_bad(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> bool {
        let bad = self.bad_urls(index, carrier, tier);
        bad != 0 && matches!(self.look_at(catalogue, carrier, bad), Listed::AllBad)
    }

    /// The URLs that are not listed, as a mask: bad ones of a host that has a good one.
    #[inline]
    pub(super) fn withheld(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> u64 {
        let bad = self.bad_urls(index, carrier, tier);
        if bad == 0 {
            return 0;
        }
        match self.look_at(catalogue, carrier, bad) {
            Listed::SomeGood(bad) => bad,
            Listed::AllGood | Listed::AllBad => 0,
        }
    }

    #[inline]
    fn bad_urls(&self, index: CarrierIndex, carrier: &Carrier, tier: Tier) -> u64 {
        let is_near = matches!(tier, Tier::Netblock | Tier::AutonomousSystem);
        if carrier.in_public_list() {
            self.view.bad_urls(index, is_near)
        } else {
            0
        }
    }

    /// Only URLs of http and https are judged: others make a host neither good nor bad.
    #[cold]
    fn look_at(&self, catalogue: &Catalogue, carrier: &Carrier, bad: u64) -> Listed {
        let (mut good, mut listed_bad) = (false, 0);
        for (bit, url) in (0..).zip(catalogue.urls(carrier)) {
            if self.listed.takes(url.protocol) && ProtocolSet::WEB.contains(url.protocol) {
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
