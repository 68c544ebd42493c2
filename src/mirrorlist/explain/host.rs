//! The cache's entries about a host, whatever the request. Looks through all carriers, directories and networks, so it takes
//! milliseconds.

use std::collections::HashSet;

use serde::Serialize;

use crate::mirrorlist::described::host_name;
use crate::snapshot::health::verdicts::{ExplainedVerdict, Verdicts};
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, DirectoryIndex, Host, HostIndex, Snapshot};

/// The cache's entries about a host.
#[derive(Debug, Serialize)]
pub struct ExplainedHost<'a> {
    /// MirrorManager2's id.
    host_id: i64,
    /// The names in its URLs.
    names: Vec<String>,
    country: Option<String>,
    /// Latitude and longitude in degrees; `None` if the cache has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinates: Option<[f64; 2]>,
    /// In Mbit/s.
    bandwidth: u32,
    /// The countries whose clients it is offered to; `None`: all. Empty if it is limited to codes that are no country's, so that
    /// it is offered to clients of its own networks and AS only.
    allowed_countries: Option<Vec<String>>,
    /// Whether some directory lists it publicly.
    public: bool,
    /// The networks that it registered.
    netblocks: Vec<String>,
    /// The autonomous systems that it is in.
    as_numbers: Vec<u32>,
    /// Its base URLs.
    urls: Vec<String>,
    /// How many directories it carries.
    directories: usize,
    /// The repositories whose directory it carries, as `prefix+arch`.
    repositories: Vec<String>,
    /// What the health files say of its URLs, of which those of a private host are not judged; `None` if there are no health files.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<Vec<ExplainedVerdict<'a>>>,
}

/// Which host is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostQuery {
    /// The host with this MirrorManager2 id.
    Id(i64),
    /// All hosts with this name in a URL, in any case.
    Name(String),
}

/// The entries about the hosts asked for, at a time in seconds since the Unix epoch; empty if there is none.
pub fn explain_hosts<'a>(snapshot: &'a Snapshot, query: &HostQuery, now: u64) -> Vec<ExplainedHost<'a>> {
    let catalogue = snapshot.catalogue();
    let verdicts = Verdicts::new(snapshot.health(), now);
    let hosts = catalogue.hosts().filter(|(index, host)| match query {
        HostQuery::Id(id) => host.id == *id,
        HostQuery::Name(name) => {
            let mut carriers = catalogue.carriers_of(*index).into_iter();
            carriers.any(|(_, carrier)| host_name(catalogue, carrier).eq_ignore_ascii_case(name))
        }
    });
    let explained = hosts.map(|(index, host)| explained_host(catalogue, verdicts.as_ref(), index, host));
    explained.collect()
}

fn explained_host<'a>(
    catalogue: &'a Catalogue,
    verdicts: Option<&Verdicts<'a>>,
    index: HostIndex,
    host: &Host,
) -> ExplainedHost<'a> {
    let carriers = catalogue.carriers_of(index);
    let indexes: HashSet<CarrierIndex> = carriers.iter().map(|(index, _)| *index).collect();
    let carries = |directory: DirectoryIndex| {
        let mut carriers = catalogue.carriers(directory);
        carriers.any(|(carrier, _)| indexes.contains(&carrier))
    };
    let names = carriers.iter().map(|(_, carrier)| host_name(catalogue, carrier));
    let urls = |is_asked: fn(&Carrier) -> bool| {
        let asked = carriers.iter().filter(|(_, carrier)| is_asked(carrier));
        let urls = asked.flat_map(|(_, carrier)| catalogue.urls(carrier));
        sorted(urls.map(|url| catalogue.base_url(url)))
    };
    let judged = urls(Carrier::in_public_list);
    let repositories = catalogue.repositories();
    let repositories = repositories.filter(|(_, repository)| carries(repository.directory));
    let allowed = || host.allowed_countries.iter().map(ToString::to_string).collect();
    ExplainedHost {
        host_id: host.id,
        names: sorted(names),
        country: host.country.map(|country| country.to_string()),
        coordinates: host.coordinates.map(|place| [place.latitude(), place.longitude()]),
        bandwidth: host.bandwidth,
        allowed_countries: host.restricted.then(allowed),
        public: carriers.iter().any(|(_, carrier)| carrier.public),
        netblocks: catalogue.netblocks_of(index),
        as_numbers: catalogue.as_numbers_of(index),
        health: verdicts.map(|verdicts| judged.iter().flat_map(|url| verdicts.of(url)).collect()),
        urls: urls(|_| true),
        directories: catalogue.directories().filter(|directory| carries(*directory)).count(),
        repositories: sorted(repositories.map(|(key, _)| key)),
    }
}

/// Texts in order, each once.
fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut texts: Vec<String> = texts.map(str::to_owned).collect();
    texts.sort_unstable();
    texts.dedup();
    texts
}
