//! Why a run ends without a new cache: an exit code for scripts, and one line that says what to do. What is wrong with
//! single rows of the database is no error but a [`super::findings`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::ConfigError;

/// Why a run ended without a new cache.
#[derive(Debug)]
pub enum GenerateError {
    /// A mistake in the command line or the configuration.
    Configuration(ConfigError),
    /// The database can't be reached, or is not usable as it is.
    Database(String),
    /// The run is not done in time.
    Deadline {
        /// How long it could take.
        limit: Duration,
        /// What it was doing, as in `reading host`.
        doing: String,
    },
    /// The new cache is not good enough to take the place of the present one.
    Refused(String),
    /// A file can't be written.
    Output {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl GenerateError {
    /// A file that can't be written.
    pub(super) fn output(path: &Path, error: &io::Error) -> Self {
        Self::Output {
            path: path.to_owned(),
            problem: format!("cannot write it: {error}; the present file stays as it is"),
        }
    }

    /// The exit code of the process, as in sysexits.h: 64 usage, 69 unavailable, 70 refused, 73 can't create.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 64,
            Self::Database(_) | Self::Deadline { .. } => 69,
            Self::Refused(_) => 70,
            Self::Output { .. } => 73,
        }
    }
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(error) => error.fmt(f),
            Self::Deadline { limit, doing } => write!(
                f,
                "the run is not done after {}, while {doing}; the present file stays as it is; see what holds it up, or give it \
                 more time with --timeout",
                humantime::format_duration(*limit)
            ),
            Self::Database(text) | Self::Refused(text) => f.write_str(text),
            Self::Output { path, problem } => write!(f, "{}: {problem}", path.display()),
        }
    }
}

impl std::error::Error for GenerateError {}

impl From<ConfigError> for GenerateError {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error)
    }
}
