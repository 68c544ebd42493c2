//! Which patterns match which directories: worked out when a directory is first asked for, and then looked up.
//!
//! A pattern matches a directory if it matches the directory's path, or the prefix of a repository that the directory is or is below.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use foldhash::fast::FixedState;
use parking_lot::Mutex;

use super::super::catalogue::Catalogue;
use super::super::directories::DirectoryIndex;
use super::audience::Row;
use crate::index_table::TableIndex as _;
use crate::rules::values::Glob;

type FastMap<K, V> = HashMap<K, V, FixedState>;

/// The patterns of all rules, each once, and what is known of directories.
#[derive(Default)]
pub(super) struct GlobTable {
    patterns: Vec<Glob>,
    /// The row of the repository rule, and the number of its pattern, in the order of the file.
    repository_rules: Vec<(Row, GlobIndex)>,
    /// The prefixes of the repositories at a directory.
    prefixes: FastMap<DirectoryIndex, Vec<Box<str>>>,
    directories: Box<[OnceLock<Arc<DirectoryMatches>>]>,
    /// Most directories have the same few matches.
    known: Mutex<HashSet<Arc<DirectoryMatches>, FixedState>>,
}

/// The number of a pattern.
pub(super) type GlobIndex = u32;

/// The rules for a directory.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct DirectoryMatches {
    /// A bit for each pattern that matches.
    patterns: Box<[u64]>,
    /// The rows of the repository rules that match, in the order of the file.
    pub(super) repository_rules: Box<[Row]>,
}

impl DirectoryMatches {
    pub(super) fn has(&self, glob: GlobIndex) -> bool {
        let word = self.patterns.get((glob / 64) as usize).copied().unwrap_or(0);
        word >> (glob % 64) & 1 == 1
    }
}

/// The patterns while rules are read.
#[derive(Default)]
pub(super) struct GlobBuilder {
    table: GlobTable,
    numbers: FastMap<Glob, GlobIndex>,
}

impl GlobBuilder {
    /// The number of a pattern, which is added if it is new.
    pub(super) fn number(&mut self, glob: &Glob) -> GlobIndex {
        if let Some(number) = self.numbers.get(glob) {
            return *number;
        }
        // There are fewer patterns than bytes in a file.
        let number = u32::try_from(self.table.patterns.len()).unwrap_or(u32::MAX);
        self.table.patterns.push(glob.clone());
        self.numbers.insert(glob.clone(), number);
        number
    }

    /// Adds a repository rule; rules come in the order of the file.
    pub(super) fn add_repository_rule(&mut self, row: Row, glob: &Glob) {
        let number = self.number(glob);
        self.table.repository_rules.push((row, number));
    }

    /// The table for the directories of a catalogue.
    pub(super) fn finish(self, catalogue: &Catalogue) -> GlobTable {
        let mut table = self.table;
        if table.patterns.is_empty() {
            return table;
        }
        for (key, repository) in catalogue.repositories() {
            let prefix = key.rsplit_once('+').map_or(key, |(prefix, _)| prefix);
            let prefixes = table.prefixes.entry(repository.directory).or_default();
            if prefixes.iter().all(|known| **known != *prefix) {
                prefixes.push(prefix.into());
            }
        }
        table.directories = catalogue.directories().map(|_| OnceLock::new()).collect();
        table
    }
}

/// At most so many names are compared to find patterns that match nothing: it is a warning only.
const MOST_COMPARISONS: usize = 500_000;

impl GlobTable {
    /// The rules for a directory; `None` if no rule has a pattern.
    pub(super) fn matches(&self, catalogue: &Catalogue, directory: DirectoryIndex) -> Option<&DirectoryMatches> {
        let matches = self.directories.get(directory.row())?;
        Some(matches.get_or_init(|| self.find(catalogue, directory)))
    }

    #[cold]
    fn find(&self, catalogue: &Catalogue, directory: DirectoryIndex) -> Arc<DirectoryMatches> {
        let path = catalogue.directory_name(directory);
        let above = std::iter::successors(Some(path), |path| {
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            (!path.is_empty()).then_some(parent)
        });
        let prefixes = above.filter_map(|path| self.prefixes.get(&catalogue.directory(path)?));
        let prefixes: Vec<&str> = prefixes.flatten().map(|prefix| &**prefix).collect();
        let mut patterns = vec![0_u64; self.patterns.len().div_ceil(64)];
        for (words, bits) in self.patterns.chunks(64).zip(&mut patterns) {
            for (bit, glob) in words.iter().enumerate() {
                let is_match = glob.matches(path) || prefixes.iter().any(|prefix| glob.matches(prefix));
                *bits |= u64::from(is_match) << bit;
            }
        }
        let mut found = DirectoryMatches {
            patterns: patterns.into(),
            repository_rules: Box::default(),
        };
        let rules = self.repository_rules.iter().filter(|(_, glob)| found.has(*glob));
        found.repository_rules = rules.map(|(row, _)| *row).collect();
        let mut known = self.known.lock();
        if let Some(same) = known.get(&found) {
            return Arc::clone(same);
        }
        let new = Arc::new(found);
        known.insert(Arc::clone(&new));
        new
    }

    /// The patterns that are known to match nothing.
    pub(super) fn without_match(&self, catalogue: &Catalogue) -> HashSet<&Glob, FixedState> {
        let mut left = MOST_COMPARISONS;
        let mut is_match = |glob: &Glob, text: &str| {
            left = left.saturating_sub(1);
            left == 0 || glob.matches(text)
        };
        let mut has_match = |glob: &Glob| {
            let mut prefixes = self.prefixes.values().flatten();
            let mut directories = catalogue.directories();
            prefixes.any(|prefix| is_match(glob, prefix))
                || directories.any(|directory| is_match(glob, catalogue.directory_name(directory)))
        };
        self.patterns.iter().filter(|glob| !has_match(glob)).collect()
    }
}
