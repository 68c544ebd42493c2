//! The report of a reload: the JSON of `/admin/reload` and of the list in `/admin/status`.

use serde::{Serialize, Serializer};

use crate::metrics::ReloadOutcome;
use crate::metrics::table::LabelValue as _;

/// Why a reload happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// An operator asked the admin listener.
    Admin,
    /// SIGHUP.
    Signal,
    /// A file has changed.
    Watch,
}

/// How a reload went.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReloadReport {
    /// `replaced`, `unchanged` or `refused`.
    #[serde(serialize_with = "label")]
    pub outcome: ReloadOutcome,
    /// Why it happened.
    pub cause: Cause,
    /// Whether the comparison with the current data was skipped.
    pub forced: bool,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// The keys of the settings of the files that are not the ones in use, and so were read or could not be.
    pub changed: Vec<&'static str>,
    /// Why the new data was refused; empty if it was not.
    pub reasons: Vec<String>,
    /// Whether a file could not be read for a reason that may pass, so that the watch tries again.
    pub passing: bool,
}

impl ReloadReport {
    /// Whether the new data was refused and the current data kept.
    pub fn is_refused(&self) -> bool {
        self.outcome == ReloadOutcome::Refused
    }
}

fn label<S: Serializer>(outcome: &ReloadOutcome, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(outcome.label())
}
