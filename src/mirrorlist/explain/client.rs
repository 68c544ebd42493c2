//! The location of a client, and which data says so.

use std::cmp::Reverse;
use std::net::IpAddr;

use serde::Serialize;

use super::place::ExplainedPlace;
use crate::mirrorlist::described::DescribedClient;
use crate::mirrorlist::locate::locate;
use crate::snapshot::{HostIndex, Snapshot};

/// The location of a client, and the hosts near it by network.
#[derive(Debug, Serialize)]
pub struct ExplainedClient<'a> {
    #[serde(flatten)]
    client: DescribedClient<'a>,
    /// Where it is; `None` if the order is not by distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<ExplainedPlace>,
    /// Ids of the hosts in its autonomous system.
    asn_hosts: Vec<i64>,
    /// The networks registered by hosts that hold the address, the longest prefix first.
    netblocks: Vec<ExplainedNetblock>,
}

/// A network and the ids of the hosts that registered it.
#[derive(Debug, Serialize)]
struct ExplainedNetblock {
    network: String,
    hosts: Vec<i64>,
}

impl<'a> ExplainedClient<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, address: IpAddr, place: Option<ExplainedPlace>) -> Self {
        let catalogue = snapshot.catalogue();
        let location = locate(snapshot, address);
        let announced = snapshot.autonomous_systems().lookup(location.address);
        let ids = |hosts: &[HostIndex]| {
            let hosts = hosts.iter().map(|host| catalogue.host(*host));
            hosts.map(|host| host.id).collect()
        };
        let mut netblocks: Vec<_> = catalogue.netblock_hosts(location.address).collect();
        netblocks.sort_by_key(|(network, _)| Reverse(network.netmask()));
        let netblocks = netblocks.into_iter().map(|(network, hosts)| ExplainedNetblock {
            network: network.to_string(),
            hosts: ids(hosts),
        });
        Self {
            client: DescribedClient::new(snapshot, &location),
            place,
            asn_hosts: announced.map_or_else(Vec::new, |(_, asn)| ids(catalogue.as_hosts(asn))),
            netblocks: netblocks.collect(),
        }
    }
}
