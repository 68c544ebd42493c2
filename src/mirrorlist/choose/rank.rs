//! A chosen host's rank: its tier, and its random place in that tier, packed into one integer that sorts.

use serde::Serialize;

use crate::snapshot::CarrierIndex;

/// Why a host is listed, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// It registered a network that holds the client.
    Netblock = 0,
    /// It is in the client's autonomous system.
    #[serde(rename = "as")]
    AutonomousSystem = 1,
    /// It is in the client's country, or in one that was asked for.
    Country = 4,
    /// It is in another country of that continent.
    Continent = 5,
    /// It is public, anywhere in the world.
    Global = 6,
    /// It is in another country, in an order by distance.
    Distance = 7,
}

/// A chosen host, in bits: whether it is demoted (1), whether it is beyond the reach of the client's family of addresses (1), whether a
/// rule prefers others (1), tier (5), key within the tier (32), carrier (24).
///
/// Optimised: a sort of plain integers puts an answer in order (`cargo bench --bench stages`, `choose`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RankedHost(u64);

/// The ranks between the AS and the country tier, for a host that is moved to the front of its tier.
const FIRST_IN_COUNTRY: u64 = 2;
const FIRST_ELSEWHERE: u64 = 3;

/// Lengths of prefixes are counted down from this one, that of an IPv6 address.
const LONGEST_PREFIX: u8 = 128;

impl RankedHost {
    /// A host of a tier; smaller keys come first.
    pub(super) fn new(tier: Tier, key: u32, carrier: CarrierIndex) -> Self {
        Self((tier as u64) << 56 | u64::from(key) << 24 | u64::from(carrier.get()))
    }

    /// A host of the netblock tier: longer prefixes come first, hosts of the same length by chance.
    pub(super) fn in_netblock(prefix_length: u8, chance: u32, carrier: CarrierIndex) -> Self {
        let key = u32::from(LONGEST_PREFIX.saturating_sub(prefix_length)) << 24 | chance >> 8;
        Self::new(Tier::Netblock, key, carrier)
    }

    /// The same host, after all that are not demoted.
    #[must_use]
    pub(super) fn demoted_if(self, is_bad: bool) -> Self {
        Self(self.0 | u64::from(is_bad) << 63)
    }

    /// The same host of the country or distance tier, before all others of both.
    #[must_use]
    pub(super) fn moved_to_front(self) -> Self {
        let ranks = match self.tier() {
            Tier::Country => Tier::Country as u64 - FIRST_IN_COUNTRY,
            Tier::Distance => Tier::Distance as u64 - FIRST_ELSEWHERE,
            _ => 0,
        };
        Self(self.0 - (ranks << 56))
    }

    /// The same host, after all that the client's family of addresses reaches and before all that are demoted.
    #[must_use]
    pub(super) fn behind_if(self, is_behind: bool) -> Self {
        Self(self.0 | u64::from(is_behind) << 62)
    }

    /// The same host, after those that a rule prefers among the hosts that are alike in reach.
    #[must_use]
    pub(super) fn after_preferred(self) -> Self {
        Self(self.0 | 1 << 61)
    }

    /// The same host with another key within its tier; in the netblock tier, among hosts with the same length of prefix.
    #[must_use]
    pub(super) fn with_key(self, key: u32) -> Self {
        let (bits, key) = match self.tier() {
            Tier::Netblock => (24, key >> 8),
            _ => (32, key),
        };
        let mask = ((1_u64 << bits) - 1) << 24;
        Self(self.0 & !mask | u64::from(key) << 24)
    }

    /// Whether a rule prefers other hosts.
    pub fn is_after_preferred(self) -> bool {
        self.0 >> 61 & 1 == 1
    }

    /// What counts before the tier: hosts of a lower class come before all of a higher one.
    pub(super) fn class(self) -> u64 {
        self.0 >> 61
    }

    /// Whether it comes behind others because the client's family of addresses does not reach it.
    pub fn is_behind(self) -> bool {
        self.0 >> 62 & 1 == 1
    }

    /// Whether it comes last because it has no good URL.
    pub fn is_demoted(self) -> bool {
        self.0 >> 63 == 1
    }

    /// The tier that lists it.
    pub fn tier(self) -> Tier {
        match self.0 >> 56 & 0x1f {
            0 => Tier::Netblock,
            1 => Tier::AutonomousSystem,
            4 | FIRST_IN_COUNTRY => Tier::Country,
            5 => Tier::Continent,
            6 => Tier::Global,
            _ => Tier::Distance,
        }
    }

    /// In the netblock tier, the length of the longest prefix that the host registered and that holds the client.
    pub fn prefix_length(self) -> Option<u8> {
        let [_, rank, ..] = self.0.to_be_bytes();
        (self.tier() == Tier::Netblock).then(|| LONGEST_PREFIX - rank)
    }

    /// The host, as a carrier of the directory.
    pub fn carrier(self) -> CarrierIndex {
        let [_, _, _, _, _, a, b, c] = self.0.to_be_bytes();
        CarrierIndex::from_number(u32::from_be_bytes([0, a, b, c]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_in_order_of_tier_then_key_and_tell_both_tier_and_carrier() {
        use Tier::{AutonomousSystem, Continent, Country, Distance, Global, Netblock};
        let keys = [(0, 7), (0, 8), (u32::MAX, 0)];
        let hosts = [Netblock, AutonomousSystem, Country, Continent, Global, Distance].map(|tier| {
            keys.map(|(key, carrier)| {
                let host = RankedHost::new(tier, key, CarrierIndex::from_number(carrier));
                assert_eq!((host.tier(), host.carrier().get()), (tier, carrier));
                assert!(tier == Netblock || host.prefix_length().is_none());
                host
            })
        });
        assert!(hosts.as_flattened().is_sorted());
    }

    #[test]
    fn bad_hosts_come_last_before_them_those_beyond_reach_and_preferred_ones_first_whatever_their_tiers() {
        let host = |tier| RankedHost::new(tier, 7, CarrierIndex::from_number(9));
        let mut hosts = Vec::new();
        for (is_bad, is_behind, is_after) in [
            (false, false, false),
            (false, false, true),
            (false, true, false),
            (false, true, true),
            (true, false, false),
            (true, false, true),
            (true, true, false),
            (true, true, true),
        ] {
            for tier in [Tier::Netblock, Tier::Global] {
                let host = host(tier).demoted_if(is_bad).behind_if(is_behind);
                let host = if is_after { host.after_preferred() } else { host };
                assert_eq!((host.tier(), host.carrier().get()), (tier, 9));
                assert_eq!(
                    (host.is_demoted(), host.is_behind(), host.is_after_preferred()),
                    (is_bad, is_behind, is_after)
                );
                hosts.push(host);
            }
        }
        assert!(hosts.is_sorted());
    }

    #[test]
    fn another_key_changes_nothing_else() {
        let carrier = CarrierIndex::from_number(3);
        let country = RankedHost::new(Tier::Country, 1, carrier).demoted_if(true);
        assert_eq!(
            country.with_key(u32::MAX),
            RankedHost::new(Tier::Country, u32::MAX, carrier).demoted_if(true)
        );
        let near = RankedHost::in_netblock(24, 1 << 31, carrier);
        assert_eq!(near.with_key(3 << 8), RankedHost::in_netblock(24, 3 << 8, carrier));
    }

    #[test]
    fn longer_prefixes_come_first_whatever_chance_says() {
        let hosts = [128, 32, 25, 24, 0].map(|length| {
            let host = RankedHost::in_netblock(length, u32::MAX >> (length % 7), CarrierIndex::from_number(3));
            assert_eq!((host.prefix_length(), host.carrier().get()), (Some(length), 3));
            host
        });
        assert!(hosts.is_sorted());
    }
}
