//! Whether a new cache may replace the current one: not if too much of it is gone.

use super::gone::Gone;
use crate::cache::summary::CacheSummary;
use crate::generate::error::GenerateError;
use crate::snapshot::Catalogue;

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
}

/// Whether a new cache may follow the current one.
///
/// # Errors
/// If it has no host or directory, lost more than `max_shrink` (0 to 1) of one of them, or something is gone as a whole.
pub(crate) fn check_loss(current: Option<Size>, new: Size, max_shrink: f64, gone: &Gone) -> Result<(), GenerateError> {
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

/// The count that is too small, in words.
fn lost_part(current: Option<Size>, new: Size, max_shrink: f64) -> Option<String> {
    let pairs = [
        ("hosts", current.map(|size| size.hosts), new.hosts),
        ("directories", current.map(|size| size.directories), new.directories),
        ("repositories", current.map(|size| size.repositories), new.repositories),
    ];
    for (what, before, after) in pairs {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
        let too_few = before.filter(|before| (after as f64) < *before as f64 * (1.0 - max_shrink));
        // A master without repositories is asked for paths only.
        if after == 0 && what != "repositories" {
            return Some(format!("has no {what}"));
        }
        if let Some(before) = too_few {
            return Some(format!(
                "has {after} {what} instead of {before}, a loss of more than {}%",
                max_shrink * 100.0
            ));
        }
    }
    None
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
        assert!(check_loss(Some(SIZE), SIZE, 0.25, &Gone::default()).is_ok());
        assert!(check_loss(Some(SIZE), Size { hosts: 75, ..SIZE }, 0.25, &Gone::default()).is_ok());
        assert!(check_loss(None, SIZE, 0.25, &Gone::default()).is_ok());
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
            let error = check_loss(Some(SIZE), size, 0.25, &Gone::default()).unwrap_err();
            assert_eq!(error.exit_code(), 70);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
