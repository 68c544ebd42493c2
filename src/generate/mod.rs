//! From MirrorManager2's database to a cache: the work of `generate-mirrorlist-cache`.
//!
//! Three stages, each of which knows the ones before it: [`read`] asks the database, [`build`] makes of the rows what a cache says,
//! `write` puts it into a file. So a category walks from its row to bytes:
//!
//! 1. `read::tables` reads it as a [`read::rows::CategoryRow`]
//! 2. `build::lay_out` finds its topdir, the directories below that (rows) and the hosts that carry the category (columns)
//! 3. `read::scan` reads which host carries which directory, and `build::matrix` sets a bit for each
//! 4. `write::encode` takes directory by directory to `cache::write`, which knows the bytes
//! 5. `write::publish` has the file loaded as a server would, and puts it into the place of the current one, if `write::loss` and
//!    `write::gone` miss nothing
//!
//! Around the stages:
//!
//! - `run`: one run through all stages; `collect` reads and builds side by side; `deadline`: the end of its time
//! - `supervise`: runs in a thread that can be left behind if it hangs; `schedule`: the time of the next one
//! - `progress`, [`warnings`], `metrics`: bars and logs, warnings, and what Prometheus sees
//! - `error`: the ways in which there is no new cache, with an exit code
//!
//! It decides nothing about single requests: that is the work of [`crate::mirrorlist`].

pub mod build;
mod collect;
mod deadline;
pub mod error;
mod metrics;
mod progress;
pub mod read;
mod run;
pub(crate) mod schedule;
mod supervise;
pub mod warnings;
pub mod write;

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{SeedableRng as _, TryRng as _, rngs::SysRng};
use slog::{Logger, error, info};

pub use error::GenerateError;
pub use read::database;
pub use read::silence::SilenceLimits;
pub use read::source::DatabaseSource;

use crate::http::monitoring;
use crate::settings::{ConfigError, GeneratorConfig};
use metrics::GeneratorMetrics;
use schedule::{Schedule, stop_signals};
use supervise::Supervisor;
use write::unfinished::Unfinished;

/// Generates once, or again and again until SIGTERM or SIGINT if there is an interval.
///
/// # Errors
/// If a single run fails, or the configuration is wrong.
pub fn generate(config: &GeneratorConfig, source: &DatabaseSource, logger: &Logger) -> Result<(), GenerateError> {
    let metrics = GeneratorMetrics::new(config.interval);
    let metrics = Arc::new(metrics.map_err(|error| ConfigError::new(format!("metrics: {error}")))?);
    monitoring::start(&metrics, config.metrics_listen, logger)?;
    let unfinished = Unfinished::default();
    let stop = stop_signals(config.interval.is_some(), unfinished.clone())
        .map_err(|error| ConfigError::new(format!("signals: {error}")))?;
    let mut supervisor = Supervisor {
        config: Arc::new(config.clone()),
        source: Arc::new(source.clone()),
        logger: logger.clone(),
        metrics,
        unfinished: unfinished.clone(),
        stuck: None,
    };
    let Some(interval) = config.interval else {
        let result = supervisor.run();
        // The process ends, and with it a run that hangs.
        unfinished.remove_all();
        return result.map(|_| ());
    };
    let mut schedule = Schedule::new(interval);
    // Without the operating system's entropy generators may come at the same time, which they survive.
    let mut random = SmallRng::seed_from_u64(SysRng.try_next_u64().unwrap_or_default());
    loop {
        let result = supervisor.run();
        if let Err(failure) = &result {
            error!(logger, "{failure}"; "exit_code" => failure.exit_code());
        }
        if matches!(result, Err(GenerateError::Configuration(_))) {
            return result.map(|_| ());
        }
        let pause = schedule.pause_after(result.is_ok(), &mut random);
        info!(logger, "waiting"; "seconds" => pause.as_secs());
        if stop.recv_timeout(pause).is_ok() {
            unfinished.remove_all();
            info!(logger, "stopped");
            return Ok(());
        }
    }
}
