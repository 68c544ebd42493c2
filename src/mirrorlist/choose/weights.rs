//! What a shuffle weighs hosts by, said once: explanations, sticky redirects and the limit of first places ask here. The random keys
//! of `select` and `by_distance` follow the same weights.

use super::distance::DistanceChoice;
use super::rank::{RankedHost, Tier};
use crate::settings::{AsOrder, ChoiceSettings};
use crate::snapshot::Snapshot;
use crate::snapshot::rules::mirrors::MirrorStage;

/// The weights of hosts in a choice.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    snapshot: &'a Snapshot,
    rules: Option<&'a MirrorStage>,
    as_order: AsOrder,
    distance: Option<&'a DistanceChoice>,
}

impl<'a> Weights<'a> {
    /// The weights that follow from the rules about mirrors, from settings, and from how hosts were measured, if the order is by
    /// distance.
    pub fn new(
        snapshot: &'a Snapshot,
        rules: Option<&'a MirrorStage>,
        settings: &ChoiceSettings,
        distance: Option<&'a DistanceChoice>,
    ) -> Self {
        Self {
            snapshot,
            rules,
            as_order: settings.as_order,
            distance,
        }
    }

    /// The weight of a host in the shuffle of its tier, above 0. In the netblock tier it counts among hosts with the same length of
    /// prefix.
    pub fn of(&self, host: RankedHost) -> f64 {
        let catalogue = self.snapshot.catalogue();
        let index = catalogue.carrier(host.carrier()).host;
        let weight = self.snapshot.weight(self.rules, index);
        match (host.tier(), self.distance, self.as_order) {
            (Tier::Netblock, ..) | (Tier::AutonomousSystem, None, AsOrder::Random) => 1.0,
            (tier, Some(distance), _) => distance.measure.weight(tier, catalogue, index, weight),
            (_, None, _) => f64::from(weight),
        }
    }
}
