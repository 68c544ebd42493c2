//! What `--metrics-listen` serves:
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | metrics in Prometheus' text format |
//! | `/healthz` | 200 while the last run succeeded or none has ended yet, and that is at most three intervals ago; else 503 and why |

use std::fmt::Write as _;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use actix_service::map_config;
use actix_web::dev::AppConfig;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, web};
use prometheus::{Encoder as _, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use slog::Logger;

use super::error::GenerateError;
use super::findings::Kind;
use super::progress::{Progress, StepKind};
use super::run::Outcome;
use crate::http::client_address::TrustedProxies;
use crate::http::connection::guard::Deadlines;
use crate::http::connection::limits::{ConnectionLimits, Connections};
use crate::http::connection::metrics::ConnectionMetrics;
use crate::http::listener::{self, Listener, Serving};

/// The metrics of a generator, and how its last run ended.
pub struct Metrics {
    registry: Registry,
    last_success: IntGauge,
    duration: GaugeVec,
    rows: IntGaugeVec,
    warnings: IntGaugeVec,
    bytes: IntGauge,
    runs: IntCounterVec,
    connections: Arc<ConnectionMetrics>,
    interval: Option<Duration>,
    health: Mutex<Health>,
}

/// How the runs went, by a clock that never jumps.
struct Health {
    /// Why the last run failed, if it did.
    failure: Option<String>,
    /// When a run last succeeded; the start if none has.
    good: Instant,
    /// The run under way.
    run: Option<(Instant, Arc<Progress>)>,
}

impl Metrics {
    /// Metrics of a generator that has not run yet and does so at this interval; none: it runs once.
    ///
    /// # Errors
    /// Where two metrics have the same name, which a test rules out.
    pub fn new(interval: Option<Duration>) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(format!("{PREFIX}_{name}"), help);
        let opts = |name: &str, help: &str| Opts::new(format!("{PREFIX}_{name}"), help);
        let registry = Registry::new();
        let metrics = Self {
            connections: ConnectionMetrics::of_listener(&registry, PREFIX, "metrics")?,
            registry,
            last_success: gauge(
                "last_success_timestamp_seconds",
                "When the last cache was published, in seconds since the Unix epoch",
            )?,
            duration: GaugeVec::new(
                opts(
                    "duration_seconds",
                    "How long each phase of the last successful run took",
                ),
                &["phase"],
            )?,
            rows: IntGaugeVec::new(
                opts("rows", "Rows of each table in the last successful run"),
                &["table"],
            )?,
            warnings: IntGaugeVec::new(
                opts("warnings", "Warnings of the last successful run by kind"),
                &["kind"],
            )?,
            bytes: gauge("cache_bytes", "Size of the last published cache")?,
            runs: IntCounterVec::new(
                opts("runs_total", "Runs since the start by their outcome"),
                &["outcome"],
            )?,
            interval,
            health: Mutex::new(Health {
                failure: None,
                good: Instant::now(),
                run: None,
            }),
        };
        metrics.registry.register(Box::new(metrics.last_success.clone()))?;
        metrics.registry.register(Box::new(metrics.duration.clone()))?;
        metrics.registry.register(Box::new(metrics.rows.clone()))?;
        metrics.registry.register(Box::new(metrics.warnings.clone()))?;
        metrics.registry.register(Box::new(metrics.bytes.clone()))?;
        metrics.registry.register(Box::new(metrics.runs.clone()))?;
        for outcome in [SUCCESS, FAILURE] {
            metrics.runs.with_label_values(&[outcome]).reset();
        }
        Ok(metrics)
    }

    /// A run begins.
    pub fn begin(&self, progress: Arc<Progress>) {
        self.health().run = Some((Instant::now(), progress));
    }

    /// Takes what a run did.
    pub fn record(&self, result: &Result<Outcome, GenerateError>) {
        match result {
            Ok(outcome) => {
                self.runs.with_label_values(&[SUCCESS]).inc();
                self.record_success(outcome);
            }
            Err(_) => {
                self.runs.with_label_values(&[FAILURE]).inc();
            }
        }
        let mut health = self.health();
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
        for kind in Kind::ALL {
            let count = outcome.findings.count(kind);
            self.warnings.with_label_values(&[kind.name()]).set(signed(count));
        }
    }

    /// What is wrong with the runs so far.
    fn problem(&self) -> Option<String> {
        let health = self.health();
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

    fn health(&self) -> MutexGuard<'_, Health> {
        // It is whole between any two statements.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
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

/// So many connections are served at once: a Prometheus has one, a health check another.
const MOST_CONNECTIONS: usize = 32;

/// Serves the metrics in a thread of its own, until the process ends. Gives the address that it listens on.
///
/// # Errors
/// Where the address can't be listened on.
pub fn serve(metrics: Arc<Metrics>, address: SocketAddr, logger: Logger) -> io::Result<SocketAddr> {
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
        actix_web::rt::System::new().block_on(async {
            match listener::serve(Listener::Tcp(listener), serving, app) {
                Ok(server) => server.await,
                Err(error) => Err(error),
            }
        })
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(server)?;
    Ok(bound)
}

async fn metrics_page(metrics: web::Data<Metrics>) -> HttpResponse {
    match metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type(prometheus::TEXT_FORMAT).body(text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn health_page(metrics: web::Data<Metrics>) -> HttpResponse {
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
        let metrics = Metrics::new(None).unwrap();
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(
            text.contains("mirrorlist_generator_runs_total{outcome=\"failure\"} 0"),
            "{text}"
        );
    }
}
