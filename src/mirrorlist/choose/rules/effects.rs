//! The rules that took part in a choice, and what they did, for counters and for people.

use super::super::rank::RankedHost;
use super::applied::{AppliedRules, https};
use crate::mirrorlist::Refusal;
use crate::snapshot::rules::CompiledRepository;
use crate::snapshot::rules::clients::CompiledClient;
use crate::snapshot::rules::rule::{Rule, RuleEffect, RuleIndex};
use crate::snapshot::{CarrierIndex, Catalogue, DirectoryIndex};

/// At most so many rules take part in most choices.
const USUAL_RULES: usize = 32;

impl<'a> AppliedRules<'a> {
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

    /// The rules that took part in a choice, each once, in the order of the file.
    pub fn took_part(&self, hosts: &[RankedHost]) -> impl Iterator<Item = &'a Rule> {
        let mut indexes: Vec<RuleIndex> = Vec::with_capacity(USUAL_RULES);
        indexes.extend(self.left_out.iter().map(|(_, rule)| *rule));
        indexes.extend(self.client.map(|client| client.rule));
        indexes.extend(self.repository.map(|repository| repository.rule));
        indexes.extend(&self.set_aside);
        if let Some(stage) = self.stage {
            for host in hosts {
                indexes.extend_from_slice(stage.shapers(host.carrier()));
            }
        }
        indexes.sort_unstable();
        indexes.dedup();
        let rules = self.rules;
        indexes.into_iter().map(|index| rules.rule(index))
    }

    /// What the rules did to a choice, those that have ended included, in the order of the file.
    pub fn effects(&self, hosts: &[RankedHost]) -> Vec<RuleEffect> {
        let mut effects = Vec::new();
        if let Some(client) = self.client {
            effects.extend(client.keys().map(|key| effect_of(client.rule, key)));
        }
        if let Some(repository) = self.repository {
            self.add_effects_of_repository(repository, &mut effects);
        }
        for host in hosts {
            let shapers = self.stage.map_or(&[][..], |stage| stage.shapers(host.carrier()));
            for rule in shapers {
                let mirror = self.rules.mirror(*rule).into_iter();
                let keys = mirror.flat_map(|mirror| mirror.shaping_keys());
                effects.extend(keys.map(|key| effect_of(*rule, key)));
            }
        }
        let left_out = self.left_out.iter();
        effects.extend(left_out.map(|(_, rule)| effect_of(*rule, self.removing_key(*rule))));
        effects.extend(self.set_aside.iter().map(|rule| effect_of(*rule, "otherwise")));
        effects.extend(self.ended.iter().map(|rule| effect_of(*rule, RuleEffect::ENDED)));
        effects.sort_by_key(|effect| effect.rule);
        effects.dedup();
        effects
    }

    fn add_effects_of_repository(&self, repository: &CompiledRepository, effects: &mut Vec<RuleEffect>) {
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
        let rule = repository.rule;
        let before = effects.len();
        effects.extend(
            keys.iter()
                .filter_map(|(is_used, key)| is_used.then_some(effect_of(rule, key))),
        );
        if effects.len() == before {
            effects.push(RuleEffect { rule, key: None });
        }
    }

    /// The refusal of a request for which the rule about the client leaves no mirror of a directory.
    pub(super) fn refusal(
        mut self,
        catalogue: &Catalogue,
        directory: DirectoryIndex,
        refusing: RuleIndex,
    ) -> Refusal<'static> {
        self.repository_protocols = None;
        let carriers = catalogue.carriers(directory).map(|(index, _)| index);
        self.left_out = carriers
            .filter_map(|index| Some((index, self.remover(index)?)))
            .collect();
        self.set_aside.push(refusing);
        Refusal::NoMirrorLeft {
            effects: self.effects(&[]),
        }
    }
}

fn effect_of(rule: RuleIndex, key: &'static str) -> RuleEffect {
    RuleEffect { rule, key: Some(key) }
}
