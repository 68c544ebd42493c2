//! The command `generate-mirrorlist-cache compare A B`.

use std::fs;
use std::io::{self, ErrorKind, Write as _};

use indicatif::{ProgressBar, ProgressStyle};

use super::CacheCompareError;
use crate::settings::CacheCompareSettings;
use crate::settings::exit_codes::{BAD_DATA, NOT_PRINTED};

/// The result of a comparison.
#[derive(Debug)]
pub enum CacheCompareOutcome {
    /// Clients can't tell the caches from each other.
    Same,
    /// They differ.
    Different,
    /// A file can't be compared.
    Failed(CacheCompareError),
    /// The report can't be written.
    NotPrinted(io::Error),
}

impl CacheCompareOutcome {
    /// The exit code of the process, as those of diff and sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Same => 0,
            Self::Different => 1,
            Self::Failed(_) => BAD_DATA,
            Self::NotPrinted(_) => NOT_PRINTED,
        }
    }
}

/// Compares two caches and prints the report on standard output.
pub fn run(settings: &CacheCompareSettings) -> CacheCompareOutcome {
    let [a, b] = &settings.caches;
    // Pipes have no size.
    let [size_a, size_b] = [a, b].map(|path| fs::metadata(path).map_or(0, |metadata| metadata.len()));
    let bar = bar(size_a.saturating_add(size_b));
    let compared = super::compare([a, b], settings.examples, &|bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let comparison = match compared {
        Ok(comparison) => comparison,
        Err(error) => return CacheCompareOutcome::Failed(error),
    };
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{comparison}").and_then(|()| stdout.flush()) {
        // The reader of a pipe has closed it.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => CacheCompareOutcome::NotPrinted(error),
        _ if comparison.differences() == 0 => CacheCompareOutcome::Same,
        _ => CacheCompareOutcome::Different,
    }
}

/// A bar on a terminal; nothing elsewhere.
fn bar(bytes: u64) -> ProgressBar {
    // The template is a constant; if it were wrong, the plain style would do.
    let style = ProgressStyle::with_template("reading {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
