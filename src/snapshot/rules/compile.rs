//! The entries of a file to the tables of [`super::Rules`], for one cache, with warnings about what they name in vain.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::super::age::Utc;
use super::super::catalogue::Catalogue;
use super::super::data_file::Loaded;
use super::audience::{AudienceBuilder, AudienceTable, Row};
use super::clients::{CarriersByCountry, CompiledClient, compile, protocol_set, unknown_host};
use super::globs::{GlobBuilder, GlobTable};
use super::hosts::HostsByRef;
use super::mirrors::MirrorStages;
use super::rule::{Rule, RuleIndex, RuleKind};
use super::{CompiledRepository, Rules};
use crate::geo::{ContinentTable, CountryCode};
use crate::index_table::IndexTable;
use crate::rules::RulesFile;
use crate::rules::entry::MirrorRule;
use crate::rules::until::Until;
use crate::rules::values::{RuleName, RulePlace, Unwanted};

/// What the rules are compiled with.
pub(super) struct Compiler<'a> {
    hosts: HostsByRef,
    rules: IndexTable<RuleIndex, Rule>,
    globs: GlobBuilder,
    /// The rules of the snapshot before.
    hits: HashMap<&'a str, &'a Rule, FixedState>,
    catalogue: &'a Catalogue,
    continents: &'a ContinentTable,
    now: u64,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(
        catalogue: &'a Catalogue,
        continents: &'a ContinentTable,
        now: u64,
        hits: HashMap<&'a str, &'a Rule, FixedState>,
    ) -> Self {
        Self {
            hosts: HostsByRef::new(catalogue),
            rules: IndexTable::default(),
            globs: GlobBuilder::default(),
            hits,
            catalogue,
            continents,
            now,
        }
    }

    /// Compiles all rules of a file.
    pub(super) fn compile(&mut self, file: &Arc<Loaded<RulesFile>>) -> Rules {
        let table = &file.table;
        let mirror_rules: Vec<RuleIndex> = table.mirrors.iter().map(|rule| self.mirror(rule)).collect();
        let mirrors = MirrorStages::new(table.mirrors.iter());
        let countries = CarriersByCountry::new(self.catalogue);
        let (clients, audience) = self.clients(table, &countries);
        let repositories = self.repositories(table);
        let globs = std::mem::take(&mut self.globs).finish(self.catalogue);
        self.warn_of_globs(table, &globs, &clients, &repositories);
        Rules {
            file: Arc::clone(file),
            rules: std::mem::take(&mut self.rules),
            clients,
            audience,
            mirrors,
            mirror_rules,
            repositories,
            globs,
        }
    }

    /// Adds a rule.
    fn add(&mut self, kind: RuleKind, name: &RuleName, comment: Option<&String>, until: Option<Until>) -> RuleIndex {
        let mut rule = Rule {
            name: name.as_str().into(),
            kind,
            comment: comment.map(|comment| comment.as_str().into()),
            until: until.map(Until::second),
            ..Rule::default()
        };
        if let Some(until) = rule.until.filter(|until| *until <= self.now) {
            rule.warnings
                .push(format!("it ended {} and does nothing; take it out", Utc(until)));
        }
        if let Some(before) = self.hits.get(name.as_str()) {
            rule.hits = Arc::clone(&before.hits);
        }
        // There are fewer rules than bytes in a file.
        self.rules.push(rule).unwrap_or_default()
    }

    fn warn(&mut self, rule: RuleIndex, warning: String) {
        self.rules.at_mut(rule).warnings.push(warning);
    }

    fn warn_of_countries(&mut self, rule: RuleIndex, countries: impl Iterator<Item = CountryCode>) {
        for country in countries {
            if self.continents.of(country).is_none() {
                self.warn(rule, format!("{country} is no country that cccsv knows"));
            }
        }
    }

    fn mirror(&mut self, rule: &MirrorRule) -> RuleIndex {
        let index = self.add(RuleKind::Mirrors, &rule.name, rule.comment.as_ref(), rule.until);
        if self.hosts.find(&rule.host).is_empty() {
            self.warn(index, unknown_host(&rule.host));
        }
        let places = rule.countries.iter().flat_map(|list| list.iter());
        let located = places.filter_map(|place| match place {
            RulePlace::Everywhere => None,
            RulePlace::Country(country) => Some(*country),
        });
        let never_for = rule.never_for.iter().filter_map(|audience| audience.countries.as_ref());
        let shunned = never_for.flat_map(|list| list.iter()).map(|country| country.0);
        self.warn_of_countries(index, located.chain(shunned));
        index
    }

    fn clients(&mut self, table: &RulesFile, countries: &CarriersByCountry) -> (Vec<CompiledClient>, AudienceTable) {
        let mut audience = AudienceBuilder::default();
        let mut clients = Vec::with_capacity(table.clients.len());
        for (row, rule) in (0..).zip(&table.clients) {
            let index = self.add(RuleKind::Clients, &rule.name, rule.comment.as_ref(), rule.until);
            audience.add(
                row,
                rule.networks.as_ref(),
                rule.as_numbers.as_ref(),
                rule.countries.as_ref(),
            );
            let globs = rule.repositories.as_ref();
            let globs = globs.map(|globs| globs.iter().map(|glob| self.globs.number(glob)).collect());
            let (hosts, rules) = (&self.hosts, &mut self.rules);
            let warn = |warning| rules.at_mut(index).warnings.push(warning);
            clients.push(compile(rule, index, globs, hosts, countries, warn));
            let never = rule.never.iter().flat_map(|list| list.iter());
            let never = never.filter_map(|unwanted| match unwanted {
                Unwanted::Country(country) => Some(*country),
                Unwanted::Host(_) => None,
            });
            let asked = rule
                .countries
                .iter()
                .flat_map(|list| list.iter())
                .map(|country| country.0);
            self.warn_of_countries(index, asked.chain(never));
        }
        (clients, audience.finish())
    }

    fn repositories(&mut self, table: &RulesFile) -> Vec<CompiledRepository> {
        let rules = (0..).zip(&table.repositories).map(|(row, rule): (Row, _)| {
            self.globs.add_repository_rule(row, &rule.glob);
            CompiledRepository {
                rule: self.add(RuleKind::Repositories, &rule.name, rule.comment.as_ref(), rule.until),
                https_at_least: rule.https_at_least.map(|hosts| hosts.0.get()),
                protocols: rule.protocols.as_ref().map(protocol_set),
                minimum: rule.minimum.map(|hosts| hosts.0),
                maximum: rule.maximum.map(|hosts| hosts.0),
            }
        });
        rules.collect()
    }

    /// Warns of patterns that match nothing in the cache.
    fn warn_of_globs(
        &mut self,
        table: &RulesFile,
        globs: &GlobTable,
        clients: &[CompiledClient],
        repositories: &[CompiledRepository],
    ) {
        let unmatched = globs.without_match(self.catalogue);
        let of_clients = table.clients.iter().zip(clients);
        let of_clients = of_clients.flat_map(|(rule, compiled)| {
            let globs = rule.repositories.iter().flat_map(|globs| globs.iter());
            globs.map(|glob| (compiled.rule, glob))
        });
        let of_repositories = table.repositories.iter().zip(repositories);
        let of_repositories = of_repositories.map(|(rule, compiled)| (compiled.rule, &rule.glob));
        for (rule, glob) in of_clients.chain(of_repositories) {
            if unmatched.contains(glob) {
                self.warn(
                    rule,
                    format!("no repository or directory of the cache matches {:?}", glob.as_str()),
                );
            }
        }
    }
}
