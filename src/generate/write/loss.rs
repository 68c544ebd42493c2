//! Whether a new cache may replace the current one: not if too much of it is gone.

use super::gone::Gone;
use crate::cache::summary::CacheSummary;
use crate::generate::error::GenerateError;
use crate::settings::Share;
use crate::snapshot::Catalogue;
use crate::snapshot::shrink::{Count, cache_counts, losses};

/// The counts of a cache that must not shrink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Hosts that carry a directory.
    pub(crate) hosts: usize,
    /// Directories.
    pub(crate) directories: usize,
    /// Repositories.
    pub(crate) repositories: usize,
}

impl Size {
    /// The size of a cache.
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        let counts = catalogue.counts();
        Self {
            hosts: catalogue.carrying_hosts(),
            directories: counts.directories,
            repositories: counts.repositories,
        }
    }

    /// The size of the current cache.
    pub(crate) fn of_current(summary: &CacheSummary) -> Self {
        Self {
            hosts: summary.hosts,
            directories: summary.directories,
            repositories: summary.repositories,
        }
    }

    fn counts(self) -> [Count; 3] {
        cache_counts(self.hosts, self.directories, self.repositories)
    }
}

/// Whether a new cache may follow the current one.
///
/// # Errors
/// If it has no host or directory, lost more than `max_shrink` of one of them, or something is gone as a whole.
pub(crate) fn check_loss(
    current: Option<Size>,
    new: Size,
    max_shrink: Share,
    gone: &Gone,
) -> Result<(), GenerateError> {
    let lost = [lost_part(current, new, max_shrink), gone.describe()];
    let lost: Vec<String> = lost.into_iter().flatten().collect();
    match lost.is_empty() {
        true => Ok(()),
        false => Err(GenerateError::Refused(format!(
            "the new cache {}; the current file stays as it is; check the database, or publish it with --force",
            lost.join(", and ")
        ))),
    }
}

/// The counts that are too small, in words.
fn lost_part(current: Option<Size>, new: Size, max_shrink: Share) -> Option<String> {
    // A master without repositories is asked for paths only.
    for (what, count) in [("hosts", new.hosts), ("directories", new.directories)] {
        if count == 0 {
            return Some(format!("has no {what}"));
        }
    }
    let losses = losses(&current?.counts(), &new.counts(), max_shrink);
    let losses: Vec<String> = losses.iter().map(ToString::to_string).collect();
    (!losses.is_empty()).then(|| format!("has {}", losses.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        hosts: 100,
        directories: 1000,
        repositories: 40,
    };

    #[test]
    fn what_shrinks_too_much_is_refused() {
        assert!(check_loss(Some(SIZE), SIZE, Share::percent(25), &Gone::default()).is_ok());
        assert!(
            check_loss(
                Some(SIZE),
                Size { hosts: 75, ..SIZE },
                Share::percent(25),
                &Gone::default()
            )
            .is_ok()
        );
        assert!(check_loss(None, SIZE, Share::percent(25), &Gone::default()).is_ok());
        for (size, said) in [
            (
                Size { hosts: 74, ..SIZE },
                "74 hosts instead of 100, a loss of more than 25%",
            ),
            (
                Size {
                    directories: 700,
                    ..SIZE
                },
                "700 directories instead of 1000",
            ),
            (
                Size {
                    repositories: 29,
                    ..SIZE
                },
                "29 repositories instead of 40",
            ),
            (
                Size {
                    repositories: 0,
                    ..SIZE
                },
                "0 repositories instead of 40",
            ),
            (Size { hosts: 0, ..SIZE }, "no hosts"),
        ] {
            let error = check_loss(Some(SIZE), size, Share::percent(25), &Gone::default()).unwrap_err();
            assert_eq!(error.exit_code(), 70);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
