//! Why a client gets the mirrors that it gets, and why others are missing. Applies no rule: it describes what [`choose`] chose
//! and reported.
//!
//! [`client`] and [`place`] tell where the client is, [`reason`] why a host is not listed, [`rules`] which rules took part, and
//! [`host`] what the cache knows of a host whatever the request.

pub mod client;
pub mod host;
pub mod place;
pub mod reason;
pub mod rules;

use std::collections::HashSet;

use serde::Serialize;

use super::choose::weights::Weights;
use super::choose::{AnswerForm, Choice, MirrorRequest, RankedHost, Scratch, choose};
use super::described::{self, DescribedHost, DescribedRefusal, DescribedTarget, DescribedTier, host_name, part};
use super::render::text;
use super::target::{Target, resolve};
use crate::settings::ChoiceSettings;
use crate::snapshot::health::verdicts::{ExplainedVerdict, Verdicts};
use crate::snapshot::{Carrier, CarrierIndex, Catalogue, Snapshot};
use client::ExplainedClient;
use place::ExplainedPlace;
use reason::{Chosen, Observations, Reason};
use rules::{ExplainedRule, explained_rules};

/// An answer explained.
#[derive(Debug, Serialize)]
pub struct Explanation<'a> {
    /// The client's location, and which data says so.
    pub client: ExplainedClient<'a>,
    /// The target; `None` if there is none in the cache.
    pub target: Option<ExplainedTarget<'a>>,
    /// The operators' rules that took part; `None` if there are no rules at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<ExplainedRule<'a>>>,
    /// The wishes that are not followed, since no mirror would be left, as JSON answers name them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<&'static str>,
    /// The tiers that list hosts, in order; empty for a refusal.
    pub tiers: Vec<DescribedTier<ListedHost<'a>>>,
    /// The hosts that carry the directory and are not listed, with the reasons; empty for a refusal.
    pub not_listed: Vec<UnlistedHost>,
    /// Why there are no mirrors at all.
    pub refused: Option<DescribedRefusal>,
}

/// The target of a request.
#[derive(Debug, Serialize)]
pub struct ExplainedTarget<'a> {
    #[serde(flatten)]
    target: DescribedTarget<'a>,
    /// How many hosts carry the directory.
    hosts: usize,
}

/// A host that is listed.
#[derive(Debug, Serialize)]
pub struct ListedHost<'a> {
    /// The host.
    #[serde(flatten)]
    pub summary: DescribedHost<'a>,
    /// In Mbit/s.
    bandwidth: u32,
    /// The probability that it is the first of its tier; with `redirect.sticky`, a redirect has no chance in it.
    pub first_probability: f64,
    /// The probability that it is the first of the answer, where `max_share` changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_share: Option<f64>,
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

/// Explains the answer to a request; the order of hosts within tiers follows from the seed.
pub fn explain<'a>(snapshot: &'a Snapshot, request: &MirrorRequest<'a>, seed: u64) -> Explanation<'a> {
    let catalogue = snapshot.catalogue();
    let mut observations = Observations::default();
    let choice = choose(snapshot, request, &mut Scratch::seeded(seed), &mut observations);
    let (tiers, not_listed, refused) = match &choice {
        Ok(choice) => {
            let explained = ExplainedChoice {
                snapshot,
                catalogue,
                choice,
                suffix: text::suffix(catalogue, &choice.target),
                verdicts: Verdicts::new(snapshot.health(), request.now),
                settings: request.settings,
            };
            (explained.tiers(), explained.not_listed(&observations), None)
        }
        Err(refusal) => (Vec::new(), Vec::new(), Some(DescribedRefusal::new(refusal))),
    };
    let distance = choice.as_ref().ok().and_then(|choice| choice.distance.as_ref());
    let place = distance.map(|distance| ExplainedPlace::new(distance.measure.place));
    let ignored = choice.iter().flat_map(|choice| choice.selection.ignored.names());
    let target = resolve(catalogue, request.endpoint, request.query, &mut String::new());
    Explanation {
        client: ExplainedClient::new(snapshot, request.address, place),
        target: target.ok().map(|target| explained_target(catalogue, &target)),
        rules: explained_rules(snapshot, &choice),
        ignored: ignored.collect(),
        tiers,
        not_listed,
        refused,
    }
}

fn explained_target<'a>(catalogue: &'a Catalogue, target: &Target<'a>) -> ExplainedTarget<'a> {
    ExplainedTarget {
        target: DescribedTarget::new(catalogue, target),
        hosts: catalogue.carriers(target.directory).count(),
    }
}

struct ExplainedChoice<'c, 'a> {
    snapshot: &'a Snapshot,
    catalogue: &'a Catalogue,
    choice: &'c Choice<'a>,
    suffix: String,
    verdicts: Option<Verdicts<'a>>,
    settings: &'c ChoiceSettings,
}

impl<'a> ExplainedChoice<'_, 'a> {
    fn tiers(&self) -> Vec<DescribedTier<ListedHost<'a>>> {
        described::tiers(self.catalogue, self.choice, |hosts| self.listed(hosts))
    }

    /// The hosts of a part that have a URL in the answer.
    fn listed(&self, hosts: &[RankedHost]) -> Vec<ListedHost<'a>> {
        let hosts = self.with_urls(hosts);
        let probability = self.first_probability(&hosts);
        let first_shares = self
            .choice
            .distance
            .as_ref()
            .and_then(|choice| choice.first_shares.as_ref());
        let listed = hosts.iter().map(|(ranked, carrier)| ListedHost {
            summary: DescribedHost::new(self.snapshot, self.choice, *ranked),
            bandwidth: self.catalogue.host(carrier.host).bandwidth,
            first_probability: probability(*ranked),
            first_share: first_shares.map(|shares| shares.of(ranked.carrier())),
            urls: self.urls(*ranked),
            health: self.health(carrier),
        });
        listed.collect()
    }

    /// The hosts that have a URL in the answer.
    fn with_urls(&self, hosts: &[RankedHost]) -> Vec<(RankedHost, &'a Carrier)> {
        let carriers = hosts.iter().map(|host| (*host, self.catalogue.carrier(host.carrier())));
        let is_listed = |carrier: &Carrier| self.choice.protocols.takes_any(carrier.protocols);
        carriers.filter(|(_, carrier)| is_listed(carrier)).collect()
    }

    /// The probability of each host of a part to be the first of it, those included that this draw left out after enough others.
    fn first_probability(&self, listed: &[(RankedHost, &Carrier)]) -> impl Fn(RankedHost) -> f64 + use<'_, 'a> {
        let first = listed.first().map(|(host, _)| *host);
        let is_drawn = |host: &RankedHost| first.is_some_and(|first| part(first) == part(*host));
        let selection = &self.choice.selection;
        let drawn = selection
            .hosts
            .iter()
            .chain(&selection.cut_off)
            .chain(&selection.farther);
        let drawn: Vec<RankedHost> = drawn.copied().filter(is_drawn).collect();
        let longest = first.and_then(RankedHost::prefix_length);
        let is_sticky = self.settings.sticky_redirects && matches!(self.choice.form, AnswerForm::Redirect(_));
        let weights = Weights::new(
            self.snapshot,
            self.choice.stage(),
            self.settings,
            self.choice.distance.as_ref(),
        );
        let weight = move |host: RankedHost| {
            let can_be_first = host.prefix_length() == longest && (!is_sticky || Some(host) == first);
            f64::from(u8::from(can_be_first)) * weights.of(host)
        };
        let total: f64 = self.with_urls(&drawn).iter().map(|(host, _)| weight(*host)).sum();
        move |host| weight(host) / total
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
        let indexes = |hosts: &[RankedHost]| {
            hosts
                .iter()
                .map(|host| host.carrier())
                .collect::<HashSet<CarrierIndex>>()
        };
        let (listed, cut_off) = (
            indexes(&self.choice.selection.hosts),
            indexes(&self.choice.selection.cut_off),
        );
        let chosen = |index: CarrierIndex| match (listed.contains(&index), cut_off.contains(&index)) {
            (true, _) => Chosen::Listed,
            (false, true) => Chosen::CutOff,
            (false, false) => Chosen::No,
        };
        let carriers = self.catalogue.carriers(self.choice.target.directory);
        let unlisted = carriers.filter_map(|(index, carrier)| {
            let reasons = observations.reasons(self.choice, index, carrier, chosen(index));
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
