//! The shrink guard: whether new data lacks too much of what the current data has. Reloads and the generator judge by this one
//! rule. No files are read here.

use std::fmt;

use crate::settings::Share;

/// How many entries of one kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The kind, in the plural.
    pub kind: &'static str,
    /// How many.
    pub number: usize,
}

impl Count {
    /// A count of one kind.
    pub const fn new(kind: &'static str, number: usize) -> Self {
        Self { kind, number }
    }
}

/// The counts of a cache that must not shrink. Hosts that carry nothing do not count: no client is sent to them.
pub fn cache_counts(carrying_hosts: usize, directories: usize, repositories: usize) -> [Count; 3] {
    [
        Count::new("hosts", carrying_hosts),
        Count::new("directories", directories),
        Count::new("repositories", repositories),
    ]
}

/// A count that shrank by more than the allowed share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loss {
    kind: &'static str,
    before: usize,
    after: usize,
    allowed: Share,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} instead of {}", self.after, self.kind, self.before)?;
        write!(f, ", a loss of more than {}", self.allowed)
    }
}

/// The counts that shrank by more than the allowed share. A loss of exactly this share is allowed. Both slices have the same kinds
/// in the same order.
pub fn losses(before: &[Count], after: &[Count], allowed: Share) -> Vec<Loss> {
    let kinds = |counts: &[Count]| counts.iter().map(|count| count.kind).collect::<Vec<_>>();
    debug_assert_eq!(kinds(before), kinds(after));
    let pairs = before.iter().zip(after);
    let losses = pairs.map(|(before, after)| Loss {
        kind: before.kind,
        before: before.number,
        after: after.number,
        allowed,
    });
    losses
        .filter(|loss| allowed.is_exceeded_by_loss(loss.before, loss.after))
        .collect()
}
