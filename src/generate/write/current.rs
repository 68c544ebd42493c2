//! The current cache, which a new one is compared with.

use std::io::BufReader;
use std::path::Path;

use slog::{Logger, error};

use super::files::{self, Links};
use crate::cache::summary::CacheSummary;
use crate::generate::error::GenerateError;
use crate::snapshot::age::Utc;

/// The file is read in pieces of this many bytes, which stay in a processor's cache.
const BUFFER: usize = 256 << 10;

/// Counts what the current cache holds. Returns `None` if there is none that can be read; that there is a damaged one is logged, since
/// then nothing is compared.
pub(crate) fn summarise(outfile: &Path, logger: &Logger) -> Option<CacheSummary> {
    let file = files::open_file(outfile, Links::Follow).ok()?;
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
