//! Why a host is not listed, as the choice reports it.

use std::collections::HashSet;

use serde::Serialize;

use crate::mirrorlist::choose::{Choice, Exclusion, Observer, Tier};
use crate::snapshot::{Carrier, CarrierIndex, HostIndex};

/// Why a host is not listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It has no usable URL at all.
    NoUrl,
    /// It has URLs, but none of a protocol that the answer lists.
    Protocol,
    /// It is in a country that the request excludes (`country=!ru`).
    ExcludedCountry,
    /// The family of addresses that the request is limited to (`ip_version=`) reaches no URL of it that the answer can list.
    IpVersion,
    /// As many hosts as the setting `maximum`, or that of a rule, allows come before it.
    Maximum,
    /// It is near the client by network, but `netblock=` or `country=` turns the netblock and AS tiers off.
    NetworkTiersOff,
    /// It is private, and the client is in none of its networks and not in its AS, or those tiers are off.
    Private,
    /// A tier takes it, but it is offered to clients of other countries only.
    CountryLimit,
    /// It is public, but in no tier that the answer needs.
    NotInTier,
    /// A rule of the operators leaves it out: the key and the rule's name.
    Rule(String),
    /// By distance: enough hosts were drawn before it.
    Farther,
}

/// Whether a carrier of the directory was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// It is in the list, in which hosts without a URL are passed over.
    Listed,
    /// It comes after as many hosts as `maximum` allows.
    CutOff,
    /// No tier took it.
    No,
}

/// The reports of a choice about the hosts that it left out.
#[derive(Debug, Default)]
pub struct Observations {
    excluded: HashSet<(CarrierIndex, Exclusion)>,
    limited: HashSet<CarrierIndex>,
    /// Limited in the global tier, which counts only if that is needed.
    limited_globally: HashSet<CarrierIndex>,
    needs_global_tier: bool,
    /// Hosts near the client whose tiers are off.
    neighbours: HashSet<HostIndex>,
}

impl Observer for Observations {
    fn started_over(&mut self) {
        *self = Self::default();
    }

    fn excluded(&mut self, carrier: CarrierIndex, exclusion: Exclusion) {
        self.excluded.insert((carrier, exclusion));
    }

    fn limited(&mut self, tier: Tier, carrier: CarrierIndex) {
        match tier {
            Tier::Global => self.limited_globally.insert(carrier),
            _ => self.limited.insert(carrier),
        };
    }

    fn network_tiers_off<N: Iterator<Item = HostIndex>>(&mut self, neighbours: impl FnOnce() -> N) {
        self.neighbours.extend(neighbours());
    }

    fn needs_global_tier(&mut self) {
        self.needs_global_tier = true;
    }
}

impl Observations {
    /// Whether a country or continent tier takes a host that is offered to clients of other countries only.
    pub fn is_limited_nearby(&self, carrier: CarrierIndex) -> bool {
        self.limited.contains(&carrier)
    }

    /// Whether any tier that the answer needs takes a host that is offered to clients of other countries only.
    pub fn is_limited(&self, carrier: CarrierIndex) -> bool {
        self.is_limited_nearby(carrier) || self.needs_global_tier && self.limited_globally.contains(&carrier)
    }

    /// Why a carrier of the directory is not listed; empty if it is.
    pub(super) fn reasons(
        &self,
        choice: &Choice<'_>,
        index: CarrierIndex,
        carrier: &Carrier,
        chosen: Chosen,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if carrier.urls.is_empty() {
            reasons.push(Reason::NoUrl);
        } else if !choice.protocols.takes_any(carrier.protocols) {
            reasons.push(Reason::Protocol);
        }
        match chosen {
            Chosen::Listed => return reasons,
            Chosen::CutOff => {
                // A host without a URL is none of those that are counted.
                if reasons.is_empty() {
                    reasons.push(Reason::Maximum);
                }
                return reasons;
            }
            Chosen::No => {}
        }
        if let Some(rule) = choice.rules.as_ref().and_then(|rules| rules.reason_against(index)) {
            reasons.push(Reason::Rule(rule));
            return reasons;
        }
        let has_url = reasons.is_empty();
        if self.neighbours.contains(&carrier.host) {
            reasons.push(Reason::NetworkTiersOff);
        }
        let exclusions = [
            (Exclusion::Country, Reason::ExcludedCountry),
            (Exclusion::Family, Reason::IpVersion),
        ];
        let exclusions = exclusions
            .into_iter()
            .filter(|(exclusion, _)| self.excluded.contains(&(index, *exclusion)));
        let exclusions: Vec<Reason> = exclusions.map(|(_, reason)| reason).collect();
        if !exclusions.is_empty() {
            // No tier has looked at it.
            reasons.extend(exclusions);
            return reasons;
        }
        if self.is_limited(index) {
            reasons.push(Reason::CountryLimit);
        } else if !carrier.in_public_list() {
            reasons.push(Reason::Private);
        } else if choice.distance.is_none() {
            reasons.push(Reason::NotInTier);
        } else if has_url {
            reasons.push(Reason::Farther);
        }
        reasons
    }
}
