//! The entries of a file of rules. Where a key is left out, its field is `None`.

use serde::Deserialize;

use super::items;
use super::until::Until;
use super::values::{
    AtLeastOne, Glob, HostCount, HostRef, List, RuleAs, RuleCountry, RuleName, RuleNetwork, RulePlace, RuleProtocol,
    Unwanted, Weight,
};

/// `[[clients]]`: what the clients in some networks, autonomous systems or countries get.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientRule {
    /// The rule's name.
    pub name: RuleName,
    /// A note for people.
    pub comment: Option<String>,
    /// When the rule ends.
    pub until: Option<Until>,
    /// A client in one of these is meant.
    pub networks: Option<List<RuleNetwork>>,
    /// So is one in these autonomous systems.
    #[serde(rename = "as")]
    pub as_numbers: Option<List<RuleAs>>,
    /// And one in these countries.
    pub countries: Option<List<RuleCountry>>,
    /// The rule counts for these repositories; `None`: for all.
    pub repositories: Option<List<Glob>>,
    /// These hosts alone are candidates.
    pub only: Option<List<HostRef>>,
    /// These hosts come first.
    pub prefer: Option<List<HostRef>>,
    /// These are left out.
    pub never: Option<List<Unwanted>>,
    /// URLs of these protocols are listed.
    pub protocols: Option<List<RuleProtocol>>,
    /// Replaces the setting `minimum`.
    pub minimum: Option<HostCount>,
    /// At most so many hosts are listed.
    pub maximum: Option<AtLeastOne>,
    /// What happens if the rule leaves no mirror.
    pub otherwise: Option<Otherwise>,
}

/// What happens if a rule leaves no mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// The answer is as without the rule.
    #[default]
    All,
    /// The request is refused.
    None,
}

impl ClientRule {
    /// Why the rule can't mean anything, with what to do.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let has_clients = self.networks.is_some() || self.as_numbers.is_some() || self.countries.is_some();
        let restricts = self.only.is_some() || self.never.is_some() || self.protocols.is_some();
        let has_effect = restricts || self.prefer.is_some() || self.minimum.is_some() || self.maximum.is_some();
        match (has_clients, has_effect) {
            (false, _) => Some(
                "it names no clients; add networks, as or countries (networks = [\"0.0.0.0/0\", \"::/0\"] are all clients)",
            ),
            (true, false) => Some("it changes nothing; add only, prefer, never, protocols, minimum or maximum"),
            (true, true) if self.otherwise.is_some() && !restricts => {
                Some("otherwise needs only, never or protocols, since nothing else can leave no mirror")
            }
            (true, true) => None,
        }
    }
}

/// `[[mirrors]]`: what holds for one mirror.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorRule {
    /// The rule's name.
    pub name: RuleName,
    /// A note for people.
    pub comment: Option<String>,
    /// When the rule ends.
    pub until: Option<Until>,
    /// The mirror.
    pub host: HostRef,
    /// It is in each of these countries, and in no other.
    pub countries: Option<List<RulePlace>>,
    /// Clients in these networks get it as if it had registered them.
    pub networks: Option<List<RuleNetwork>>,
    /// Replaces its bandwidth in the weighted shuffles.
    pub weight: Option<Weight>,
    /// Whether it is never listed.
    #[serde(default)]
    pub out: bool,
    /// Clients that never get it.
    #[serde(default, deserialize_with = "items::audience")]
    pub never_for: Option<Audience>,
}

/// Clients, by any of three properties.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// A client in one of these is meant.
    pub networks: Option<List<RuleNetwork>>,
    /// So is one in these autonomous systems.
    #[serde(rename = "as")]
    pub as_numbers: Option<List<RuleAs>>,
    /// And one in these countries.
    pub countries: Option<List<RuleCountry>>,
}

impl MirrorRule {
    /// Whether it changes how the mirror is listed, other than leaving it out.
    pub fn shapes(&self) -> bool {
        self.shaping_keys().next().is_some()
    }

    /// The keys that change how the mirror is listed, as the file spells them.
    pub fn shaping_keys(&self) -> impl Iterator<Item = &'static str> + use<> {
        let keys = [
            (self.countries.is_some(), "countries"),
            (self.networks.is_some(), "networks"),
            (self.weight.is_some(), "weight"),
        ];
        keys.into_iter().filter_map(|(is_set, key)| is_set.then_some(key))
    }

    /// Why the rule can't mean anything, with what to do.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let is_empty = |audience: &Audience| {
            audience.networks.is_none() && audience.as_numbers.is_none() && audience.countries.is_none()
        };
        if self.never_for.as_ref().is_some_and(is_empty) {
            return Some(
                "never_for names no clients; add networks, as or countries, or write out = true for all clients",
            );
        }
        let has_effect = self.shapes() || self.out || self.never_for.is_some();
        (!has_effect).then_some("it changes nothing; add countries, networks, weight, out = true or never_for")
    }
}

/// `[[repositories]]`: what holds for the repositories that a pattern matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryRule {
    /// The rule's name.
    pub name: RuleName,
    /// A note for people.
    pub comment: Option<String>,
    /// When the rule ends.
    pub until: Option<Until>,
    /// The repositories.
    #[serde(rename = "match")]
    pub glob: Glob,
    /// Only https URLs are listed as soon as so many hosts have them.
    pub https_at_least: Option<AtLeastOne>,
    /// URLs of these protocols are listed.
    pub protocols: Option<List<RuleProtocol>>,
    /// Replaces the setting `minimum`.
    pub minimum: Option<HostCount>,
    /// At most so many hosts are listed.
    pub maximum: Option<AtLeastOne>,
}

impl RepositoryRule {
    /// Why the rule can't mean anything, with what to do.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let has_effect = self.https_at_least.is_some()
            || self.protocols.is_some()
            || self.minimum.is_some()
            || self.maximum.is_some();
        (!has_effect).then_some("it changes nothing; add https_at_least, protocols, minimum or maximum")
    }
}
