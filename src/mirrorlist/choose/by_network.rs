//! Which hosts are near the client by network: in a netblock that they registered, or in its autonomous system.

use std::net::IpAddr;

use crate::geo::AsNumber;
use crate::snapshot::{HostIndex, Snapshot};

/// How a host is near the client by network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proximity {
    /// It registered a network that holds the client, with a prefix of this length.
    Netblock(u8),
    /// It is in the client's AS.
    AutonomousSystem,
}

impl Proximity {
    fn is_nearer_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Netblock(length), Self::Netblock(known)) => length > known,
            (Self::Netblock(_), Self::AutonomousSystem) => true,
            (Self::AutonomousSystem, _) => false,
        }
    }
}

/// The AS that announces an address, if any host is in it.
pub(super) fn client_as(snapshot: &Snapshot, address: IpAddr) -> Option<AsNumber> {
    let (_, asn) = snapshot.autonomous_systems().lookup(address)?;
    (!snapshot.catalogue().as_hosts(asn).is_empty()).then_some(asn)
}

/// The hosts near an address by network, nearest first. A host can come more than once.
pub(super) fn near_hosts(
    snapshot: &Snapshot,
    address: IpAddr,
    asn: Option<AsNumber>,
) -> impl Iterator<Item = (HostIndex, Proximity)> {
    let catalogue = snapshot.catalogue();
    let in_netblocks = catalogue.netblock_hosts(address).flat_map(|(network, hosts)| {
        let proximity = Proximity::Netblock(network.netmask());
        hosts.iter().map(move |host| (*host, proximity))
    });
    let in_as = asn.map_or(&[][..], |asn| catalogue.as_hosts(asn)).iter();
    in_netblocks.chain(in_as.map(|host| (*host, Proximity::AutonomousSystem)))
}

/// A table of the hosts near the client, reused between requests.
///
/// Optimised: one look-up per host instead of a search in lists (`cargo bench --bench stages`, `choose`).
#[derive(Debug, Default)]
pub(super) struct NearHosts {
    by_host: Vec<Option<Proximity>>,
    hosts: Vec<HostIndex>,
}

impl NearHosts {
    /// Fills the table; the nearest word about a host counts.
    pub(super) fn fill(&mut self, hosts: impl Iterator<Item = (HostIndex, Proximity)>) {
        self.clear();
        self.add(hosts);
    }

    /// Adds hosts, of which the nearest word counts.
    pub(super) fn add(&mut self, hosts: impl Iterator<Item = (HostIndex, Proximity)>) {
        for (host, proximity) in hosts {
            if self.by_host.len() <= host.get() {
                self.by_host.resize(host.get() + 1, None);
            }
            if let Some(entry) = self.by_host.get_mut(host.get()) {
                if entry.is_none_or(|known| proximity.is_nearer_than(known)) {
                    *entry = Some(proximity);
                }
                self.hosts.push(host);
            }
        }
    }

    /// Empties the table.
    pub(super) fn clear(&mut self) {
        for host in self.hosts.drain(..) {
            if let Some(entry) = self.by_host.get_mut(host.get()) {
                *entry = None;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    pub(super) fn get(&self, host: HostIndex) -> Option<Proximity> {
        self.by_host.get(host.get()).copied().flatten()
    }
}
