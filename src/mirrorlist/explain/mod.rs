//! Why a client gets the mirrors that it gets, and why others are missing. Applies no rule: it describes what [`choose`] chose
//! and reported.
//!
//! [`client`] and [`distance`] tell where the client is and how far its hosts are, [`reason`] why a host is not listed, and [`host`] what the cache knows of a host whatever
//! the request.

pub mod client;
pub mod distance;
pub mod host;
pub mod reason;

use std::collections::HashSet;

use serde::Serialize;

use super::choose::{Choice, MirrorRequest, RankedHost, Scratch, Tier, choose};
use super::render::text;
use super::target::{Asked, Target, resolve};
use crate::snapshot::health::verdicts::{ExplainedVerdict, Verdicts};
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, Host, Snapshot};
use client::ExplainedClient;
use distance::{ExplainedDistance, ExplainedPlace};
use host::host_name;
use reason::{Observations, Reason};

/// An answer explained.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    /// The client's location, and which data says so.
    pub client: ExplainedClient,
    /// The target; `None` if there is none in the cache.
    pub target: Option<ExplainedTarget>,
    /// The tiers that list hosts, in order; empty for a refusal.
    pub tiers: Vec<ExplainedTier<'a>>,
    /// The hosts that carry the directory and are not listed, with the reasons; empty for a refusal.
    pub not_listed: Vec<UnlistedHost>,
    /// Why there are no mirrors at all.
    pub refused: Option<ExplainedRefusal>,
}

/// The target of a request.
#[derive(Debug, Serialize)]
pub struct ExplainedTarget {
    directory: String,
    file: Option<String>,
    /// The repository, after redirects.
    repo: Option<String>,
    arch: Option<String>,
    /// How many hosts carry the directory.
    hosts: usize,
}

/// A tier and its hosts.
#[derive(Debug, Serialize)]
pub struct ExplainedTier<'a> {
    /// `netblock`, `as`, `country`, `continent`, `global` or `distance`.
    pub tier: Tier,
    /// Whether these are the tier's hosts without a good URL, which come after the good ones of all tiers.
    #[serde(skip_serializing_if = "is_false")]
    pub demoted: bool,
    /// Its hosts, in the order of one draw.
    pub hosts: Vec<ListedHost<'a>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(demoted: &bool) -> bool {
    !demoted
}

/// A host that is listed.
#[derive(Debug, Serialize)]
pub struct ListedHost<'a> {
    /// MirrorManager2's id.
    pub host_id: i64,
    name: String,
    country: Option<String>,
    /// In Mbit/s; the weight in the tiers that are shuffled by weight.
    bandwidth: u32,
    /// The probability that it is the first of its tier.
    pub first_probability: f64,
    /// Its distance; `None` if the order is not by distance.
    #[serde(flatten)]
    pub distance: Option<ExplainedDistance>,
    /// Its URLs in the answer; for a redirect, the URL that it would send to.
    pub urls: Vec<String>,
    /// What the health files say of its URLs; `None` if there are no health files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Vec<ExplainedVerdict<'a>>>,
}

/// A host that carries the directory but is not listed.
#[derive(Debug, Serialize)]
pub struct UnlistedHost {
    /// MirrorManager2's id.
    pub host_id: i64,
    name: String,
    country: Option<String>,
    /// Why it is not listed: each reason is true by itself.
    pub reasons: Vec<Reason>,
}

/// Why there are no mirrors.
#[derive(Debug, Serialize)]
pub struct ExplainedRefusal {
    /// The HTTP status of the answer.
    pub status: u16,
    /// Its text.
    pub text: String,
}

/// Explains the answer to a request; the order of hosts within tiers follows from the seed.
pub fn explain<'a>(snapshot: &'a Snapshot, request: &MirrorRequest<'a>, seed: u64) -> Explanation<'a> {
    let catalogue = snapshot.catalogue();
    let mut observations = Observations::default();
    let choice = choose(snapshot, request, &mut Scratch::seeded(seed), &mut observations);
    let (tiers, not_listed, refused) = match &choice {
        Ok(choice) => {
            let explained = ExplainedChoice {
                catalogue,
                choice,
                suffix: text::suffix(catalogue, &choice.target),
                verdicts: Verdicts::new(snapshot.health(), request.now),
            };
            (explained.tiers(), explained.not_listed(&observations), None)
        }
        Err(refusal) => {
            let (status, text) = (refusal.status(), text::words(refusal));
            (Vec::new(), Vec::new(), Some(ExplainedRefusal { status, text }))
        }
    };
    let distance = choice.as_ref().ok().and_then(|choice| choice.distance.as_ref());
    let place = distance.map(|distance| ExplainedPlace::new(distance.measure.place));
    let target = resolve(catalogue, request.endpoint, request.query, &mut String::new());
    Explanation {
        client: ExplainedClient::new(snapshot, request.address, place),
        target: target.ok().map(|target| explained_target(catalogue, &target)),
        tiers,
        not_listed,
        refused,
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

struct ExplainedChoice<'c, 'a> {
    catalogue: &'a Catalogue,
    choice: &'c Choice<'a>,
    suffix: String,
    verdicts: Option<Verdicts<'a>>,
}

impl<'a> ExplainedChoice<'_, 'a> {
    fn tiers(&self) -> Vec<ExplainedTier<'a>> {
        let part = |host: &RankedHost| (host.tier(), host.is_demoted());
        let tiers = self.choice.selection.hosts.chunk_by(|a, b| part(a) == part(b));
        let explained = tiers.filter_map(|hosts| {
            let (tier, is_bad) = part(hosts.first()?);
            Some(ExplainedTier {
                tier,
                demoted: is_bad && self.choice.demotes(self.catalogue),
                hosts: self.listed(hosts),
            })
        });
        explained.filter(|tier| !tier.hosts.is_empty()).collect()
    }

    /// The hosts of a tier that have a URL in the answer.
    fn listed(&self, hosts: &[RankedHost]) -> Vec<ListedHost<'a>> {
        let hosts = hosts.iter().map(|ranked| {
            let carrier = self.catalogue.carrier(ranked.carrier());
            (*ranked, carrier, self.catalogue.host(carrier.host))
        });
        let takes = |carrier: &Carrier| self.choice.protocols.takes_any(carrier.protocols);
        let listed: Vec<(RankedHost, &Carrier, &Host)> = hosts.filter(|(_, carrier, _)| takes(carrier)).collect();
        let longest = listed.iter().filter_map(|(ranked, ..)| ranked.prefix_length()).max();
        let weight = |ranked: RankedHost, host: &Host| match (ranked.tier(), self.distance(ranked)) {
            (Tier::Netblock, _) => f64::from(u8::from(ranked.prefix_length() == longest)),
            (_, Some(distance)) => distance.weight,
            (Tier::AutonomousSystem, None) => 1.0,
            (_, None) => f64::from(host.bandwidth),
        };
        let total: f64 = listed.iter().map(|(ranked, _, host)| weight(*ranked, host)).sum();
        let listed = listed.iter().map(|(ranked, carrier, host)| ListedHost {
            host_id: host.id,
            name: host_name(self.catalogue, carrier).to_owned(),
            country: host.country.map(|country| country.to_string()),
            bandwidth: host.bandwidth,
            first_probability: weight(*ranked, host) / total,
            distance: self.distance(*ranked),
            urls: self.urls(*ranked),
            health: self.health(carrier),
        });
        listed.collect()
    }

    fn distance(&self, host: RankedHost) -> Option<ExplainedDistance> {
        let choice = self.choice.distance.as_ref()?;
        Some(ExplainedDistance::new(choice, self.catalogue, host))
    }

    fn urls(&self, host: RankedHost) -> Vec<String> {
        let urls = self.choice.urls_of(host, self.catalogue);
        urls.map(|url| [self.catalogue.base_url(url), &self.suffix].concat())
            .collect()
    }

    /// What the health files say of all URLs of a host that can be judged.
    fn health(&self, carrier: &Carrier) -> Option<Vec<ExplainedVerdict<'a>>> {
        let verdicts = self.verdicts.as_ref()?;
        let urls = self.catalogue.urls(carrier).iter().filter(|_| carrier.in_public_list());
        Some(urls.flat_map(|url| verdicts.of(self.catalogue.base_url(url))).collect())
    }

    fn not_listed(&self, observations: &Observations) -> Vec<UnlistedHost> {
        let hosts = self.choice.selection.hosts.iter();
        let chosen: HashSet<CarrierIndex> = hosts.map(|host| host.carrier()).collect();
        let carriers = self.catalogue.carriers(self.choice.target.directory);
        let unlisted = carriers.filter_map(|(index, carrier)| {
            let reasons = observations.reasons(self.choice, index, carrier, chosen.contains(&index));
            let host = self.catalogue.host(carrier.host);
            (!reasons.is_empty()).then(|| UnlistedHost {
                host_id: host.id,
                name: host_name(self.catalogue, carrier).to_owned(),
                country: host.country.map(|country| country.to_string()),
                reasons,
            })
        });
        unlisted.collect()
    }
}
