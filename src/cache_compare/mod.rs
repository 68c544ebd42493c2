//! What differs between two caches, as clients see it: `generate-mirrorlist-cache compare A B`.
//!
//! Ids of hosts and URLs are a database's own, so they are resolved to names before anything is compared. What a server takes
//! for the same is the same here: the order of entries, packed integers, the case of countries and hashes, networks with host bits,
//! doubled slashes, white space and slashes around base URLs. What no server reads (LocationCache, HostMaxConnectionCache,
//! OrderedMirrorList) is not compared.
//!
//! - [`command`]: the command: reads both files with a progress bar, prints the report, gives the exit code
//! - [`read`]: a file to its tables, in one streaming pass; [`directories`] does the directories, of which there are many, and
//!   [`numbered`] stores what is the same only once
//! - [`hosts`]: which host of one cache is which of the other, and what it is called
//! - [`tables`]: the differences of the small tables, [`files`] of the file details, [`carried`] of the directories
//! - [`report`]: the differences in words

mod carried;
pub mod command;
mod directories;
mod files;
mod hosts;
mod numbered;
mod read;
pub mod report;
mod tables;

use std::fmt;
use std::path::{Path, PathBuf};

pub use report::{CacheComparison, TableDifferences};

use hosts::{AllUrls, HostNames};

/// Why a file can't be compared.
#[derive(Debug)]
pub struct CacheCompareError {
    path: PathBuf,
    problem: String,
}

impl fmt::Display for CacheCompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for CacheCompareError {}

/// Compares two caches. At most `examples` are kept for each kind of difference in each table; `progress` is told how many
/// more bytes have been read.
///
/// # Errors
/// A file that can't be read or is no cache; of two, the first.
pub fn compare(
    [a, b]: [&Path; 2],
    examples: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<CacheComparison, CacheCompareError> {
    let read = |path: &Path| {
        read::read(path, progress).map_err(|problem| CacheCompareError {
            path: path.to_owned(),
            problem,
        })
    };
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(|| read(b));
        let a = read(a);
        let b = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (a, b)
    });
    let caches = [a?, b?];
    let texts = AllUrls::new(&caches);
    let resolved = carried::Resolved::new(&caches, &texts);
    let hosts = HostNames::new(&caches, &texts, &resolved);
    let mut tables = tables::compare(&caches, &hosts, &texts, &resolved, examples);
    tables.push(files::compare(&caches, examples));
    tables.push(carried::compare(&caches, &hosts, &texts, &resolved, examples));
    let [a, b] = &caches;
    Ok(CacheComparison {
        created: [a.created, b.created],
        tables,
    })
}
