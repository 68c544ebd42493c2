//! The state that the admin endpoints share.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use slog::Logger;

use super::access::Access;
use crate::access_log::LineBuffer;
use crate::logging::LevelHandle;
use crate::metrics::ServerMetrics;
use crate::readiness::Readiness;
use crate::reload::Reloader;
use crate::settings::ChoiceSettings;
use crate::snapshot::SharedSnapshot;

/// The state that the admin endpoints share. The listener is there before the data.
pub struct Admin {
    /// Whether the server wants requests.
    pub readiness: Readiness,
    /// The metrics.
    pub metrics: Arc<ServerMetrics>,
    /// Reopens the access log.
    pub access_log: Arc<LineBuffer>,
    /// The level of diagnostics.
    pub level: LevelHandle,
    /// Refuses requests that are not allowed.
    pub access: Access,
    /// How public answers choose mirrors.
    pub choice: ChoiceSettings,
    /// The log of actions.
    pub logger: Logger,
    /// When the process started.
    pub started: Instant,
    /// The data, once it is loaded.
    pub data: OnceLock<AdminData>,
}

/// The data that a server answers from.
pub struct AdminData {
    /// The current snapshot.
    pub snapshot: Arc<SharedSnapshot>,
    /// Reloads it; `None` for data inside the binary.
    pub reloader: Option<Arc<Reloader>>,
}
