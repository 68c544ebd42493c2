//! What a generator shows of itself: metrics, and its health. That is good while the last run succeeded or none has ended yet, and
//! that is at most three intervals ago.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::error::GenerateError;
use super::progress::{RunProgress, StepKind};
use super::run::Outcome;
use super::warnings::WarningKind;
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::monitoring::{Monitored, in_words};
use crate::metrics::table::metric_table;

metric_table! {
    /// The metrics of runs.
    struct RunMetrics in registry {
        /// When the last cache was published, in seconds since the Unix epoch
        last_success: IntGauge = "last_success_timestamp_seconds";
        /// How long each phase of the last successful run took
        duration: GaugeVec = "duration_seconds", &["phase"];
        /// Rows of each table in the last successful run
        rows: IntGaugeVec = "rows", &["table"];
        /// Warnings of the last successful run by kind
        warnings: IntGaugeVec = "warnings", &["kind"];
        /// Size of the last published cache
        bytes: IntGauge = "cache_bytes";
        /// Runs since the start by their outcome
        runs: IntCounterVec = "runs_total", &["outcome"];
    }
}

/// The metrics of a generator, and how its last run ended.
pub(crate) struct GeneratorMetrics {
    metrics: RunMetrics,
    connections: Arc<ConnectionMetrics>,
    interval: Option<Duration>,
    health: Mutex<RunHealth>,
}

/// The health of the runs, by a clock that never jumps.
struct RunHealth {
    /// The error of the last run, if it failed.
    failure: Option<String>,
    /// When a run last succeeded; the start if none has.
    good: Instant,
    /// The run under way.
    run: Option<(Instant, Arc<RunProgress>)>,
}

impl GeneratorMetrics {
    /// The metrics of a generator that has not run yet and does so at this interval; none: it runs once.
    ///
    /// # Errors
    /// If two metrics have the same name, which a test rules out.
    pub(super) fn new(interval: Option<Duration>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = RunMetrics::register(&registry, |opts| opts.namespace(PREFIX))?;
        for outcome in [SUCCESS, FAILURE] {
            metrics.runs.with_label_values(&[outcome]).reset();
        }
        Ok(Self {
            metrics,
            connections: ConnectionMetrics::of_listener(&registry, PREFIX, "metrics")?,
            interval,
            health: Mutex::new(RunHealth {
                failure: None,
                good: Instant::now(),
                run: None,
            }),
        })
    }

    pub(super) fn begin(&self, progress: Arc<RunProgress>) {
        self.health.lock().run = Some((Instant::now(), progress));
    }

    /// Takes the result of a run.
    pub(super) fn record(&self, result: &Result<Outcome, GenerateError>) {
        self.metrics.record(result);
        let mut health = self.health.lock();
        health.failure = result.as_ref().err().map(ToString::to_string);
        health.run = None;
        if result.is_ok() {
            health.good = Instant::now();
        }
    }
}

impl Monitored for GeneratorMetrics {
    fn registry(&self) -> &Registry {
        &self.metrics.registry
    }

    fn connections(&self) -> &Arc<ConnectionMetrics> {
        &self.connections
    }

    /// The problem with the runs so far, if there is one.
    fn problem(&self) -> Option<String> {
        let health = self.health.lock();
        let age = health.good.elapsed();
        let Some(interval) = self.interval.filter(|interval| age > interval.saturating_mul(3)) else {
            return health.failure.clone();
        };
        let (age, interval) = (in_words(age), in_words(interval));
        let mut problem = format!("no run has succeeded for {age}, more than three intervals of {interval}");
        if let Some((began, progress)) = &health.run {
            let (age, doing) = (in_words(began.elapsed()), progress.under_way());
            // Writing to a String can't fail.
            let _ = write!(problem, "; one has been under way for {age} ({doing})");
        }
        if let Some(failure) = &health.failure {
            let _ = write!(problem, "; the last one failed: {failure}");
        }
        Some(problem)
    }
}

impl RunMetrics {
    fn record(&self, result: &Result<Outcome, GenerateError>) {
        let ended = if result.is_ok() { SUCCESS } else { FAILURE };
        self.runs.with_label_values(&[ended]).inc();
        let Ok(outcome) = result else {
            return;
        };
        self.last_success.set(signed(outcome.time));
        self.bytes.set(signed(outcome.contents.bytes));
        for step in &outcome.steps {
            let (name, seconds) = ([step.name], step.duration.as_secs_f64());
            match step.kind {
                StepKind::Phase => self.duration.with_label_values(&name).set(seconds),
                StepKind::Table => self.rows.with_label_values(&name).set(signed(step.rows)),
            }
        }
        for kind in WarningKind::ALL {
            let count = outcome.warnings.count(*kind);
            self.warnings.with_label_values(&[kind.name()]).set(signed(count));
        }
    }
}

const PREFIX: &str = "mirrorlist_generator";
const SUCCESS: &str = "success";
const FAILURE: &str = "failure";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::monitoring;

    #[test]
    fn no_two_metrics_have_the_same_name() {
        let metrics = GeneratorMetrics::new(None).unwrap();
        let text = String::from_utf8(monitoring::text(metrics.registry()).unwrap()).unwrap();
        let failures = "mirrorlist_generator_runs_total{outcome=\"failure\"} 0";
        assert!(text.contains(failures), "{text}");
    }
}
