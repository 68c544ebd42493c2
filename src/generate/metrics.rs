//! What a generator shows of itself: metrics, and its health. That is good while the last run succeeded or none has ended yet, and
//! that is at most three intervals ago.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use super::error::GenerateError;
use super::progress::{RunProgress, StepKind};
use super::run::Outcome;
use super::warnings::WarningKind;
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::monitoring::{Monitored, in_words};

/// The metrics of a generator, and how its last run ended.
pub(crate) struct GeneratorMetrics {
    registry: Registry,
    last_success: IntGauge,
    duration: GaugeVec,
    rows: IntGaugeVec,
    warnings: IntGaugeVec,
    bytes: IntGauge,
    runs: IntCounterVec,
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
    /// GeneratorMetrics of a generator that has not run yet and does so at this interval; none: it runs once.
    ///
    /// # Errors
    /// If two metrics have the same name, which a test rules out.
    pub(super) fn new(interval: Option<Duration>) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let opts = |name: &str, help: &str| Opts::new(format!("{PREFIX}_{name}"), help);
        let gauge = |name: &str, help: &str| registered(&registry, IntGauge::with_opts(opts(name, help))?);
        let gauges =
            |name: &str, help: &str, label: &str| registered(&registry, IntGaugeVec::new(opts(name, help), &[label])?);
        let duration = opts(
            "duration_seconds",
            "How long each phase of the last successful run took",
        );
        let runs = opts("runs_total", "Runs since the start by their outcome");
        let metrics = Self {
            connections: ConnectionMetrics::of_listener(&registry, PREFIX, "metrics")?,
            last_success: gauge(
                "last_success_timestamp_seconds",
                "When the last cache was published, in seconds since the Unix epoch",
            )?,
            duration: registered(&registry, GaugeVec::new(duration, &["phase"])?)?,
            rows: gauges("rows", "Rows of each table in the last successful run", "table")?,
            warnings: gauges("warnings", "Warnings of the last successful run by kind", "kind")?,
            bytes: gauge("cache_bytes", "Size of the last published cache")?,
            runs: registered(&registry, IntCounterVec::new(runs, &["outcome"])?)?,
            interval,
            health: Mutex::new(RunHealth {
                failure: None,
                good: Instant::now(),
                run: None,
            }),
            registry,
        };
        for outcome in [SUCCESS, FAILURE] {
            metrics.runs.with_label_values(&[outcome]).reset();
        }
        Ok(metrics)
    }

    /// A run begins.
    pub(super) fn begin(&self, progress: Arc<RunProgress>) {
        self.health.lock().run = Some((Instant::now(), progress));
    }

    /// Takes the result of a run.
    pub(super) fn record(&self, result: &Result<Outcome, GenerateError>) {
        match result {
            Ok(outcome) => {
                self.runs.with_label_values(&[SUCCESS]).inc();
                self.record_success(outcome);
            }
            Err(_) => {
                self.runs.with_label_values(&[FAILURE]).inc();
            }
        }
        let mut health = self.health.lock();
        health.failure = result.as_ref().err().map(ToString::to_string);
        health.run = None;
        if result.is_ok() {
            health.good = Instant::now();
        }
    }

    fn record_success(&self, outcome: &Outcome) {
        self.last_success.set(signed(outcome.time));
        self.bytes.set(signed(outcome.contents.bytes));
        for step in &outcome.steps {
            match step.kind {
                StepKind::Phase => {
                    let seconds = step.duration.as_secs_f64();
                    self.duration.with_label_values(&[step.name]).set(seconds);
                }
                StepKind::Table => self.rows.with_label_values(&[step.name]).set(signed(step.rows)),
            }
        }
        for kind in WarningKind::ALL {
            let count = outcome.warnings.count(*kind);
            self.warnings.with_label_values(&[kind.name()]).set(signed(count));
        }
    }
}

impl Monitored for GeneratorMetrics {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn connections(&self) -> &Arc<ConnectionMetrics> {
        &self.connections
    }

    /// The problem with the runs so far, if there is one.
    fn problem(&self) -> Option<String> {
        let health = self.health.lock();
        let limit = self.interval.map(|interval| (interval, interval.saturating_mul(3)));
        let age = health.good.elapsed();
        let Some((interval, _)) = limit.filter(|(_, limit)| age > *limit) else {
            return health.failure.clone();
        };
        let mut problem = format!(
            "no run has succeeded for {}, more than three intervals of {}",
            in_words(age),
            in_words(interval)
        );
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

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
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
        let text = String::from_utf8(monitoring::text(&metrics.registry).unwrap()).unwrap();
        assert!(
            text.contains("mirrorlist_generator_runs_total{outcome=\"failure\"} 0"),
            "{text}"
        );
    }
}
