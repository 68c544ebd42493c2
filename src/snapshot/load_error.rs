//! Why a data file is refused, in one line that names the file and says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::age::CreatedAhead;

use crate::budget::{OverBudget, ReadError};
use crate::cache::error::CacheError;

/// A data file that is refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LoadError {
    path: PathBuf,
    #[source]
    problem: LoadProblem,
}

impl LoadError {
    pub(super) fn new(path: &Path, problem: LoadProblem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }

    /// The file that is refused.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the problem can go away while the file stays as it is: no descriptor or no permission, a disk or a network file
    /// system that fails, a writer that is not done, a clock that is wrong.
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            // A parser's complaint has no error number of the operating system.
            LoadProblem::Read(error) => error.raw_os_error().is_some(),
            LoadProblem::Changing | LoadProblem::Ahead(_) => true,
            _ => false,
        }
    }
}

/// The fault of a data file.
#[derive(Debug, thiserror::Error)]
pub enum LoadProblem {
    /// It can't be opened or read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// It is a folder, a pipe or a device.
    #[error("it is no regular file")]
    NoFile,
    /// Its tables would take more memory than its size allows.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// It has more bytes than this.
    #[error("it has more than {0} bytes, which no such file needs")]
    LargerThan(u64),
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It changed between the first and the last byte.
    #[error("it changes while it is read; write a new file and rename it")]
    Changing,
    /// It is no cache.
    #[error("not a usable mirrorlist cache: {0}; generate it again or copy it again")]
    Cache(#[source] CacheError),
    /// It is from the future.
    #[error(transparent)]
    Ahead(#[from] CreatedAhead),
    /// It is no MaxMind DB.
    #[error("not a usable GeoIP database (MaxMind DB): {0}; copy it again")]
    GeoIp(#[from] maxminddb::MaxMindDbError),
    /// It has no line or record that makes an entry. The text says what it should have, and the first warning.
    #[error("nothing in it is usable; expected {0}")]
    NothingUsable(String),
}

impl From<CacheError> for LoadProblem {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::Read(error) => Self::Read(error),
            error => Self::Cache(error),
        }
    }
}

impl From<ReadError> for LoadProblem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Io(error) => Self::Read(error),
            ReadError::TooLarge(error) => Self::OverBudget(error),
        }
    }
}
