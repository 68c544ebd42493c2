//! The operators' rules, worked into tables for one cache: which hosts a rule means, and how to find the rules for a request without
//! looking at the others.
//!
//! - [`audience`]: clients by network, AS and country
//! - [`clients`]: rules about clients; [`mirrors`]: rules about mirrors, as tables like the cache's
//! - `globs`: which patterns match a directory
//! - `hosts`: the hosts that rules name; [`carrier_bits`]: sets of them
//! - [`rule`]: a rule's name, end, counter and warnings
//!
//! A name that the cache does not have is a warning: a cache changes more often than rules do.

pub mod audience;
pub mod carrier_bits;
pub mod clients;
mod globs;
mod hosts;
pub mod mirrors;
pub mod rule;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::age::Utc;
use super::catalogue::Catalogue;
use super::data_file::{DataFile, DataTable, Loaded};
use super::directories::DirectoryIndex;
use super::load_error::LoadProblem;
use super::shrink::Count;
use super::urls::ProtocolSet;
use crate::geo::{ContinentTable, CountryCode};
use crate::index_table::IndexTable;
use crate::rules::RulesFile;
use crate::rules::entry::MirrorRule;
use crate::rules::error::RulesError;
use crate::rules::until::Until;
use crate::rules::values::{RuleName, RulePlace, Unwanted};
use crate::warnings::Warnings;
use audience::{AudienceBuilder, AudienceTable, Row, RuledClient};
use clients::{CarriersByCountry, CompiledClient, protocol_set, unknown_host};
use globs::{DirectoryMatches, GlobBuilder, GlobTable};
use hosts::HostsByRef;
use mirrors::{MirrorStage, MirrorStages, StageData};
use rule::{Rule, RuleIndex, RuleKind};

impl DataTable for RulesFile {
    const KEY: &'static str = "rules";
    /// A thousand rules with ten networks each have a tenth.
    const MAX_BYTES: u64 = 4 << 20;

    fn read_file(mut file: BufReader<File>, _: &mut Warnings) -> Result<Self, LoadProblem> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).map_err(|error| RulesError::not_utf8(&error))?;
        Ok(Self::read(&text)?)
    }

    fn without_file() -> Option<Self> {
        Some(Self::default())
    }

    fn entry_counts(&self) -> Vec<Count> {
        vec![
            Count::new("clients", self.clients.len()),
            Count::new("mirrors", self.mirrors.len()),
            Count::new("repositories", self.repositories.len()),
        ]
    }

    /// An operator who takes rules out means it.
    fn guarded_counts(&self) -> Vec<Count> {
        Vec::new()
    }
}

/// The rules of one snapshot.
pub struct Rules {
    file: Arc<Loaded<RulesFile>>,
    rules: IndexTable<RuleIndex, Rule>,
    clients: Vec<CompiledClient>,
    audience: AudienceTable,
    mirrors: MirrorStages,
    /// The rules about mirrors in the order of the file.
    mirror_rules: Vec<RuleIndex>,
    repositories: Vec<CompiledRepository>,
    globs: GlobTable,
}

/// A rule about repositories.
#[derive(Debug)]
pub struct CompiledRepository {
    /// The rule.
    pub rule: RuleIndex,
    /// Only https URLs are listed as soon as so many hosts have them.
    pub https_at_least: Option<usize>,
    /// URLs of these protocols are listed.
    pub protocols: Option<ProtocolSet>,
    /// Replaces the setting `minimum`.
    pub minimum: Option<usize>,
    /// At most so many hosts are listed.
    pub maximum: Option<usize>,
}

/// The rules for one request, before anything is chosen.
#[derive(Default)]
pub struct FoundRules<'a> {
    /// The rule about its client that counts.
    pub client: Option<&'a CompiledClient>,
    /// The rule about its repository that counts.
    pub repository: Option<&'a CompiledRepository>,
    /// Rules that would count but for their end.
    pub ended: Vec<RuleIndex>,
}

impl Rules {
    /// The rules of a file for a catalogue; `None` if there are none. Counters go on from `before`.
    pub(super) fn new(
        file: &Arc<Loaded<RulesFile>>,
        catalogue: &Catalogue,
        continents: &ContinentTable,
        now: u64,
        before: Option<&Self>,
    ) -> Option<Self> {
        if file.table.is_empty() {
            return None;
        }
        let mut compiler = Compiler {
            hosts: HostsByRef::new(catalogue),
            rules: IndexTable::default(),
            globs: GlobBuilder::default(),
            hits: before.map(Self::by_name).unwrap_or_default(),
            catalogue,
            continents,
            now,
        };
        Some(compiler.compile(file))
    }

    fn by_name(&self) -> HashMap<&str, &Rule, FixedState> {
        self.rules.rows().iter().map(|rule| (&*rule.name, rule)).collect()
    }

    /// All rules: those about clients, about mirrors, about repositories, each in the order of the file.
    pub fn all(&self) -> &[Rule] {
        self.rules.rows()
    }

    /// A rule.
    pub fn rule(&self, index: RuleIndex) -> &Rule {
        self.rules.at(index)
    }

    /// The entry of a rule about a mirror.
    pub fn mirror(&self, index: RuleIndex) -> Option<&MirrorRule> {
        let place = self.mirror_rules.binary_search(&index).ok()?;
        self.file.table.mirrors.get(place)
    }

    /// The description of the file, with what it names in vain.
    pub(super) fn describe(&self, file: &DataFile) -> DataFile {
        let mut described = file.clone();
        for rule in self.all() {
            for warning in &rule.warnings {
                described
                    .warnings
                    .add(format_args!("rule {:?}: {warning}", &*rule.name));
            }
        }
        described
    }

    /// What the rules about mirrors say at a time in seconds since the Unix epoch; `None` if they say nothing.
    #[inline]
    pub(super) fn mirrors_at(
        &self,
        catalogue: &Catalogue,
        continents: &ContinentTable,
        now: u64,
    ) -> Option<&MirrorStage> {
        if self.mirror_rules.is_empty() {
            return None;
        }
        self.mirrors.at(now, |holds| {
            let hosts = HostsByRef::new(catalogue);
            let data = StageData {
                catalogue,
                continents,
                hosts: &hosts,
            };
            MirrorStage::new(&data, self.held_mirrors(holds))
        })
    }

    fn held_mirrors(&self, holds: &dyn Fn(&MirrorRule) -> bool) -> impl Iterator<Item = (RuleIndex, &MirrorRule)> {
        let rules = self.mirror_rules.iter().copied().zip(&self.file.table.mirrors);
        rules.filter(move |(_, rule)| holds(rule))
    }

    /// Whether the AS of a client matters.
    pub fn ask_for_as(&self, stage: Option<&MirrorStage>) -> bool {
        self.audience.asks_for_as() || stage.is_some_and(MirrorStage::asks_for_as)
    }

    /// The rules for a request by a client of a directory, at a time in seconds since the Unix epoch, but for some that are set
    /// aside.
    pub fn find(
        &self,
        catalogue: &Catalogue,
        client: RuledClient,
        directory: DirectoryIndex,
        now: u64,
        set_aside: &[RuleIndex],
    ) -> FoundRules<'_> {
        let matches = || self.globs.matches(catalogue, directory);
        let mut found = FoundRules::default();
        for row in self.audience.rows(client) {
            let Some(rule) = self.clients.get(row as usize) else {
                continue;
            };
            let has = |matches: &DirectoryMatches, globs: &[u32]| globs.iter().any(|glob| matches.has(*glob));
            let counts = rule
                .globs
                .as_ref()
                .is_none_or(|globs| matches().is_some_and(|matches| has(matches, globs)));
            if counts && !set_aside.contains(&rule.rule) && found.hold(self, rule.rule, now) {
                found.client = Some(rule);
                break;
            }
        }
        if self.repositories.is_empty() {
            return found;
        }
        for row in matches().into_iter().flat_map(|matches| &matches.repository_rules) {
            if let Some(rule) = self.repositories.get(*row as usize)
                && found.hold(self, rule.rule, now)
            {
                found.repository = Some(rule);
                break;
            }
        }
        found
    }

    /// Whether a rule has ended since another time, so that its warnings are out of date; both in seconds since the Unix epoch.
    pub fn have_ended(&self, since: u64, now: u64) -> bool {
        let ends = self.all().iter().filter_map(|rule| rule.until);
        ends.into_iter().any(|end| since < end && end <= now)
    }
}

impl FoundRules<'_> {
    /// Whether a rule holds; if not, it is noted.
    fn hold(&mut self, rules: &Rules, rule: RuleIndex, now: u64) -> bool {
        let holds = rules.rule(rule).holds_at(now);
        if !holds && !self.ended.contains(&rule) {
            self.ended.push(rule);
        }
        holds
    }
}

struct Compiler<'a> {
    hosts: HostsByRef,
    rules: IndexTable<RuleIndex, Rule>,
    globs: GlobBuilder,
    /// The rules of the snapshot before.
    hits: HashMap<&'a str, &'a Rule, FixedState>,
    catalogue: &'a Catalogue,
    continents: &'a ContinentTable,
    now: u64,
}

impl Compiler<'_> {
    fn compile(&mut self, file: &Arc<Loaded<RulesFile>>) -> Rules {
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
            clients.push(clients::compile(rule, index, globs, hosts, countries, warn));
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
                https_at_least: rule.https_at_least.map(|hosts| hosts.0),
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
