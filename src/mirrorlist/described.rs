//! What programs are told of a choice: the types that JSON answers ([`super::render::json`]) and explanations ([`super::explain`])
//! share, and how they are filled. Chooses nothing and applies no rule.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use super::choose::{Choice, RankedHost, Tier};
use super::locate::{ClientLocation, CountrySource};
use super::refusal::Refusal;
use super::render::text;
use super::target::{Asked, Target};
use crate::geo::{CountryCode, GeoIpField};
use crate::snapshot::{Carrier, Catalogue, Snapshot};

/// The location of a client.
#[derive(Debug, Clone, Serialize)]
pub struct DescribedClient<'a> {
    /// Its address; an IPv4 address is never in its IPv6 form.
    pub address: IpAddr,
    /// Its country.
    pub country: Option<CountryCode>,
    /// The operators' network, or the field of the GeoIP record, that names the country.
    pub country_source: Option<String>,
    /// The continent of its country.
    pub continent: Option<&'a str>,
    /// The number of the autonomous system that announces the address.
    pub asn: Option<u32>,
    /// The prefix that gave the number.
    pub asn_prefix: Option<String>,
}

/// The target of a request.
#[derive(Debug, Clone, Serialize)]
pub struct DescribedTarget<'a> {
    /// The directory.
    pub directory: &'a str,
    /// The file in it; `None`: the directory itself.
    pub file: Option<Cow<'a, str>>,
    /// The repository, after redirects; `None` if a path was asked for.
    pub repo: Option<Cow<'a, str>>,
    /// Its architecture.
    pub arch: Option<&'a str>,
}

/// A tier and its hosts.
#[derive(Debug, Serialize)]
pub struct DescribedTier<H> {
    /// `netblock`, `as`, `country`, `continent`, `global` or `distance`.
    pub tier: Tier,
    /// Whether these are the tier's hosts without a good URL, which come after the good ones of all tiers.
    #[serde(skip_serializing_if = "is_false")]
    pub demoted: bool,
    /// Whether these are the tier's hosts that IPv6 does not reach, which come after all others for this client (`prefer_family`).
    #[serde(skip_serializing_if = "is_false")]
    pub without_ipv6: bool,
    /// Whether a rule puts these hosts before others.
    #[serde(skip_serializing_if = "is_false")]
    pub preferred: bool,
    /// Its hosts, in the order of one draw.
    pub hosts: Vec<H>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// A host that is listed.
#[derive(Debug, Clone, Serialize)]
pub struct DescribedHost<'a> {
    /// MirrorManager2's id.
    pub host_id: i64,
    /// The name in the first of its URLs.
    pub name: &'a str,
    /// Its country.
    pub country: Option<CountryCode>,
    /// Its weight in the tiers that are shuffled by weight: the bandwidth in Mbit/s, or what a rule says; with the order by distance,
    /// what the law makes of it.
    pub weight: DescribedWeight,
    /// Its distance; `None` if the order is not by distance.
    #[serde(flatten)]
    pub distance: Option<DescribedDistance>,
    /// Whether it is listed for clients of its own networks and AS only.
    pub private: bool,
}

/// The weight of a host in Mbit/s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DescribedWeight {
    /// Its bandwidth.
    Bandwidth(u32),
    /// By distance: its bandwidth, less what the distance costs.
    ByDistance(f64),
}

/// The distance of a host.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DescribedDistance {
    /// From the client's place, in whole kilometres; `None` if the host's place is not known.
    pub kilometres: Option<u32>,
}

/// Why there are no mirrors.
#[derive(Debug, Clone, Serialize)]
pub struct DescribedRefusal {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Its text.
    pub text: String,
}

impl<'a> DescribedClient<'a> {
    /// Describes a located client.
    pub fn new(snapshot: &'a Snapshot, location: &ClientLocation) -> Self {
        let continents = snapshot.continents();
        let country = location.country_code();
        let announced = snapshot.autonomous_systems().lookup(location.address);
        Self {
            address: location.address,
            country,
            country_source: location.country.map(|(_, source)| source_text(source)),
            continent: country
                .and_then(|country| continents.of(country))
                .map(|continent| continents.name(continent)),
            asn: announced.map(|(_, asn)| asn.get()),
            asn_prefix: announced.map(|(network, _)| network.to_string()),
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

impl<'a> DescribedTarget<'a> {
    /// Describes a target.
    pub fn new(catalogue: &'a Catalogue, target: &Target<'a>) -> Self {
        let (repo, arch) = match &target.asked {
            Asked::Repository { repo, arch, .. } => (Some(repo.clone()), Some(*arch)),
            Asked::Path(_) => (None, None),
        };
        Self {
            directory: catalogue.directory_name(target.directory),
            file: target.file.clone(),
            repo,
            arch,
        }
    }
}

impl<'a> DescribedHost<'a> {
    /// Describes a chosen host.
    pub fn new(snapshot: &'a Snapshot, choice: &Choice<'_>, ranked: RankedHost) -> Self {
        let catalogue = snapshot.catalogue();
        let carrier = catalogue.carrier(ranked.carrier());
        let host = catalogue.host(carrier.host);
        let measure = choice.distance.as_ref().map(|distance| &distance.measure);
        let weight = snapshot.weight(choice.stage(), carrier.host);
        Self {
            host_id: host.id,
            name: host_name(catalogue, carrier),
            country: host.country,
            weight: match measure {
                Some(measure) => {
                    DescribedWeight::ByDistance(measure.weight(ranked.tier(), catalogue, carrier.host, weight))
                }
                None => DescribedWeight::Bandwidth(weight),
            },
            distance: measure.map(|measure| DescribedDistance {
                kilometres: measure.kilometres(catalogue, carrier.host).map(whole_kilometres),
            }),
            private: !carrier.public,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to half the way around the Earth"
)]
fn whole_kilometres(kilometres: f64) -> u32 {
    kilometres.round() as u32
}

impl DescribedRefusal {
    /// Describes a refusal.
    pub fn new(refusal: &Refusal<'_>) -> Self {
        Self {
            status: refusal.status(),
            text: text::words(refusal),
        }
    }
}

/// The host's name in the first of its URLs; empty if it has none.
pub fn host_name<'a>(catalogue: &'a Catalogue, carrier: &Carrier) -> &'a str {
    let url = catalogue.urls(carrier).first().map(|url| catalogue.base_url(url));
    let rest = url.and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host)
}

/// The hosts that one shuffle puts in order: a tier, those that are demoted or come behind others apart.
pub fn part(host: RankedHost) -> (Tier, bool, bool, bool) {
    let (is_bad, is_behind) = (host.is_demoted(), host.is_behind());
    (host.tier(), is_bad, is_behind, host.is_after_preferred())
}

/// The tiers of a choice in order, with their hosts as `hosts` describes them. Tiers without described hosts are left out.
pub fn tiers<H>(
    catalogue: &Catalogue,
    choice: &Choice<'_>,
    mut hosts: impl FnMut(&[RankedHost]) -> Vec<H>,
) -> Vec<DescribedTier<H>> {
    let demotes = choice.demotes(catalogue);
    let prefers = choice.rules.as_ref().is_some_and(|rules| rules.prefers());
    let chunks = choice.selection.hosts.chunk_by(|a, b| part(*a) == part(*b));
    let described = chunks.filter_map(|chunk| {
        let (tier, is_bad, is_behind, is_after_preferred) = part(*chunk.first()?);
        Some(DescribedTier {
            tier,
            demoted: is_bad && demotes,
            without_ipv6: is_behind,
            preferred: prefers && !is_after_preferred,
            hosts: hosts(chunk),
        })
    });
    described.filter(|tier| !tier.hosts.is_empty()).collect()
}
