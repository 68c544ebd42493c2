//! The ways in which a run ends without a new cache: an exit code for scripts, and one line that says what to do. Rows of the
//! database that are wrong are no error but [`super::warnings`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use crate::settings::ConfigError;
use crate::settings::exit_codes::{CANNOT_CREATE, SOFTWARE, UNAVAILABLE, USAGE};

/// A run ended without a new cache.
#[derive(Debug, Error)]
pub enum GenerateError {
    /// A mistake in the command line or the configuration.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The database can't be reached, or is not usable as it is.
    #[error("{0}")]
    Database(String),
    /// The run is not done in time.
    #[error(
        "the run is not done after {}, while {doing}; the current file stays as it is; see what holds it up, or give it \
         more time with --timeout",
        humantime::format_duration(*limit)
    )]
    Deadline {
        /// The time that it could take.
        limit: Duration,
        /// Its work at the end, as in `reading host`.
        doing: String,
    },
    /// The new cache is not good enough to replace the current one.
    #[error("{0}")]
    Refused(String),
    /// A file can't be written.
    #[error("{}: {problem}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// The problem, with advice.
        problem: String,
    },
}

impl GenerateError {
    /// A file that can't be written.
    pub(crate) fn output(path: &Path, error: &io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            problem: format!("cannot write it: {error}; the current file stays as it is"),
        }
    }

    /// The exit code of the process, as in sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => USAGE,
            Self::Database(_) | Self::Deadline { .. } => UNAVAILABLE,
            Self::Refused(_) => SOFTWARE,
            Self::Output { .. } => CANNOT_CREATE,
        }
    }
}
