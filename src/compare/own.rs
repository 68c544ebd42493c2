//! What this server answers, without a listener, and which hosts an answer has in which tier.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use super::answer::{AnswerContent, ParsedAnswer, RawAnswer, media_type, parse};
use super::metalink::Malformed;
use super::requests::Request;
use crate::http::client_address::parse_address;
use crate::mirrorlist::answer::Circumstances;
use crate::mirrorlist::explain::{Explanation, explain};
use crate::mirrorlist::locate::locate;
use crate::mirrorlist::render::suffix::suffix;
use crate::mirrorlist::select::Tier;
use crate::mirrorlist::target::resolve;
use crate::mirrorlist::{Answerer, Endpoint, MirrorQuery, Refusal, answer, refuse};
use crate::snapshot::{Carrier, Catalogue, Snapshot};

/// Any date: no comparison looks at it.
const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// Makes this server's answers.
pub struct OwnServer<'a> {
    snapshot: &'a Snapshot,
    minimum: usize,
    answerer: Answerer,
}

/// This server's answer, with what is known of the choice.
pub struct OwnAnswer<'a> {
    /// The answer, taken apart.
    pub answer: ParsedAnswer,
    /// Its hosts: any order is right within a group, and each group comes before the next.
    pub groups: Vec<HostGroup>,
    snapshot: &'a Snapshot,
    request: &'a Request,
    address: IpAddr,
}

/// Hosts whose order is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostGroup {
    /// Their tier.
    pub tier: Tier,
    /// The hosts: MirrorManager2's id, and the URLs that the answer has.
    pub hosts: Vec<(i64, Vec<String>)>,
}

/// A host that carries what is asked for, listed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// MirrorManager2's id.
    pub host_id: i64,
    /// All its URLs for the target, of whatever protocol.
    pub urls: Vec<String>,
    /// Whether it is in the public lists.
    pub public: bool,
    /// Whether it may not be offered to the client beyond its own networks.
    pub limited: bool,
    /// Whether it is in the client's country or on its continent.
    pub near: bool,
}

impl<'a> OwnServer<'a> {
    /// Answers from this snapshot; the order within tiers follows from the seed.
    pub fn new(snapshot: &'a Snapshot, minimum: usize, seed: u64) -> Self {
        Self {
            snapshot,
            minimum,
            answerer: Answerer::seeded(seed),
        }
    }

    /// The answer to a request as it would be sent.
    pub fn raw(&mut self, request: &Request) -> RawAnswer {
        let query = MirrorQuery::parse(request.query());
        let answer = match (request.endpoint(), client(&query)) {
            (None, _) => refuse(None, None, &Refusal::UnknownEndpoint, DATE),
            (endpoint, None) => refuse(None, endpoint, &Refusal::InvalidAddress, DATE),
            (Some(endpoint), Some(address)) => {
                let circumstances = Circumstances {
                    endpoint,
                    address,
                    minimum: self.minimum,
                    date: DATE,
                };
                answer(self.snapshot, &circumstances, &query, &mut self.answerer)
            }
        };
        RawAnswer {
            status: answer.status,
            media_type: Some(media_type(answer.content.media_type())),
            location: answer.location,
            body: [&*answer.body.start, &*answer.body.shared, answer.body.end.as_bytes()].concat(),
        }
    }

    /// The answer to a request, taken apart.
    ///
    /// # Errors
    /// The answer can't be read, which would be a fault of this program.
    pub fn answer<'r>(&mut self, request: &'r Request) -> Result<OwnAnswer<'r>, Malformed>
    where
        'a: 'r,
    {
        let raw = self.raw(request);
        let answer = parse(request.endpoint(), &raw)?;
        let query = MirrorQuery::parse(request.query());
        let address = client(&query).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let groups = match (&answer.content, request.endpoint()) {
            (AnswerContent::Refusal(_), _) | (_, None) => Vec::new(),
            (_, Some(endpoint)) => groups(explain(self.snapshot, endpoint, address, self.minimum, &query, 0)),
        };
        Ok(OwnAnswer {
            answer,
            groups,
            snapshot: self.snapshot,
            request,
            address,
        })
    }
}

/// The client that a request is for; none where `ip=` is no address.
fn client(query: &MirrorQuery<'_>) -> Option<IpAddr> {
    parse_address(query.ip.as_deref()?)
}

/// The hosts of the netblock tier come by the length of the network that they registered, all others by their tier alone.
fn groups(explanation: Explanation) -> Vec<HostGroup> {
    // The most specific network first.
    let networks: Vec<(String, Vec<i64>)> = explanation
        .client
        .netblocks
        .into_iter()
        .map(|netblock| (netblock.network, netblock.hosts))
        .collect();
    let length_of = |host: i64| {
        let network = networks.iter().find(|(_, hosts)| hosts.contains(&host));
        network.and_then(|(network, _)| network.rsplit_once('/')?.1.parse::<u8>().ok())
    };
    let mut groups: Vec<(Tier, Option<u8>, HostGroup)> = Vec::new();
    for tier in explanation.tiers {
        for host in tier.hosts {
            let length = match tier.tier {
                Tier::Netblock => length_of(host.host_id),
                _ => None,
            };
            let host = (host.host_id, host.urls);
            match groups
                .iter_mut()
                .find(|(known, of, _)| (*known, *of) == (tier.tier, length))
            {
                Some((_, _, group)) => group.hosts.push(host),
                None => groups.push((
                    tier.tier,
                    length,
                    HostGroup {
                        tier: tier.tier,
                        hosts: vec![host],
                    },
                )),
            }
        }
    }
    groups.sort_by_key(|(tier, length, _)| (*tier, length.map(std::cmp::Reverse)));
    groups.into_iter().map(|(_, _, group)| group).collect()
}

impl OwnAnswer<'_> {
    /// What was asked.
    pub fn request(&self) -> &Request {
        self.request
    }

    /// The group of each URL that is listed.
    pub fn listed(&self) -> HashMap<&str, ListedPlace> {
        let mut places = HashMap::new();
        for (group, hosts) in self.groups.iter().enumerate() {
            for (host, urls) in &hosts.hosts {
                let place = ListedPlace {
                    group,
                    tier: hosts.tier,
                    host: *host,
                };
                places.extend(urls.iter().map(|url| (url.as_str(), place)));
            }
        }
        places
    }

    /// All hosts that carry the target.
    pub fn candidates(&self) -> Vec<Candidate> {
        let catalogue = self.snapshot.catalogue();
        let query = MirrorQuery::parse(self.request.query());
        let endpoint = self.request.endpoint().unwrap_or(Endpoint::Mirrorlist);
        let Ok(target) = resolve(catalogue, endpoint, &query, &mut String::new()) else {
            return Vec::new();
        };
        let suffix = suffix(catalogue, &target);
        let client = locate(self.snapshot, self.address).country_code();
        let continents = self.snapshot.continents();
        let continent = client.and_then(|country| continents.of(country));
        let candidate = |carrier: &Carrier| {
            let host = catalogue.host(carrier.host)?;
            let same_continent = || continent.is_some() && host.country.and_then(|c| continents.of(c)) == continent;
            Some(Candidate {
                host_id: host.id,
                urls: urls(catalogue, carrier, &suffix),
                public: carrier.public,
                limited: !host.allows(client),
                near: client.is_some() && (host.country == client || same_continent()),
            })
        };
        let carriers = catalogue.carriers(target.directory);
        carriers.filter_map(|(_, carrier)| candidate(carrier)).collect()
    }
}

/// The place of a URL in this server's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPlace {
    /// The number of its group.
    pub group: usize,
    /// Its tier.
    pub tier: Tier,
    /// MirrorManager2's id of its host.
    pub host: i64,
}

fn urls(catalogue: &Catalogue, carrier: &Carrier, suffix: &str) -> Vec<String> {
    let urls = catalogue.urls(carrier).iter();
    urls.map(|url| format!("{}{suffix}", catalogue.base_url(url))).collect()
}

/// The name of a URL's host, for pairing a URL with another one of the same mirror.
pub fn host_of(url: &str) -> Cow<'_, str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.to_ascii_lowercase().into()
}

/// The protocol of a URL.
pub fn protocol_of(url: &str) -> &str {
    url.split_once("://").map_or("", |(protocol, _)| protocol)
}
