//! Rules about mirrors, worked into tables like those of the cache, so that a request pays nothing for them: masks of countries,
//! networks, weights. Only `never_for` is looked up for each client.
//!
//! A rule that ends changes the tables at that second: there is a stage for each span of time between two ends, made when it is
//! first needed.

use std::collections::HashMap;
use std::sync::OnceLock;

use foldhash::fast::FixedState;
use ip_network::IpNetwork;

use super::super::carriers::{CarrierIndex, CarrierTable};
use super::super::catalogue::Catalogue;
use super::super::hosts::HostIndex;
use super::super::masks::{CarrierMasks, Places};
use super::audience::{AudienceBuilder, AudienceTable, Row, RuledClient};
use super::carrier_bits::CarrierBits;
use super::hosts::HostsByRef;
use super::rule::RuleIndex;
use crate::bits::BitWords;
use crate::geo::{ContinentTable, CountryCode, NetworkTable};
use crate::rules::entry::MirrorRule;
use crate::rules::values::RulePlace;

type FastMap<K, V> = HashMap<K, V, FixedState>;

/// The tables of all spans of time.
pub(super) struct MirrorStages {
    /// The ends of rules, each once, in ascending order; in seconds since the Unix epoch.
    ends: Box<[u64]>,
    /// One for the time before each end, and one for the time after the last. `None`: no rule holds.
    stages: Box<[OnceLock<Option<Box<MirrorStage>>>]>,
}

/// What the rules about mirrors say in one span of time.
pub struct MirrorStage {
    pub(in super::super) masks: CarrierMasks,
    /// The carriers with other weights; `None` if no rule sets one.
    pub(in super::super) carriers: Option<CarrierTable>,
    weights: FastMap<HostIndex, u32>,
    places: FastMap<CarrierIndex, Places>,
    netblocks: NetworkTable<Box<[HostIndex]>>,
    /// Hosts that are never listed.
    out: CarrierBits,
    never_for: AudienceTable,
    shunned: Vec<ShunnedMirror>,
    /// The carriers with a rule in `shapers`, a bit each: all hosts of an answer are looked up.
    shaped: BitWords,
    /// By carrier: the rules on places, networks and weight.
    shapers: FastMap<CarrierIndex, Vec<RuleIndex>>,
    /// By carrier: the rule that takes it out.
    removers: FastMap<CarrierIndex, RuleIndex>,
}

/// A mirror that some clients never get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShunnedMirror {
    /// The rule that says so.
    pub rule: RuleIndex,
    /// The mirror.
    pub carriers: CarrierBits,
}

impl MirrorStages {
    pub(super) fn new<'r>(rules: impl Iterator<Item = &'r MirrorRule>) -> Self {
        let mut ends: Vec<u64> = rules.filter_map(|rule| Some(rule.until?.second())).collect();
        ends.sort_unstable();
        ends.dedup();
        Self {
            stages: (0..=ends.len()).map(|_| OnceLock::new()).collect(),
            ends: ends.into(),
        }
    }

    /// The stage at a time in seconds since the Unix epoch; `make` makes its tables of the rules for which its argument holds.
    #[inline]
    pub(super) fn at(
        &self,
        now: u64,
        make: impl FnOnce(&dyn Fn(&MirrorRule) -> bool) -> Option<Box<MirrorStage>>,
    ) -> Option<&MirrorStage> {
        let stage = self.ends.partition_point(|end| *end <= now);
        let first_end = self.ends.get(stage);
        let holds = move |rule: &MirrorRule| match rule.until {
            None => true,
            Some(until) => first_end.is_some_and(|end| until.second() >= *end),
        };
        self.stages.get(stage)?.get_or_init(|| make(&holds)).as_deref()
    }
}

/// What the tables of a stage are made from.
pub(super) struct StageData<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) continents: &'a ContinentTable,
    pub(super) hosts: &'a HostsByRef,
}

impl MirrorStage {
    /// Makes the tables of some rules; `None` if there are none. Of two rules that set the countries or the weight of one host, the
    /// first counts.
    pub(super) fn new<'r>(
        data: &StageData<'_>,
        rules: impl Iterator<Item = (RuleIndex, &'r MirrorRule)>,
    ) -> Option<Box<Self>> {
        let mut tables = StageBuilder::default();
        let mut rules = rules.peekable();
        rules.peek()?;
        for (index, rule) in rules {
            for host in data.hosts.find(&rule.host) {
                tables.add(data, index, rule, *host);
            }
            if let Some(audience) = &rule.never_for {
                let named = data.hosts.find(&rule.host).iter();
                let carriers = named.flat_map(|host| data.hosts.carriers(*host)).copied();
                let row = Row::try_from(tables.shunned.len()).unwrap_or(Row::MAX);
                tables.shunned.push(ShunnedMirror {
                    rule: index,
                    carriers: CarrierBits::new(carriers),
                });
                let (networks, as_numbers) = (audience.networks.as_ref(), audience.as_numbers.as_ref());
                tables
                    .never_for
                    .add(row, networks, as_numbers, audience.countries.as_ref());
            }
        }
        Some(Box::new(tables.finish(data)))
    }

    /// The hosts that rules give a network that holds an address, with that network, the most specific one first.
    pub fn netblock_hosts(&self, client: std::net::IpAddr) -> impl Iterator<Item = (IpNetwork, &[HostIndex])> {
        self.netblocks
            .matches(client)
            .map(|(network, hosts)| (network, &**hosts))
    }

    /// The places that a rule gives a carrier.
    #[inline]
    pub fn places(&self, carrier: CarrierIndex) -> Option<&Places> {
        self.places.get(&carrier)
    }

    /// The carriers that rules give places, in no order.
    pub(super) fn all_places(&self) -> impl Iterator<Item = (CarrierIndex, &Places)> {
        self.places.iter().map(|(index, places)| (*index, places))
    }

    /// Whether a rule gives any carrier places.
    pub fn has_places(&self) -> bool {
        !self.places.is_empty()
    }

    /// The weight that a rule gives a host.
    pub fn weight(&self, host: HostIndex) -> Option<u32> {
        self.weights.get(&host).copied()
    }

    /// Hosts that are never listed.
    pub fn out(&self) -> &CarrierBits {
        &self.out
    }

    /// The rule that takes a carrier out.
    pub fn remover(&self, carrier: CarrierIndex) -> Option<RuleIndex> {
        self.removers.get(&carrier).copied()
    }

    /// The rules on places, networks and weight of a carrier that is listed.
    #[inline]
    pub fn shapers(&self, carrier: CarrierIndex) -> &[RuleIndex] {
        let number = carrier.get();
        if self.shaped.word(number / 64) >> (number % 64) & 1 == 0 {
            return &[];
        }
        self.shapers.get(&carrier).map_or(&[], |rules| rules)
    }

    /// Whether the AS of a client matters.
    pub(super) fn asks_for_as(&self) -> bool {
        self.never_for.asks_for_as()
    }

    /// The mirrors that a client never gets; one can come more than once.
    pub fn shunned(&self, client: RuledClient) -> impl Iterator<Item = &ShunnedMirror> {
        self.never_for
            .rows(client)
            .filter_map(|row| self.shunned.get(row as usize))
    }
}

#[derive(Default)]
struct StageBuilder {
    weights: FastMap<HostIndex, u32>,
    located: FastMap<HostIndex, Places>,
    netblocks: FastMap<IpNetwork, Vec<HostIndex>>,
    out: Vec<CarrierIndex>,
    never_for: AudienceBuilder,
    shunned: Vec<ShunnedMirror>,
    shapers: FastMap<CarrierIndex, Vec<RuleIndex>>,
    removers: FastMap<CarrierIndex, RuleIndex>,
}

impl StageBuilder {
    fn add(&mut self, data: &StageData<'_>, index: RuleIndex, rule: &MirrorRule, host: HostIndex) {
        if let Some(weight) = rule.weight {
            self.weights.entry(host).or_insert(weight.0);
        }
        if let Some(countries) = &rule.countries {
            self.located.entry(host).or_insert_with(|| places(countries));
        }
        for network in rule.networks.iter().flat_map(|networks| networks.iter()) {
            let hosts = self.netblocks.entry(network.0).or_default();
            if hosts.last() != Some(&host) {
                hosts.push(host);
            }
        }
        for carrier in data.hosts.carriers(host) {
            if rule.out {
                self.out.push(*carrier);
                self.removers.entry(*carrier).or_insert(index);
            }
            if rule.shapes() {
                self.shapers.entry(*carrier).or_default().push(index);
            }
        }
    }

    fn finish(self, data: &StageData<'_>) -> MirrorStage {
        let Catalogue { carriers, sets, .. } = data.catalogue;
        let mut places = FastMap::default();
        for (host, located) in &self.located {
            for index in data.hosts.carriers(*host) {
                // A private host stays private, wherever it is.
                if carriers.at(*index).in_public_list() {
                    places.insert(*index, located.clone());
                }
            }
        }
        let mut weighted = (!self.weights.is_empty()).then(|| carriers.clone());
        for (host, weight) in &self.weights {
            for index in data.hosts.carriers(*host) {
                if let Some(weighted) = &mut weighted {
                    #[expect(clippy::cast_precision_loss, reason = "weights need no more than three digits")]
                    let inverse = 1.0 / *weight as f32;
                    weighted.at_mut(*index).inverse_bandwidth = inverse;
                }
            }
        }
        let mut shaped = BitWords::default();
        for carrier in self.shapers.keys() {
            shaped.set(carrier.get());
        }
        let netblocks = self
            .netblocks
            .into_iter()
            .map(|(network, hosts)| (network, hosts.into_boxed_slice()));
        MirrorStage {
            masks: CarrierMasks::with_places(&sets.bases, carriers.rows(), data.continents, &places),
            carriers: weighted,
            weights: self.weights,
            places,
            netblocks: NetworkTable::new(netblocks.collect()),
            out: CarrierBits::new(self.out),
            never_for: self.never_for.finish(),
            shunned: self.shunned,
            shaped,
            shapers: self.shapers,
            removers: self.removers,
        }
    }
}

fn places(countries: &[RulePlace]) -> Places {
    let codes: Option<Vec<CountryCode>> = countries
        .iter()
        .map(|place| match place {
            RulePlace::Everywhere => None,
            RulePlace::Country(country) => Some(*country),
        })
        .collect();
    codes.map_or(Places::Everywhere, |codes| Places::In(codes.into()))
}
