//! Rules about clients, with the hosts that they name as sets of carriers.

use std::collections::HashMap;

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
    /// URLs of these protocols are listed.
    pub protocols: Option<ProtocolSet>,
    /// Replaces the setting `minimum`.
    pub minimum: Option<usize>,
    /// At most so many hosts are listed.
    pub maximum: Option<usize>,
    /// What happens if the rule leaves no mirror.
    pub otherwise: Otherwise,
}

impl CompiledClient {
    /// Whether the rule can leave no mirror.
    pub fn restricts(&self) -> bool {
        self.only.is_some() || self.never.is_some() || self.protocols.is_some()
    }

    /// The keys that change the answer, as the file spells them.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let keys = [
            (self.only.is_some(), "only"),
            (self.prefer.is_some(), "prefer"),
            (self.never.is_some(), "never"),
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

/// The carriers in each country, for rules that leave countries out.
pub(super) struct CarriersByCountry {
    in_one: HashMap<CountryCode, Vec<CarrierIndex>, FixedState>,
    /// Those that rules put into several countries; one that is everywhere is never left out.
    in_several: Vec<(CarrierIndex, Box<[CountryCode]>)>,
}

impl CarriersByCountry {
    pub(super) fn new(catalogue: &Catalogue, stage: Option<&MirrorStage>) -> Self {
        let mut table = Self {
            in_one: HashMap::default(),
            in_several: Vec::new(),
        };
        for (index, carrier) in catalogue.carriers.iter() {
            match stage.and_then(|stage| stage.places(index)) {
                Some(Places::Everywhere) => {}
                Some(Places::In(countries)) => table.in_several.push((index, countries.clone())),
                None => {
                    let country = carrier.country.or(catalogue.host(carrier.host).country);
                    if let Some(country) = country {
                        table.in_one.entry(country).or_default().push(index);
                    }
                }
            }
        }
        table
    }

    /// The carriers that are in these countries and in no other.
    fn carriers(&self, countries: &[CountryCode]) -> impl Iterator<Item = CarrierIndex> {
        let one = countries
            .iter()
            .filter_map(|country| self.in_one.get(country))
            .flatten();
        let several = self.in_several.iter();
        let several = several.filter(|(_, places)| places.iter().all(|place| countries.contains(place)));
        one.chain(several.map(|(index, _)| index)).copied()
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
    let never = rule.never.as_ref().map(|list| {
        let (mut of_hosts, mut of_countries) = (Vec::new(), Vec::new());
        for unwanted in list.iter() {
            match unwanted {
                Unwanted::Host(host) => of_hosts.push(host.clone()),
                Unwanted::Country(country) => of_countries.push(*country),
            }
        }
        let of_hosts = named(&of_hosts);
        CarrierBits::new(of_hosts.into_iter().chain(countries.carriers(&of_countries)))
    });
    CompiledClient {
        rule: index,
        globs,
        only,
        prefer,
        never,
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
