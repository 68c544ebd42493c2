//! This server's answers, made without a listener, and the tiers of their hosts.

use std::collections::HashMap;

use super::answer::{ParsedAnswer, RawAnswer, media_type, parse};
use super::metalink::Malformed;
use super::requests::RequestTarget;
use crate::http::client_address::parse_address;
use crate::mirrorlist::choose::{RankedHost, choose};
use crate::mirrorlist::explain::reason::Observations;
use crate::mirrorlist::render::text::suffix;
use crate::mirrorlist::{Answerer, Choice, MirrorQuery, MirrorRequest, Refusal, Scratch, Tier, answer, refuse};
use crate::settings::ChoiceSettings;
use crate::snapshot::{Carrier, Catalogue, Snapshot};

/// Any date: no comparison looks at it.
const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// Health files do not count here: the other server has others, or none.
const AFTER_ALL_HEALTH_FILES: u64 = u64::MAX;

/// Makes this server's answers.
pub struct OwnServer<'a> {
    snapshot: &'a Snapshot,
    settings: &'a ChoiceSettings,
    answerer: Answerer,
    scratch: Scratch,
}

/// This server's answer, with the choice behind it.
pub(super) struct OwnAnswer<'a> {
    pub(super) request: &'a RequestTarget,
    pub(super) answer: ParsedAnswer,
    /// Its hosts: any order is right within a group, and each group comes before the next.
    pub(super) groups: Vec<HostGroup>,
    /// All hosts that carry the target; none for a refusal.
    pub(super) candidates: Vec<Candidate>,
}

/// Hosts that come in random order.
pub(super) struct HostGroup {
    pub(super) tier: Tier,
    /// MirrorManager2's ids, and the URLs that the answer has.
    pub(super) hosts: Vec<(i64, Vec<String>)>,
}

/// A host that carries the target, listed or not.
pub(super) struct Candidate {
    /// MirrorManager2's id.
    pub(super) host_id: i64,
    /// All its URLs for the target, of any protocol.
    pub(super) urls: Vec<String>,
    /// Whether it is in the public lists.
    pub(super) public: bool,
    /// Whether it is offered to clients of this country.
    pub(super) offered: bool,
    /// Whether a tier takes it that it is not offered in.
    pub(super) limited: bool,
    /// The same for the tiers of the client's country and continent.
    pub(super) limited_nearby: bool,
}

/// The place of a URL in this server's answer.
#[derive(Clone, Copy)]
pub(super) struct ListedPlace {
    /// The number of its group.
    pub(super) group: usize,
    pub(super) tier: Tier,
    /// MirrorManager2's id of its host.
    pub(super) host: i64,
}

impl<'a> OwnServer<'a> {
    /// Answers from this snapshot; the order within tiers follows from the seed.
    pub fn new(snapshot: &'a Snapshot, settings: &'a ChoiceSettings, seed: u64) -> Self {
        Self {
            snapshot,
            settings,
            answerer: Answerer::seeded(seed),
            scratch: Scratch::seeded(seed),
        }
    }

    /// The request for the choice, or why there is none.
    fn request<'q>(&self, target: &RequestTarget, query: &'q MirrorQuery<'q>) -> Result<MirrorRequest<'q>, Refusal<'q>>
    where
        'a: 'q,
    {
        let address = query.ip.as_deref().and_then(parse_address);
        Ok(MirrorRequest {
            endpoint: target.endpoint().ok_or(Refusal::UnknownEndpoint)?,
            address: address.ok_or(Refusal::InvalidAddress)?,
            query,
            settings: self.settings,
            now: AFTER_ALL_HEALTH_FILES,
        })
    }

    /// The answer to a request as it would be sent.
    pub fn raw(&mut self, target: &RequestTarget) -> RawAnswer {
        // What is compared is the endpoint's own format.
        let query = MirrorQuery {
            format: None,
            ..MirrorQuery::parse(target.query())
        };
        let answer = match self.request(target, &query) {
            Ok(request) => answer(self.snapshot, &request, DATE, &mut self.answerer),
            Err(refusal) => refuse(None, target.endpoint(), None, &refusal, DATE),
        };
        RawAnswer {
            status: answer.status,
            media_type: Some(media_type(answer.content.media_type())),
            location: answer.location,
            body: [&*answer.body.start, &*answer.body.shared, answer.body.end.as_bytes()].concat(),
        }
    }

    /// The answer to a request, parsed.
    ///
    /// # Errors
    /// The answer can't be read, which is a bug.
    pub(super) fn answer<'r>(&mut self, target: &'r RequestTarget) -> Result<OwnAnswer<'r>, Malformed> {
        let mut own = OwnAnswer {
            request: target,
            answer: parse(target.endpoint(), &self.raw(target))?,
            groups: Vec::new(),
            candidates: Vec::new(),
        };
        let query = MirrorQuery::parse(target.query());
        let mut observations = Observations::default();
        let choice = self
            .request(target, &query)
            .and_then(|request| choose(self.snapshot, &request, &mut self.scratch, &mut observations));
        if let Ok(choice) = choice {
            let catalogue = self.snapshot.catalogue();
            let suffix = suffix(catalogue, &choice.target);
            own.groups = groups(catalogue, &choice, &suffix);
            own.candidates = candidates(catalogue, &choice, &suffix, &observations);
        }
        Ok(own)
    }
}

/// The hosts of the netblock tier come by the length of the prefix that they registered, all others by their tier alone.
fn groups(catalogue: &Catalogue, choice: &Choice<'_>, suffix: &str) -> Vec<HostGroup> {
    let rank = |host: &RankedHost| (host.tier(), host.prefix_length());
    let urls = |carrier: &Carrier| {
        let urls = choice.protocols.urls(catalogue, carrier);
        urls.map(|url| [catalogue.base_url(url), suffix].concat()).collect()
    };
    let groups = choice.selection.hosts.chunk_by(|a, b| rank(a) == rank(b));
    let groups = groups.filter_map(|hosts| {
        let tier = hosts.first()?.tier();
        let hosts = hosts.iter().map(|host| {
            let carrier = catalogue.carrier(host.carrier());
            (catalogue.host(carrier.host).id, urls(carrier))
        });
        let hosts = hosts.collect();
        Some(HostGroup { tier, hosts })
    });
    groups.collect()
}

fn candidates(catalogue: &Catalogue, choice: &Choice<'_>, suffix: &str, observations: &Observations) -> Vec<Candidate> {
    let candidates = catalogue.carriers(choice.target.directory).map(|(index, carrier)| {
        let host = catalogue.host(carrier.host);
        let urls = catalogue.urls(carrier).iter();
        Candidate {
            host_id: host.id,
            urls: urls.map(|url| [catalogue.base_url(url), suffix].concat()).collect(),
            public: carrier.public,
            offered: host.allows(choice.location.country_code()),
            limited: observations.is_limited(index),
            limited_nearby: observations.is_limited_nearby(index),
        }
    });
    candidates.collect()
}

impl OwnAnswer<'_> {
    /// Whether the request has something percent-encoded, which mirrorlist-server 3 does not decode.
    pub(super) fn is_encoded(&self) -> bool {
        self.request.query().contains('%')
    }

    /// The place of each URL that is listed.
    pub(super) fn listed(&self) -> HashMap<&str, ListedPlace> {
        let mut places = HashMap::new();
        for (group, HostGroup { tier, hosts }) in self.groups.iter().enumerate() {
            let tier = *tier;
            for (host, urls) in hosts {
                let place = ListedPlace {
                    group,
                    tier,
                    host: *host,
                };
                places.extend(urls.iter().map(|url| (url.as_str(), place)));
            }
        }
        places
    }

    /// The host with a URL, listed or not.
    pub(super) fn candidate(&self, url: &str) -> Option<&Candidate> {
        let has = |candidate: &&Candidate| candidate.urls.iter().any(|known| known == url);
        self.candidates.iter().find(has)
    }
}

/// The name of a URL's host in lower case, for pairing a URL with another one of the same mirror.
pub(super) fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').map_or(rest, |(host, _)| host).to_ascii_lowercase()
}

/// The protocol of a URL.
pub(super) fn protocol_of(url: &str) -> &str {
    url.split_once("://").map_or("", |(protocol, _)| protocol)
}
