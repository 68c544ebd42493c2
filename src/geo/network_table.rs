//! Networks and their values: the most specific network that holds an address, or all that do. The cost of a network is the
//! same whatever its prefix; a tree of prefixes would take some hundred bytes for each long one.

use std::net::IpAddr;
use std::num::NonZeroU32;

use ip_network::IpNetwork;

use super::ranges::{Entry, Ipv6Bytes, Ranges};

/// A table by network.
#[derive(Debug)]
pub struct NetworkTable<T> {
    /// In the order of their addresses, a network before those in it.
    networks: Vec<Node<T>>,
    ipv4: Ranges<u32, Number>,
    ipv6: Ranges<Ipv6Bytes, Number>,
}

/// The position of a network, plus one; none for addresses that no network holds.
type Number = Option<NonZeroU32>;

#[derive(Debug)]
struct Node<T> {
    network: IpNetwork,
    /// The most specific network that holds this one.
    outer: Number,
    value: T,
}

impl<T> NetworkTable<T> {
    /// The memory of a network while a table is made, in bytes, without its value.
    pub const NETWORK_BYTES: usize = 160;

    /// The table of these networks; of equal ones the last counts.
    pub fn new(mut networks: Vec<(IpNetwork, T)>) -> Self {
        networks.sort_by_key(|(network, _)| *network);
        networks.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
        let mut nodes: Vec<Node<T>> = Vec::with_capacity(networks.len());
        // The networks that hold the one at hand, the most specific one last.
        let mut open: Vec<(IpNetwork, Number)> = Vec::new();
        for (network, value) in networks {
            while open.pop_if(|(outer, _)| !holds(outer, &network)).is_some() {}
            nodes.push(Node {
                network,
                outer: open.last().and_then(|(_, number)| *number),
                value,
            });
            // There are fewer networks than bytes in any file that makes a table.
            let number = u32::try_from(nodes.len()).ok().and_then(NonZeroU32::new);
            open.push((network, number));
            let length = network.netmask();
            match network.network_address() {
                IpAddr::V4(address) => ipv4.push(Entry::new(address.to_bits(), length, number)),
                IpAddr::V6(address) => ipv6.push(Entry::new(address.octets(), length, number)),
            }
        }
        Self {
            networks: nodes,
            ipv4: Ranges::of_networks(ipv4, None),
            ipv6: Ranges::of_networks(ipv6, None),
        }
    }

    /// How many networks there are.
    pub fn len(&self) -> usize {
        self.networks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Every network and its value.
    pub fn iter(&self) -> impl Iterator<Item = (IpNetwork, &T)> {
        self.networks.iter().map(|node| (node.network, &node.value))
    }

    /// The most specific network that holds an address.
    pub fn longest_match(&self, address: IpAddr) -> Option<(IpNetwork, &T)> {
        self.matches(address).next()
    }

    /// The networks that hold an address, the most specific one first.
    pub fn matches(&self, address: IpAddr) -> impl Iterator<Item = (IpNetwork, &T)> {
        let found = match address {
            IpAddr::V4(address) => self.ipv4.get(address.to_bits()),
            IpAddr::V6(address) => self.ipv6.get(address.octets()),
        };
        std::iter::successors(self.node(found.flatten()), |node| self.node(node.outer))
            .map(|node| (node.network, &node.value))
    }

    fn node(&self, number: Number) -> Option<&Node<T>> {
        self.networks.get(number?.get() as usize - 1)
    }
}

fn holds(outer: &IpNetwork, inner: &IpNetwork) -> bool {
    outer.netmask() <= inner.netmask() && outer.contains(inner.network_address())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::network;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    proptest! {
        #[test]
        fn all_networks_that_hold_an_address_are_found_the_longest_first(
            networks in prop::collection::vec((any::<bool>(), any::<u128>(), any::<u8>()), 0..40),
            addresses in prop::collection::vec(any::<u128>(), 20),
        ) {
            // Few different bits, so that networks are inside each other.
            let spread = |bits: u128| bits & 0x8101_0000_0000_0000_0000_0000_8101_0003;
            let low = |bits: u128| u32::try_from(spread(bits) & u128::from(u32::MAX)).unwrap();
            let networks: Vec<IpNetwork> = networks
                .into_iter()
                .map(|(v4, bits, length)| match v4 {
                    true => IpNetwork::new_truncate(Ipv4Addr::from_bits(low(bits)), length % 33).unwrap(),
                    false => IpNetwork::new_truncate(Ipv6Addr::from_bits(spread(bits)), length % 129).unwrap(),
                })
                .collect();
            let table = NetworkTable::new(networks.iter().copied().zip(0..).collect());
            for bits in addresses {
                let (ipv4, ipv6) = (Ipv4Addr::from_bits(low(bits)), Ipv6Addr::from_bits(spread(bits)));
                for address in [IpAddr::V4(ipv4), IpAddr::V6(ipv6)] {
                    let mut expected: Vec<(IpNetwork, i32)> = Vec::new();
                    for (network, value) in networks.iter().zip(0..).filter(|(network, _)| network.contains(address)) {
                        expected.retain(|(known, _)| known != network);
                        expected.push((*network, value));
                    }
                    expected.sort_by_key(|(network, _)| std::cmp::Reverse(network.netmask()));
                    let found: Vec<(IpNetwork, i32)> = table.matches(address).map(|(n, v)| (n, *v)).collect();
                    prop_assert_eq!(found, expected);
                }
            }
        }
    }

    #[test]
    fn an_empty_table_holds_nothing() {
        let table = NetworkTable::<()>::new(Vec::new());
        assert_eq!(table.longest_match("::1".parse().unwrap()), None);
        let world = NetworkTable::new(vec![(network::parse("0.0.0.0/0").unwrap(), 1)]);
        assert!(world.longest_match("255.255.255.255".parse().unwrap()).is_some());
        assert_eq!(world.longest_match("::".parse().unwrap()), None);
    }
}
