//! The law of the order by distance: what a host's distance from the client does to its weight.
//!
//! The weight is the bandwidth within the near distance, and beyond it bandwidth x 2^(-(d - near) / 100 km): each further 100 km halve the
//! chance. The near distance is 500 km, or the radius in which the client is known to be, if that is more. d ends at 12,000 km.
//! docs/selection.md says why: the simulation in `examples/distance-simulation` compares this law with others.

use std::sync::LazyLock;

use super::first_share::FirstShares;
use super::rank::Tier;
use crate::geo::Direction;
use crate::geo::coordinates::chord_to_kilometres;
use crate::mirrorlist::place::{ClientPlace, PlaceSource};
use crate::snapshot::{Catalogue, HostIndex};

/// Hosts nearer than this are all the same, in kilometres: the place of an address is hardly known better.
pub const NEAR: f64 = 500.0;

/// So many more kilometres halve a host's weight.
pub const HALVING: f64 = 100.0;

/// Farther hosts, and those whose place is not known, count as so many kilometres away. It keeps weights within the range of `f32`.
pub const FAR: f64 = 12_000.0;

/// Steps of [`HALVINGS`] for each radius of the Earth. Between two of them the law is off by less than 0.1 %.
const STEPS: usize = 1_024;

/// 2^(d / 100 km) for chords of 0 to 2 radii of the Earth.
///
/// Optimised: a look-up instead of an arc sine and a power for each host (`cargo bench --bench stages`, `choose`).
static HALVINGS: LazyLock<Box<[f32]>> = LazyLock::new(|| {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "some thousand steps, and values up to 2^120"
    )]
    let value = |step: usize| halvings(chord_to_kilometres(step as f64 / STEPS as f64)).exp2() as f32;
    (0..=2 * STEPS + 1).map(value).collect()
});

/// How often a distance in kilometres halves a weight.
fn halvings(kilometres: f64) -> f64 {
    kilometres.min(FAR) / HALVING
}

/// How a choice by distance came about, for explanations.
#[derive(Debug, Clone)]
pub struct DistanceChoice {
    /// Measures the hosts.
    pub measure: DistanceMeasure,
    /// The chance of each host to be the first, where `max_share` changed it.
    pub first_shares: Option<FirstShares>,
}

/// Measures hosts from a client.
#[derive(Debug, Clone, Copy)]
pub struct DistanceMeasure {
    /// Where the client is.
    pub place: ClientPlace,
    direction: Direction,
    /// In kilometres.
    near: f64,
    /// 2^(-near / 100 km).
    near_factor: f32,
}

impl DistanceChoice {
    /// A choice whose first host follows from weights alone.
    pub(super) fn new(measure: DistanceMeasure) -> Self {
        Self {
            measure,
            first_shares: None,
        }
    }
}

impl DistanceMeasure {
    /// Measures from a place.
    pub fn new(place: ClientPlace) -> Self {
        let near = match place.source {
            PlaceSource::GeoIp(Some(radius)) => radius.clamp(NEAR, FAR),
            PlaceSource::GeoIp(None) | PlaceSource::Centroid(_) => NEAR,
        };
        Self {
            place,
            direction: place.coordinates.direction(),
            near,
            #[expect(clippy::cast_possible_truncation, reason = "from 2^-120 to 1")]
            near_factor: (-halvings(near)).exp2() as f32,
        }
    }

    /// The factor by which the weight of a host that is not at home is smaller than its bandwidth, at least 1.
    #[inline]
    pub(super) fn divisor(&self, catalogue: &Catalogue, host: HostIndex) -> f32 {
        let last = HALVINGS.last().copied().unwrap_or(f32::MAX);
        let halvings = catalogue.direction(host).map_or(last, |direction| {
            #[expect(clippy::cast_precision_loss, reason = "a thousand steps")]
            let steps = self.direction.chord_to(direction) * STEPS as f32;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a chord is never negative, and at most 2"
            )]
            let step = steps as usize;
            #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
            let part = steps - step as f32;
            match HALVINGS.get(step..step + 2) {
                Some(&[from, to]) => from + (to - from) * part,
                _ => last,
            }
        });
        (halvings * self.near_factor).max(1.0)
    }

    /// Whether a host of a tier is as near as can be: it is in the client's country, and no more than this is known of the client.
    #[inline]
    pub(super) fn is_home(&self, tier: Tier, catalogue: &Catalogue, host: HostIndex) -> bool {
        match (self.place.source, tier) {
            (PlaceSource::Centroid(_), Tier::Country) => true,
            (PlaceSource::Centroid(home), Tier::AutonomousSystem) => catalogue.host(host).country == Some(home),
            _ => false,
        }
    }

    /// The distance of a host in kilometres; `None` if its place is not known.
    pub fn kilometres(&self, catalogue: &Catalogue, host: HostIndex) -> Option<f64> {
        let place = catalogue.host(host).place()?;
        Some(self.place.coordinates.kilometres_to(place))
    }

    /// The weight of a host of a tier by the law, of its weight at the client's place.
    pub fn weight(&self, tier: Tier, catalogue: &Catalogue, host: HostIndex, near: u32) -> f64 {
        let kilometres = self.kilometres(catalogue, host).unwrap_or(FAR).min(FAR);
        let beyond = match self.is_home(tier, catalogue, host) {
            true => 0.0,
            false => (kilometres - self.near).max(0.0),
        };
        f64::from(near) * (-halvings(beyond)).exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "some thousand steps")]
    fn the_table_is_the_law() {
        for kilometres in [
            0.0,
            1.0,
            499.0,
            501.0,
            1_000.0,
            5_000.0,
            11_999.0,
            12_001.0,
            20_015.0_f64,
        ] {
            let chord = 2.0 * (kilometres / 2.0 / 6_371.008_8).sin();
            let steps = chord * f64::from(u16::try_from(STEPS).unwrap());
            let step = (0..=2 * STEPS).rfind(|step| *step as f64 <= steps).unwrap();
            let [from, to] = [step, step + 1].map(|step| f64::from(HALVINGS[step]));
            let found = from + (to - from) * (steps - step as f64);
            let law = 2.0_f64.powf(kilometres.min(12_000.0) / 100.0);
            assert!((found / law - 1.0).abs() < 0.001, "{kilometres}: {found} and not {law}");
        }
    }
}
