//! Families of addresses: which URLs of a host a client of one family reaches (`ip_version=`), and which hosts a client with a
//! native IPv6 address gets first (`prefer_family`).
//!
//! Only health files know of this. A host of which they say nothing counts as within reach of both families.

use std::net::{IpAddr, Ipv6Addr};

use super::rank::RankedHost;
use crate::mirrorlist::protocols::ProtocolFilter;
use crate::snapshot::health::families::UnreachableUrls;
use crate::snapshot::health::table::url_mask;
use crate::snapshot::{Carrier, CarrierIndex, Catalogue};

/// Which of the URLs that an answer can list are beyond the reach of a family.
#[derive(Clone, Copy)]
pub(super) struct FamilyFilter<'a> {
    pub(super) unreachable: UnreachableUrls<'a>,
    /// Which URLs the answer lists.
    pub(super) listed: ProtocolFilter,
}

impl FamilyFilter<'_> {
    /// Whether the answer can list URLs of a host and none of them is within reach.
    pub(super) fn is_beyond_reach(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier) -> bool {
        let unreachable = self.unreachable.of(index);
        let (beyond, within) = self.listed_urls(catalogue, carrier, unreachable);
        beyond != 0 && !within
    }

    /// The URLs of a host that are not listed, as a mask: those beyond reach, if the answer can list another one.
    pub(super) fn withheld(&self, catalogue: &Catalogue, index: CarrierIndex, carrier: &Carrier) -> u64 {
        let unreachable = self.unreachable.of(index);
        match self.listed_urls(catalogue, carrier, unreachable) {
            (beyond, true) => beyond,
            (_, false) => 0,
        }
    }

    /// Of the URLs that the answer can list, the mask of those beyond reach, and whether there are others.
    fn listed_urls(&self, catalogue: &Catalogue, carrier: &Carrier, unreachable: u64) -> (u64, bool) {
        if unreachable == 0 {
            return (0, true);
        }
        let (mut beyond, mut within) = (0, false);
        for (bit, url) in (0..).zip(catalogue.urls(carrier)) {
            if self.listed.takes(url.protocol) {
                let mask = url_mask(bit) & unreachable;
                within |= mask == 0;
                beyond |= mask;
            }
        }
        (beyond, within)
    }

    /// Puts hosts that are beyond reach behind all others.
    pub(super) fn put_behind(&self, catalogue: &Catalogue, hosts: &mut [RankedHost]) {
        for host in hosts {
            let carrier = catalogue.carrier(host.carrier());
            *host = host.behind_if(self.is_beyond_reach(catalogue, host.carrier(), carrier));
        }
    }
}

/// Whether a client with this address surely reaches IPv6 directly: it is no IPv4 address, and none of the tunnels 6to4
/// (2002::/16, RFC 3056) and Teredo (2001::/32, RFC 4380), which are slow and often broken.
pub(super) fn is_native_ipv6(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => !is_tunnel(address),
    }
}

fn is_tunnel(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    first == 0x2002 || (first, second) == (0x2001, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_and_mapped_addresses_are_no_native_ipv6() {
        for (address, is_native) in [
            ("2001:db8::1", true),
            ("2003::1", true),
            ("2001:1::1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("2002:c000:201::1", false),
            ("2001:0:c000:201::1", false),
        ] {
            assert_eq!(is_native_ipv6(address.parse().unwrap()), is_native, "{address}");
        }
    }
}
