//! A rule as operators see it: its name, whether it holds, how often it took part, and what is doubtful about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::index_table::{MOST_ROWS, table_indexes};

table_indexes! {
    /// A rule in [`super::Rules`].
    pub struct RuleIndex for at most MOST_ROWS;
}

/// The table of the file that a rule is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuleKind {
    /// `[[clients]]`
    #[default]
    Clients,
    /// `[[mirrors]]`
    Mirrors,
    /// `[[repositories]]`
    Repositories,
}

impl RuleKind {
    /// The table's name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clients => "clients",
            Self::Mirrors => "mirrors",
            Self::Repositories => "repositories",
        }
    }
}

/// What a rule did to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleEffect {
    /// The rule.
    pub rule: RuleIndex,
    /// The key that changed the answer, `otherwise` if the rule left no mirror, or [`RuleEffect::ENDED`]; `None` if the rule counted
    /// and changed nothing.
    pub key: Option<&'static str>,
}

impl RuleEffect {
    /// The rule would have counted but for its end.
    pub const ENDED: &'static str = "ended";

    /// Whether the rule took part in the answer.
    pub fn takes_part(self) -> bool {
        self.key != Some(Self::ENDED)
    }
}

/// A rule, whatever its kind.
#[derive(Debug, Default)]
pub struct Rule {
    /// Its name.
    pub name: Box<str>,
    /// Its kind.
    pub kind: RuleKind,
    /// The operators' note.
    pub comment: Option<Box<str>>,
    /// From when on it does nothing, in seconds since the Unix epoch.
    pub until: Option<u64>,
    /// What it names in vain.
    pub warnings: Vec<String>,
    /// The answers that it took part in. The counter goes on in the next snapshot as long as a rule has this name.
    pub(super) hits: Arc<AtomicU64>,
}

impl Rule {
    /// Whether it holds at a time in seconds since the Unix epoch.
    #[inline]
    pub fn holds_at(&self, now: u64) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Counts an answer that it took part in.
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }

    /// How many answers it took part in since the server started, or since a rule of this name came.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}
