//! Whether a new cache may replace the current one: not if too much of it is gone, or the current one is from the future.

use std::io::BufReader;
use std::path::Path;

use slog::{Logger, error};

use super::files;
use super::gone::Gone;
use super::report::Contents;
use super::validate::BUFFER;
use crate::cache::summary::CacheSummary;
use crate::generate::error::GenerateError;
use crate::settings::Share;
use crate::snapshot::age::Utc;
use crate::snapshot::shrink::{cache_counts, losses};

/// Counts what the current cache holds. Returns `None` if there is none that can be read; that there is a damaged one is logged, since
/// then nothing is compared.
pub(crate) fn summarise(outfile: &Path, logger: &Logger) -> Option<CacheSummary> {
    let file = files::open_file(outfile, 0).ok()?;
    let summary = CacheSummary::read(BufReader::with_capacity(BUFFER, file));
    if summary.is_none() {
        error!(logger, "the current file is damaged; the new cache is compared with nothing, so look at what it holds";
            "file" => outfile.display().to_string());
    }
    summary
}

/// Checks that the current cache was not made after now.
///
/// # Errors
/// If this machine's clock is behind the time of the current one.
pub(crate) fn check_clock(current: Option<&CacheSummary>, now: u64) -> Result<(), GenerateError> {
    match current.and_then(|current| current.created) {
        Some(time) if time > now => Err(GenerateError::Refused(format!(
            "the current file was made at {}, which is {} s ahead of this machine's clock ({}); the current file stays as it is; \
             set the clock right or, if the time of the current file is wrong, replace it with --force",
            Utc(time),
            time - now,
            Utc(now)
        ))),
        _ => Ok(()),
    }
}

/// Whether a new cache may follow the current one.
///
/// # Errors
/// If it has no host or directory, lost more than `max_shrink` of one of them, or something is gone as a whole.
pub(crate) fn check_loss(
    current: Option<&CacheSummary>,
    new: Contents,
    max_shrink: Share,
    gone: &Gone,
) -> Result<(), GenerateError> {
    let lost = [lost_part(current, new, max_shrink), gone.describe()];
    let lost: Vec<String> = lost.into_iter().flatten().collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(GenerateError::Refused(format!(
        "the new cache {}; the current file stays as it is; check the database, or publish it with --force",
        lost.join(", and ")
    )))
}

/// The counts that are too small, in words.
fn lost_part(current: Option<&CacheSummary>, new: Contents, max_shrink: Share) -> Option<String> {
    // A master without repositories is asked for paths only.
    for (what, count) in [("hosts", new.hosts), ("directories", new.directories)] {
        if count == 0 {
            return Some(format!("has no {what}"));
        }
    }
    let current = current?;
    let before = cache_counts(current.hosts, current.directories, current.repositories);
    let after = cache_counts(new.hosts, new.directories, new.repositories);
    let losses = losses(&before, &after, max_shrink);
    let losses: Vec<String> = losses.iter().map(ToString::to_string).collect();
    (!losses.is_empty()).then(|| format!("has {}", losses.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Contents = Contents {
        hosts: 100,
        directories: 1000,
        repositories: 40,
        bytes: 1,
    };

    #[test]
    fn what_shrinks_too_much_is_refused() {
        let current = CacheSummary {
            hosts: 100,
            directories: 1000,
            repositories: 40,
            ..CacheSummary::default()
        };
        let check = |new| check_loss(Some(&current), new, Share::percent(25), &Gone::default());
        assert!(check(NEW).is_ok() && check(Contents { hosts: 75, ..NEW }).is_ok());
        assert!(check_loss(None, NEW, Share::percent(25), &Gone::default()).is_ok());
        let [mut few_hosts, mut few_directories, mut few_repositories, mut no_hosts] = [NEW; 4];
        few_hosts.hosts = 74;
        few_directories.directories = 700;
        few_repositories.repositories = 29;
        no_hosts.hosts = 0;
        for (new, said) in [
            (few_hosts, "74 hosts instead of 100, a loss of more than 25%"),
            (few_directories, "700 directories instead of 1000"),
            (few_repositories, "29 repositories instead of 40"),
            (no_hosts, "no hosts"),
        ] {
            let error = check(new).unwrap_err();
            assert_eq!(error.exit_code(), 70);
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
