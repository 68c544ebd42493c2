//! The limit `max_share`: how often a host may be the first of a country's clients, while others about as near have room.

use crate::snapshot::CarrierIndex;

/// A host's band: hosts at most so many kilometres farther from the client can take what it gives away.
pub const BAND: f64 = 1_000.0;

/// What a share may be off by: below a millionth of a percent.
const ROUNDING: f64 = 1e-9;

/// A host that could be the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) carrier: CarrierIndex,
    /// Above 0.
    pub(super) weight: f64,
    /// From the client; `None` if its place is not known.
    pub(super) kilometres: Option<f64>,
    /// Whether it is in the client's country.
    pub(super) is_home: bool,
}

/// The chance of each host to be the first; they add up to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct FirstShares(Vec<(CarrierIndex, f64)>);

impl FirstShares {
    /// Limits the chances that hosts have by their weights, those in the client's country before all others. What is above the limit goes
    /// to hosts in its band by their weights, up to the limit: in the country first, then elsewhere. What no host has room for
    /// goes back. `None` if no host is above the limit.
    pub(super) fn limited(candidates: &[Candidate], limit: f64) -> Option<Self> {
        let mut shares: Vec<f64> = by_weight(candidates);
        let above: Vec<bool> = shares.iter().map(|share| *share > limit + ROUNDING).collect();
        let of_above = || candidates.iter().zip(&above).filter(|(_, above)| **above);
        let farthest = of_above()
            .filter_map(|(candidate, _)| candidate.kilometres)
            .reduce(f64::max);
        if !above.contains(&true) {
            return None;
        }
        let reach = farthest.map_or(f64::INFINITY, |kilometres| kilometres + BAND);
        let mut excess = 0.0;
        for (share, _) in shares.iter_mut().zip(&above).filter(|(_, above)| **above) {
            excess += *share - limit;
            *share = limit;
        }
        for is_home in [true, false] {
            let takes = |candidate: &Candidate| {
                candidate.is_home == is_home && candidate.kilometres.is_some_and(|kilometres| kilometres <= reach)
            };
            excess = fill(candidates, &mut shares, takes, limit, excess);
        }
        let weight: f64 = of_above().map(|(candidate, _)| candidate.weight).sum();
        for ((share, candidate), _) in shares
            .iter_mut()
            .zip(candidates)
            .zip(&above)
            .filter(|(_, above)| **above)
        {
            *share += excess * candidate.weight / weight;
        }
        let shares = candidates.iter().map(|candidate| candidate.carrier).zip(shares);
        Some(Self(shares.collect()))
    }

    /// The host at a random number from 0 to 1.
    pub(super) fn draw(&self, mut chance: f64) -> Option<CarrierIndex> {
        let drawn = self.0.iter().find(|(_, share)| {
            chance -= share;
            chance < 0.0
        });
        // Rounding can leave a little after the last one.
        drawn
            .or_else(|| self.0.iter().rfind(|(_, share)| *share > 0.0))
            .map(|(carrier, _)| *carrier)
    }

    /// The hosts and their chances.
    pub(super) fn iter(&self) -> impl Iterator<Item = (CarrierIndex, f64)> {
        self.0.iter().copied()
    }

    /// The chance of a host.
    pub fn of(&self, carrier: CarrierIndex) -> f64 {
        let found = self.0.iter().find(|(other, _)| *other == carrier);
        found.map_or(0.0, |(_, share)| *share)
    }
}

/// The chances without a limit.
fn by_weight(candidates: &[Candidate]) -> Vec<f64> {
    let has_home = candidates.iter().any(|candidate| candidate.is_home);
    let weight = |candidate: &Candidate| {
        if candidate.is_home == has_home {
            candidate.weight
        } else {
            0.0
        }
    };
    let all: f64 = candidates.iter().map(weight).sum();
    candidates.iter().map(|candidate| weight(candidate) / all).collect()
}

/// Shares an excess out among hosts by weight, none above the limit. Returns what is left.
fn fill(
    candidates: &[Candidate],
    shares: &mut [f64],
    takes: impl Fn(&Candidate) -> bool,
    limit: f64,
    mut excess: f64,
) -> f64 {
    let receivers = candidates.iter().zip(shares);
    let mut receivers: Vec<(f64, f64, &mut f64)> = receivers
        .filter(|(candidate, share)| takes(candidate) && **share < limit)
        .map(|(candidate, share)| (limit - *share, candidate.weight, share))
        .collect();
    // Those that reach the limit first come first: what they can't take, the others share.
    receivers.sort_by(|(room, weight, _), (other_room, other_weight, _)| {
        (room * other_weight).total_cmp(&(other_room * weight))
    });
    let mut weight_left: f64 = receivers.iter().map(|(_, weight, _)| weight).sum();
    for (room, weight, share) in receivers {
        let taken = (excess * weight / weight_left.max(weight)).min(room);
        *share += taken;
        excess -= taken;
        weight_left -= weight;
    }
    excess.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(candidates: &[(f64, f64, bool)], limit: f64) -> Option<Vec<f64>> {
        let candidate = |(number, (weight, kilometres, is_home)): (u32, &(f64, f64, bool))| Candidate {
            carrier: CarrierIndex::from_number(number),
            weight: *weight,
            kilometres: Some(*kilometres).filter(|kilometres| *kilometres >= 0.0),
            is_home: *is_home,
        };
        let candidates: Vec<Candidate> = (0..).zip(candidates).map(candidate).collect();
        let shares = FirstShares::limited(&candidates, limit)?.0;
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{shares:?}");
        Some(shares.iter().map(|(_, share)| (share * 1e6).round() / 1e6).collect())
    }

    #[test]
    fn what_is_above_the_limit_goes_to_hosts_that_are_about_as_near() {
        // (weight, kilometres, in the client's country)
        let home = (100.0, 0.0, true);
        for (candidates, limit, shares) in [
            // A country with one host: others within 1,000 km take the rest by their weights.
            (
                vec![home, (3.0, 900.0, false), (1.0, 400.0, false), (9.0, 1_001.0, false)],
                0.6,
                vec![0.6, 0.3, 0.1, 0.0],
            ),
            // Its own hosts come before the others.
            (
                vec![home, (1.0, 0.0, true), (50.0, 10.0, false)],
                0.6,
                vec![0.6, 0.4, 0.0],
            ),
            (
                vec![home, (1.0, 0.0, true), (50.0, 10.0, false)],
                0.4,
                vec![0.4, 0.4, 0.2],
            ),
            // No host has room, or is near enough, or is known to be.
            (vec![home, (1.0, 10.0, false)], 0.2, vec![0.8, 0.2]),
            (vec![home, (1.0, 5_000.0, false)], 0.2, vec![1.0, 0.0]),
            (vec![home, (1.0, -1.0, false)], 0.2, vec![1.0, 0.0]),
            (vec![home], 0.01, vec![1.0]),
            // A country without hosts: the band is beyond the host that is above the limit.
            (
                vec![(97.0, 2_000.0, false), (2.0, 2_900.0, false), (1.0, 3_100.0, false)],
                0.5,
                vec![0.5, 0.49, 0.01],
            ),
        ] {
            assert_eq!(limited(&candidates, limit), Some(shares), "{candidates:?}");
        }
        assert_eq!(
            limited(&[(1.0, 0.0, true), (1.0, 0.0, true), (9.0, 1.0, false)], 0.5),
            None
        );
        assert_eq!(limited(&[], 0.5), None);
    }

    #[test]
    fn every_chance_draws_a_host_in_proportion() {
        let shares = FirstShares(
            [(0, 0.25), (1, 0.0), (2, 0.75)]
                .map(|(n, s)| (CarrierIndex::from_number(n), s))
                .to_vec(),
        );
        let drawn = [0.0, 0.249, 0.25, 0.999, 1.0].map(|chance| shares.draw(chance).unwrap().get());
        assert_eq!(drawn, [0, 0, 2, 2, 2]);
        assert_eq!(shares.of(CarrierIndex::from_number(2)), 0.75);
    }
}
