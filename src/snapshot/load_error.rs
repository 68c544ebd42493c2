//! Why a data file is refused, in one line that names the file and says what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::age::CreatedAhead;

use crate::budget::{OverBudget, ReadError};
use crate::cache::error::CacheError;
use crate::health::HealthFileError;
use crate::rules::error::RulesError;

/// A data file that is refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct LoadError {
    pub(super) path: PathBuf,
    #[source]
    pub(super) problem: LoadProblem,
}

impl LoadError {
    /// The file that is refused.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub(super) fn problem(&self) -> &LoadProblem {
        &self.problem
    }

    /// Whether the problem can go away while the file stays as it is: no descriptor or no permission, a disk or a network file
    /// system that fails, a writer that is not done, a clock that is wrong.
    pub fn is_passing(&self) -> bool {
        match &self.problem {
            // A parser's complaint has no error number of the operating system.
            LoadProblem::Read(error) | LoadProblem::Health(HealthFileError::Read(error)) => {
                error.raw_os_error().is_some()
            }
            LoadProblem::Changing | LoadProblem::Ahead(_) => true,
            LoadProblem::NoFile
            | LoadProblem::OverBudget(_)
            | LoadProblem::LargerThan(_)
            | LoadProblem::Empty
            | LoadProblem::Cache(_)
            | LoadProblem::GeoIp(_)
            | LoadProblem::Health(_)
            | LoadProblem::Rules(_)
            | LoadProblem::NothingUsable(_) => false,
        }
    }
}

/// The fault of a data file.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LoadProblem {
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    #[error("it is no regular file")]
    NoFile,
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    #[error("it has more than {0} bytes, which no such file needs")]
    LargerThan(u64),
    #[error("the file is empty")]
    Empty,
    #[error("it changes while it is read; write a new file and rename it")]
    Changing,
    #[error("not a usable mirrorlist cache: {0}; generate it again or copy it again")]
    Cache(#[source] CacheError),
    #[error(transparent)]
    Ahead(#[from] CreatedAhead),
    #[error("not a usable GeoIP database (MaxMind DB): {0}; copy it again")]
    GeoIp(#[from] maxminddb::MaxMindDbError),
    #[error(transparent)]
    Health(#[from] HealthFileError),
    #[error("no usable rules: {0}; correct the file")]
    Rules(#[from] RulesError),
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
