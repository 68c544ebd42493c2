//! Why a client gets the mirrors that it gets, and why others are missing: the same walk as [`super::answer()`], with every
//! step written down.

use std::collections::HashSet;
use std::net::IpAddr;

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use serde::Serialize;

use super::Endpoint;
use super::locate::{ClientLocation, CountrySource, locate};
use super::protocols::ProtocolFilter;
use super::query::MirrorQuery;
use super::refusal::Refusal;
use super::render::text;
use super::select::{Place, Selection, Tier, Wishes, Workspace, select};
use super::target::{Asked, Target, resolve};
use crate::geo::GeoIpField;
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, DirectoryIndex, Host, HostIndex, Snapshot};

/// An answer explained.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Where the client is, and who says so.
    pub client: Client,
    /// What was asked for, and where it is.
    pub target: Option<ExplainedTarget>,
    /// The tiers that give hosts, in order.
    pub tiers: Vec<ExplainedTier>,
    /// The hosts that carry the directory and are not listed, with the reasons.
    pub not_listed: Vec<Missing>,
    /// Why there are no mirrors at all.
    pub refused: Option<ExplainedRefusal>,
}

/// Where the client is.
#[derive(Debug, Serialize)]
pub struct Client {
    /// The address that the answer is for.
    pub address: IpAddr,
    /// The country's code, where it is known.
    pub country: Option<String>,
    /// Who said so: the operators' network, or the field of the GeoIP record.
    pub country_source: Option<String>,
    /// The continent that the country counts to.
    pub continent: Option<String>,
    /// The number of the autonomous system, where one announces the address.
    pub asn: Option<u32>,
    /// The prefix that gave the number.
    pub asn_prefix: Option<String>,
    /// Ids of the hosts in that autonomous system.
    pub asn_hosts: Vec<i64>,
    /// The networks registered by hosts that hold the address.
    pub netblocks: Vec<Netblock>,
}

/// A network that hosts registered.
#[derive(Debug, Serialize)]
pub struct Netblock {
    /// The network.
    pub network: String,
    /// Ids of the hosts.
    pub hosts: Vec<i64>,
}

/// What was asked for.
#[derive(Debug, Serialize)]
pub struct ExplainedTarget {
    /// The directory whose hosts are candidates.
    pub directory: String,
    /// The file in it.
    pub file: Option<String>,
    /// The repository, after redirects.
    pub repo: Option<String>,
    /// The architecture.
    pub arch: Option<String>,
    /// How many hosts carry the directory.
    pub hosts: usize,
}

/// A tier and its hosts.
#[derive(Debug, Serialize)]
pub struct ExplainedTier {
    /// `netblock`, `as`, `country`, `continent` or `global`.
    pub tier: Tier,
    /// Its hosts, in the order of one draw.
    pub hosts: Vec<ListedHost>,
}

/// A host that is listed.
#[derive(Debug, Serialize)]
pub struct ListedHost {
    /// MirrorManager2's id.
    pub host_id: i64,
    /// The name in its URLs.
    pub name: String,
    /// Where it is.
    pub country: Option<String>,
    /// Bandwidth in Mbit/s; the weight in the tiers that are shuffled by weight.
    pub bandwidth: u32,
    /// The probability that it is the first of its tier.
    pub first_probability: f64,
    /// The URLs that the answer has for it.
    pub urls: Vec<String>,
}

/// A host that carries the directory but is not listed.
#[derive(Debug, Serialize)]
pub struct Missing {
    /// MirrorManager2's id.
    pub host_id: i64,
    /// The name in its URLs.
    pub name: String,
    /// Where it is.
    pub country: Option<String>,
    /// Why it is not listed.
    pub reasons: Vec<Reason>,
}

/// Why a host is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is private, and the client is in none of its networks and not in its AS.
    Private,
    /// It is offered to clients of other countries only.
    CountryLimit,
    /// It has no URL of a protocol that the answer takes.
    Protocol,
    /// It has no usable URL at all.
    NoUrl,
    /// It is in no tier that the answer needs.
    NotInTier,
}

/// Why there are no mirrors.
#[derive(Debug, Serialize)]
pub struct ExplainedRefusal {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Its text.
    pub text: String,
}

/// Explains the answer to a request.
pub fn explain(
    snapshot: &Snapshot,
    endpoint: Endpoint,
    address: IpAddr,
    minimum: usize,
    query: &MirrorQuery<'_>,
    seed: u64,
) -> Explanation {
    let catalogue = snapshot.catalogue();
    let location = locate(snapshot, address);
    let mut explanation = Explanation {
        client: client(snapshot, &location),
        target: None,
        tiers: Vec::new(),
        not_listed: Vec::new(),
        refused: None,
    };
    let refused = |refusal: &Refusal<'_>| ExplainedRefusal {
        status: refusal.status(),
        text: String::from_utf8_lossy(&text::refusal(None, refusal).start).into_owned(),
    };
    let target = match resolve(catalogue, endpoint, query, &mut String::new()) {
        Ok(target) => target,
        Err(refusal) => {
            explanation.refused = Some(refused(&refusal));
            return explanation;
        }
    };
    explanation.target = Some(explained_target(catalogue, &target));
    let file = target.file.as_deref().unwrap_or_default();
    if endpoint == Endpoint::Metalink && catalogue.file_details(target.directory, file).is_none() {
        explanation.refused = Some(refused(&Refusal::NoFileDetails {
            directory: catalogue.directory_name(target.directory).into(),
            file: file.into(),
        }));
    }
    let protocols = ProtocolFilter::new(query.protocol.as_deref(), endpoint);
    let wishes = Wishes {
        countries: query.country.as_deref(),
        protocols,
        prefer_network: query.prefer_network,
        minimum,
        names_countries: false,
    };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let selection = select(
        snapshot,
        target.directory,
        &location,
        &wishes,
        &mut rng,
        &mut Workspace::default(),
    );
    let details = Details {
        catalogue,
        protocols,
        suffix: super::render::suffix::suffix(catalogue, &target),
    };
    explanation.tiers = details.tiers(&selection, &location);
    explanation.not_listed = details.missing(target.directory, &selection, &location);
    explanation
}

fn client(snapshot: &Snapshot, location: &ClientLocation) -> Client {
    let catalogue = snapshot.catalogue();
    let ids = |hosts: &[HostIndex]| {
        hosts
            .iter()
            .filter_map(|host| Some(catalogue.host(*host)?.id))
            .collect()
    };
    let announced = snapshot.autonomous_systems().lookup(location.address);
    let country = location.country_code();
    let mut netblocks: Vec<_> = catalogue.netblock_hosts(location.address).collect();
    netblocks.sort_by_key(|(network, _)| std::cmp::Reverse(network.netmask()));
    Client {
        address: location.address,
        country: country.map(|country| country.to_string()),
        country_source: location.country.map(|(_, source)| match source {
            CountrySource::Operators(network) => format!("operators: {network}"),
            CountrySource::GeoIp(GeoIpField::Country) => "geoip: country.iso_code".to_owned(),
            CountrySource::GeoIp(GeoIpField::RegisteredCountry) => "geoip: registered_country.iso_code".to_owned(),
            CountrySource::GeoIp(GeoIpField::CountryCode) => "geoip: country_code".to_owned(),
            CountrySource::GeoIp(GeoIpField::PlainCountry) => "geoip: country".to_owned(),
        }),
        continent: country
            .and_then(|country| snapshot.continents().of(country))
            .map(|continent| snapshot.continents().name(continent).to_owned()),
        asn: announced.map(|(_, asn)| asn.get()),
        asn_prefix: announced.map(|(network, _)| network.to_string()),
        asn_hosts: announced
            .map(|(_, asn)| ids(catalogue.as_hosts(asn)))
            .unwrap_or_default(),
        netblocks: netblocks
            .into_iter()
            .map(|(network, hosts)| Netblock {
                network: network.to_string(),
                hosts: ids(hosts),
            })
            .collect(),
    }
}

fn explained_target(catalogue: &Catalogue, target: &Target<'_>) -> ExplainedTarget {
    let (repo, arch) = match &target.asked {
        Asked::Repository { repo, arch, .. } => (Some(repo.to_string()), Some((*arch).to_owned())),
        Asked::Path(_) => (None, None),
    };
    ExplainedTarget {
        directory: catalogue.directory_name(target.directory).to_owned(),
        file: target.file.as_deref().map(str::to_owned),
        repo,
        arch,
        hosts: catalogue.carriers(target.directory).count(),
    }
}

struct Details<'a> {
    catalogue: &'a Catalogue,
    protocols: ProtocolFilter,
    suffix: String,
}

impl Details<'_> {
    fn tiers(&self, selection: &Selection<'_>, location: &ClientLocation) -> Vec<ExplainedTier> {
        let explained = Tier::ALL.into_iter().map(|tier| {
            let places: Vec<&Place> = selection.places.iter().filter(|place| place.tier() == tier).collect();
            ExplainedTier {
                tier,
                hosts: self.listed(tier, &places, location),
            }
        });
        explained.filter(|tier| !tier.hosts.is_empty()).collect()
    }

    fn listed(&self, tier: Tier, places: &[&Place], location: &ClientLocation) -> Vec<ListedHost> {
        let hosts = places.iter().filter_map(|place| {
            let carrier = self.catalogue.carrier(place.carrier())?;
            Some((carrier, self.catalogue.host(carrier.host)?))
        });
        let listed: Vec<(&Carrier, &Host)> = hosts
            .filter(|(carrier, _)| self.protocols.takes_any(carrier.protocols))
            .collect();
        let weights: Vec<f64> = match tier {
            Tier::Netblock => {
                let lengths: Vec<u8> = listed
                    .iter()
                    .map(|(carrier, _)| self.netblock_length(carrier, location))
                    .collect();
                let longest = lengths.iter().copied().max();
                lengths
                    .iter()
                    .map(|length| f64::from(u8::from(Some(*length) == longest)))
                    .collect()
            }
            Tier::AutonomousSystem => listed.iter().map(|_| 1.0).collect(),
            Tier::Country | Tier::Continent | Tier::Global => {
                listed.iter().map(|(_, host)| f64::from(host.bandwidth)).collect()
            }
        };
        let total: f64 = weights.iter().sum();
        listed
            .into_iter()
            .zip(weights)
            .map(|((carrier, host), weight)| ListedHost {
                host_id: host.id,
                name: host_name(self.catalogue, carrier),
                country: host.country.map(|country| country.to_string()),
                bandwidth: host.bandwidth,
                first_probability: weight / total,
                urls: self
                    .protocols
                    .urls(self.catalogue, carrier)
                    .map(|url| format!("{}{}", self.catalogue.base_url(url), self.suffix))
                    .collect(),
            })
            .collect()
    }

    /// The length of the longest prefix that a host registered and that holds the client.
    fn netblock_length(&self, carrier: &Carrier, location: &ClientLocation) -> u8 {
        let netblocks = self.catalogue.netblock_hosts(location.address);
        let of_host = netblocks.filter(|(_, hosts)| hosts.contains(&carrier.host));
        of_host.map(|(network, _)| network.netmask()).max().unwrap_or(0)
    }

    fn missing(&self, directory: DirectoryIndex, selection: &Selection<'_>, location: &ClientLocation) -> Vec<Missing> {
        let chosen: HashSet<CarrierIndex> = selection.places.iter().map(|place| place.carrier()).collect();
        let missing = self.catalogue.carriers(directory).filter_map(|(index, carrier)| {
            let host = self.catalogue.host(carrier.host)?;
            let reasons = self.reasons(carrier, host, chosen.contains(&index), location);
            (!reasons.is_empty()).then(|| Missing {
                host_id: host.id,
                name: host_name(self.catalogue, carrier),
                country: host.country.map(|country| country.to_string()),
                reasons,
            })
        });
        missing.collect()
    }

    fn reasons(&self, carrier: &Carrier, host: &Host, chosen: bool, location: &ClientLocation) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if carrier.urls.is_empty() {
            reasons.push(Reason::NoUrl);
        } else if !self.protocols.takes_any(carrier.protocols) {
            reasons.push(Reason::Protocol);
        }
        if !chosen {
            if !carrier.public {
                reasons.push(Reason::Private);
            } else if !host.allows(location.country_code()) {
                reasons.push(Reason::CountryLimit);
            } else {
                reasons.push(Reason::NotInTier);
            }
        }
        reasons
    }
}

/// The host's name in the first of its URLs.
fn host_name(catalogue: &Catalogue, carrier: &Carrier) -> String {
    let authority = catalogue
        .urls(carrier)
        .first()
        .and_then(|url| catalogue.base_url(url).split_once("://"))
        .map(|(_, rest)| rest);
    authority
        .and_then(|rest| rest.split('/').next())
        .unwrap_or_default()
        .to_owned()
}

/// What a cache knows of a host.
#[derive(Debug, Serialize)]
pub struct ExplainedHost {
    /// MirrorManager2's id.
    pub host_id: i64,
    /// The names in its URLs.
    pub names: Vec<String>,
    /// Where it is.
    pub country: Option<String>,
    /// Bandwidth in Mbit/s.
    pub bandwidth: u32,
    /// The only countries whose clients it is offered to; empty: all.
    pub allowed_countries: Vec<String>,
    /// Whether some directory lists it for everybody.
    pub public: bool,
    /// The networks that it registered.
    pub netblocks: Vec<String>,
    /// The autonomous systems that it is in.
    pub as_numbers: Vec<u32>,
    /// Its base URLs.
    pub urls: Vec<String>,
    /// How many directories it carries.
    pub directories: usize,
    /// The repositories whose directory it carries, as `prefix+arch`.
    pub repositories: Vec<String>,
}

/// Which host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostQuery {
    /// The one with MirrorManager2's id.
    Id(i64),
    /// Those with this name in a URL, in any case.
    Name(String),
}

/// What the catalogue knows of the hosts asked for; nothing where there is none.
pub fn explain_hosts(catalogue: &Catalogue, query: &HostQuery) -> Vec<ExplainedHost> {
    let hosts = catalogue.hosts().filter(|(index, host)| match query {
        HostQuery::Id(id) => host.id == *id,
        HostQuery::Name(name) => {
            let carriers = catalogue.carriers_of(*index);
            carriers
                .into_iter()
                .any(|(_, carrier)| host_name(catalogue, carrier).eq_ignore_ascii_case(name))
        }
    });
    hosts
        .map(|(index, host)| explained_host(catalogue, index, host))
        .collect()
}

fn explained_host(catalogue: &Catalogue, index: HostIndex, host: &Host) -> ExplainedHost {
    let carriers = catalogue.carriers_of(index);
    let mine: HashSet<CarrierIndex> = carriers.iter().map(|(index, _)| *index).collect();
    let carries = |directory: DirectoryIndex| {
        catalogue
            .carriers(directory)
            .any(|(carrier, _)| mine.contains(&carrier))
    };
    let mut repositories: Vec<String> = catalogue
        .repositories()
        .filter(|(_, repository)| carries(repository.directory))
        .map(|(key, _)| key.to_owned())
        .collect();
    repositories.sort_unstable();
    let urls = carriers.iter().flat_map(|(_, carrier)| catalogue.urls(carrier));
    let mut urls: Vec<String> = urls.map(|url| catalogue.base_url(url).to_owned()).collect();
    urls.sort_unstable();
    urls.dedup();
    let mut names: Vec<String> = carriers
        .iter()
        .map(|(_, carrier)| host_name(catalogue, carrier))
        .collect();
    names.sort_unstable();
    names.dedup();
    ExplainedHost {
        host_id: host.id,
        names,
        country: host.country.map(|country| country.to_string()),
        bandwidth: host.bandwidth,
        allowed_countries: host.allowed_countries.iter().map(ToString::to_string).collect(),
        public: carriers.iter().any(|(_, carrier)| carrier.public),
        netblocks: catalogue.netblocks_of(index),
        as_numbers: catalogue.as_numbers_of(index),
        urls,
        directories: catalogue.directories().filter(|directory| carries(*directory)).count(),
        repositories,
    }
}
