//! Rules about clients, with the hosts that they name as sets of carriers.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroUsize;

use foldhash::fast::FixedState;

use super::super::carriers::CarrierIndex;
use super::super::catalogue::Catalogue;
use super::super::masks::Places;
use super::super::urls::ProtocolSet;
use super::carrier_bits::CarrierBits;
use super::globs::GlobIndex;
use super::hosts::HostsByRef;
use super::mirrors::MirrorStage;
use super::rule::RuleIndex;
use crate::geo::CountryCode;
use crate::rules::entry::{ClientRule, Otherwise};
use crate::rules::values::{HostRef, List, RuleProtocol, Unwanted};

/// A rule about clients.
#[derive(Debug)]
pub struct CompiledClient {
    /// The rule.
    pub rule: RuleIndex,
    /// The patterns of its repositories; `None`: it counts for all.
    pub(super) globs: Option<Box<[GlobIndex]>>,
    /// These carriers alone are candidates.
    pub only: Option<CarrierBits>,
    /// These come first.
    pub prefer: Option<CarrierBits>,
    /// These are left out.
    pub never: Option<CarrierBits>,
    /// So are those in these countries.
    pub never_in: Option<NeverIn>,
    /// URLs of these protocols are listed.
    pub protocols: Option<ProtocolSet>,
    /// Replaces the setting `minimum`.
    pub minimum: Option<usize>,
    /// At most so many hosts are listed.
    pub maximum: Option<NonZeroUsize>,
    /// What happens if the rule leaves no mirror.
    pub otherwise: Otherwise,
}

/// The carriers in some countries.
#[derive(Debug)]
pub struct NeverIn {
    countries: Vec<CountryCode>,
    /// Those that the cache puts there.
    carriers: CarrierBits,
}

impl NeverIn {
    /// The carriers that are in these countries alone, wherever rules about mirrors put them. One that is everywhere never is.
    pub fn carriers(&self, stage: Option<&MirrorStage>) -> Cow<'_, CarrierBits> {
        let Some(stage) = stage.filter(|stage| stage.has_places()) else {
            return Cow::Borrowed(&self.carriers);
        };
        let unmoved = self.carriers.iter().filter(|index| stage.places(*index).is_none());
        let is_moved_there = |places: &Places| places.are_all(|country| self.countries.contains(country));
        let moved = stage.all_places().filter(|(_, places)| is_moved_there(places));
        Cow::Owned(CarrierBits::new(unmoved.chain(moved.map(|(index, _)| index))))
    }
}

impl CompiledClient {
    /// Whether the rule can leave no mirror.
    pub fn restricts(&self) -> bool {
        self.only.is_some() || self.has_never() || self.protocols.is_some()
    }

    /// Whether it names unknown hosts alone as the only ones, so that the next rule counts.
    pub(super) fn gives_way(&self) -> bool {
        self.otherwise == Otherwise::All && self.only.as_ref().is_some_and(CarrierBits::is_empty)
    }

    fn has_never(&self) -> bool {
        self.never.is_some() || self.never_in.is_some()
    }

    /// The keys that change the answer, as the file spells them.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            (self.only.is_some(), "only"),
            (self.prefer.is_some(), "prefer"),
            (self.has_never(), "never"),
            (self.protocols.is_some(), "protocols"),
            (self.minimum.is_some(), "minimum"),
            (self.maximum.is_some(), "maximum"),
        ];
        keys.into_iter().filter_map(|(is_set, key)| is_set.then_some(key))
    }
}

/// The set of some protocols.
pub(super) fn protocol_set(protocols: &List<RuleProtocol>) -> ProtocolSet {
    let mut set = ProtocolSet::default();
    protocols.iter().for_each(|protocol| set.insert(protocol.0));
    set
}

/// The carriers in each country, as the cache has them.
pub(super) struct CarriersByCountry(HashMap<CountryCode, Vec<CarrierIndex>, FixedState>);

impl CarriersByCountry {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let mut table = HashMap::<_, Vec<_>, _>::default();
        for (index, carrier) in catalogue.carriers.iter() {
            if let Some(country) = carrier.country.or(catalogue.host(carrier.host).country) {
                table.entry(country).or_default().push(index);
            }
        }
        Self(table)
    }

    fn carriers(&self, countries: &[CountryCode]) -> CarrierBits {
        let lists = countries.iter().filter_map(|country| self.0.get(country));
        CarrierBits::new(lists.flatten().copied())
    }
}

/// Makes the sets of a rule. `warn` is told of hosts that the cache does not have.
pub(super) fn compile(
    rule: &ClientRule,
    index: RuleIndex,
    globs: Option<Box<[GlobIndex]>>,
    hosts: &HostsByRef,
    countries: &CarriersByCountry,
    mut warn: impl FnMut(String),
) -> CompiledClient {
    let mut named = |list: &[HostRef]| {
        let (carriers, unknown) = hosts.carriers_of(list);
        for host in unknown {
            warn(unknown_host(host));
        }
        carriers
    };
    let only = rule.only.as_ref().map(|list| CarrierBits::new(named(list)));
    let prefer = rule.prefer.as_ref().map(|list| CarrierBits::new(named(list)));
    let (mut of_hosts, mut of_countries) = (Vec::new(), Vec::new());
    for unwanted in rule.never.iter().flat_map(|list| list.iter()) {
        match unwanted {
            Unwanted::Host(host) => of_hosts.push(host.clone()),
            Unwanted::Country(country) => of_countries.push(*country),
        }
    }
    let never = (!of_hosts.is_empty()).then(|| CarrierBits::new(named(&of_hosts)));
    let never_in = (!of_countries.is_empty()).then(|| NeverIn {
        carriers: countries.carriers(&of_countries),
        countries: of_countries,
    });
    CompiledClient {
        rule: index,
        globs,
        only,
        prefer,
        never,
        never_in,
        protocols: rule.protocols.as_ref().map(protocol_set),
        minimum: rule.minimum.map(|hosts| hosts.0),
        maximum: rule.maximum.map(|hosts| hosts.0),
        otherwise: rule.otherwise.unwrap_or_default(),
    }
}

/// The warning about a host that the cache does not have.
pub(super) fn unknown_host(host: &HostRef) -> String {
    format!("no host of the cache has the name or id {host}")
}
