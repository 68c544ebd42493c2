//! The location of a client, and which data says so.

use std::cmp::Reverse;
use std::net::IpAddr;

use serde::Serialize;

use super::distance::ExplainedPlace;
use crate::geo::GeoIpField;
use crate::mirrorlist::locate::{CountrySource, locate};
use crate::snapshot::{HostIndex, Snapshot};

/// The location of a client.
#[derive(Debug, Serialize)]
pub struct ExplainedClient {
    address: IpAddr,
    country: Option<String>,
    /// The operators' network, or the field of the GeoIP record.
    country_source: Option<String>,
    continent: Option<String>,
    /// Where it is; `None` if the order is not by distance.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<ExplainedPlace>,
    /// The number of the autonomous system that announces the address.
    asn: Option<u32>,
    /// The prefix that gave the number.
    asn_prefix: Option<String>,
    /// Ids of the hosts in that autonomous system.
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

impl ExplainedClient {
    pub(super) fn new(snapshot: &Snapshot, address: IpAddr, place: Option<ExplainedPlace>) -> Self {
        let (catalogue, continents) = (snapshot.catalogue(), snapshot.continents());
        let location = locate(snapshot, address);
        let country = location.country_code();
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
            address: location.address,
            country: country.map(|country| country.to_string()),
            country_source: location.country.map(|(_, source)| source_text(source)),
            continent: country
                .and_then(|country| continents.of(country))
                .map(|continent| continents.name(continent).to_owned()),
            place,
            asn: announced.map(|(_, asn)| asn.get()),
            asn_prefix: announced.map(|(network, _)| network.to_string()),
            asn_hosts: announced.map_or_else(Vec::new, |(_, asn)| ids(catalogue.as_hosts(asn))),
            netblocks: netblocks.collect(),
        }
    }
}

fn source_text(source: CountrySource) -> String {
    match source {
        CountrySource::Operators(network) => format!("operators: {network}"),
        CountrySource::GeoIp(GeoIpField::Country) => "geoip: country.iso_code".to_owned(),
        CountrySource::GeoIp(GeoIpField::RegisteredCountry) => "geoip: registered_country.iso_code".to_owned(),
        CountrySource::GeoIp(GeoIpField::CountryCode) => "geoip: country_code".to_owned(),
        CountrySource::GeoIp(GeoIpField::PlainCountry) => "geoip: country".to_owned(),
    }
}
