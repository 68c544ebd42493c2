//! From MirrorManager2's database to a cache: the work of `generate-mirrorlist-cache`.
//!
//! - [`database`]: takes `DB_URL` and libpq's variables apart, and hides the password; [`source`]: with how long it may be
//!   silent
//! - [`connect`]: connections to one of the servers, protected by [`tls`]; [`refusal`]: the database's errors in words;
//!   [`session`]: a connection that can't hang
//! - [`collect`]: reads everything as it was at one moment: the small [`tables`] (a struct for each row), from which
//!   [`hosts`] and the [`layout`] of who could carry what are made, and host_category_dir, which [`up_to_date`] folds into bits
//! - [`netblocks`], [`repositories`], [`file_details`]: rows to what the cache says; what is wrong with rows is counted in
//!   [`findings`]
//! - [`cache`]: the tables of a cache in their order, written by [`encode`] as they are made
//! - [`publish`]: a temporary file, read back while it is written ([`follow`]) and compared, takes the place of the present
//!   one
//! - [`served`]: what the present file serves and the new one doesn't
//! - [`exclusive`], [`unfinished`], [`lock_holder`]: files that only one generator creates, and that none leaves behind
//! - [`run`]: one run, with a [`deadline`]; [`supervise`]: what if it hangs all the same; [`schedule`]: the next one
//! - [`progress`], [`report`], [`metrics`]: seeing it work
//! - [`error`]: why there is no new cache, with an exit code

mod cache;
mod collect;
mod connect;
pub mod database;
pub mod deadline;
pub mod encode;
pub mod error;
mod exclusive;
pub mod file_details;
pub mod findings;
mod follow;
pub mod hosts;
pub mod ids;
pub mod layout;
mod lock_holder;
pub mod metrics;
pub mod netblocks;
pub mod progress;
pub mod publish;
mod refusal;
pub mod report;
pub mod repositories;
pub mod run;
pub mod schedule;
pub mod served;
mod session;
pub mod source;
mod supervise;
pub mod tables;
mod tls;
pub mod unfinished;
pub mod up_to_date;

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{SeedableRng as _, TryRng as _, rngs::SysRng};
use slog::{Logger, error, info};

pub use error::GenerateError;
pub use session::SilenceLimits;
pub use source::DatabaseSource;

use crate::settings::{ConfigError, GeneratorConfig};
use metrics::Metrics;
use schedule::{Patience, Pauses, Schedule};
use supervise::Supervisor;
use unfinished::Unfinished;

/// Generates once, or again and again until SIGTERM or SIGINT if there is an interval.
///
/// # Errors
/// If a single run fails, or the configuration is wrong.
pub fn generate(config: &GeneratorConfig, source: &DatabaseSource, logger: &Logger) -> Result<(), GenerateError> {
    let metrics = Metrics::new(config.interval).map_err(|error| ConfigError::new(format!("metrics: {error}")))?;
    let metrics = Arc::new(metrics);
    if let Some(address) = config.metrics_listen {
        let bound = metrics::serve(metrics.clone(), address, logger.clone()).map_err(|error| {
            ConfigError::new(format!(
                "--metrics-listen: cannot listen on {address}: {error}; choose another address"
            ))
        })?;
        info!(logger, "listening"; "address" => %bound);
    }
    let unfinished = Unfinished::default();
    let patience = match config.interval {
        Some(_) => Patience::UntilTheSecond,
        None => Patience::None,
    };
    let pauses =
        Pauses::new(patience, unfinished.clone()).map_err(|error| ConfigError::new(format!("signals: {error}")))?;
    let mut supervisor = Supervisor::new(config, source, logger, metrics, unfinished.clone());
    let Some(interval) = config.interval else {
        let result = supervisor.run();
        // The process ends, and with it whatever hangs.
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
        if let Err(GenerateError::Configuration(_)) = result {
            return result.map(|_| ());
        }
        let pause = schedule.pause_after(result.is_ok(), &mut random);
        info!(logger, "waiting"; "seconds" => pause.as_secs());
        if pauses.wait(pause) {
            unfinished.remove_all();
            info!(logger, "stopped");
            return Ok(());
        }
    }
}
