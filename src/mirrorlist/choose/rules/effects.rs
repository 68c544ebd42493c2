//! The rules that took part in a choice, and what they did, for counters and for people.

use super::super::rank::RankedHost;
use super::applied::{AppliedRules, https};
use crate::snapshot::CarrierIndex;
use crate::snapshot::rules::clients::CompiledClient;
use crate::snapshot::rules::rule::{Rule, RuleIndex};

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
