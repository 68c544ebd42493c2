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
mod compile;
mod globs;
mod hosts;
pub mod mirrors;
pub mod rule;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::num::NonZeroUsize;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::catalogue::Catalogue;
use super::data_file::{DataFile, DataTable, Loaded};
use super::directories::DirectoryIndex;
use super::load_error::LoadProblem;
use super::shrink::Count;
use super::urls::ProtocolSet;
use crate::geo::ContinentTable;
use crate::index_table::IndexTable;
use crate::rules::RulesFile;
use crate::rules::entry::MirrorRule;
use crate::rules::error::RulesError;
use crate::warnings::Warnings;
use audience::{AudienceTable, RuledClient};
use clients::CompiledClient;
use compile::Compiler;
use globs::{DirectoryMatches, GlobTable};
use hosts::HostsByRef;
use mirrors::{MirrorStage, MirrorStages, StageData};
use rule::{Rule, RuleIndex};

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
    pub maximum: Option<NonZeroUsize>,
}

/// The rules for one request, before anything is chosen.
#[derive(Default)]
pub struct FoundRules<'a> {
    /// The rule about its client that counts.
    pub client: Option<&'a CompiledClient>,
    /// The rule about its repository that counts.
    pub repository: Option<&'a CompiledRepository>,
    /// Rules that would count but for their end; one can come more than once.
    pub ended: Vec<RuleIndex>,
    /// Rules that would count, but that leave no mirror whatever is asked for; one can come more than once.
    pub in_vain: Vec<RuleIndex>,
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
        let before = before.map(Self::by_name).unwrap_or_default();
        let mut compiler = Compiler::new(catalogue, continents, now, before);
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
            if !counts || set_aside.contains(&rule.rule) || !found.hold(self, rule.rule, now) {
                continue;
            }
            if rule.gives_way() {
                found.in_vain.push(rule.rule);
                continue;
            }
            found.client = Some(rule);
            break;
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
        if !holds {
            self.ended.push(rule);
        }
        holds
    }
}
