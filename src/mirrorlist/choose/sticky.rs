//! The setting `redirect.sticky`: redirects send a network to the same mirror until the cache changes.
//!
//! Weighted rendezvous hashing: the key of a host is E / weight, with E an exponential number that follows from the network, the
//! cache's creation time and the host's id alone, in place of a random one. So each network has an order of its own, shares over all
//! networks are those of the weighted shuffle, and a mirror that turns bad moves only the networks that it was first for.
//!
//! The definition is fixed, so that all workers, servers and versions agree: SipHash-2-4 with a key of zeros over [`message`]; of its
//! 64 bits the upper 53, plus one, over 2^53 are U; E = -ln U.

use std::net::{IpAddr, Ipv6Addr};

use siphasher::sip::SipHasher24;

use super::first_share::FirstShares;
use super::rank::RankedHost;
use super::weights::Weights;
use crate::snapshot::{CarrierIndex, Catalogue};

/// A network that redirects send to the same mirror.
pub(super) struct StickyNetwork {
    network: Ipv6Addr,
    /// The cache's creation time.
    created: u64,
}

impl StickyNetwork {
    /// The network of an address, until a cache with another creation time comes.
    pub(super) fn new(address: IpAddr, created: u64) -> Self {
        Self {
            network: network_of(address),
            created,
        }
    }

    /// Gives each host its key for this network.
    pub(super) fn stick(&self, hosts: &mut [RankedHost], catalogue: &Catalogue, weights: Weights<'_>) {
        for host in hosts {
            let hash = self.hash(catalogue, host.carrier());
            *host = host.with_key(match host.prefix_length() {
                // Hosts with the same length of prefix are alike.
                Some(_) => upper_half(hash),
                None => weighted_key(hash, weights.of(*host)),
            });
        }
    }

    /// The first host of this network by shares that take the place of weights.
    pub(super) fn draw(&self, catalogue: &Catalogue, shares: &FirstShares) -> Option<CarrierIndex> {
        let possible = shares.iter().filter(|(_, share)| *share > 0.0);
        let keys = possible.map(|(carrier, share)| (weighted_key(self.hash(catalogue, carrier), share), carrier));
        keys.min().map(|(_, carrier)| carrier)
    }

    fn hash(&self, catalogue: &Catalogue, carrier: CarrierIndex) -> u64 {
        let host = catalogue.host(catalogue.carrier(carrier).host);
        SipHasher24::new_with_keys(0, 0).hash(&message(self.network, self.created, host.id))
    }
}

/// The network that counts as one client: the IPv4 /24, as an IPv4-mapped address, or the IPv6 /48.
fn network_of(address: IpAddr) -> Ipv6Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv6Addr::from(u128::from(address.to_ipv6_mapped()) & !0xff),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !(u128::MAX >> 48)),
    }
}

/// 32 bytes, all numbers with their most significant byte first: the network's address (16), the cache's creation time in seconds
/// since the Unix epoch (8), MirrorManager2's id of the host (8).
fn message(network: Ipv6Addr, created: u64, host: i64) -> [u8; 32] {
    let mut message = [0; 32];
    let (first, rest) = message.split_at_mut(16);
    let (second, third) = rest.split_at_mut(8);
    first.copy_from_slice(&network.octets());
    second.copy_from_slice(&created.to_be_bytes());
    third.copy_from_slice(&host.to_be_bytes());
    message
}

fn upper_half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// The bits of a number that is not negative are in the order of the numbers. `libm` gives the same logarithm on every platform.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "53 bits are exact, and a key is rounded to 24"
)]
fn weighted_key(hash: u64, weight: f64) -> u32 {
    let uniform = ((hash >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    // Not -0.0, whose sign bit would make it the largest key.
    let exponential = 0.0 - libm::log(uniform);
    ((exponential / weight) as f32).to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_the_24_of_ipv4_and_the_48_of_ipv6() {
        for (address, network) in [
            ("192.0.2.201", "::ffff:192.0.2.0"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.0"),
            ("192.0.3.1", "::ffff:192.0.3.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("2001:db8:2::", "2001:db8:2::"),
        ] {
            let network: Ipv6Addr = network.parse().unwrap();
            assert_eq!(network_of(address.parse().unwrap()), network, "{address}");
        }
    }

    #[test]
    fn a_larger_hash_is_a_smaller_key_and_the_largest_the_smallest() {
        assert_eq!(weighted_key(u64::MAX, 1.0), 0);
        assert!(weighted_key(0, 1.0) > weighted_key(1 << 62, 1.0));
        assert!(weighted_key(7, 10.0) < weighted_key(7, 1.0));
    }
}
