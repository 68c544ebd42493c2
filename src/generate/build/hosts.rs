//! Hosts and their sites to what the cache says of each: country, bandwidth, AS, allowed countries, and whether and why it is
//! left out. Which directories a host carries is the business of `super::carriers`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Display};
use std::ops::RangeInclusive;

use crate::generate::read::ids::HostId;
use crate::generate::read::rows::{AllowedCountryRow, HostRow, PeerAsnRow, SiteRow};
use crate::generate::warnings::{RowWarnings, WarningKind};
use crate::geo::{AsNumber, Coordinates, CountryCode};

/// Bandwidths in Mbit/s are clamped to this range, so that no typing error draws all clients or none.
const BANDWIDTH: RangeInclusive<i64> = 1..=10_000;

/// A host, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JudgedHost {
    pub(crate) id: HostId,
    pub(crate) name: String,
    /// Its site's name; `None` if it has no site.
    pub(crate) site: Option<String>,
    pub(crate) country: Option<CountryCode>,
    /// Where it is, if the database says so.
    pub(crate) coordinates: Option<Coordinates>,
    /// Mbit/s, 1 to 10,000.
    pub(crate) bandwidth: i64,
    /// Whether only its own networks and AS are sent to it: the host or its site is private.
    pub(crate) private: bool,
    /// Whether it is listed for Internet2.
    pub(crate) internet2: bool,
    /// The AS whose clients it serves.
    pub(crate) asn: Option<AsNumber>,
    /// Whether it serves clients by their AS: its own one, and its peers.
    pub(crate) asn_clients: bool,
    /// Why it is left out; empty if it is active.
    pub(crate) left_out: Vec<&'static str>,
}

impl JudgedHost {
    /// Whether it can be listed: it has a site, and both are turned on.
    pub(crate) fn is_active(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Whether the cache may name it at all.
    pub(crate) fn is_known(&self) -> bool {
        self.site.is_some()
    }
}

impl Display for JudgedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {} ({})", self.id, self.name)
    }
}

/// All hosts, by id.
#[derive(Debug, Clone, Default)]
pub struct Hosts(BTreeMap<HostId, JudgedHost>);

impl Hosts {
    /// Judges hosts.
    pub fn new(sites: &[SiteRow], rows: &[HostRow], warnings: &mut RowWarnings) -> Self {
        let sites: HashMap<_, _> = sites.iter().map(|site| (site.id, site)).collect();
        let judge = |row: &HostRow| {
            let site = row.site.and_then(|id| sites.get(&id).copied());
            (row.id, judge(row, site, warnings))
        };
        Self(rows.iter().map(judge).collect())
    }

    pub(crate) fn find(&self, id: HostId) -> Option<&JudgedHost> {
        self.0.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &JudgedHost> {
        self.0.values()
    }

    /// Those that the cache names.
    pub(crate) fn known(&self) -> impl Iterator<Item = &JudgedHost> {
        self.iter().filter(|host| host.is_known())
    }

    /// The host that a row refers to, if the cache may name it. A row without a host that exists is a warning.
    pub(crate) fn referred(
        &self,
        id: Option<HostId>,
        row: impl Display,
        warnings: &mut RowWarnings,
    ) -> Option<&JudgedHost> {
        let Some(id) = id else {
            warnings.add(WarningKind::Orphan, format_args!("{row} refers to no host"));
            return None;
        };
        let found = self.find(id);
        if found.is_none() {
            warnings.orphan(row, format_args!("host {id}"));
        }
        found.filter(|host| host.is_known())
    }

    /// The same, if the host is active.
    pub(crate) fn referred_active(
        &self,
        id: Option<HostId>,
        row: impl Display,
        warnings: &mut RowWarnings,
    ) -> Option<&JudgedHost> {
        self.referred(id, row, warnings).filter(|host| host.is_active())
    }

    /// The hosts of each AS: their own, and the peers of those that serve clients by their AS.
    pub(crate) fn by_as(
        &self,
        peers: &[PeerAsnRow],
        warnings: &mut RowWarnings,
    ) -> BTreeMap<AsNumber, BTreeSet<HostId>> {
        let mut hosts: BTreeMap<AsNumber, BTreeSet<HostId>> = BTreeMap::new();
        for host in self.known() {
            if let Some(asn) = host.asn {
                hosts.entry(asn).or_default().insert(host.id);
            }
        }
        for peer in peers {
            let row = format_args!("host_peer_asn: AS {}", peer.asn);
            if let Some(host) = self.referred(peer.host, row, warnings) {
                match as_number(peer.asn) {
                    Some(_) if !host.asn_clients => {}
                    Some(asn) => _ = hosts.entry(asn).or_default().insert(host.id),
                    None => {
                        let problem = format_args!("{host}: peer AS {} is no AS number", peer.asn);
                        warnings.add(WarningKind::AsNumber, problem);
                    }
                }
            }
        }
        hosts
    }

    /// The only countries whose clients an active host is offered to.
    pub(crate) fn allowed_countries(
        &self,
        rows: &[AllowedCountryRow],
        warnings: &mut RowWarnings,
    ) -> BTreeMap<HostId, BTreeSet<String>> {
        let mut countries: BTreeMap<HostId, BTreeSet<String>> = BTreeMap::new();
        for AllowedCountryRow { host, country } in rows {
            let described = format_args!("host_country_allowed: {country:?}");
            if let Some(host) = self.referred_active(*host, described, warnings) {
                if CountryCode::parse(country).is_none() {
                    let problem = format_args!("{host}: allowed country {country:?} is no country code");
                    warnings.add(WarningKind::AllowedCountry, problem);
                }
                // What is no country goes to the cache, too: without it, the host would be offered to everybody.
                let country = country.trim().to_uppercase();
                countries.entry(host.id).or_default().insert(country);
            }
        }
        countries
    }
}

fn judge(row: &HostRow, site: Option<&SiteRow>, warnings: &mut RowWarnings) -> JudgedHost {
    let described = format_args!("host {} ({})", row.id, row.name);
    let country = CountryCode::parse(&row.country);
    if country.is_none() {
        let problem = format_args!("{described}: country {:?} is no country code", row.country);
        warnings.add(WarningKind::HostCountry, problem);
    }
    match site {
        None => warnings.add(WarningKind::HostWithoutSite, format_args!("{described} has no site")),
        Some(_) => warnings.note_replaced(format_args!("host {}", row.id), &row.name),
    }
    // Many hosts say 0 for "none".
    let typed_asn = row.asn.filter(|asn| row.asn_clients && *asn != 0);
    let asn = typed_asn.and_then(as_number);
    if let (Some(typed), None) = (typed_asn, asn) {
        warnings.add(
            WarningKind::AsNumber,
            format_args!("{described}: AS {typed} is no AS number"),
        );
    }
    let private = row.private || site.is_some_and(|site| site.private);
    let (least, most) = BANDWIDTH.into_inner();
    JudgedHost {
        id: row.id,
        name: row.name.clone(),
        site: site.map(|site| site.name.clone()),
        country,
        coordinates: coordinates(row, warnings),
        bandwidth: row.bandwidth.unwrap_or(least).clamp(least, most),
        private,
        internet2: row.internet2 && (!private || row.internet2_clients),
        asn,
        asn_clients: row.asn_clients,
        left_out: reasons(row, site),
    }
}

/// The coordinates of a host. Those that are no place are missing, with a warning; a row that has none is as usual.
fn coordinates(row: &HostRow, warnings: &mut RowWarnings) -> Option<Coordinates> {
    let [latitude, longitude] = [&row.latitude, &row.longitude].map(Option::as_deref);
    latitude.or(longitude)?;
    let coordinates = Coordinates::parse(latitude.unwrap_or_default(), longitude.unwrap_or_default());
    if coordinates.is_none() {
        let [latitude, longitude] = [latitude, longitude].map(|text| text.unwrap_or("NULL"));
        warnings.add(
            WarningKind::Coordinates,
            format_args!(
                "host {} ({}): latitude {latitude:?} and longitude {longitude:?} are no place; correct or clear both",
                row.id, row.name
            ),
        );
    }
    coordinates
}

fn reasons(row: &HostRow, site: Option<&SiteRow>) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if site.is_none() {
        reasons.push("the host has no site");
    }
    if !row.user_active {
        reasons.push("the host is turned off by its owner (host.user_active)");
    }
    if !row.admin_active {
        reasons.push("the host is turned off by an administrator (host.admin_active)");
    }
    if site.is_some_and(|site| !site.user_active) {
        reasons.push("its site is turned off by its owner (site.user_active)");
    }
    if site.is_some_and(|site| !site.admin_active) {
        reasons.push("its site is turned off by an administrator (site.admin_active)");
    }
    reasons
}

fn as_number(number: i64) -> Option<AsNumber> {
    AsNumber::new(u32::try_from(number).ok()?)
}
