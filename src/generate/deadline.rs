//! The end of a run's time (`--timeout`), on a clock that never jumps.

use std::time::{Duration, Instant};

use super::error::GenerateError;

/// When a run has to be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deadline {
    limit: Duration,
    at: Instant,
}

impl Deadline {
    /// The deadline of a run that begins now and may take this long, at most a year.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            at: Instant::now() + limit,
        }
    }

    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// The error of a run that is not done in time; `doing` says with what, as in `reading host`.
    pub(crate) fn missed(&self, doing: &str) -> GenerateError {
        GenerateError::Deadline {
            limit: self.limit,
            doing: doing.to_owned(),
        }
    }

    /// Checks that there is time left.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn check(&self, doing: &str) -> Result<(), GenerateError> {
        if self.remaining().is_zero() {
            return Err(self.missed(doing));
        }
        Ok(())
    }
}
