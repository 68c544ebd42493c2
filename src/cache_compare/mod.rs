//! `generate-mirrorlist-cache compare A B`: finds the differences between two caches that clients can see. How answers of two servers differ
//! is found in [`crate::compare`].
//!
//! Ids of hosts and URLs are a database's own, so they are resolved to names before anything is compared. What is the
//! same to a server is no difference: the order of entries, packed integers, the case of countries and hashes, networks with host bits,
//! doubled slashes, white space and slashes around base URLs. What no server reads (LocationCache, HostMaxConnectionCache,
//! OrderedMirrorList) is not compared.
//!
//! - [`command`]: the command: reads both files with a progress bar, prints the report, gives the exit code
//! - [`values`]: what is compared
//! - [`read`]: a file to its tables, in one streaming pass; [`directories`] does the directories, of which there are many, and
//!   [`distinct`] stores equal values once
//! - [`compared`]: both caches with ids resolved; [`hosts`]: which host of one is which of the other, and what it is called
//! - [`tables`]: the differences of the small tables, [`files`] of the file details, [`carried`] of the directories
//! - [`report`]: the differences in words

mod carried;
pub mod command;
mod compared;
mod directories;
mod distinct;
mod files;
mod hosts;
mod read;
pub mod report;
mod tables;
mod values;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use report::{CacheComparison, TableDifferences};

use crate::cache::error::CacheError;
use crate::threads::join;
use compared::ComparedCaches;

/// A file that cannot be compared.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct CacheCompareError {
    path: PathBuf,
    #[source]
    problem: UnusableFile,
}

/// Why a file cannot be compared.
#[derive(Debug, Error)]
enum UnusableFile {
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("not a usable mirrorlist cache: {0}; generate it again or copy it again")]
    Cache(#[source] CacheError),
}

impl From<CacheError> for UnusableFile {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Read(error) => Self::Read(error),
            error => Self::Cache(error),
        }
    }
}

/// Compares two caches. At most `examples` are kept for each kind of difference in each table; `progress` is told how many
/// more bytes have been read.
///
/// # Errors
/// If a file cannot be read or is no cache; of two such files, the first.
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
    let caches = std::thread::scope(|scope| {
        let b = scope.spawn(|| read(b));
        let a = read(a);
        Ok([a?, join(b)?])
    })?;
    let compared = ComparedCaches::new(&caches, examples);
    let mut tables = tables::compare(&compared);
    tables.push(files::compare(&compared));
    tables.push(carried::compare(&compared));
    Ok(CacheComparison {
        created: caches.each_ref().map(|cache| cache.created),
        tables,
    })
}
