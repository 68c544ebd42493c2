//! The operators' rules in a choice: which of them count for a request, and what they take out, put first and list.
//!
//! A plain request pays for rules only where there are some: [`super::choose`] asks once, and [`Selector`] once for each word of
//! carriers.

use std::borrow::Cow;

use super::Prepared;
use super::by_network::Proximity;
use super::rank::{RankedHost, Tier};
use super::select::{Observer, Selector};
use super::{Choice, MirrorRequest, Scratch, select_hosts};
use crate::cache::url::Protocol;
use crate::geo::{Continent, CountryCode};
use crate::mirrorlist::Refusal;
use crate::rules::entry::Otherwise;
use crate::snapshot::rules::audience::RuledClient;
use crate::snapshot::rules::carrier_bits::CarrierBits;
use crate::snapshot::rules::clients::CompiledClient;
use crate::snapshot::rules::mirrors::{MirrorStage, ShunnedMirror};
use crate::snapshot::rules::rule::{Rule, RuleIndex};
use crate::snapshot::rules::{CompiledRepository, FoundRules};
use crate::snapshot::{Carrier, CarrierIndex, CarrierWord, Places, ProtocolSet, Rules, Snapshot};

/// The rules that count for a request.
pub struct AppliedRules<'a> {
    rules: &'a Rules,
    /// What the rules about mirrors say now.
    pub(super) stage: Option<&'a MirrorStage>,
    client: Option<&'a CompiledClient>,
    repository: Option<&'a CompiledRepository>,
    /// The protocols that the repository's rule allows, unless the rule about the client has its own.
    repository_protocols: Option<ProtocolSet>,
    /// The hosts in countries that the rule about the client leaves out.
    never_in: Option<Cow<'a, CarrierBits>>,
    shunned: Vec<&'a ShunnedMirror>,
    /// Rules that would count but for their end.
    ended: Vec<RuleIndex>,
    /// Rules that left no mirror.
    set_aside: Vec<RuleIndex>,
    /// The mirrors that rules about mirrors took out, each with the rule.
    left_out: Vec<(CarrierIndex, RuleIndex)>,
}

/// Chooses the hosts for a request by rules. A rule that leaves no mirror is set aside, or the request is refused.
pub(super) fn choose_by_rules<'a>(
    snapshot: &'a Snapshot,
    rules: &'a Rules,
    request: &MirrorRequest<'a>,
    prepared: Prepared<'a>,
    scratch: &mut Scratch,
    observer: &mut impl Observer,
) -> Result<Choice<'a>, Refusal<'a>> {
    let stage = snapshot.mirror_rules(request.now);
    let client = ruled_client(snapshot, rules, stage, &prepared);
    let mut set_aside = Vec::new();
    loop {
        let found = rules.find(
            snapshot.catalogue(),
            client,
            prepared.target.directory,
            request.now,
            &set_aside,
        );
        let mut applied = AppliedRules::new(snapshot, rules, stage, client, &prepared, found);
        applied.set_aside.clone_from(&set_aside);
        let Some(restricting) = applied.restricting() else {
            return select_hosts(snapshot, request, prepared, Some(Box::new(applied)), scratch, observer);
        };
        for with_repository in [true, false] {
            let mut applied = applied.clone();
            if !with_repository && applied.repository_protocols.take().is_none() {
                break;
            }
            let applied = Some(Box::new(applied));
            let chosen = select_hosts(snapshot, request, prepared.clone(), applied, scratch, observer);
            match chosen {
                Ok(choice) if choice.urls(snapshot.catalogue()).next().is_none() => {}
                Err(Refusal::NoWebMirror) => {}
                chosen => return chosen,
            }
            observer.restarted();
        }
        match restricting {
            Restricting::Client(rule) if rule.otherwise == Otherwise::None => {
                return Err(Refusal::NoMirrorLeft { rule: rule.rule });
            }
            Restricting::Client(rule) => set_aside.push(rule.rule),
            Restricting::Repository => {
                applied.repository_protocols = None;
                return select_hosts(snapshot, request, prepared, Some(Box::new(applied)), scratch, observer);
            }
        }
    }
}

/// A rule that can leave no mirror.
enum Restricting<'a> {
    Client(&'a CompiledClient),
    /// The repository's rule alone.
    Repository,
}

fn ruled_client(
    snapshot: &Snapshot,
    rules: &Rules,
    stage: Option<&MirrorStage>,
    prepared: &Prepared<'_>,
) -> RuledClient {
    let address = prepared.location.address;
    let announced = rules
        .ask_for_as(stage)
        .then(|| snapshot.autonomous_systems().lookup(address));
    RuledClient {
        address,
        asn: announced.flatten().map(|(_, asn)| asn),
        country: prepared.location.country_code(),
    }
}

impl Clone for AppliedRules<'_> {
    fn clone(&self) -> Self {
        Self {
            never_in: self.never_in.clone(),
            shunned: self.shunned.clone(),
            ended: self.ended.clone(),
            set_aside: self.set_aside.clone(),
            left_out: self.left_out.clone(),
            ..*self
        }
    }
}

impl<'a> AppliedRules<'a> {
    fn new(
        snapshot: &'a Snapshot,
        rules: &'a Rules,
        stage: Option<&'a MirrorStage>,
        client: RuledClient,
        prepared: &Prepared<'_>,
        found: FoundRules<'a>,
    ) -> Self {
        let mut applied = Self {
            rules,
            stage,
            client: found.client,
            repository: found.repository,
            repository_protocols: None,
            never_in: found
                .client
                .and_then(|client| Some(client.never_in.as_ref()?.carriers(stage))),
            shunned: stage.map(|stage| stage.shunned(client).collect()).unwrap_or_default(),
            ended: found.ended,
            set_aside: Vec::new(),
            left_out: Vec::new(),
        };
        if let Some(repository) = applied.repository
            && applied.client.is_none_or(|client| client.protocols.is_none())
        {
            let is_https = repository
                .https_at_least
                .is_some_and(|least| applied.have_https(snapshot, prepared, least));
            applied.repository_protocols = match is_https {
                true => Some(https()),
                false => repository.protocols,
            };
        }
        applied
    }

    /// Whether so many public hosts of the directory have an https URL.
    fn have_https(&self, snapshot: &Snapshot, prepared: &Prepared<'_>, least: usize) -> bool {
        let out = self.stage.map(MirrorStage::out);
        let carriers = snapshot.catalogue().carriers(prepared.target.directory);
        let with_https = carriers.filter(|(index, carrier)| {
            carrier.in_public_list()
                && carrier.protocols.contains(Protocol::Https)
                && out.is_none_or(|out| !out.contains(*index))
        });
        with_https.take(least).count() == least
    }

    fn restricting(&self) -> Option<Restricting<'a>> {
        match self.client.filter(|client| client.restricts()) {
            Some(client) => Some(Restricting::Client(client)),
            None => self.repository_protocols.map(|_| Restricting::Repository),
        }
    }

    /// The protocols that are listed; `None`: no rule says so.
    pub(super) fn protocols(&self) -> Option<ProtocolSet> {
        let of_client = self.client.and_then(|client| client.protocols);
        of_client.or(self.repository_protocols)
    }

    /// When fewer hosts than this are in the nearer tiers, the global tier is added.
    pub(super) fn minimum(&self, setting: usize) -> usize {
        if self.client.is_some_and(|client| client.only.is_some()) {
            // These hosts are candidates wherever they are.
            return usize::MAX;
        }
        let of_client = self.client.and_then(|client| client.minimum);
        let of_repository = || self.repository.and_then(|repository| repository.minimum);
        of_client.or_else(of_repository).unwrap_or(setting)
    }

    /// At most so many hosts are listed.
    pub(super) fn maximum(&self) -> Option<usize> {
        let of_client = self.client.and_then(|client| client.maximum);
        of_client.or_else(|| self.repository.and_then(|repository| repository.maximum))
    }

    /// Takes hosts out of a word that rules leave out, and puts in all hosts that are the only ones.
    pub(super) fn restrict(&mut self, word: &mut CarrierWord) {
        let first = word.first();
        if let Some(stage) = self.stage {
            let out = stage.out().window(first) & word.carriers;
            for (_, index) in word.indexes(out) {
                self.left_out.extend(stage.remover(index).map(|rule| (index, rule)));
            }
            word.remove(out);
        }
        for shunned in &self.shunned {
            let gone = shunned.carriers.window(first) & word.carriers;
            self.left_out
                .extend(word.indexes(gone).map(|(_, index)| (index, shunned.rule)));
            word.remove(gone);
        }
        let Some(client) = self.client else { return };
        for never in client.never.iter().chain(self.never_in.as_deref()) {
            word.remove(never.window(first));
        }
        if let Some(only) = &client.only {
            word.remove(!only.window(first));
            word.public = word.carriers;
            word.restricted = 0;
        }
        if let Some(prefer) = &client.prefer {
            word.restricted &= !prefer.window(first);
        }
    }

    /// Whether a host is left for the choice.
    fn keeps(&mut self, index: CarrierIndex) -> bool {
        if let Some(rule) = self.remover(index) {
            self.left_out.push((index, rule));
            return false;
        }
        self.client_key_against(index).is_none()
    }

    /// The rule about a mirror that takes it out.
    fn remover(&self, index: CarrierIndex) -> Option<RuleIndex> {
        let is_out = |stage: &&MirrorStage| stage.out().contains(index);
        let out = self.stage.filter(is_out).and_then(|stage| stage.remover(index));
        out.or_else(|| {
            let shunned = self.shunned.iter().find(|shunned| shunned.carriers.contains(index));
            shunned.map(|shunned| shunned.rule)
        })
    }

    /// The key of the rule about the client that leaves a host out.
    fn client_key_against(&self, index: CarrierIndex) -> Option<&'static str> {
        let client = self.client?;
        let mut never = client.never.iter().chain(self.never_in.as_deref());
        if never.any(|never| never.contains(index)) {
            return Some("never");
        }
        let is_other = client.only.as_ref().is_some_and(|only| !only.contains(index));
        is_other.then_some("only")
    }

    /// Whether the rule about the client names a host, so that the countries it is limited to don't matter.
    fn names(&self, index: CarrierIndex) -> bool {
        let Some(client) = self.client else { return false };
        let named = [client.only.as_ref(), client.prefer.as_ref()];
        named.into_iter().flatten().any(|carriers| carriers.contains(index))
    }

    /// Puts preferred hosts before all others.
    pub(super) fn rank(&self, hosts: &mut [RankedHost]) {
        let Some(prefer) = self.client.and_then(|client| client.prefer.as_ref()) else {
            return;
        };
        for host in hosts {
            if !prefer.contains(host.carrier()) {
                *host = host.after_preferred();
            }
        }
    }

    /// Whether a rule puts hosts before all others.
    pub fn prefers(&self) -> bool {
        self.client.is_some_and(|client| client.prefer.is_some())
    }

    /// The rule that leaves a host out, as `KEY: NAME`.
    pub fn reason_against(&self, index: CarrierIndex) -> Option<String> {
        if let Some(rule) = self.remover(index) {
            return Some(self.effect(self.removing_key(rule), rule));
        }
        let rule = self.client?.rule;
        self.client_key_against(index).map(|key| self.effect(key, rule))
    }

    fn removing_key(&self, rule: RuleIndex) -> &'static str {
        let is_out = self.rules.mirror(rule).is_some_and(|mirror| mirror.out);
        if is_out { "out" } else { "never_for" }
    }

    fn effect(&self, key: &str, rule: RuleIndex) -> String {
        format!("{key}: {}", self.rules.rule(rule).name)
    }

    /// The rules that took part in a choice, each once, in the order of [`Rules::all`].
    pub fn took_part(&self, hosts: &[RankedHost]) -> impl Iterator<Item = &'a Rule> {
        let mut indexes: Vec<RuleIndex> = self.left_out.iter().map(|(_, rule)| *rule).collect();
        indexes.extend(self.client.map(|client| client.rule));
        indexes.extend(self.repository.map(|repository| repository.rule));
        indexes.extend(&self.set_aside);
        if let Some(stage) = self.stage {
            indexes.extend(hosts.iter().flat_map(|host| stage.shapers(host.carrier())));
        }
        indexes.sort_unstable();
        indexes.dedup();
        let rules = self.rules;
        indexes.into_iter().map(|index| rules.rule(index))
    }

    /// The rules that took part in a choice or have ended, each with its effects as `KEY: NAME`.
    pub fn effects(&self, hosts: &[RankedHost]) -> Vec<(&'a Rule, Vec<String>)> {
        let mut effects: Vec<(RuleIndex, &str)> = Vec::new();
        if let Some(client) = self.client {
            effects.extend(client.keys().map(|key| (client.rule, key)));
        }
        if let Some(repository) = self.repository {
            let is_https = self.repository_protocols == Some(https()) && repository.https_at_least.is_some();
            let of_client = |is_set: fn(&CompiledClient) -> bool| self.client.is_some_and(is_set);
            let keys = [
                (is_https, "https_at_least"),
                (!is_https && self.repository_protocols.is_some(), "protocols"),
                (
                    repository.minimum.is_some() && !of_client(|client| client.minimum.is_some()),
                    "minimum",
                ),
                (
                    repository.maximum.is_some() && !of_client(|client| client.maximum.is_some()),
                    "maximum",
                ),
            ];
            effects.extend(
                keys.into_iter()
                    .filter_map(|(is_used, key)| is_used.then_some((repository.rule, key))),
            );
        }
        for host in hosts {
            let shapers = self.stage.map_or(&[][..], |stage| stage.shapers(host.carrier()));
            for rule in shapers {
                let keys = self
                    .rules
                    .mirror(*rule)
                    .into_iter()
                    .flat_map(|mirror| mirror.shaping_keys());
                effects.extend(keys.map(|key| (*rule, key)));
            }
        }
        effects.extend(self.left_out.iter().map(|(_, rule)| (*rule, self.removing_key(*rule))));
        effects.extend(self.set_aside.iter().map(|rule| (*rule, "otherwise")));
        effects.extend(self.ended.iter().map(|rule| (*rule, "ended")));
        effects.sort_by_key(|(rule, _)| *rule);
        let mut explained: Vec<(RuleIndex, Vec<String>)> = Vec::new();
        for (rule, key) in effects {
            let effect = self.effect(key, rule);
            match explained.last_mut() {
                Some((last, effects)) if *last == rule => {
                    if !effects.contains(&effect) {
                        effects.push(effect);
                    }
                }
                _ => explained.push((rule, vec![effect])),
            }
        }
        let explained = explained.into_iter();
        explained
            .map(|(rule, effects)| (self.rules.rule(rule), effects))
            .collect()
    }
}

fn https() -> ProtocolSet {
    let mut https = ProtocolSet::default();
    https.insert(Protocol::Https);
    https
}

impl<O: Observer> Selector<'_, '_, O> {
    /// Whether rules leave a host for the choice.
    #[inline]
    pub(super) fn keeps(&mut self, index: CarrierIndex) -> bool {
        match &mut self.rules {
            None => true,
            Some(rules) => rules.keeps(index),
        }
    }

    /// Whether a host is offered to the client beyond its own networks, or a rule names it.
    pub(super) fn offers_by_rules(&self, index: CarrierIndex, carrier: &Carrier) -> bool {
        self.offers(carrier) || self.rules.as_ref().is_some_and(|rules| rules.names(index))
    }

    /// What the rules about mirrors say.
    #[inline]
    pub(super) fn stage(&self) -> Option<&MirrorStage> {
        self.rules.as_ref()?.stage
    }

    /// The countries that a host is in. One that is everywhere is in those of `everywhere`.
    #[inline]
    pub(super) fn countries_of<'c>(
        &'c self,
        index: CarrierIndex,
        carrier: &'c Carrier,
        everywhere: &'c [CountryCode],
    ) -> &'c [CountryCode] {
        match self.stage().and_then(|stage| stage.places(index)) {
            None => carrier.country.as_slice(),
            Some(Places::In(countries)) => countries,
            Some(Places::Everywhere) => everywhere,
        }
    }

    /// Adds the preferred hosts of a word that are in no nearer tier.
    pub(super) fn add_preferred(
        &mut self,
        word: &mut CarrierWord,
        hosts: &mut Vec<RankedHost>,
        usable: &mut super::by_location::Usable,
    ) {
        let client = self.rules.as_ref().and_then(|rules| rules.client);
        let Some(prefer) = client.and_then(|client| client.prefer.as_ref()) else {
            return;
        };
        let far = prefer.window(word.first()) & word.carriers & !word.in_country & !word.on_continent;
        for (bit, index, carrier) in self.carriers(*word, far) {
            if self.scratch.near_hosts.get(carrier.host).is_some() {
                continue;
            }
            let is_bad = self.add_weighted(Tier::Global, index, carrier, hosts);
            self.count(carrier, is_bad, usable);
            word.public &= !bit;
        }
    }

    /// Adds the countries of the hosts of a word in the client's country and on its continent.
    pub(super) fn name_countries(
        &self,
        word: &CarrierWord,
        client: Option<CountryCode>,
        home: Option<Continent>,
        countries: &mut Vec<CountryCode>,
    ) {
        if self.stage().is_none_or(|stage| !stage.has_places()) {
            let near = self.carriers(*word, word.in_country | word.on_continent);
            countries.extend(near.filter_map(|(_, _, carrier)| carrier.country));
            return;
        }
        if word.in_country != 0 {
            countries.extend(client);
        }
        let continents = self.snapshot.continents();
        for (_, index, carrier) in self.carriers(*word, word.on_continent) {
            let here = self.countries_of(index, carrier, &[]).iter();
            countries.extend(here.filter(|country| continents.of(**country) == home));
        }
    }

    /// Notes the networks that rules give to hosts.
    pub(super) fn add_ruled_networks(&mut self) {
        let Some(stage) = self.rules.as_ref().and_then(|rules| rules.stage) else {
            return;
        };
        for (network, hosts) in stage.netblock_hosts(self.location.address) {
            let proximity = Proximity::Netblock(network.netmask());
            self.scratch.near_hosts.add(hosts.iter().map(|host| (*host, proximity)));
        }
    }
}
