//! What `--metrics-listen` serves:
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | metrics in Prometheus' text format |
//! | `/healthz` | 200 while the last run succeeded or none has ended yet, else 503 and why the last one failed |

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use prometheus::{Encoder as _, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

use super::error::GenerateError;
use super::findings::Kind;
use super::progress::StepKind;
use super::run::Outcome;

/// The metrics of a generator, and how its last run ended.
pub struct Metrics {
    registry: Registry,
    last_success: IntGauge,
    duration: GaugeVec,
    rows: IntGaugeVec,
    warnings: IntGaugeVec,
    bytes: IntGauge,
    runs: IntCounterVec,
    failure: Mutex<Option<String>>,
}

impl Metrics {
    /// Metrics of a generator that has not run.
    ///
    /// # Errors
    /// Where two metrics have the same name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(format!("{PREFIX}_{name}"), help);
        let opts = |name: &str, help: &str| Opts::new(format!("{PREFIX}_{name}"), help);
        let metrics = Self {
            registry: Registry::new(),
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
            failure: Mutex::default(),
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

    /// Takes what a run did.
    pub fn record(&self, result: &Result<Outcome, GenerateError>) {
        match result {
            Ok(outcome) => {
                self.runs.with_label_values(&[SUCCESS]).inc();
                self.record_success(outcome);
                self.set_failure(None);
            }
            Err(error) => {
                self.runs.with_label_values(&[FAILURE]).inc();
                self.set_failure(Some(error.to_string()));
            }
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

    fn set_failure(&self, failure: Option<String>) {
        // An assignment can't be left half done.
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
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

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Serves the metrics in a thread of its own, until the process ends. Gives the address that it listens on.
///
/// # Errors
/// Where the address can't be listened on.
pub fn serve(metrics: Arc<Metrics>, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    let server = move || {
        let app = move || {
            App::new()
                .app_data(web::Data::from(metrics.clone()))
                .route("/metrics", web::get().to(metrics_page))
                .route("/healthz", web::get().to(health_page))
        };
        actix_web::rt::System::new().block_on(async {
            match HttpServer::new(app).workers(1).disable_signals().listen(listener) {
                Ok(server) => server.run().await,
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
    match metrics.failure() {
        None => answer(StatusCode::OK, "ok"),
        Some(failure) => answer(StatusCode::SERVICE_UNAVAILABLE, &failure),
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
        let metrics = Metrics::new().unwrap();
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(
            text.contains("mirrorlist_generator_runs_total{outcome=\"failure\"} 0"),
            "{text}"
        );
    }
}
