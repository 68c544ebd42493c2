//! A view into a choice while it is made: what keeps a host out is reported where the rule is applied, never worked out a second
//! time.

use super::rank::Tier;
use crate::snapshot::{CarrierIndex, HostIndex};

/// Watches a choice. An answer needs no observer: `()` ignores everything and costs nothing (`cargo bench --bench instructions`).
pub trait Observer {
    /// A tier takes this host, but it is not offered to clients of this country. [`Tier::Global`] is reported before it is known
    /// whether the choice needs it.
    fn limited(&mut self, _tier: Tier, _carrier: CarrierIndex) {}

    /// The request turns the netblock and AS tiers off; they would list the hosts that `neighbours` gives.
    fn network_tiers_off<N: Iterator<Item = HostIndex>>(&mut self, _neighbours: impl FnOnce() -> N) {}

    /// The nearer tiers list fewer hosts than the minimum, so that the global tier is needed.
    fn needs_global_tier(&mut self) {}
}

impl Observer for () {}
