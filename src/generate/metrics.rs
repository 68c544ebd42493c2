//! The listener of `--metrics-listen`:
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | metrics in Prometheus' text format |
//! | `/healthz` | 200 while the last run succeeded or none has ended yet, and that is at most three intervals ago; else 503 and why |

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, web};
use parking_lot::Mutex;
use prometheus::{GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};
use slog::Logger;

use super::error::GenerateError;
use super::progress::{RunProgress, StepKind};
use super::run::Outcome;
use super::warnings::WarningKind;
use crate::http::connection::limits::{ConnectionLimits, Connections};
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::listener::{self, Listener, Serving};
use crate::metrics::table::metric_table;
use crate::settings::{Deadlines, TrustedProxies};

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

    fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.metrics.registry.gather())
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

fn in_words(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Connections that are served at once: a Prometheus has one, a health check another.
const MOST_CONNECTIONS: usize = 32;

/// Serves the metrics in a thread of its own, until the process ends. Returns the address that it listens on.
///
/// # Errors
/// If the address can't be listened on.
pub(super) fn serve(metrics: Arc<GeneratorMetrics>, address: SocketAddr, logger: Logger) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    let limits = ConnectionLimits {
        all: MOST_CONNECTIONS,
        per_address: None,
        exempt: TrustedProxies::loopback(),
    };
    let serving = Serving {
        workers: NonZeroUsize::MIN,
        deadlines: Deadlines::STANDARD,
        connections: Connections::new(limits, Arc::clone(&metrics.connections), logger),
        stop_seconds: 0,
    };
    let server = move || {
        let app = move || {
            let app = App::new()
                .app_data(web::Data::from(metrics.clone()))
                .route("/metrics", web::get().to(metrics_page))
                .route("/healthz", web::get().to(health_page));
            map_config(app, |()| AppConfig::default())
        };
        actix_web::rt::System::new().block_on(async { listener::serve(Listener::Tcp(listener), serving, app)?.await })
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(server)?;
    Ok(bound)
}

async fn metrics_page(metrics: web::Data<GeneratorMetrics>) -> HttpResponse {
    match metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn health_page(metrics: web::Data<GeneratorMetrics>) -> HttpResponse {
    match metrics.problem() {
        None => answer(StatusCode::OK, "ok"),
        Some(problem) => answer(StatusCode::SERVICE_UNAVAILABLE, &problem),
    }
}

fn answer(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(ContentType::plaintext())
        .body(format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_metrics_have_the_same_name() {
        let text = GeneratorMetrics::new(None).unwrap().text().unwrap();
        let failures = "mirrorlist_generator_runs_total{outcome=\"failure\"} 0";
        assert!(text.contains(failures), "{text}");
    }
}
