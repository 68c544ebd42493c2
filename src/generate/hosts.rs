//! Hosts and their sites to what the cache says of each: country, bandwidth, AS, allowed countries, and whether and why it
//! is left out.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::findings::{Findings, Kind};
use super::ids::HostId;
use super::tables::{AllowedCountryRow, HostRow, PeerAsnRow, SiteRow};
use crate::geo::{AsNumber, CountryCode};

/// Bandwidths are clamped to this range, in Mbit/s, so that no typing error draws all clients or none.
const BANDWIDTH: std::ops::RangeInclusive<i64> = 1..=10_000;

/// A host, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// The host's id.
    pub id: HostId,
    /// Its name.
    pub name: String,
    /// Its site's name; none where it has no site.
    pub site: Option<String>,
    /// Its country.
    pub country: Option<CountryCode>,
    /// Bandwidth in Mbit/s, 1 to 10,000.
    pub bandwidth: i64,
    /// Whether only its own networks and AS are sent to it: the host or its site is private.
    pub private: bool,
    /// Whether it is listed for Internet2.
    pub internet2: bool,
    /// The AS whose clients it serves.
    pub asn: Option<AsNumber>,
    /// Whether it serves clients by their AS: its own one, and its peers.
    pub asn_clients: bool,
    /// Why it is left out; empty where it is active.
    pub left_out: Vec<&'static str>,
}

impl Host {
    /// Whether it can be listed: it has a site, and both are turned on.
    pub fn is_active(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Whether the cache may name it at all.
    fn is_known(&self) -> bool {
        self.site.is_some()
    }
}

/// The number of a host in [`Hosts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostNumber(pub usize);

/// All hosts, by id.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    hosts: Vec<Host>,
}

impl Hosts {
    /// Judges hosts. `rows` are in the order of their ids.
    pub fn new(sites: &[SiteRow], rows: &[HostRow], findings: &mut Findings) -> Self {
        let sites: HashMap<_, _> = sites.iter().map(|site| (site.id, site)).collect();
        let judge = |row: &HostRow| {
            let site = row.site.and_then(|id| sites.get(&id).copied());
            judge(row, site, findings)
        };
        Self {
            hosts: rows.iter().map(judge).collect(),
        }
    }

    /// The host with an id.
    pub fn find(&self, id: HostId) -> Option<(HostNumber, &Host)> {
        let number = self.hosts.binary_search_by_key(&id, |host| host.id).ok()?;
        Some((HostNumber(number), self.hosts.get(number)?))
    }

    /// The host with a number.
    pub fn get(&self, number: HostNumber) -> Option<&Host> {
        self.hosts.get(number.0)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Those that the cache names.
    pub fn known(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.is_known())
    }

    /// The host that a row refers to if the cache may name it; a row without one that exists is a warning.
    pub(super) fn referred(
        &self,
        id: Option<HostId>,
        row: impl std::fmt::Display,
        findings: &mut Findings,
    ) -> Option<&Host> {
        let found = id.and_then(|id| self.find(id));
        if found.is_none() {
            let host = id.map_or_else(|| "no host".to_owned(), |id| format!("host {id}, which is not there"));
            findings.add(Kind::Orphan, format_args!("{row} refers to {host}"));
        }
        found.map(|(_, host)| host).filter(|host| host.is_known())
    }

    /// The hosts of each AS: their own, and the peers of those that serve clients by their AS.
    pub fn by_as(&self, peers: &[PeerAsnRow], findings: &mut Findings) -> BTreeMap<AsNumber, BTreeSet<HostId>> {
        let mut hosts: BTreeMap<AsNumber, BTreeSet<HostId>> = BTreeMap::new();
        for host in self.known() {
            if let Some(asn) = host.asn {
                hosts.entry(asn).or_default().insert(host.id);
            }
        }
        for peer in peers {
            let row = format_args!("host_peer_asn: AS {}", peer.asn);
            let Some(host) = self.referred(peer.host, row, findings) else {
                continue;
            };
            match as_number(peer.asn) {
                Some(_) if !host.asn_clients => {}
                Some(asn) => {
                    hosts.entry(asn).or_default().insert(host.id);
                }
                None => findings.add(
                    Kind::AsNumber,
                    format_args!("host {} ({}): peer AS {} is no AS number", host.id, host.name, peer.asn),
                ),
            }
        }
        hosts
    }

    /// The only countries whose clients an active host is offered to.
    pub fn allowed_countries(
        &self,
        rows: &[AllowedCountryRow],
        findings: &mut Findings,
    ) -> BTreeMap<HostId, BTreeSet<String>> {
        let mut countries: BTreeMap<HostId, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            let described = format_args!("host_country_allowed: {:?}", row.country);
            let Some(host) = self.referred(row.host, described, findings) else {
                continue;
            };
            if !host.is_active() {
                continue;
            }
            if CountryCode::parse(&row.country).is_none() {
                findings.add(
                    Kind::AllowedCountry,
                    format_args!(
                        "host {} ({}): allowed country {:?} is no country code",
                        host.id, host.name, row.country
                    ),
                );
            }
            // What is no country goes to the cache too: without it, the host would be offered to everybody.
            let country = row.country.trim().to_uppercase();
            countries.entry(host.id).or_default().insert(country);
        }
        countries
    }
}

fn judge(row: &HostRow, site: Option<&SiteRow>, findings: &mut Findings) -> Host {
    let country = CountryCode::parse(&row.country);
    if country.is_none() {
        findings.add(
            Kind::HostCountry,
            format_args!(
                "host {} ({}): country {:?} is no country code",
                row.id, row.name, row.country
            ),
        );
    }
    if site.is_none() {
        findings.add(
            Kind::HostWithoutSite,
            format_args!("host {} ({}) has no site", row.id, row.name),
        );
    }
    if site.is_some() {
        findings.note_replaced(format_args!("host {}", row.id), &row.name);
    }
    let private = row.private || site.is_some_and(|site| site.private);
    Host {
        id: row.id,
        name: row.name.clone(),
        site: site.map(|site| site.name.clone()),
        country,
        bandwidth: row.bandwidth.unwrap_or(0).clamp(*BANDWIDTH.start(), *BANDWIDTH.end()),
        private,
        internet2: row.internet2 && (!private || row.internet2_clients),
        asn: own_as(row, findings),
        asn_clients: row.asn_clients,
        left_out: reasons(row, site),
    }
}

fn reasons(row: &HostRow, site: Option<&SiteRow>) -> Vec<&'static str> {
    let site_is = |on: fn(&SiteRow) -> bool| site.is_none_or(on);
    [
        (site.is_some(), "the host has no site"),
        (
            row.user_active,
            "the host is turned off by its owner (host.user_active)",
        ),
        (
            row.admin_active,
            "the host is turned off by an administrator (host.admin_active)",
        ),
        (
            site_is(|site| site.user_active),
            "its site is turned off by its owner (site.user_active)",
        ),
        (
            site_is(|site| site.admin_active),
            "its site is turned off by an administrator (site.admin_active)",
        ),
    ]
    .into_iter()
    .filter(|(fine, _)| !fine)
    .map(|(_, reason)| reason)
    .collect()
}

/// The AS of a host that serves it; many hosts say 0 for "none".
fn own_as(row: &HostRow, findings: &mut Findings) -> Option<AsNumber> {
    let asn = row.asn.filter(|asn| row.asn_clients && *asn != 0)?;
    let number = as_number(asn);
    if number.is_none() {
        findings.add(
            Kind::AsNumber,
            format_args!("host {} ({}): AS {asn} is no AS number", row.id, row.name),
        );
    }
    number
}

fn as_number(number: i64) -> Option<AsNumber> {
    AsNumber::new(u32::try_from(number).ok()?)
}
